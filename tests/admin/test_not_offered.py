"""Operations that an endpoint does not offer: emulators and compatible databases leave out different ones.

moto offers everything that is used; a fault proxy in front of it removes operations, in each known form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.fault_proxy import Answer, Fault, FaultProxy, Seen, service_error

from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.storage.handle import DynamoDbStorage
from torii_dynamodb._wire.failures import is_not_offered
from torii_dynamodb.admin.autoscaling import AutoscalingAdmin
from torii_dynamodb.admin.aws import aws_error
from torii_dynamodb.admin.backups import Backups
from torii_dynamodb.admin.control import NotOffered
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.streams.checkpoints import CheckpointStore
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import AccessDenied, ConfigurationError, RequestRejected, Throttled, Unavailable


@dataclass(frozen=True)
class World:
    """Tables on moto, and the same through a proxy that removes operations."""

    proxy: FaultProxy
    config: DynamoDbConfig
    client: Client
    offered: AdminTables

    def without(self, operation: str, fault: Fault) -> AdminTables:
        """The tables from now on, with one operation taken away."""
        self.proxy.inject(fault, operation=operation, times=None)
        return AdminTables(self.config, self.client)


@pytest.fixture
def world(on_moto: DynamoDbConfig, moto_client: Client) -> Iterator[World]:
    """A world without tables."""
    assert on_moto.endpoint_url is not None
    with FaultProxy(on_moto.endpoint_url) as proxy:
        config = replace(on_moto, endpoint_url=proxy.url, retry_attempts=0)
        client = Client(config)
        yield World(proxy, config, client, AdminTables(on_moto, moto_client))
        client.close()


def a_page(status: int) -> Fault:
    """The response of a server that does not know DynamoDB."""

    def reply(_seen: Seen, _answer: Answer | None) -> Answer:
        return Answer(status=status, document={})

    return Fault(name=f"a page ({status})", forward="no", reply=reply)


UNKNOWN = service_error("UnknownOperationException")
FORMS = {
    "AWS, Dynoxide, Alternator": UNKNOWN,
    "AWS with 404": service_error("UnknownOperationException", 404),
    "LocalStack": service_error("InternalFailure", 501, "API for service not yet implemented or pro feature"),
    "query protocol": service_error("InvalidAction"),
    "routed by path": a_page(404),
    "routed by method": a_page(405),
    "bare 501": a_page(501),
}
# What must never be taken for "there is none", and what it is called.
OTHERS: dict[str, tuple[Fault, type[Exception]]] = {
    "not allowed": (service_error("AccessDeniedException"), AccessDenied),
    "refused by a proxy": (a_page(403), AccessDenied),
    "outage": (service_error("InternalServerError", 500), Unavailable),
    "unavailable": (a_page(503), Unavailable),
    "throttled": (service_error("ThrottlingException"), Throttled),
    "invalid": (service_error("ValidationException"), RequestRejected),
}
OBSERVED = {
    "DescribeTimeToLive": "ttl",
    "DescribeContinuousBackups": "point_in_time_recovery",
    "ListTagsOfResource": "tags",
}


@pytest.mark.parametrize("operation", OBSERVED)
@pytest.mark.parametrize("form", FORMS)
def test_looking_goes_on_without_an_operation(world: World, operation: str, form: str) -> None:
    """Whichever read is not offered, in any form, tables are created and accepted; status says what is missing."""
    tables = world.without(operation, FORMS[form])
    tables.ensure()
    assert tables.plan().fits
    for status in tables.status():
        assert status.ok
        assert status.not_offered == (OBSERVED[operation],)
    assert len(tables.delete()) == 5


@pytest.mark.parametrize("operation", OBSERVED)
@pytest.mark.parametrize("other", OTHERS)
def test_a_refusal_or_an_outage_is_not_taken_for_it(world: World, operation: str, other: str) -> None:
    """Missing permissions, failures and throttling are raised as such."""
    world.offered.ensure()
    fault, kind = OTHERS[other]
    tables = world.without(operation, fault)
    for look in (tables.plan, tables.status, tables.ensure):
        with pytest.raises(kind) as raised:
            look()
        assert not isinstance(raised.value, NotOffered)


@pytest.mark.parametrize("form", FORMS)
def test_tables_are_made_where_ttl_cannot_be_switched_on(world: World, form: str) -> None:
    """TTL is not needed: it is left out and reported. An outage is not ignored."""
    done = world.without("UpdateTimeToLive", FORMS[form]).ensure()
    assert {step.operation for step in done.steps} == {"CreateTable"}
    assert {step.operation for step in done.left_out} == {"UpdateTimeToLive"}
    world.proxy.clear()
    with pytest.raises(Unavailable):
        world.without("UpdateTimeToLive", a_page(503)).ensure()


@pytest.mark.parametrize("operation", ["DescribeTimeToLive", "UpdateTimeToLive"])
@pytest.mark.parametrize("form", FORMS)
def test_the_storage_opens_where_there_is_no_ttl(
    world: World, operation: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An application starts, twice, and its log says that expired rows stay."""
    world.proxy.inject(FORMS[form], operation=operation, times=None)
    for _ in range(2):
        with DynamoDbStorage.open(world.config) as storage:
            assert storage.health_check().healthy
    assert "does not offer TTL" in caplog.text
    world.proxy.clear()
    world.proxy.inject(service_error("AccessDeniedException"), operation="DescribeTimeToLive", times=None)
    with pytest.raises(AccessDenied), DynamoDbStorage.open(world.config):
        pass


def test_checkpoints_are_kept_where_there_is_no_ttl(world: World) -> None:
    """A consumer's table is created; a refusal to turn TTL on is still raised."""
    world.proxy.inject(UNKNOWN, operation="UpdateTimeToLive", times=None)
    assert CheckpointStore(world.client, world.config, "mail").ensure_table()
    world.proxy.clear()
    world.proxy.inject(service_error("AccessDeniedException"), operation="UpdateTimeToLive", times=None)
    with pytest.raises(AccessDenied):
        CheckpointStore(world.client, world.config, "mail", table=f"{world.config.table_prefix}_other").ensure_table()


# Without these, what was asked for cannot be done; it is said before anything is changed where that can be known.
DEMANDED: dict[str, tuple[str, Callable[[World, AdminTables], Any], type[Exception]]] = {
    "recovery of new tables": (
        "DescribeContinuousBackups",
        lambda _, tables: tables.ensure(TableOptions(point_in_time_recovery=True)),
        ConfigurationError,
    ),
    "recovery that cannot be switched": (
        "UpdateContinuousBackups",
        lambda _, tables: tables.ensure(TableOptions(point_in_time_recovery=True)),
        NotOffered,
    ),
    "tags": ("ListTagsOfResource", lambda _, tables: _tagged(tables), ConfigurationError),
    "tags that cannot be set": ("TagResource", lambda _, tables: _tagged(tables), NotOffered),
    "the recovery": (
        "DescribeContinuousBackups",
        lambda world, _: _made(world, Backups(world.config, world.client).recovery),
        NotOffered,
    ),
    "backups": (
        "CreateBackup",
        lambda world, _: _made(world, lambda: Backups(world.config, world.client).create("nightly")),
        NotOffered,
    ),
    "listing backups": ("ListBackups", lambda world, _: Backups(world.config, world.client).sets(), NotOffered),
    "updating a table": (
        "UpdateTable",
        lambda world, tables: _made(world, lambda: tables.ensure(TableOptions(deletion_protection=True))),
        NotOffered,
    ),
}


def _tagged(tables: AdminTables) -> None:
    tables.ensure()
    tables.ensure(TableOptions(tags={"team": "identity"}))


def _made(world: World, call: Callable[[], Any]) -> None:
    world.offered.ensure()
    call()


@pytest.mark.parametrize("wanted", DEMANDED)
def test_what_was_asked_for_and_is_not_offered_is_an_error(world: World, wanted: str) -> None:
    """An option or a command that needs the operation fails, and says that the endpoint does not offer it."""
    operation, ask, kind = DEMANDED[wanted]
    with pytest.raises(kind, match="does not offer"):
        ask(world, world.without(operation, UNKNOWN))
    world.proxy.clear()
    with pytest.raises(AccessDenied):
        ask(world, world.without(operation, service_error("AccessDeniedException")))


def test_recovery_that_is_not_offered_stops_before_a_table_is_made(world: World) -> None:
    """Nothing is changed if it is known in advance that an option is not possible."""
    tables = world.without("DescribeContinuousBackups", UNKNOWN)
    with pytest.raises(ConfigurationError, match="leave the option out"):
        tables.ensure(TableOptions(point_in_time_recovery=True))
    assert all(status.status == "MISSING" for status in tables.status())


def _sdk_error(code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "DescribeScalableTargets",
    )


class Scaling:
    """Application Auto Scaling that answers everything with one error."""

    def __init__(self, error: ClientError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(**_: Any) -> Any:
            raise self._error

        return answer


@pytest.mark.parametrize(
    ("code", "status", "message", "offered"),
    [
        ("UnknownOperationException", 400, "", False),
        ("404", 404, "<UnknownOperationException/>\n", False),
        ("404", 404, "Not Found", False),
        ("405", 405, "Method Not Allowed", False),
        ("501", 501, "", False),
        ("InternalFailure", 501, "not yet implemented or pro feature", False),
        ("InvalidAction", 400, "", False),
        ("ObjectNotFoundException", 400, "", True),
        ("ResourceNotFoundException", 404, "", True),
        ("AccessDeniedException", 400, "", True),
        ("UnknownOperationException", 403, "", True),
        ("ThrottlingException", 400, "", True),
        ("500", 500, "", True),
        ("InternalFailure", 500, "", True),
        ("503", 503, "", True),
        ("ValidationException", 400, "", True),
    ],
)
def test_other_services_are_told_apart_too(code: str, status: int, message: str, offered: bool) -> None:
    """boto3's errors in their various forms."""
    made = aws_error("DescribeScalableTargets", _sdk_error(code, status, message))
    assert isinstance(made, NotOffered) is not offered
    if not message.startswith("<"):
        assert is_not_offered(code, status) is not offered


def test_autoscaling_that_is_not_offered_does_not_stop_a_restore(world: World) -> None:
    """A restore of provisioned tables is planned without autoscaling; a refusal is raised."""
    world.offered.ensure(TableOptions(billing="provisioned"))
    Backups(world.config, world.client).create("nightly")

    def restored(error: ClientError) -> list[str]:
        backups = Backups(world.config, world.client, autoscaling=Scaling(error))
        return backups.plan_restore(f"{world.config.table_prefix}2", backup_set="nightly")

    assert restored(_sdk_error("501", 501))
    with pytest.raises(AccessDenied):
        restored(_sdk_error("AccessDeniedException", 400))
    with pytest.raises(NotOffered, match="does not offer"):
        AutoscalingAdmin(world.config, world.client, service=Scaling(_sdk_error("501", 501))).describe()
