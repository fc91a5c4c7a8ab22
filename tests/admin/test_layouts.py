"""Work on whole tables, with a single table and with tenants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.admin.populated import people

from torii_dynamodb import DynamoDbStorage, NewSession, NewUser, Session
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.migrations import Migration, Migrator
from torii_dynamodb.admin.restoring import bump_epochs
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.tenants import list_tenants
from torii_dynamodb.admin.transfer import export, import_
from torii_dynamodb.admin.verify import verify
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.local.engines import LocalEngine

THEIRS = [
    {"pk": {"S": key}, "sk": {"S": sort}, "id": {"S": "theirs"}, "user_id": {"S": "usr_1"}}
    for key, sort in [
        ("torii", "user"),
        ("torii#", "user"),
        ("torii#user", "user"),
        ("torii#user#", "user"),
        ("torii#user#usr_1", "profile"),
        ("torii#user#usr_1", "session"),
        ("torii#users#usr_1", "user"),
        ("torii#identity#email#ada@example.com", "mine"),
        ("toriiX#user#usr_1", "user"),
        ("torii@#user#usr_1", "user"),
        ("torii@ACME#user#usr_1", "user"),
        ("torii@acme", "user"),
        ("@acme#usr_1", "user"),
        ("order#1", "#register"),
        ("user#usr_1", "session#1"),
    ]
]
"""Items of an application that shares the table: keys cut short, other kinds, names that look like ours."""


@pytest.fixture(params=["tables", "single"])
def config(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> DynamoDbConfig:
    """A configuration of each layout, on tables of its own."""
    return dynoxide.config(table_prefix=table_prefix, layout=request.param)


@pytest.fixture
def client(config: DynamoDbConfig) -> Iterator[Client]:
    """A client of the engine."""
    with closing(Client(config)) as client:
        yield client


def _populate(config: DynamoDbConfig) -> tuple[list[Session], Session]:
    """Make people outside of any tenant, and one in a tenant; return their sessions."""
    sessions = people(config)
    with DynamoDbStorage.open(config) as storage:
        acme = storage.tenant("acme")
        user = acme.create_user(NewUser(email="user0@example.com", id="usr_1"))
        later = config.clock() + timedelta(days=1)
        return sessions, acme.create_session(NewSession(user_id=user.id, expires_at=later))


def _valid(config: DynamoDbConfig, sessions: list[Session], tenants: Session) -> bool:
    with DynamoDbStorage.open(config) as storage:
        own = [storage.get_signed_in(session.token) for session in sessions]
        return all(own) and storage.tenant("acme").get_signed_in(tenants.token) is not None


@pytest.mark.parametrize("target", ["tables", "single"])
def test_an_export_of_one_layout_can_be_imported_into_any(
    config: DynamoDbConfig, client: Client, target: str, tmp_path: Path
) -> None:
    """Sessions of users and of tenants stay valid, and everything agrees."""
    sessions, tenants = _populate(config)
    before = verify(config, client)
    export(config, client, tmp_path)
    moved = DynamoDbConfig(
        endpoint_url=config.endpoint_url,
        region=config.region,
        credentials=config.credentials,
        table_prefix=f"{config.table_prefix}2",
        layout=target,  # type: ignore[arg-type]
    )
    AdminTables(moved, client).ensure()
    done = import_(moved, client, tmp_path)
    assert sum(done.items.values()) == done.verified == done.written
    assert _valid(moved, sessions, tenants)
    after = verify(moved, client)
    assert before.ok
    assert after.ok
    assert (after.users, after.identities, after.valid_sessions) == (4, before.identities, 4)


def test_ending_all_sessions_reaches_tenants(config: DynamoDbConfig, client: Client) -> None:
    """After a restore no session is valid, of a tenant neither."""
    sessions, tenants = _populate(config)
    assert bump_epochs(config, client, mark="restore") == 4
    with DynamoDbStorage.open(config) as storage:
        assert not any(storage.get_signed_in(session.token) for session in sessions)
        assert storage.tenant("acme").get_signed_in(tenants.token) is None


def test_a_migration_upgrades_every_item(config: DynamoDbConfig, client: Client) -> None:
    """Items of users and of tenants are upgraded, and keep their keys."""
    sessions, tenants = _populate(config)
    migration = Migration(
        table="sessions", to_version=2, description="say hello", upgrade=lambda item: {**item, "hello": {"S": "you"}}
    )
    found = Migrator(config, client, migrations=(migration,), target_version=2).run()
    assert found.upgraded["sessions"] == 4
    assert _valid(config, sessions, tenants)


def test_what_shares_the_table_is_left_alone(dynoxide: LocalEngine, table_prefix: str, tmp_path: Path) -> None:
    """Nothing of ours reads, changes or deletes an application's items, however their keys look."""
    config = dynoxide.config(table_prefix=table_prefix, layout="single")
    sessions, tenants = _populate(config)
    with closing(Client(config)) as client:
        name = config.table_name("table")
        client.batch_write([(name, {"PutRequest": {"Item": item}}) for item in THEIRS])
        assert verify(config, client).users == 4
        exported = export(config, client, tmp_path)
        assert sum(exported.items.values()) == sum(
            len(list(Items(config, client).client.call("Scan", {"TableName": f":{table}"})["Items"]))
            for table in exported.items
        )
        Migrator(config, client, target_version=2).run()
        bump_epochs(config, client, mark="restore")
        with DynamoDbStorage.open(config) as storage:
            for handle in (storage, storage.tenant("acme")):
                page = handle.list_users(limit=1000)
                assert page.corrupt == ()
                for user in page.items:
                    handle.list_sessions_for_user(user.id)
                    handle.delete_sessions_for_user(user.id)
                    assert handle.delete_user(user.id)
                assert handle.list_users().items == ()
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in THEIRS]
        assert client.batch_get([(name, key) for key in keys], consistent=True) == THEIRS
    assert not _valid(config, sessions, tenants)


@pytest.mark.parametrize("option", ["partition_key", "sort_key"])
def test_a_key_that_the_table_does_not_have_is_named(
    dynoxide: LocalEngine, table_prefix: str, tmp_path: Path, option: str
) -> None:
    """With another key configured, reading the table fails, instead of finding and exporting nothing."""
    config = dynoxide.config(table_prefix=table_prefix, layout="single")
    _populate(config)
    other: dict[str, Any] = {option: "other"}
    wrong = replace(config, create_tables=False, **other)
    said = f"{option}: 'other' is no key of this table"
    swapped = replace(config, create_tables=False, partition_key="sk", sort_key="pk")
    with closing(Client(wrong)) as client, DynamoDbStorage.open(wrong) as storage:
        with pytest.raises(ConfigurationError, match=said):
            verify(wrong, client)
        for one in (wrong, swapped):
            for work in (list_tenants, partial(export, directory=tmp_path)):
                with pytest.raises(ConfigurationError, match=r"key found: pk \(S\), sk \(S\); expected: .*; correct"):
                    work(one, client)
        with pytest.raises(ConfigurationError, match=said):
            list(Items(wrong, client).pages(rate=Pacer(None)))
        for handle in (storage, storage.tenant("acme")):
            with pytest.raises(ConfigurationError, match=said):
                handle.list_users()
        with pytest.raises(ConfigurationError, match=r"expected: .*other.*Correct partition_key, sort_key, table"):
            storage.create_user(NewUser(email="new@example.com"))


def test_a_page_of_users_is_full_beside_others(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Pages have as many users as were asked for until the last, and every user is on one page."""
    config = dynoxide.config(table_prefix=table_prefix, layout="single")
    with DynamoDbStorage.open(config) as storage, closing(Client(config)) as client:
        client.batch_write([(config.table_name("table"), {"PutRequest": {"Item": item}}) for item in THEIRS])
        ids = {storage.create_user(NewUser(email=f"u{index}@example.com")).id for index in range(7)}
        for index in range(5):
            storage.tenant("acme").create_user(NewUser(email=f"u{index}@example.com"))
        pages = [storage.list_users(limit=3)]
        while pages[-1].next_cursor is not None:
            pages.append(storage.list_users(limit=3, cursor=pages[-1].next_cursor))
        assert [len(page.items) for page in pages] == [3, 3, 1]
        assert {user.id for page in pages for user in page.items} == ids


def test_tenants_do_not_show_in_a_listing(dynoxide: LocalEngine, table_prefix: str) -> None:
    """In five tables, users of tenants are passed over, and a cursor is never a tenant's."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)) as storage:
        ids = {storage.create_user(NewUser(email=f"u{index}@example.com")).id for index in range(4)}
        for index in range(9):
            storage.tenant("acme").create_user(NewUser(email=f"u{index}@example.com"))
        pages = [storage.list_users(limit=3)]
        while pages[-1].next_cursor is not None:
            pages.append(storage.list_users(limit=3, cursor=pages[-1].next_cursor))
        assert {user.id for page in pages for user in page.items} == ids
        assert len(storage.tenant("acme").list_users().items) == 9
        assert storage.tenant("other").list_users().items == ()
