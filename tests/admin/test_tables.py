"""Planning, creating, changing and deleting tables, on Dynoxide and moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from torii_dynamodb._core.tables import create_request
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ServiceError
from torii_dynamodb.admin.control import Control
from torii_dynamodb.admin.options import (
    Autoscaling,
    Capacity,
    Scaling,
    TableOptions,
    options_from_mapping,
    with_table,
)
from torii_dynamodb.admin.planning import TableState, plan_table
from torii_dynamodb.admin.streams.checkpoints import CheckpointStore, checkpoint_table_name
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, Unavailable
from torii_dynamodb.schema import SCHEMA

MODEL = Session().get_service_model("dynamodb")


def check_shape(operation: str, payload: dict[str, Any]) -> None:
    """Fail unless the request is valid according to AWS' description of the API."""
    shape = MODEL.operation_model(operation).input_shape
    assert shape is not None
    report = ParamValidator().validate(payload, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.fixture
def tables(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> AdminTables:
    """Tables on Dynoxide, not created yet."""
    return AdminTables(on_dynoxide, dynoxide_client)


@pytest.fixture
def moto_tables(on_moto: DynamoDbConfig, moto_client: Client) -> AdminTables:
    """Tables on moto, not created yet."""
    return AdminTables(on_moto, moto_client)


def summaries(tables: AdminTables, options: TableOptions | None = None) -> list[str]:
    return [step.summary for step in tables.plan(options).steps]


def test_ensure_creates_what_the_plan_says_and_then_nothing(tables: AdminTables) -> None:
    """Planning changes nothing; ensure does what was planned; after it, nothing is left to do."""
    plan = tables.plan()
    assert [step.operation for step in plan.steps if step.effect == "create"] == ["CreateTable"] * 5
    assert all(status.status == "MISSING" and not status.ok for status in tables.status())
    assert tables.ensure() == plan
    assert tables.plan().fits
    assert all(status.ok for status in tables.status())
    assert tables.ensure().steps == ()


def test_every_option_is_brought_about_and_then_fits(tables: AdminTables) -> None:
    """Options on new tables and on existing ones both end with an empty plan."""
    options = TableOptions(
        billing="on_demand",
        deletion_protection=True,
        tags={"team": "identity", "stage": "test"},
        stream="NEW_IMAGE",
    )
    tables.ensure(options)
    assert tables.plan(options).fits
    changed = replace(options, tags={"team": "platform"}, deletion_protection=False)
    assert len(summaries(tables, changed)) == 10
    tables.ensure(changed)
    assert tables.plan(changed).fits
    assert tables.status()[0].tags == {"team": "platform", "stage": "test"}


def test_an_option_left_out_is_left_alone(tables: AdminTables) -> None:
    """Without options, an existing table fits, however it is billed or protected."""
    tables.ensure(TableOptions(billing="provisioned", deletion_protection=True, tags={"a": "b"}))
    assert tables.plan().fits
    assert tables.status()[0].billing == "provisioned"
    tables.ensure(TableOptions(deletion_protection=False))


def test_billing_is_switched_both_ways(moto_tables: AdminTables) -> None:
    """On demand to provisioned (the indexes with it), other units, and back. Dynoxide leaves an index' units at 0."""
    tables = moto_tables
    tables.ensure()
    provisioned = TableOptions(
        billing="provisioned",
        capacity=Capacity(read=3, write=4),
        index_capacity={"email-index": Capacity(read=1, write=2)},
    )
    assert any("switch from on demand to provisioned" in one for one in summaries(tables, provisioned))
    tables.ensure(provisioned)
    assert tables.plan(provisioned).fits
    more = replace(provisioned, capacity=Capacity(read=6, write=4))
    assert [one.operation for one in tables.plan(more).steps] == ["UpdateTable"] * 5
    tables.ensure(more)
    assert tables.plan(more).fits
    back = TableOptions(billing="on_demand")
    assert any("switch from provisioned to on demand" in one for one in summaries(tables, back))
    tables.ensure(back)
    assert tables.plan(back).fits


def test_autoscaling_owns_the_units(tables: AdminTables) -> None:
    """A plan leaves the capacity that autoscaling has set."""
    options = TableOptions(
        billing="provisioned",
        capacity=Capacity(read=5, write=5),
        autoscaling=Autoscaling(read=Scaling(), write=Scaling()),
    )
    tables.ensure(options)
    tables.ensure(TableOptions(billing="provisioned", capacity=Capacity(read=9, write=9)))
    assert tables.plan(options).fits


def test_a_missing_index_is_added_online(
    tables: AdminTables, dynoxide_client: Client, on_dynoxide: DynamoDbConfig
) -> None:
    """A missing index is added while the table is in use, and existing items are found by it."""
    name = on_dynoxide.table_name("users")
    bare = create_request(replace(SCHEMA["users"], indexes=()), name)
    dynoxide_client.call("CreateTable", bare)
    dynoxide_client.call(
        "PutItem", {"TableName": name, "Item": {"id": {"S": "usr_1"}, "email": {"S": "ada@example.com"}}}
    )
    assert any("add index email-index online" in one for one in summaries(tables))
    tables.ensure()
    found = dynoxide_client.call(
        "Query",
        {
            "TableName": name,
            "IndexName": "email-index",
            "KeyConditionExpression": "email = :e",
            "ExpressionAttributeValues": {":e": {"S": "ada@example.com"}},
        },
    )
    assert found["Count"] == 1
    assert tables.plan().fits


def test_what_cannot_be_changed_in_place_is_said_and_nothing_is_done(
    tables: AdminTables, dynoxide_client: Client, on_dynoxide: DynamoDbConfig
) -> None:
    """A wrong key and a wrong TTL attribute stop everything, with a remedy for each."""
    users, sessions = on_dynoxide.table_name("users"), on_dynoxide.table_name("sessions")
    wrong = json.loads(json.dumps(create_request(SCHEMA["identities"], users)).replace('"id"', '"pk"'))
    dynoxide_client.call("CreateTable", wrong)
    dynoxide_client.call("CreateTable", create_request(SCHEMA["sessions"], sessions))
    dynoxide_client.call(
        "UpdateTimeToLive",
        {"TableName": sessions, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"}},
    )
    with pytest.raises(ConfigurationError) as caught:
        tables.ensure()
    assert "key found: pk (S); expected: id (S)" in str(caught.value)
    assert "export, create the tables under another prefix, import there" in str(caught.value)
    assert "TTL attribute found: ttl; expected: expires_at" in str(caught.value)
    assert dynoxide_client.call("ListTables", {})["TableNames"].count(on_dynoxide.table_name("tokens")) == 0
    assert "to do" not in " ".join(tables.status()[0].problems)


def test_a_protected_table_stops_the_deletion_of_all(tables: AdminTables, on_dynoxide: DynamoDbConfig) -> None:
    """Deletion protection on one table keeps all five; without it, all are deleted; missing tables are not an error."""
    options = with_table(TableOptions(), "sessions", deletion_protection=True)
    tables.ensure(options)
    with pytest.raises(ConfigurationError, match=r"deletion protection is on: .*_sessions; nothing was deleted"):
        tables.delete()
    assert all(status.ok for status in tables.status())
    tables.ensure(TableOptions(deletion_protection=False))
    assert tables.delete() == [on_dynoxide.table_name(table) for table in TABLES]
    assert tables.delete() == []


def test_recovery_and_table_class_and_warm_throughput_on_moto(moto_tables: AdminTables) -> None:
    """Point-in-time recovery with its days is turned on at creation and later."""
    options = TableOptions(point_in_time_recovery=True, recovery_days=14, warm=Capacity(read=12000, write=4000))
    moto_tables.ensure(options)
    assert moto_tables.plan(options).fits
    assert all(status.point_in_time_recovery for status in moto_tables.status())
    moto_tables.ensure(TableOptions(point_in_time_recovery=False))
    assert not any(status.point_in_time_recovery for status in moto_tables.status())


def test_an_interrupted_ensure_is_completed(
    tables: AdminTables, on_dynoxide: DynamoDbConfig, dynoxide_client: Client
) -> None:
    """After an interruption between any two steps, a second run ends with the same tables."""
    steps = tables.plan().steps
    for index in range(0, len(steps), 3):
        tables.apply(replace(tables.plan(), steps=tables.plan().steps[:1]), settled=set())
        assert len(tables.plan().steps) == len(steps) - 1 - index // 3
    tables.ensure()
    assert tables.plan().fits


def everything() -> Iterator[tuple[str, TableOptions]]:
    yield "defaults", TableOptions()
    yield (
        "on demand",
        TableOptions(
            billing="on_demand",
            max_on_demand=Capacity(read=100, write=-1),
            warm=Capacity(read=13000, write=5000),
            kms_key="arn:aws:kms:eu-central-1:111122223333:key/1234abcd",
            deletion_protection=True,
            point_in_time_recovery=True,
            recovery_days=7,
            table_class="STANDARD_INFREQUENT_ACCESS",
            tags={"a": "b"},
            stream="KEYS_ONLY",
        ),
    )
    yield "provisioned", TableOptions(billing="provisioned", capacity=Capacity(read=1, write=2), kms_key="aws_managed")


DESCRIBED = {
    # As the API Reference shows TableDescription, with what our tables have.
    "TableArn": "arn:aws:dynamodb:eu-central-1:111122223333:table/t_users",
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "email", "AttributeType": "S"},
    ],
    "BillingModeSummary": {"BillingMode": "PROVISIONED"},
    "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 6000, "Status": "ACTIVE"},
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "email-index",
            "IndexStatus": "ACTIVE",
            "KeySchema": [{"AttributeName": "email", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
            "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
            "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 6000, "Status": "ACTIVE"},
        }
    ],
}


@pytest.mark.parametrize(("name", "options"), list(everything()))
@pytest.mark.parametrize("there", [False, True])
def test_every_request_has_the_shape_that_aws_documents(name: str, options: TableOptions, there: bool) -> None:
    """Each planned request, for a new and an existing table, is valid according to AWS' model of the API."""
    state = TableState(table="users", name="t_users", description=DESCRIBED if there else None)
    for step in plan_table(state, SCHEMA["users"], options).steps:
        check_shape(step.operation, step.payload)
        if step.operation == "UpdateTable":
            # DynamoDB takes one kind of change a request.
            assert len(set(step.payload) - {"TableName", "GlobalSecondaryIndexUpdates", "AttributeDefinitions"}) <= 2


def test_the_figures_of_an_existing_table_are_compared() -> None:
    """Warm throughput is only raised, and an on-demand maximum waits for the switch to on demand."""

    def steps(options: TableOptions, **changes: Any) -> list[dict[str, Any]]:
        state = TableState(table="users", name="t_users", description={**DESCRIBED, **changes})
        return [step.payload for step in plan_table(state, SCHEMA["users"], options).steps]

    assert steps(TableOptions(warm=Capacity(read=1000, write=6000))) == []
    (raised,) = steps(TableOptions(warm=Capacity(read=1000, write=8000)))
    assert raised["WarmThroughput"] == {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 8000}
    assert steps(TableOptions(max_on_demand=Capacity(read=1, write=1))) == []
    on_demand = {"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}}
    (limited,) = steps(TableOptions(max_on_demand=Capacity(read=9, write=-1)), **on_demand)
    assert limited["OnDemandThroughput"] == {"MaxReadRequestUnits": 9, "MaxWriteRequestUnits": -1}
    assert steps(TableOptions(max_on_demand=Capacity(read=-1, write=-1)), **on_demand) == []


@pytest.mark.parametrize(
    ("key", "found", "fits"),
    [
        ("aws_owned", None, True),
        ("aws_owned", "arn:aws:kms:r:1:key/k", False),
        ("aws_managed", None, False),
        ("aws_managed", "arn:aws:kms:r:1:key/k", True),
        ("arn:aws:kms:r:1:key/k", "arn:aws:kms:r:1:key/k", True),
        ("k", "arn:aws:kms:r:1:key/k", True),
        ("other", "arn:aws:kms:r:1:key/k", False),
    ],
)
def test_encryption_keys_are_compared(key: str, found: str | None, fits: bool) -> None:
    """AWS' own key, AWS' key in the account, and the account's own key by ARN or ID."""
    described = dict(DESCRIBED)
    if found is not None:
        described["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": found}
    state = TableState(table="users", name="t_users", description=described)
    assert (plan_table(state, SCHEMA["users"], TableOptions(kms_key=key)).steps == ()) is fits


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"biling": "on_demand"}, "no such option: biling"),
        ({"billing": "free"}, "give one of on_demand, provisioned"),
        ({"billing": "on_demand", "capacity": {"read": 1, "write": 1}}, "an on-demand table has none"),
        ({"billing": "provisioned", "max_on_demand": {"read": 1, "write": 1}}, "a provisioned table has none"),
        ({"capacity": {"read": 0, "write": 1}}, "read capacity: 0"),
        ({"capacity": {"read": 1}}, "write"),
        ({"capacity": 5}, "give a table of values"),
        ({"index_capacity": {"mail-index": {"read": 1, "write": 1}}}, "no such index: mail-index"),
        ({"recovery_days": 7}, "only with point_in_time_recovery"),
        ({"point_in_time_recovery": True, "recovery_days": 36}, "1 to 35"),
        ({"tags": {"aws:x": "y"}}, "not begin with aws:"),
        ({"tags": {"a": ["b"]}}, "tag 'a'"),
        ({"kms_key": "a b"}, "kms_key"),
        ({"deletion_protection": "no"}, "deletion_protection: 'no': give true or false"),
        ({"point_in_time_recovery": "false"}, "give true or false"),
        ({"autoscaling": {"indexes": "no"}}, "give true or false"),
        ({"autoscaling": {"read": {"minimum": 5, "maximum": 2}}}, "the minimum not above the maximum"),
        ({"autoscaling": {"read": {"target": 95}}}, "20 to 90"),
        ({"per_table": {"user": {}}}, "no such table: user"),
        ({"per_table": {"users": {"per_table": {"users": {}}}}}, "cannot have per_table"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, Any], told: str) -> None:
    """Each wrong option is refused when it is given, and the message names it."""
    with pytest.raises(ConfigurationError, match=told):
        options_from_mapping(given)


@pytest.mark.parametrize(("name", "options"), list(everything()))
def test_options_survive_plain_values(name: str, options: TableOptions) -> None:
    """Options survive being written to a file and read back."""
    scaled = with_table(
        options, "tokens", billing="provisioned", max_on_demand=None, autoscaling=Autoscaling(read=None)
    )
    assert options_from_mapping(json.loads(json.dumps(options.to_mapping()))) == options
    assert options_from_mapping(json.loads(json.dumps(scaled.to_mapping()))) == scaled


def test_a_busy_control_plane_is_waited_for(on_dynoxide: DynamoDbConfig) -> None:
    """DynamoDB takes few table changes at once: refused ones are sent again, with growing pauses, until they pass."""
    pauses: list[float] = []

    class Busy(Client):
        refused = 0

        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            if operation == "CreateTable" and self.refused < 4:
                self.refused += 1
                raise ServiceError("LimitExceededException", "too many operations", 400, None)
            return super().call(operation, payload)

    busy = Busy(on_dynoxide)
    AdminTables(on_dynoxide, busy, control=Control(busy, pause=pauses.append)).ensure()
    busy.close()
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]


def test_waiting_ends(on_dynoxide: DynamoDbConfig) -> None:
    """A wait without success ends after the patience, with the advice to try again."""
    client = Client(on_dynoxide)
    control = Control(client, patience=0.0, pause=lambda _: None)
    with pytest.raises(Unavailable, match="to be active; run it again later"):
        control.wait_for_table("never")
    client.close()


class Going(Client):
    """An endpoint where a table is being deleted: its name stays taken for some looks, and then it is gone."""

    def __init__(self, config: DynamoDbConfig, name: str, looks: int = 3) -> None:
        super().__init__(config)
        self.name, self.left = name, looks

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if payload.get("TableName") != self.name or self.left <= 0:
            return super().call(operation, payload)
        if operation == "CreateTable":
            raise ServiceError("ResourceInUseException", "Table is being deleted", 400, None)
        assert operation == "DescribeTable", f"{operation} of a table that is being deleted"
        self.left -= 1
        return {"Table": {"TableName": self.name, "TableStatus": "DELETING", "KeySchema": []}}


@pytest.fixture
def going(on_dynoxide: DynamoDbConfig) -> Iterator[Going]:
    """The sessions table is being deleted."""
    client = Going(on_dynoxide, on_dynoxide.table_name("sessions"))
    yield client
    client.close()


def test_a_table_that_is_being_deleted_is_created_anew(on_dynoxide: DynamoDbConfig, going: Going) -> None:
    """A table that is being deleted is waited for until it is gone, not until it is active."""
    control = Control(going, pause=lambda _: None)
    tables = AdminTables(on_dynoxide, going, control=control)
    plan = tables.plan()
    assert len([step for step in plan.steps if step.effect == "create"]) == 5
    assert any("being deleted is gone" in step.summary for step in plan.steps)
    going.left = 3
    status = next(one for one in tables.status() if one.table == "sessions")
    assert (status.status, status.ok) == ("DELETING", False)
    assert status.problems == (
        f"table {status.name} is being deleted; create it again with: torii-dynamodb tables ensure",
    )
    going.left = 3
    tables.ensure()
    assert tables.plan().fits


def test_nobody_waits_for_a_table_that_is_being_deleted(on_dynoxide: DynamoDbConfig, going: Going) -> None:
    """Where the table itself is needed, its deletion is an immediate error."""
    with pytest.raises(ConfigurationError, match="is being deleted; run this again"):
        Control(going, pause=lambda _: None).wait_for_table(going.name)


def test_the_checkpoints_are_made_anew_and_deleted_with_the_tables(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, tables: AdminTables
) -> None:
    """A consumer's table that is being deleted is waited for; deleting the tables includes it, as announced."""
    name = checkpoint_table_name(on_dynoxide)
    client = Going(on_dynoxide, name)
    assert CheckpointStore(client, on_dynoxide, "mail").ensure_table()
    client.close()
    tables.ensure()
    assert tables.to_delete() == [*(on_dynoxide.table_name(table) for table in TABLES), name]
    assert tables.delete() == [*(on_dynoxide.table_name(table) for table in TABLES), name]
    assert tables.to_delete() == []
    # Another's table under that name is left alone.
    dynoxide_client.call(
        "CreateTable",
        {
            "TableName": name,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )
    assert tables.delete() == []
    assert dynoxide_client.call("DescribeTable", {"TableName": name})
