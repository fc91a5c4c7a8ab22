"""Tenants in administration: listing, exporting, deleting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.admin.populated import people
from tests.admin.test_layouts import THEIRS

from torii_dynamodb import DynamoDbStorage, NewUser, Session
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin import tenants as module
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.progress import Progress
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.tenants import TenantDeletion, count_tenant, delete_tenant, list_tenants
from torii_dynamodb.admin.transfer import canonical, export, import_
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, Unavailable, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.schema import schema_of


@pytest.fixture(params=["tables", "single"])
def config(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> DynamoDbConfig:
    """A configuration of each layout, on tables of its own."""
    return dynoxide.config(table_prefix=table_prefix, layout=request.param, session_cleanup="off")


@pytest.fixture
def client(config: DynamoDbConfig) -> Iterator[Client]:
    """A client of the engine."""
    with closing(Client(config)) as client:
        yield client


def _order(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def stored(config: DynamoDbConfig, client: Client) -> list[tuple[str, dict[str, Any]]]:
    """Every item of every table as it is stored, with its partition key."""
    found: list[tuple[str, dict[str, Any]]] = []
    for table, schema in schema_of(config).items():
        items = client.call("Scan", {"TableName": config.table_name(table), "ConsistentRead": True})["Items"]
        found += [(item[schema.hash_key.name]["S"], canonical(item)) for item in items]
    return sorted(found, key=_order)


def of(config: DynamoDbConfig, client: Client, tenant: str | None) -> dict[str, list[Any]]:
    """The items of a tenant, without the tenant in their keys."""
    items = Items(config, client, tenant)
    answers = {table: items.client.call("Scan", {"TableName": items.name(table)})["Items"] for table in TABLES}
    return {table: sorted((canonical(one) for one in found), key=_order) for table, found in answers.items()}


def is_of(config: DynamoDbConfig, key: str, tenant: str) -> bool:
    """Whether a stored item is a tenant's, by its partition key."""
    return key.startswith(f"{'' if config.layout == 'tables' else 'torii'}@{tenant}#")


def valid(config: DynamoDbConfig, tenant: str | None, sessions: list[Session]) -> int:
    """How many of the sessions are valid."""
    with DynamoDbStorage.open(config) as opened:
        storage = opened if tenant is None else opened.tenant(tenant)
        return sum(storage.get_signed_in(session.token) is not None for session in sessions)


def populate(config: DynamoDbConfig, client: Client) -> dict[str | None, list[Session]]:
    """Fill tables with three tenants, users outside of any, and what others keep in a single table."""
    sessions = {tenant: people(config, 2, tenant) for tenant in (None, "a", "ab", "a-b")}
    if config.layout == "single":
        client.batch_write([(config.table_name("table"), {"PutRequest": {"Item": item}}) for item in THEIRS])
    with DynamoDbStorage.open(config) as opened:
        for name in ("a", "ab"):
            attempt = opened.tenant(name).acquire_login_attempt("stranger@example.com")
            opened.tenant(name).record_failed_attempt("stranger@example.com", attempt.attempt_id)
    return sessions


def test_tenants_are_found_without_a_register(config: DynamoDbConfig, client: Client) -> None:
    """Those that have items are listed with their counts, and nothing else that is in the tables."""
    populate(config, client)
    found = list_tenants(config, client)
    assert [(one.tenant, one.users) for one in found] == [("a", 2), ("a-b", 2), ("ab", 2)]
    everything = {one.tenant: one for one in list_tenants(config, client, every_table=True)}
    for name, counted in everything.items():
        assert counted.items == {table: len(items) for table, items in of(config, client, name).items()}
        assert count_tenant(config, client, name) == counted
    assert everything["a"].items["login_attempts"] == 2
    assert count_tenant(config, client, "nobody").total == 0


def test_a_tenant_of_which_only_attempts_are_left_is_found_in_every_table(
    config: DynamoDbConfig, client: Client
) -> None:
    """Users and identities tell the usual tenants; the rest of one is in the other tables."""
    with DynamoDbStorage.open(config) as opened:
        opened.tenant("acme").acquire_login_attempt("stranger@example.com")
    assert [one.tenant for one in list_tenants(config, client)] == ([] if config.layout == "tables" else ["acme"])
    assert [one.tenant for one in list_tenants(config, client, every_table=True)] == ["acme"]


def test_a_deletion_deletes_everything_of_the_tenant_and_nothing_else(config: DynamoDbConfig, client: Client) -> None:
    """Other tenants, with names like it, users outside of any, and others' items keep every byte."""
    sessions = populate(config, client)
    before = stored(config, client)
    total = count_tenant(config, client, "a")
    progress: list[Progress] = []
    done = delete_tenant(config, client, "a", report=progress.append)
    assert done == TenantDeletion(tenant="a", deleted=total.items, passes=3, empty=True)
    assert stored(config, client) == [(key, item) for key, item in before if not is_of(config, key, "a")]
    assert all(total.items.values())
    assert [valid(config, tenant, made) for tenant, made in sessions.items()] == [2, 0, 2, 2]
    assert max(one.done for one in progress if one.task == "delete") == total.total
    again = delete_tenant(config, client, "a")
    assert (sum(again.deleted.values()), again.empty) == (0, True)
    people(config, 1, "a")


class Killed(BaseException):
    """The process is gone."""


def test_a_deletion_can_be_interrupted_anywhere(
    config: DynamoDbConfig, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before or after any write, it is completed by the next run; no session is valid once a user is gone."""
    populate(config, client)
    before = stored(config, client)
    monkeypatch.setattr(module, "_CHUNK", 1)
    write, writes = client.batch_write, 0
    for applied in (True, False):
        for most in range(1, 4):
            sessions = people(config, 2, "gone")
            writes = 0

            def killed(requests: Any, most: int = most, applied: bool = applied) -> None:
                nonlocal writes
                writes += 1
                if writes < most or applied:
                    write(requests)
                if writes >= most:
                    raise Killed

            monkeypatch.setattr(client, "batch_write", killed)
            with pytest.raises(Killed):
                delete_tenant(config, client, "gone")
            monkeypatch.setattr(client, "batch_write", write)
            users = count_tenant(config, client, "gone").users
            assert users == max(0, 2 - (most if applied else most - 1))
            assert valid(config, "gone", sessions) == users
            assert delete_tenant(config, client, "gone").empty
            assert stored(config, client) == before


def test_somebody_who_signs_up_meanwhile_is_deleted_too(config: DynamoDbConfig, client: Client) -> None:
    """A user who arrives after their part of the table was read is found by the next pass."""
    people(config, 1, "acme")
    late = [f"late{number}@example.com" for number in range(2)]
    with DynamoDbStorage.open(config) as opened:

        def report(progress: Progress) -> None:
            if progress.task == "delete" and late:
                opened.tenant("acme").create_user(NewUser(email=late.pop()))

        done = delete_tenant(config, client, "acme", report=report)
        assert opened.tenant("acme").list_users().items == ()
    assert (done.empty, done.deleted["users"], late) == (True, 3, [])
    assert count_tenant(config, client, "acme").total == 0


def test_a_deletion_gives_up_if_somebody_keeps_writing(config: DynamoDbConfig, client: Client) -> None:
    """It says that the tenant is not empty instead of going on for ever."""
    with DynamoDbStorage.open(config) as opened:
        names = iter(range(1000))

        def report(progress: Progress) -> None:
            if progress.task.startswith("read"):
                opened.tenant("acme").create_user(NewUser(email=f"user{next(names)}@example.com"))

        done = delete_tenant(config, client, "acme", most_passes=2, report=report)
    assert (done.empty, done.passes) == (False, 4)


@pytest.mark.parametrize("name", ["", "A", "a#", "@a", "a" * 64])
def test_what_is_not_a_tenants_name_is_refused(config: DynamoDbConfig, client: Client, name: str) -> None:
    """Before anything is read: a name could otherwise stand for other keys."""
    for call in (delete_tenant, count_tenant):
        with pytest.raises(ValidationError, match="tenant"):
            call(config, client, name)


def test_writes_that_fail_are_reported(config: DynamoDbConfig, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that DynamoDB throttles raises instead of counting what it did not delete."""
    people(config, 1, "acme")

    def throttled(_requests: Any) -> None:
        raise Unavailable("throttled", attempts=3)

    monkeypatch.setattr(client, "batch_write", throttled)
    with pytest.raises(Unavailable):
        delete_tenant(config, client, "acme")


def test_the_rate_limits_reads_and_deletions(config: DynamoDbConfig, client: Client) -> None:
    """Both are charged, so that a deletion leaves the application its throughput."""
    people(config, 2, "acme")
    pauses: list[float] = []
    rate = Pacer(1, monotonic=lambda: 0.0, pause=pauses.append)
    total = sum(delete_tenant(config, client, "acme", rate=rate).deleted.values())
    assert rate.spent > total
    assert pauses


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_an_exported_tenant_is_imported_as_it_was(
    config: DynamoDbConfig, client: Client, layout: str, tmp_path: Path
) -> None:
    """Into fresh tables of either layout: equal items, of this tenant only, and its sessions stay valid."""
    sessions = populate(config, client)
    done = export(config, client, tmp_path, tenant="a")
    assert done.items == count_tenant(config, client, "a").items
    moved = other_tables(config, layout)
    AdminTables(moved, client).ensure()
    imported = import_(moved, client, tmp_path)
    assert imported.verified == sum(done.items.values())
    assert of(moved, client, "a") == of(config, client, "a")
    assert [one.tenant for one in list_tenants(moved, client, every_table=True)] == ["a"]
    assert valid(moved, "a", sessions["a"]) == 2
    assert valid(moved, None, sessions["a"]) == 0
    with pytest.raises(Occupied, match="the tenant a has items already"):
        import_(moved, client, tmp_path)


def test_a_tenant_can_be_imported_under_another_name(config: DynamoDbConfig, client: Client, tmp_path: Path) -> None:
    """Beside it, or in other tables outside of any tenant: sessions are valid there, and the first stays as it is."""
    sessions = people(config, 1, "a")
    before = of(config, client, "a")
    export(config, client, tmp_path, tenant="a")
    import_(config, client, tmp_path, tenant="b")
    assert of(config, client, "a") == of(config, client, "b") == before
    assert valid(config, "b", sessions) == 1
    delete_tenant(config, client, "a")
    assert [valid(config, tenant, sessions) for tenant in ("a", "b")] == [0, 1]
    fresh = other_tables(config, "tables")
    AdminTables(fresh, client).ensure()
    import_(fresh, client, tmp_path, tenant="")
    assert valid(fresh, None, sessions) == 1


@pytest.mark.parametrize("origin", ["a", None])
def test_what_only_another_tenants_keys_open_is_not_imported(
    config: DynamoDbConfig, client: Client, origin: str | None, tmp_path: Path
) -> None:
    """Users could not sign in with a second factor that cannot be opened, so nothing is written."""
    people(config, 2, origin)
    export(config, client, tmp_path, tenant=origin)
    with pytest.raises(ConfigurationError, match="cannot be imported into the tenant b"):
        import_(config, client, tmp_path, tenant="b")
    assert count_tenant(config, client, "b").total == 0


def test_an_export_of_all_is_not_imported_into_a_tenant(config: DynamoDbConfig, client: Client, tmp_path: Path) -> None:
    """Its tenants' items would be unreachable there."""
    people(config, 1)
    people(config, 1, "a")
    export(config, client, tmp_path)
    with pytest.raises(ConfigurationError, match="contains the items of tenants"):
        import_(config, client, tmp_path, tenant="b")
    assert count_tenant(config, client, "b").total == 0


def test_an_export_without_sessions_has_none(config: DynamoDbConfig, client: Client, tmp_path: Path) -> None:
    """Everything else is in it, and nobody is signed in after the import."""
    sessions = people(config, 2, "a")
    done = export(config, client, tmp_path, tenant="a", sessions=False)
    assert (done.items["sessions"], done.items["users"]) == (0, 2)
    delete_tenant(config, client, "a")
    import_(config, client, tmp_path)
    assert valid(config, "a", sessions) == 0
    assert count_tenant(config, client, "a").users == 2


def test_an_interrupted_export_is_not_resumed_as_another(
    config: DynamoDbConfig, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory contains the export of one tenant; a run for another is refused."""
    people(config, 1, "a")
    call = client.call

    def killed(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation == "Scan" and "Limit" not in payload:
            raise Killed
        return call(operation, payload)

    monkeypatch.setattr(client, "call", killed)
    with pytest.raises(Killed):
        export(config, client, tmp_path, tenant="a")
    monkeypatch.setattr(client, "call", call)
    others: list[dict[str, Any]] = [{"tenant": "b"}, {"tenant": None}, {"tenant": "a", "sessions": False}]
    for changed in others:
        with pytest.raises(Occupied, match="something else"):
            export(config, client, tmp_path, **changed)
    assert export(config, client, tmp_path, tenant="a").resumed


def other_tables(config: DynamoDbConfig, layout: str) -> DynamoDbConfig:
    """Tables of another name and layout on the same engine."""
    return DynamoDbConfig(
        endpoint_url=config.endpoint_url,
        region=config.region,
        credentials=config.credentials,
        table_prefix=f"{config.table_prefix}2",
        layout=layout,  # type: ignore[arg-type]
    )
