"""Policies that limit a role to keys: a single table's items of ours, and one tenant's.

moto does not evaluate ``dynamodb:LeadingKeys``, so the policy is enforced here, request by request, as AWS documents it
(Developer Guide, "Using IAM policy conditions for fine-grained access control").
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fnmatch import fnmatchcase
from typing import Any

import pytest
from tests.admin.every_operation import steps
from tests.admin.test_iam import PARTS

from torii_dynamodb import DynamoDbStorage
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.iam import policy
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import AccessDenied, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.schema import schema_of

PARTITION_KEYS = {"email-index": "email", "user-sessions-index": "user_id"}


class Enforced:
    """Refuses requests that a policy does not allow."""

    def __init__(self, config: DynamoDbConfig, document: dict[str, Any]) -> None:
        self.document = document
        self.used: set[str] = set()
        names = {config.table_name(table): schema.hash_key.name for table, schema in schema_of(config).items()}
        self._hash_keys = names

    def check(self, operation: str, payload: dict[str, Any]) -> None:
        """Raise AccessDenied unless every part of a request is allowed."""
        for action, resource, leading in self._parts(operation, payload):
            if not any(self._allows(statement, action, resource, leading) for statement in self.document["Statement"]):
                raise AccessDenied(f"{action} on {resource} with {leading}")
            self.used.add(action)

    def _parts(self, operation: str, payload: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
        if operation == "TransactWriteItems":
            for action in payload["TransactItems"]:
                ((kind, body),) = action.items()
                yield PARTS[kind], body["TableName"], self._leading(body["TableName"], body)
        elif operation == "BatchGetItem":
            for table, request in payload["RequestItems"].items():
                yield operation, table, [self._key(table, key) for key in request["Keys"]]
        elif operation == "BatchWriteItem":
            for table, requests in payload["RequestItems"].items():
                bodies = [body for request in requests for body in request.values()]
                yield operation, table, [leading for body in bodies for leading in self._leading(table, body)]
        else:
            table = payload["TableName"]
            index = f"/index/{payload['IndexName']}" if "IndexName" in payload else ""
            yield operation, table + index, self._leading(table, payload)

    def _leading(self, table: str, body: dict[str, Any]) -> list[str]:
        if "KeyConditionExpression" in body:
            alias, _, value = body["KeyConditionExpression"].split(" AND ")[0].partition(" = ")
            wanted = PARTITION_KEYS.get(body.get("IndexName", ""), self._hash_keys[table])
            assert body["ExpressionAttributeNames"][alias] == wanted
            return [body["ExpressionAttributeValues"][value]["S"]]
        item = body.get("Key") or body.get("Item")
        return [] if item is None else [self._key(table, item)]

    def _key(self, table: str, item: dict[str, Any]) -> str:
        key: str = item[self._hash_keys[table]]["S"]
        return key

    def _allows(self, statement: dict[str, Any], action: str, resource: str, leading: list[str]) -> bool:
        if f"dynamodb:{action}" not in statement["Action"]:
            return False
        if not any(arn.endswith(f":table/{resource}") for arn in statement["Resource"]):
            return False
        if "Condition" not in statement:
            return True
        assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}
        patterns = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        return bool(leading) and all(any(fnmatchcase(key, pattern) for pattern in patterns) for key in leading)


@contextmanager
def enforced(patch: pytest.MonkeyPatch, config: DynamoDbConfig, document: dict[str, Any]) -> Iterator[Enforced]:
    """Refuse what a policy does not allow, in the block."""
    guard, call = Enforced(config, document), Client.call

    def guarded(self: Client, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        guard.check(operation, payload)
        return call(self, operation, payload)

    with patch.context() as inner:
        inner.setattr(Client, "call", guarded)
        yield guard


@pytest.fixture(params=["tables", "single"])
def config(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> DynamoDbConfig:
    """A configuration of each layout, whose tables exist."""
    options: dict[str, Any] = {"table_prefix": table_prefix, "session_cleanup": "inline", "layout": request.param}
    with DynamoDbStorage.open(dynoxide.config(**options)):
        return dynoxide.config(**options, create_tables=False)


def test_a_tenant_can_do_everything_with_its_own_items(config: DynamoDbConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy for a tenant allows every operation of that tenant except listing users, and no action in vain."""
    document = policy("runtime", config, tenant="acme")
    with enforced(monkeypatch, config, document) as guard, DynamoDbStorage.open(config) as storage:
        for name, operation in steps(storage.tenant("acme")):
            if name == "list_users":
                with pytest.raises(AccessDenied):
                    operation()
            else:
                operation()
    granted = {action.partition(":")[2] for statement in document["Statement"] for action in statement["Action"]}
    assert guard.used == granted


@pytest.mark.parametrize("other", ["acm", "acme2", "other", None])
def test_a_tenants_policy_allows_nothing_else(
    config: DynamoDbConfig, monkeypatch: pytest.MonkeyPatch, other: str | None
) -> None:
    """A tenant's policy refuses every request of every operation of another tenant, and of those without one."""
    guard, call = Enforced(config, policy("runtime", config, tenant="acme")), Client.call
    judged: list[str] = []

    def judging(self: Client, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        with pytest.raises(AccessDenied):
            guard.check(operation, payload)
        judged.append(operation)
        return call(self, operation, payload)

    monkeypatch.setattr(Client, "call", judging)
    with DynamoDbStorage.open(config) as storage:
        for _, operation in steps(storage if other is None else storage.tenant(other)):
            operation()
    assert len(judged) > 50


def test_a_single_tables_policy_keeps_off_the_applications_items(
    dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shared table the runtime needs no other keys than its own, and only listing users scans."""
    config = dynoxide.config(table_prefix=table_prefix, session_cleanup="inline", layout="single")
    with DynamoDbStorage.open(config):
        pass
    document = policy("runtime", config)
    with (
        enforced(monkeypatch, config, document) as guard,
        DynamoDbStorage.open(
            dynoxide.config(table_prefix=table_prefix, session_cleanup="inline", layout="single", create_tables=False)
        ) as storage,
    ):
        for _, operation in steps(storage):
            operation()
        with closing(Client(config)) as client, pytest.raises(AccessDenied):
            client.call("GetItem", {"TableName": table_prefix, "Key": {"pk": {"S": "order#1"}, "sk": {"S": "order"}}})
    granted = {action.partition(":")[2] for statement in document["Statement"] for action in statement["Action"]}
    assert guard.used == granted


def test_only_the_runtime_is_limited_to_a_tenant(config: DynamoDbConfig) -> None:
    """Other roles work on whole tables, and a tenant's name is checked, because it becomes part of a pattern."""
    with pytest.raises(ValidationError, match="runtime"):
        policy("backup", config, tenant="acme")
    with pytest.raises(ValidationError, match="tenant"):
        policy("runtime", config, tenant="*")


def test_a_tag_names_the_tenant(config: DynamoDbConfig) -> None:
    """With the tag's value in place of the variable, the policy is that of the tenant."""
    document = json.dumps(policy("runtime", config, tenant_tag="tenant"))
    assert document.replace("${aws:PrincipalTag/tenant}", "acme") == json.dumps(
        policy("runtime", config, tenant="acme")
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tenant_tag": "tenant}*"}, "not a tag's key"),
        ({"tenant_tag": ""}, "not a tag's key"),
        ({"tenant_tag": "tenant", "tenant": "acme"}, "not both"),
    ],
)
def test_a_wrong_tag_is_refused(options: dict[str, str], told: str) -> None:
    """What would end the variable, or stand for more than one tenant, never gets into a policy."""
    with pytest.raises(ValidationError, match=told):
        policy(
            "runtime",
            DynamoDbConfig(region="eu-central-1"),
            tenant=options.get("tenant"),
            tenant_tag=options["tenant_tag"],
        )
    with pytest.raises(ValidationError, match="only the role runtime"):
        policy("admin", DynamoDbConfig(region="eu-central-1"), tenant_tag="tenant")
