"""Autoscaling, on moto, and its requests against AWS' model of the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.validate import ParamValidator

from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.autoscaling import AutoscalingAdmin, ScheduledAction, Target, targets
from torii_dynamodb.admin.options import Autoscaling, Capacity, Scaling, TableOptions
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    RequestRejected,
    Throttled,
    ToriiError,
    ValidationError,
)

OPTIONS = TableOptions(
    billing="provisioned",
    capacity=Capacity(read=5, write=5),
    autoscaling=Autoscaling(
        read=Scaling(minimum=5, maximum=50, target=65, scale_in_cooldown=120, scale_out_cooldown=30),
        write=Scaling(minimum=2, maximum=20),
    ),
)


@pytest.fixture
def admin(on_moto: DynamoDbConfig, moto_client: Client) -> AutoscalingAdmin:
    """Provisioned tables on moto, not scaled."""
    AdminTables(on_moto, moto_client).ensure(OPTIONS)
    return AutoscalingAdmin(on_moto, moto_client)


def scaled(admin: AutoscalingAdmin) -> dict[str, Scaling]:
    return {str(one.target): one.scaling for one in admin.describe() if one.scaling is not None and one.tracked}


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_tables_and_indexes_are_scaled_for_reads_and_writes(admin: AutoscalingAdmin) -> None:
    """Every table and index has two targets, with limits, target and cool-downs as given; twice is once."""
    single = admin.config.layout == "single"
    count = 2 if single else 2 * (5 + 2)
    assert scaled(admin) == {}
    assert len(admin.plan(OPTIONS)) == count
    assert scaled(admin) == {}
    for _ in range(2):
        admin.register(OPTIONS)
        found = scaled(admin)
        assert len(found) == count
        prefix = admin.config.table_prefix
        assert OPTIONS.autoscaling is not None
        reads, writes = ("", "") if single else ("_users/index/email-index", "_login_attempts")
        assert found[f"table/{prefix}{reads} read"] == OPTIONS.autoscaling.read
        assert found[f"table/{prefix}{writes} write"] == OPTIONS.autoscaling.write


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_deregistering_takes_all_away(admin: AutoscalingAdmin) -> None:
    """Targets, policies and scheduled actions are removed; the second time there is nothing to do."""
    admin.register(OPTIONS)
    target = targets(admin.config)[0]
    admin.schedule(target, ScheduledAction(name="morning", schedule="cron(0 8 * * ? *)", minimum=10))
    assert len(admin.deregister(admin.describe())) == len(targets(admin.config))
    assert scaled(admin) == {}
    assert admin.deregister(admin.describe()) == []


def test_scheduled_actions_are_put_shown_replaced_and_removed(admin: AutoscalingAdmin) -> None:
    """A scheduled action is returned as it was given, replaced by one with the same name, and then removed."""
    admin.register(OPTIONS)
    target = targets(admin.config)[2]
    assert target.index == "email-index"
    for minimum in (10, 12):
        action = ScheduledAction(name="morning", schedule="cron(0 8 * * ? *)", minimum=minimum, maximum=90)
        admin.schedule(target, action)
        (state,) = [one for one in admin.describe() if one.actions]
        assert (state.target, state.actions) == (target, (action,))
    assert admin.unschedule(target, "morning") is True
    assert not any(one.actions for one in admin.describe())


def test_removing_what_is_not_there_is_no_error(on_moto: DynamoDbConfig, moto_client: Client) -> None:
    """If AWS returns ObjectNotFoundException (moto does not), removing reports that there was no action."""
    admin = AutoscalingAdmin(on_moto, moto_client, service=Recording("ObjectNotFoundException"))
    assert admin.unschedule(targets(on_moto)[0], "morning") is False


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_a_dry_run_of_a_schedule_changes_nothing(admin: AutoscalingAdmin) -> None:
    """A dry run reports an unscaled target and whether an action would be replaced or removed; it changes nothing."""
    target, action = targets(admin.config)[0], ScheduledAction(name="am", schedule="cron(0 8 * * ? *)", minimum=10)
    with pytest.raises(NotFound, match="autoscaling enable"):
        admin.schedule(target, action, dry_run=True)
    admin.register(OPTIONS)
    assert admin.schedule(target, action, dry_run=True) is False
    assert admin.unschedule(target, "am", dry_run=True) is False
    assert all(not state.actions for state in admin.describe())
    assert admin.schedule(target, action) is False
    assert admin.schedule(target, action, dry_run=True) is True
    assert admin.unschedule(target, "am", dry_run=True) is True
    assert any(state.actions for state in admin.describe())


def test_an_on_demand_table_is_refused(on_moto: DynamoDbConfig, moto_client: Client) -> None:
    """Autoscaling of on-demand tables is refused, with the reason and what to do; nothing is registered."""
    AdminTables(on_moto, moto_client).ensure()
    admin = AutoscalingAdmin(on_moto, moto_client)
    with pytest.raises(ConfigurationError, match=r"on demand: .*_users.*scales on-demand tables by itself"):
        admin.register(OPTIONS)
    with pytest.raises(ConfigurationError, match="tables ensure --billing provisioned"):
        admin.schedule(targets(on_moto)[0], ScheduledAction(name="x", schedule="rate(5 minutes)", minimum=1))
    assert scaled(admin) == {}


def test_wrong_places_are_said(
    on_moto: DynamoDbConfig, moto_client: Client, on_dynoxide: DynamoDbConfig, dynoxide_client: Client
) -> None:
    """A missing table, options without autoscaling, and an endpoint without the service each have their own message."""
    with pytest.raises(ConfigurationError, match="there is no table"):
        AutoscalingAdmin(on_moto, moto_client).register(OPTIONS)
    with pytest.raises(ValidationError, match="they contain no autoscaling"):
        AutoscalingAdmin(on_moto, moto_client).register(TableOptions())
    AdminTables(on_dynoxide, dynoxide_client).ensure(OPTIONS)
    with pytest.raises(ToriiError):
        AutoscalingAdmin(on_dynoxide, dynoxide_client).register(OPTIONS)


class Recording:
    """Replaces boto3's client: checks every request against AWS' model, and answers or refuses."""

    def __init__(self, refuse: str | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse = refuse
        self._model = Session().get_service_model("application-autoscaling")

    def __getattr__(self, name: str) -> Any:
        operation = "".join(part.capitalize() for part in name.split("_"))
        shape = self._model.operation_model(operation).input_shape
        assert shape is not None

        def call(**parameters: Any) -> dict[str, Any]:
            report = ParamValidator().validate(parameters, shape)
            assert not report.has_errors(), report.generate_report()
            self.calls.append((operation, parameters))
            if operation.startswith("Describe") and self.refuse in (None, "ObjectNotFoundException"):
                return self._described(parameters)
            if self.refuse is not None:
                answer = {"Error": {"Code": self.refuse, "Message": "no"}, "ResponseMetadata": {"RequestId": "r-1"}}
                raise ClientError(answer, operation)  # type: ignore[arg-type]
            return {}

        return call

    @staticmethod
    def _described(parameters: dict[str, Any]) -> dict[str, Any]:
        resource = parameters.get("ResourceId") or parameters["ResourceIds"][0]
        of = {"ResourceId": resource, "ScalableDimension": "dynamodb:table:ReadCapacityUnits"}
        names = ("sale", "morning")
        return {"ScalableTargets": [of], "ScheduledActions": [{**of, "ScheduledActionName": name} for name in names]}


def test_every_request_has_the_shape_that_aws_documents(on_moto: DynamoDbConfig, moto_client: Client) -> None:
    """Registration, policy, schedule and removal are valid according to AWS' model of Application Auto Scaling."""
    AdminTables(on_moto, moto_client).ensure(OPTIONS)
    service = Recording()
    admin = AutoscalingAdmin(on_moto, moto_client, service=service)
    admin.register(OPTIONS)
    action = ScheduledAction(
        name="sale", schedule="at(2026-12-01T00:00:00)", maximum=500, start=datetime(2026, 11, 30, tzinfo=UTC)
    )
    target = targets(on_moto)[0]
    admin.schedule(target, action)
    admin.unschedule(target, "sale")
    assert [name for name, _ in service.calls[:2]] == ["RegisterScalableTarget", "PutScalingPolicy"]
    (put,) = (parameters for name, parameters in service.calls if name == "PutScheduledAction")
    assert put["ScalableTargetAction"] == {"MaxCapacity": 500}
    assert service.calls[-1][0] == "DeleteScheduledAction"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", AccessDenied),
        ("ExpiredTokenException", AccessDenied),
        ("ConcurrentUpdateException", Throttled),
        ("ObjectNotFoundException", NotFound),
        ("ValidationException", RequestRejected),
    ],
)
def test_refusals_of_the_service_are_public_errors(
    on_moto: DynamoDbConfig, moto_client: Client, code: str, kind: type[ToriiError]
) -> None:
    """boto3's errors do not escape: each becomes one of the library's, with AWS' request ID."""
    admin = AutoscalingAdmin(on_moto, moto_client, service=Recording(code))
    target = Target(table="users", name="t_users", direction="read")
    with pytest.raises(kind) as caught:
        admin.register_target(target, Scaling())
    assert caught.value.request_id == "r-1"
    assert "table/t_users read" in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "schedule": "rate(5 minutes)", "minimum": 1},
        {"name": "x", "schedule": "every day", "minimum": 1},
        {"name": "x", "schedule": "rate(5 minutes)"},
        {"name": "x", "schedule": "rate(5 minutes)", "minimum": 2, "maximum": 1},
    ],
)
def test_a_scheduled_action_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    """A missing name or limit, an unknown schedule and a minimum above the maximum are refused without a request."""
    with pytest.raises(ValidationError):
        ScheduledAction(**fields)
