"""The operators' policies allow exactly what their work needs on each table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.admin.populated import people
from tests.admin.test_iam import Needs, granted, needs_of

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.backups import Backups
from torii_dynamodb.admin.iam import policy
from torii_dynamodb.admin.migrations import Migration, Migrator
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.streams import disable_streams, enable_streams
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.tenants import delete_tenant, list_tenants
from torii_dynamodb.admin.transfer import export, import_
from torii_dynamodb.admin.verify import verify
from torii_dynamodb.config import DynamoDbConfig

# What AWS asks of the caller for work that DynamoDB does itself, and no request shows.
BY_RESTORING = {"DeleteItem", "GetItem", "PutItem", "Query"}
BY_REPLICATING = {"BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"}
REPLICAS = {"CreateTableReplica", "DeleteTableReplica"}


def asked(operation: str, payload: dict[str, Any]) -> Needs:
    """The actions and resources that AWS checks for an operator's request."""
    for name in ("BackupArn", "ResourceArn"):
        if name in payload:
            resource = str(payload[name]).partition(":table/")[2].partition("/backup/")
            found = {(f"dynamodb:{operation}", resource[0] + ("/backup/*" if resource[1] else ""))}
            target = payload.get("TargetTableName")
            return found | ({(f"dynamodb:{operation}", target)} if target else set())
    if "TargetTableName" in payload:
        return {(f"dynamodb:{operation}", payload[name]) for name in ("SourceTableName", "TargetTableName")}
    if operation == "ListBackups":
        return {("dynamodb:ListBackups", "")}
    return needs_of(operation, payload)


@contextmanager
def listening(patch: pytest.MonkeyPatch) -> Iterator[Needs]:
    needs: Needs = set()
    call = Client.call

    def heard(self: Client, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        needs.update(asked(operation, payload))
        return call(self, operation, payload)

    get = Client.batch_get

    def heard_get(self: Client, keys: Any, **options: Any) -> Any:
        needs.update(("dynamodb:BatchGetItem", table) for table, _ in keys)
        return get(self, keys, **options)

    with patch.context() as inner:
        inner.setattr(Client, "call", heard)
        inner.setattr(Client, "batch_get", heard_get)
        yield needs


def of_dynamodb(document: dict[str, Any]) -> Needs:
    return {(action, resource) for action, resource in granted(document) if action.startswith("dynamodb:")}


def test_the_backup_policy_is_exact(
    on_moto: DynamoDbConfig, moto_client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Recovery, sets, both restores, export, import, tenants and verify need exactly what is allowed."""
    options = TableOptions(
        tags={"team": "identity"}, stream="NEW_AND_OLD_IMAGES", point_in_time_recovery=True, deletion_protection=True
    )
    tables = AdminTables(on_moto, moto_client)
    tables.ensure(options)
    people(on_moto, 2)
    people(on_moto, 1, "acme")
    prefix = on_moto.table_prefix + "r"
    with listening(monkeypatch) as needs:
        backups = Backups(on_moto, moto_client)
        backups.set_recovery(enabled=True, days=9)
        backups.create("nightly")
        export(on_moto, moto_client, tmp_path)
        import_(on_moto, moto_client, tmp_path, overwrite=True)
        assert list_tenants(on_moto, moto_client)
        assert delete_tenant(on_moto, moto_client, "acme").empty
        verify(on_moto, moto_client)
    assert needs <= of_dynamodb(policy("backup", on_moto))
    with listening(monkeypatch) as restoring:
        backups.restore(prefix, backup_set="nightly")
        backups.delete(backups.require("nightly"))
    target = DynamoDbConfig(**{**_where(on_moto), "table_prefix": prefix})
    restored = AdminTables(target, moto_client)
    restored.ensure(TableOptions(deletion_protection=False))
    restored.delete()
    with listening(monkeypatch) as going_back:
        backups.restore(prefix)
    all_needs = needs | restoring | going_back
    document = policy("backup", on_moto, restore_prefix=prefix)
    assert all_needs <= of_dynamodb(document), sorted(all_needs - of_dynamodb(document))
    unasked = {action.partition(":")[2] for action, _ in of_dynamodb(document)} - {
        action.partition(":")[2] for action, _ in all_needs
    }
    assert unasked == BY_RESTORING
    narrow = of_dynamodb(policy("backup", on_moto))
    assert {action for action, _ in narrow} == {action for action, _ in needs} | {"dynamodb:DeleteBackup"}


def _where(config: DynamoDbConfig) -> dict[str, Any]:
    return {"region": config.region, "endpoint_url": config.endpoint_url, "credentials": config.credentials}


def test_the_migrate_policy_is_exact(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration of every table and the check after it need exactly what is allowed."""
    AdminTables(on_dynoxide, dynoxide_client).ensure()
    people(on_dynoxide, 1)

    def same(item: Item) -> Item:
        return {**item, "seen": {"BOOL": True}}

    migration = Migration(table="users", to_version=2, description="marks", upgrade=same)
    with listening(monkeypatch) as needs:
        Migrator(on_dynoxide, dynoxide_client, migrations=(migration,), target_version=2).run()
        verify(on_dynoxide, dynoxide_client)
    document = of_dynamodb(policy("migrate", on_dynoxide))
    assert needs <= document
    assert {action for action, _ in needs} == {action for action, _ in document}


def test_the_admin_policy_is_exact(
    on_moto: DynamoDbConfig, moto_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work on tables and streams needs what is allowed; the rest is for replication."""
    with listening(monkeypatch) as needs:
        tables = AdminTables(on_moto, moto_client)
        tables.ensure(TableOptions(point_in_time_recovery=True))
        tables.ensure(TableOptions(tags={"team": "identity"}))
        tables.status()
        enable_streams(moto_client, on_moto)
        disable_streams(moto_client, on_moto)
        tables.delete()
    document = of_dynamodb(policy("admin", on_moto))
    assert needs <= document
    unasked = {action.partition(":")[2] for action, _ in document} - {action.partition(":")[2] for action, _ in needs}
    assert unasked == BY_REPLICATING | REPLICAS
