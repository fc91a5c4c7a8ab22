# Generated from tests/integration/storage/_async/test_tables.py by tools/unasync.py. Do not edit.

"""Opening a storage creates and verifies the tables, or leaves them alone if configured to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.fault_proxy import Answer, Fault, FaultProxy, Seen

from torii_dynamodb import CallRecord, Credentials, DynamoDbConfig, NewSession, NewUser
from torii_dynamodb._core.tables import create_request
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._sync.storage.handle import DynamoDbStorage
from torii_dynamodb._sync.tables import Tables
from torii_dynamodb.config import TABLES, TableName
from torii_dynamodb.errors import AlreadyExists, ConfigurationError, TransactionFailed, Unavailable, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.schema import SCHEMA

HOUR = timedelta(hours=1)


def test_missing_tables_are_created_as_the_rfc_has_them(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Keys, indexes, TTL and billing of the users and sessions tables are those of RFC 0008."""
    config = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(config) as storage:
        tables = Tables(storage._clients[0], config)
        users, sessions = tables.describe("users"), tables.describe("sessions")
        assert users is not None
        assert sessions is not None
        assert users["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
        assert [index["IndexName"] for index in users["GlobalSecondaryIndexes"]] == ["email-index"]
        (index,) = sessions["GlobalSecondaryIndexes"]
        assert index["IndexName"] == "user-sessions-index"
        assert index["KeySchema"] == [
            {"AttributeName": "user_id", "KeyType": "HASH"},
            {"AttributeName": "expires_at", "KeyType": "RANGE"},
        ]
        assert index["Projection"]["ProjectionType"] == "ALL"
        assert users["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        for table in ("sessions", "tokens", "login_attempts"):
            described = tables.time_to_live(table)
            assert described is not None
            assert described["AttributeName"] == "expires_at"


@pytest.mark.parametrize("table", ["users", "identities", "sessions"])
def test_wrong_keys_are_told_by_the_first_use(dynoxide: LocalEngine, table_prefix: str, table: TableName) -> None:
    """Without ``create_tables`` nothing is verified; the first error names the table, its key and the expected key."""
    made = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(made) as storage:
        user = storage.create_user(NewUser(email="a@example.com"))
    client = Client(made)
    name = made.table_name(table)
    client.call("DeleteTable", {"TableName": name})
    body = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "N"}],
    }
    client.call("CreateTable", body)
    client.close()
    told = f"table {name}: key found: pk \\(N\\); expected: id \\(S\\).*table_prefix"
    with DynamoDbStorage.open(replace(made, create_tables=False)) as storage:
        if table == "sessions":
            with pytest.raises(ConfigurationError, match=told):
                storage.create_session(NewSession(user_id=user.id, expires_at=storage.config.clock() + HOUR))
            with pytest.raises(ConfigurationError, match="index found: none; expected: user-sessions-index on user_id"):
                storage.list_sessions_for_user(user.id)
        else:
            with pytest.raises(ConfigurationError, match=told):
                storage.create_user(NewUser(email="b@example.com"))
            with pytest.raises(ConfigurationError, match=told):
                storage.get_user_by_email("a@example.com")
        health = storage.health_check()
        assert f"table {name}: key found" in health.tables[table]


def test_many_may_initialise_at_once(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Ten programs that start together on an empty account all succeed."""
    config = dynoxide.config(table_prefix=table_prefix)

    def start() -> bool:
        handle = DynamoDbStorage().initialize(config)
        healthy = (handle.health_check()).healthy
        handle.close()
        return healthy

    assert all(gather(*([start] * 10)))


@pytest.mark.parametrize("fault", ["key", "index", "index key", "projection", "ttl"])
def test_a_table_of_another_shape_is_refused(dynoxide: LocalEngine, table_prefix: str, fault: str) -> None:
    """The refusal names the table, what was found and what was expected; nothing is changed."""
    config = dynoxide.config(table_prefix=table_prefix)
    client = Client(config)
    name = config.table_name("sessions")
    body: dict[str, Any] = create_request(SCHEMA["sessions"], name)
    match fault:
        case "key":
            body["KeySchema"] = [{"AttributeName": "user_id", "KeyType": "HASH"}]
            body["AttributeDefinitions"] = [a for a in body["AttributeDefinitions"] if a["AttributeName"] != "id"]
        case "index":
            del body["GlobalSecondaryIndexes"]
            body["AttributeDefinitions"] = body["AttributeDefinitions"][:1]
        case "index key":
            body["GlobalSecondaryIndexes"][0]["KeySchema"].pop()
            body["AttributeDefinitions"] = [
                a for a in body["AttributeDefinitions"] if a["AttributeName"] != "expires_at"
            ]
        case "projection":
            body["GlobalSecondaryIndexes"][0]["Projection"] = {"ProjectionType": "KEYS_ONLY"}
        case _:
            pass
    client.call("CreateTable", body)
    if fault == "ttl":
        specification = {"Enabled": True, "AttributeName": "dies_at"}
        client.call("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": specification})
    before = client.call("DescribeTable", {"TableName": name})
    with pytest.raises(ConfigurationError) as refused:
        DynamoDbStorage().initialize(config)
    assert name in str(refused.value)
    assert "found: " in str(refused.value)
    assert "expected: " in str(refused.value)
    assert client.call("DescribeTable", {"TableName": name}) == before
    client.close()


@pytest.mark.parametrize("taken", [False, True], ids=["found so", "while it is created"])
def test_a_table_that_is_being_deleted_is_created_anew(dynoxide: LocalEngine, table_prefix: str, taken: bool) -> None:
    """Its name is waited for until it is free, even if the deletion began after the first look (injected)."""
    config = dynoxide.config(table_prefix=table_prefix)
    name = config.table_name("users")
    looks: list[str] = []

    def going(seen: Seen, answer: Answer | None) -> Answer | None:
        looks.append(seen.operation)
        # If the first look finds nothing, CreateTable runs into the deletion.
        if len(looks) > 4 or (taken and len(looks) == 1):
            return None
        if seen.operation == "CreateTable":
            return Answer(status=400, document={"__type": "ResourceInUseException", "message": "being deleted"})
        return Answer(status=200, document={"Table": {"TableName": name, "TableStatus": "DELETING"}})

    with FaultProxy(dynoxide.endpoint_url) as proxy:
        fault = Fault(name="being deleted", reply=going, forward="no")
        proxy.inject(fault, operation={"DescribeTable", "CreateTable"}, table=name, times=4)
        with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix, endpoint_url=proxy.url)) as storage:
            assert (storage.create_user(NewUser(email="ada@example.com"))).id
        created = [seen for seen in proxy.seen if seen.operation == "CreateTable" and name in seen.tables]
        assert len(created) == 1 + taken


def test_names_of_your_own_are_honoured_everywhere(dynoxide: LocalEngine, table_prefix: str) -> None:
    """With every table renamed, no request names any other table."""
    seen: set[str] = set()

    def note(record: CallRecord) -> None:
        seen.update(record.tables)

    names = {table: f"{table_prefix}.mine.{number}" for number, table in enumerate(TABLES)}
    config = dynoxide.config(table_names=names, on_call=note)
    with DynamoDbStorage.open(config) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        storage.acquire_login_attempt("ada@example.com")
        storage.get_pkce_verifier("s" * 32)
        storage.delete_user(user.id)
    assert seen == set(names.values())


def test_without_tables_the_error_says_what_to_do(dynoxide: LocalEngine, table_prefix: str) -> None:
    """With create_tables=False and no tables, the first operation's error names the command that creates them."""
    config = dynoxide.config(table_prefix=table_prefix, create_tables=False)
    with DynamoDbStorage.open(config) as storage:
        with pytest.raises(ConfigurationError, match="tables ensure"):
            storage.get_user("usr_1")
        health = storage.health_check()
        assert not health.healthy
        assert all(told.startswith("configuration_error") for told in health.tables.values())


def test_an_unreachable_endpoint_is_unavailable_and_unhealthy() -> None:
    """If nothing listens at the endpoint, operations raise Unavailable and the health check reports it."""
    config = DynamoDbConfig(
        region="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        create_tables=False,
        retry_attempts=0,
        credentials=Credentials(access_key_id="a", secret_access_key="b"),
    )
    with DynamoDbStorage.open(config) as storage:
        with pytest.raises(Unavailable):
            storage.get_user("usr_1")
        assert not (storage.health_check()).healthy


def test_the_plugin_opens_checks_cleans_and_closes(dynoxide: LocalEngine, table_prefix: str) -> None:
    """RFC 0002's StoragePlugin works: initialize, health_check, cleanup, close; using it unopened is a clear error."""
    plugin = DynamoDbStorage()
    with pytest.raises(ConfigurationError, match="initialize"):
        plugin.health_check()
    handle = plugin.initialize(dynoxide.config(table_prefix=table_prefix))
    assert (plugin.health_check()).healthy
    assert plugin.cleanup() == 0
    plugin.close()
    with pytest.raises(Unavailable):
        handle.get_user("usr_1")


def test_your_own_items_join_the_write(dynoxide: LocalEngine, table_prefix: str) -> None:
    """transact_write writes a user and an item in the caller's own table together, or not at all."""
    config = dynoxide.config(table_prefix=table_prefix)
    mine = f"{table_prefix}_profiles"
    with DynamoDbStorage.open(config) as storage:
        storage._client.call(
            "CreateTable",
            {
                "TableName": mine,
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "owner", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )

        def sign_up(email: str, plan: str) -> Any:
            def build(tx: Any) -> None:
                user = tx.create_user(NewUser(email=email))
                tx.put(mine, {"owner": user.id, "plan": plan, "seats": 3}, condition="attribute_not_exists(#owner)")

            return build

        storage.transact_write(sign_up("ada@example.com", "team"))
        user = storage.get_user_by_email("ada@example.com")
        assert user is not None
        item = storage._get(mine, {"owner": {"S": user.id}}, consistent=True)
        assert item == {"owner": {"S": user.id}, "plan": {"S": "team"}, "seats": {"N": "3"}}

        with pytest.raises(TransactionFailed) as refused:
            storage.transact_write(sign_up("Ada@example.com", "solo"))
        assert refused.value.reasons == ("None", "ConditionalCheckFailed", "None")
        assert len((storage._client.call("Scan", {"TableName": mine}))["Items"]) == 1

        def change(tx: Any) -> None:
            tx.update(
                mine,
                {"owner": user.id},
                "SET #seats = :seats",
                condition="attribute_exists(#owner)",
                values={"seats": 4},
            )
            tx.check(config.table_name("users"), {"id": user.id}, condition="attribute_exists(#id)")

        storage.transact_write(change)
        storage.transact_write(lambda tx: tx.delete(mine, {"owner": user.id}))
        assert storage._get(mine, {"owner": {"S": user.id}}, consistent=True) is None


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda tx: None, "nothing"),
        (lambda tx: [tx.delete("mine", {"id": "1"}) for _ in range(2)], "twice"),
        (lambda tx: [tx.delete("mine", {"id": str(number)}) for number in range(101)], "at most 100"),
        (lambda tx: tx.put("mine", {"price": 1.5}), "float"),
        (lambda tx: tx.put("mine", {}), "mapping"),
    ],
    ids=["empty", "twice", "too many", "float", "no item"],
)
def test_a_transaction_that_cannot_be_is_refused(
    dynoxide: LocalEngine, table_prefix: str, build: Any, says: str
) -> None:
    """An invalid transaction is refused, with the reason, before anything is sent."""
    config = dynoxide.config(table_prefix=table_prefix, create_tables=False)
    with DynamoDbStorage.open(config) as storage:
        with pytest.raises(ValidationError, match=says):
            storage.transact_write(build)


def test_no_error_tells_the_hash(dynoxide: LocalEngine, table_prefix: str) -> None:
    """DynamoDB returns the stored item with a failed condition; no error in the chain contains its password hash."""
    secret = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dGhlLXN0b3JlZC1oYXNo"
    config = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(config) as storage:
        storage.create_user(NewUser(email="ada@example.com"), password_hash=secret)
        with pytest.raises(AlreadyExists) as refused:
            storage.create_user(NewUser(email="ada@example.com"), password_hash=secret)
    error: BaseException | None = refused.value
    links = 0
    while error is not None:
        links += 1
        assert secret not in f"{error!r} {error} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert links > 1
