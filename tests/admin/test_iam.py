"""The IAM policies: exact for the runtime, compared with the requests to each resource, and enforced by moto."""

from __future__ import annotations

import ast
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.admin.every_operation import steps

import torii_dynamodb.admin
from torii_dynamodb import Credentials, DynamoDbConfig, DynamoDbHandle, DynamoDbStorage
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.iam import ROLES, Role, policy
from torii_dynamodb.admin.streams import Handlers, StreamConsumer, enable_streams
from torii_dynamodb.errors import AccessDenied, ConfigurationError, ValidationError
from torii_dynamodb.local.engines import LocalEngine

PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}

Needs = set[tuple[str, str]]


def needs_of(operation: str, payload: dict[str, Any]) -> Needs:
    """The actions and resources that AWS checks for a request (Service Authorization Reference, DynamoDB)."""
    if operation == "TransactWriteItems":
        parts = [(kind, part) for action in payload["TransactItems"] for kind, part in action.items()]
        return {(f"dynamodb:{PARTS[kind]}", part["TableName"]) for kind, part in parts}
    if "RequestItems" in payload:
        return {(f"dynamodb:{operation}", table) for table in payload["RequestItems"]}
    index = f"/index/{payload['IndexName']}" if "IndexName" in payload else ""
    return {(f"dynamodb:{operation}", payload["TableName"] + index)}


@contextmanager
def recorded(patch: pytest.MonkeyPatch) -> Iterator[Needs]:
    """Everything that clients made in the block need."""
    needs: Needs = set()
    call = Client.call

    def listening(self: Client, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        needs.update(needs_of(operation, payload))
        return call(self, operation, payload)

    with patch.context() as inner:
        inner.setattr(Client, "call", listening)
        yield needs


def granted(document: dict[str, Any]) -> Needs:
    """Each action with each resource on which it is allowed, by table name."""
    return {
        (action, resource.partition(":table/")[2])
        for statement in document["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_every_operation_is_tried() -> None:
    """The sequence contains every operation of the handle except closing, the caller's own transaction, and tenants."""
    public = {
        name for name in dir(DynamoDbHandle) if not name.startswith("_") and callable(getattr(DynamoDbHandle, name))
    }

    class Config:
        def clock(self) -> Any:
            from datetime import UTC, datetime

            return datetime.now(UTC)

    class Anything:
        config = Config()

        def __getattr__(self, name: str) -> Any:
            return None

    tried = {name for name, _ in steps(Anything())}  # type: ignore[arg-type]
    assert public - tried == {"close", "tenant", "transact_write"}
    assert tried <= public


def test_the_runtime_policy_is_exact(dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy allows exactly what all operations together need."""
    config = dynoxide.config(table_prefix=table_prefix, session_cleanup="inline")
    with DynamoDbStorage.open(config):
        pass
    config = dynoxide.config(table_prefix=table_prefix, session_cleanup="inline", create_tables=False)
    with recorded(monkeypatch) as needs, DynamoDbStorage.open(config) as storage:
        for name, operation in steps(storage):
            assert operation is not None, name
            operation()
    assert needs == granted(policy("runtime", config))


def test_the_stream_consumer_policy_is_exact(
    dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role allows exactly what a consumer needs on tables and checkpoints; streams have their own actions."""
    config = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(config) as storage:
        client = Client(config)
        enable_streams(client, config)
        client.close()
        storage.get_or_create_user_by_email("ada@example.com")
    with recorded(monkeypatch) as needs:
        for _ in range(2):
            with StreamConsumer(config, Handlers()) as consumer:
                consumer.poll()
    document = policy("stream-consumer", config)
    on_streams = {(action, resource) for action, resource in granted(document) if "/stream/" in resource}
    assert needs == granted(document) - on_streams
    assert {action for action, _ in on_streams} == {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
    }


class Guarded:
    """A moto that checks signatures and permissions, and a user whose policy can be replaced."""

    def __init__(self, engine: LocalEngine) -> None:
        import boto3

        self.engine = engine
        options = {"region_name": engine.region, "endpoint_url": engine.endpoint_url}
        free: Any = boto3.client("iam", aws_access_key_id="a", aws_secret_access_key="b", **options)  # type: ignore[call-overload]
        self._admin = self._make(free, "admin")
        allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        free.put_user_policy(UserName="admin", PolicyName="p", PolicyDocument=_document([allowed]))
        self.user = self._make(free, "app")
        request = urllib.request.Request(
            f"{engine.endpoint_url}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(request).read()
        self._iam: Any = boto3.client(  # type: ignore[call-overload]
            "iam",
            aws_access_key_id=self._admin.access_key_id,
            aws_secret_access_key=self._admin.secret_access_key,
            **options,
        )

    @staticmethod
    def _make(iam: Any, name: str) -> Credentials:
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])

    def config(self, prefix: str, *, admin: bool = False) -> DynamoDbConfig:
        return self.engine.config(
            table_prefix=prefix,
            credentials=self._admin if admin else self.user,
            create_tables=admin,
            session_cleanup="inline",
            retry_attempts=0,
        )

    def allow(self, actions: set[str]) -> None:
        """Give the user these actions.

        Two shims, both for moto alone: it checks actions, not resources (those are compared above); and it asks for an
        action TransactWriteItems, which AWS does not have.
        """
        statement = {"Effect": "Allow", "Action": sorted({*actions, "dynamodb:TransactWriteItems"}), "Resource": "*"}
        self._iam.put_user_policy(UserName="app", PolicyName="p", PolicyDocument=_document([statement]))


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with LocalEngine("moto", environment={"INITIAL_NO_AUTH_ACTION_COUNT": "1000"}) as engine:
        yield Guarded(engine)


def first_refused(storage: DynamoDbHandle) -> str | None:
    """Run the operations until one is refused for lack of a permission; return its name."""
    for name, operation in steps(storage):
        if name == "health_check":
            continue
        try:
            operation()
        except AccessDenied:
            return name
        except Exception:  # noqa: BLE001 - what an earlier run left behind is in the way of this one
            continue
    return None


def test_the_runtime_policy_is_enough_and_each_action_is_needed(guarded: Guarded, table_prefix: str) -> None:
    """Enforced by moto, signatures included: the policy is enough, and without any one action it is not.

    PutItem, UpdateItem and DeleteItem inside transactions are moto's TransactWriteItems; they are needed outside, too.
    """
    actions = {action for action, _ in granted(policy("runtime", guarded.config(table_prefix)))}
    with DynamoDbStorage.open(guarded.config(table_prefix, admin=True)):
        pass
    guarded.allow(actions)
    with DynamoDbStorage.open(guarded.config(table_prefix)) as storage:
        for _, operation in steps(storage):
            operation()
    for action in sorted(actions):
        guarded.allow(actions - {action})
        with DynamoDbStorage.open(guarded.config(table_prefix)) as storage:
            assert first_refused(storage), f"nothing needs {action}"


def test_a_wrong_secret_is_refused(guarded: Guarded, table_prefix: str) -> None:
    """The proof above rests on moto checking signatures: a wrong secret fails."""
    guarded.allow({"dynamodb:GetItem"})
    wrong = Credentials(access_key_id=guarded.user.access_key_id, secret_access_key="wrong")
    config = guarded.engine.config(table_prefix=table_prefix, credentials=wrong, create_tables=False, retry_attempts=0)
    with DynamoDbStorage.open(config) as storage, pytest.raises(AccessDenied):
        storage.get_user("usr_ada")


def test_every_operation_that_admin_calls_is_in_a_role() -> None:
    """Every control-plane operation in admin is allowed by the roles that use it."""
    import boto3

    known: set[str] = set()
    for service in ("dynamodb", "dynamodbstreams"):
        model: Any = boto3.client(service, region_name="us-east-1").meta.service_model
        known |= set(model.operation_names)
    sources = sorted(Path(torii_dynamodb.admin.__path__[0]).rglob("*.py"))
    used = {
        node.value
        for path in sources
        if path.name != "iam.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known
    }
    config = DynamoDbConfig(region="eu-central-1")
    covered = {
        action.partition(":")[2]
        for role in ROLES
        if role != "runtime"
        for action, _ in granted(policy(role, config, restore_prefix="other"))
    }
    # Asked through the actions of their parts.
    assert used - {"TransactWriteItems", "TransactGetItems"} <= covered


@pytest.mark.parametrize("role", ROLES)
def test_policies_name_their_resources(role: Role) -> None:
    """Every DynamoDB action is allowed only on tables with this prefix, and no action has a wildcard."""
    config = DynamoDbConfig(region="eu-central-1", table_prefix="shop")
    document = policy(role, config, account="123456789012")
    for statement in document["Statement"]:
        assert not any("*" in action for action in statement["Action"])
        if statement["Action"] != ["dynamodb:ListBackups"] and statement["Action"][0].startswith("dynamodb:"):
            assert all(":123456789012:table/shop_" in resource for resource in statement["Resource"]), statement
    assert len(json.dumps(document)) < 6144  # IAM's limit for a managed policy


def test_backup_restores_only_into_the_named_prefix() -> None:
    """Another prefix is allowed only if it is given."""
    config = DynamoDbConfig(region="eu-central-1")
    assert "other_users" not in json.dumps(policy("backup", config))
    assert "table/other_users" in json.dumps(policy("backup", config, restore_prefix="other"))
    for wrong in ("*", "a b", "a/b"):
        with pytest.raises(ConfigurationError, match="users"):
            policy("backup", config, restore_prefix=wrong)


def test_custom_table_names_are_honoured() -> None:
    """Overridden names are in the ARNs."""
    config = DynamoDbConfig(region="eu-central-1", table_names={"users": "people"})
    resources = {resource for _, resource in granted(policy("runtime", config))}
    assert {"people", "people/index/email-index"} <= resources
    assert "torii_users" not in resources


@pytest.mark.parametrize(("field", "value"), [("role", "root"), ("account", "12"), ("partition", "AWS")])
def test_wrong_arguments_are_refused(field: str, value: str) -> None:
    """An invalid role, account or partition is refused by name."""
    arguments: dict[str, Any] = {"role": "runtime", "account": "*", "partition": "aws", field: value}
    role = arguments.pop("role")
    with pytest.raises(ValidationError) as caught:
        policy(role, DynamoDbConfig(region="eu-central-1"), **arguments)
    assert caught.value.field == field
