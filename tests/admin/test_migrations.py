"""Upgrades of stored items, on Dynoxide, with migrations made for these tests."""

from __future__ import annotations

from typing import Any

import pytest
from tests.admin.populated import dump, people

from torii_dynamodb import DynamoDbStorage
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.migrations import MIGRATIONS, Migration, Migrator, update_request
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, VersionConflict
from torii_dynamodb.schema import SCHEMA_VERSION

Item = dict[str, Any]


def add_domain(item: Item) -> Item:
    item["domain"] = {"S": item["email"]["S"].partition("@")[2]}
    return item


def drop_given(item: Item) -> Item:
    del item["email_as_given"]
    item["folded"] = {"BOOL": True}
    return item


STEPS = (
    Migration(table="users", to_version=2, description="the domain", upgrade=add_domain, reads=("email",)),
    Migration(table="users", to_version=3, description="one address", upgrade=drop_given),
)


def migrator(config: DynamoDbConfig, client: Client, **options: Any) -> Migrator:
    settings: dict[str, Any] = {"migrations": STEPS, "target_version": 3, "segments": 2}
    return Migrator(config, client, **(settings | options))


def test_items_go_through_all_versions(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """Every step is applied in order, every item of every table ends at the target version, and a dry run counts."""
    people(on_dynoxide, 5)
    dry = migrator(on_dynoxide, dynoxide_client).run(dry_run=True)
    assert (dry.due["users"], dry.upgraded["users"]) == (5, 0)
    done = migrator(on_dynoxide, dynoxide_client).run()
    assert done.upgraded["users"] == 5
    after = dump(on_dynoxide, dynoxide_client)
    assert all(item["schema_version"] == {"N": "3"} for table in TABLES for item in after[table])
    assert all(item["domain"] == {"S": "example.com"} and "email_as_given" not in item for item in after["users"])
    again = migrator(on_dynoxide, dynoxide_client).run()
    assert sum(again.due.values()) == 0
    with DynamoDbStorage.open(on_dynoxide) as storage:
        assert storage.get_user_by_email("user3@example.com") is not None


@pytest.mark.parametrize("after", [0, 3, 11])
def test_an_interrupted_migration_goes_on(on_dynoxide: DynamoDbConfig, dynoxide_client: Client, after: int) -> None:
    """After an interruption at any item, a second run upgrades the rest, each item once."""
    people(on_dynoxide, 5)

    class Interrupting(Client):
        left = after

        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            if operation == "UpdateItem":
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt
            return super().call(operation, payload)

    broken = Interrupting(on_dynoxide)
    with pytest.raises(KeyboardInterrupt):
        migrator(on_dynoxide, broken, segments=1).run()
    broken.close()
    total = sum(len(items) for items in dump(on_dynoxide, dynoxide_client).values())
    done = migrator(on_dynoxide, dynoxide_client).run()
    assert sum(done.upgraded.values()) == total - after


def test_a_change_made_meanwhile_is_kept(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """A change by another writer between reading and writing is read again, not overwritten."""
    people(on_dynoxide, 2)
    name = on_dynoxide.table_name("users")

    class Racing(Client):
        raced = 0

        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            if operation == "UpdateItem" and payload["TableName"] == name and self.raced < 2:
                self.raced += 1
                if self.raced == 1:
                    super().call(
                        "UpdateItem",
                        {
                            "TableName": name,
                            "Key": payload["Key"],
                            "UpdateExpression": "SET email = :e, extra = :e",
                            "ExpressionAttributeValues": {":e": {"S": "new@elsewhere.example"}},
                        },
                    )
                else:
                    self.raced = 9
            return super().call(operation, payload)

    racing = Racing(on_dynoxide)
    done = migrator(on_dynoxide, racing, segments=1).run()
    racing.close()
    assert done.upgraded["users"] == 2
    moved = [item for item in dump(on_dynoxide, dynoxide_client)["users"] if "extra" in item]
    assert [(item["email"]["S"], item["domain"]["S"]) for item in moved] == [
        ("new@elsewhere.example", "elsewhere.example")
    ]


def test_a_deleted_item_is_not_brought_back(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """An item that is deleted between reading and writing stays deleted."""
    people(on_dynoxide, 1)
    name = on_dynoxide.table_name("users")

    class Deleting(Client):
        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            if operation == "UpdateItem" and payload["TableName"] == name:
                super().call("DeleteItem", {"TableName": name, "Key": payload["Key"]})
            return super().call(operation, payload)

    deleting = Deleting(on_dynoxide)
    done = migrator(on_dynoxide, deleting).run()
    deleting.close()
    assert (done.due["users"], done.upgraded["users"]) == (1, 0)
    assert dump(on_dynoxide, dynoxide_client)["users"] == []


def test_an_item_that_never_rests_is_given_up(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """After five lost races for one item, the run ends with the advice to run it again."""
    people(on_dynoxide, 1)
    name, turn = on_dynoxide.table_name("users"), 0

    class Racing(Client):
        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            nonlocal turn
            if operation == "UpdateItem" and payload["TableName"] == name:
                turn += 1
                values = {":e": {"S": f"a{turn}@b.example"}}
                change = {"UpdateExpression": "SET email = :e", "ExpressionAttributeValues": values}
                super().call("UpdateItem", {"TableName": name, "Key": payload["Key"], **change})
            return super().call(operation, payload)

    racing = Racing(on_dynoxide)
    with pytest.raises(VersionConflict, match="run the migration again"):
        migrator(on_dynoxide, racing).run()
    racing.close()


def test_items_of_a_newer_release_are_left_and_counted(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """An older program does not touch what a newer one wrote."""
    people(on_dynoxide, 2)
    migrator(on_dynoxide, dynoxide_client).run()
    found = Migrator(on_dynoxide, dynoxide_client).run()
    assert (found.newer["users"], sum(found.due.values())) == (2, 0)


def test_what_a_migration_must_not_do() -> None:
    """Changing a key is refused, and so are two migrations to one version."""
    with pytest.raises(ConfigurationError, match="must not change an item's key"):
        update_request("t", {"id": {"S": "a"}}, {"id": {"S": "a"}}, {"id": {"S": "b"}}, set())
    with pytest.raises(ConfigurationError, match="two migrations"):
        Migrator(None, None, migrations=(STEPS[0], STEPS[0]))  # type: ignore[arg-type]


def test_the_library_has_a_migration_for_every_version() -> None:
    """Versions after the first come with their migrations: every version is reached by at least one."""
    assert {step.to_version for step in MIGRATIONS} == set(range(2, SCHEMA_VERSION + 1))


def test_items_are_counted_once_where_segments_are_ignored(on_dynoxide: DynamoDbConfig) -> None:
    """On an endpoint that returns all items in every segment, the counts are still right."""
    people(on_dynoxide, 5)

    class Whole(Client):
        def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            return super().call(operation, {name: value for name, value in payload.items() if "Segment" not in name})

    whole = Whole(on_dynoxide)
    done = migrator(on_dynoxide, whole, segments=4).run()
    whole.close()
    assert (done.looked_at["users"], done.due["users"], done.upgraded["users"]) == (5, 5, 5)
