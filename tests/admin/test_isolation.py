"""Tenants share tables, and no operation of one reads or changes an item of another, whatever it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any

import pytest
from tests.admin.every_operation import steps

from torii_dynamodb import (
    DynamoDbHandle,
    DynamoDbStorage,
    NewOAuthAccount,
    NewPasskey,
    NewSession,
    NewToken,
    NewUser,
)
from torii_dynamodb._core.layout import placer
from torii_dynamodb._rules.secrets import make_one_time_token, make_session_token
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.verify import verify
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ToriiError, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewFactor

ODD_NAMES = ["user", "identity", "torii", "-", "0", "acme", "acme-1", "x" * 63]
"""Names of tenants that are words of our keys, that begin alike, or that are as short or long as can be."""


@pytest.fixture(params=["tables", "single"])
def config(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> DynamoDbConfig:
    """A configuration of each layout, on tables of its own."""
    return dynoxide.config(table_prefix=table_prefix, layout=request.param, session_cleanup="inline")


@pytest.fixture
def storage(config: DynamoDbConfig) -> Iterator[DynamoDbHandle]:
    """The storage without a tenant."""
    with DynamoDbStorage.open(config) as storage:
        yield storage


@pytest.fixture
def raw(config: DynamoDbConfig) -> Iterator[Callable[[], dict[str, Any]]]:
    """A function that returns all items as DynamoDB stores them, by their keys."""
    names = [config.partition_key, config.sort_key] if config.layout == "single" else ["id", "subject", "attempt"]
    with closing(Client(config)) as client:

        def read() -> dict[str, Any]:
            pages = [
                (table, client.call("Scan", {"TableName": config.table_name(table), "ConsistentRead": True}))
                for table in config.tables
            ]
            assert not any("LastEvaluatedKey" in page for _, page in pages)
            return {
                f"{table} {' '.join(item[name]['S'] for name in names if name in item)}": item
                for table, page in pages
                for item in page["Items"]
            }

        yield read


def owner(key: str) -> str | None:
    """The tenant of a stored key, read without the library's help."""
    return next((name for name in ("acme", "other") if f"@{name}#" in key), None)


def test_no_operation_touches_another_tenants_items(storage: DynamoDbHandle, raw: Callable[[], dict[str, Any]]) -> None:
    """Every operation, with the same ids, addresses, states and credentials in two tenants and in none."""
    before = raw()
    changed: Counter[str | None] = Counter()

    def run(operation: str, *calls: Callable[[], Any]) -> set[str | None]:
        nonlocal before
        for call in calls:
            with suppress(ToriiError):
                call()
        after = raw()
        owners = [owner(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        before = after
        changed.update(owners)
        return set(owners)

    tenants = (storage.tenant("acme"), storage.tenant("other"), storage)
    for (operation, acme), (_, other), (_, none) in zip(*map(steps, tenants), strict=True):
        assert run(operation, acme) <= {"acme"}, f"{operation} of acme"
        assert run(operation, other, none) <= {"other", None}, f"{operation} of other, and of none"
    # Each did the same.
    assert changed["acme"] == changed["other"] == changed[None] > 60


def everything(storage: DynamoDbHandle, user_id: str) -> dict[str, Any]:
    """What a storage says about a user, by every way to ask."""
    user = storage.get_user(user_id)
    return {
        "user": user,
        "by address": storage.get_user_by_email("ada@example.com"),
        "by address, cheaply": storage.get_user_by_email("ada@example.com", consistent=False),
        "batch": storage.batch_get_users([user_id]),
        "all": [one.id for one in storage.list_users().items],
        "sessions": storage.list_sessions_for_user(user_id),
        "accounts": storage.list_oauth_accounts_for_user(user_id),
        "by account": storage.get_user_by_provider_and_subject("google", "1"),
        "passkeys": storage.list_passkeys_for_user(user_id),
        "factors": storage.list_factors_for_user(user_id),
    }


def populate(storage: DynamoDbHandle, user_id: str, subject: str = "1") -> tuple[str, str]:
    """A user with something of every kind; a session's token and a link's."""
    later = storage.config.clock() + timedelta(days=1)
    user = storage.create_user(NewUser(id=user_id, email="ada@example.com"))
    storage.link_oauth_account(user_id, NewOAuthAccount(provider="google", subject=subject))
    storage.add_passkey(NewPasskey(user_id=user_id, credential_id=b"c" * 32, public_key=b"k" * 32))
    storage.add_factor(NewFactor(user_id=user_id, id="app", secret=b"sealed", last_step=1))
    session = storage.create_session(NewSession(user_id=user_id, expires_at=later), user=user)
    link = storage.create_token(NewToken(purpose="magic_link", user_id=user_id, expires_at=later))
    return session.token, link.token


def test_tenants_with_odd_names_are_apart(storage: DynamoDbHandle) -> None:
    """Also a user whose id is the name of a tenant or a kind of item, and whose account looks like a tenant's key."""
    handles = {name: storage.tenant(name) for name in ODD_NAMES}
    made = {
        name: populate(handle, "user", subject=f"@{ODD_NAMES[number - 1]}#user")
        for number, (name, handle) in enumerate(handles.items())
    }
    for name, (session, link) in made.items():
        valid = {other for other, handle in handles.items() if handle.get_signed_in(session) is not None}
        good = {
            other for other, handle in handles.items() if handle.check_token(link, purpose="magic_link") is not None
        }
        assert (valid, good) == ({name}, {name})
        assert storage.get_signed_in(session) is None
    assert all([user.id for user in handle.list_users().items] == ["user"] for handle in handles.values())
    assert storage.list_users().items == ()
    before = {name: everything(handle, "user") for name, handle in handles.items()}
    assert all(found["user"] is not None and len(found["sessions"]) == 1 for found in before.values())
    for name in ("acme", "-"):
        assert handles[name].delete_user("user")
        del before[name]
    assert {name: everything(handles[name], "user") for name in before} == before


KEY = "@acme#usr_1"


@pytest.mark.parametrize("name", [None, "other"])
def test_no_id_leads_to_a_tenants_item(
    storage: DynamoDbHandle, raw: Callable[[], dict[str, Any]], name: str | None
) -> None:
    """A tenant's key is refused wherever an id, a cursor or a token may be; nothing is read, written or found."""
    acme = storage.tenant("acme")
    populate(acme, "usr_1")
    before = raw()
    there = storage if name is None else storage.tenant(name)
    random = storage.config.random
    digest = acme.list_sessions_for_user("usr_1")[0].id
    later = storage.config.clock() + timedelta(days=1)
    refused: list[Callable[[str], Any]] = [
        there.get_user,
        lambda key: there.batch_get_users([key]),
        lambda key: there.list_users(cursor=key),
        lambda key: there.create_user(NewUser(id=key, email="eve@example.com")),
        there.delete_user,
        there.list_sessions_for_user,
        there.delete_sessions_for_user,
        there.remove_ended_sessions,
        lambda key: there.get_signed_in_by_id(key, digest),
        lambda key: there.get_signed_in_by_id("usr_1", f"{key}#{digest}"),
        lambda key: there.delete_session_by_id(key, digest),
        lambda key: there.create_session(NewSession(user_id=key, expires_at=later)),
        lambda key: there.create_token(NewToken(purpose=key, expires_at=later, email="eve@example.com")),
        lambda key: there.create_token(NewToken(purpose="magic_link", expires_at=later, user_id=key)),
        there.list_factors_for_user,
        lambda key: there.get_factor(key, "app"),
        there.list_passkeys_for_user,
        there.list_oauth_accounts_for_user,
        lambda key: there.get_user_by_provider_and_subject(key, "1"),
        lambda key: there.set_locked_at(key, later),
        there.get_password_hash,
        lambda key: there.get_user_by_email(f'"{key}"@example.com'),
    ]
    for call in refused:
        for key in (KEY, "@acme#", "@", "usr_1#", "#usr_1", "torii@acme#user#usr_1"):
            with pytest.raises(ValidationError):
                call(key)
    tokens = [
        make(key, random) for make in (make_session_token, make_one_time_token) for key in (KEY, "@acme#", "usr_1")
    ]
    for token in tokens:
        assert there.get_signed_in(token) is None
        assert there.get_session(token) is None
        assert there.check_token(token, purpose="magic_link") is None
        assert there.verify_token(token, purpose="magic_link") is None
        there.delete_session(token)
    assert raw() == before


def test_subjects_and_values_that_look_like_keys_stay_in_their_tenant(
    config: DynamoDbConfig, storage: DynamoDbHandle, raw: Callable[[], dict[str, Any]]
) -> None:
    """An account at a provider may have any subject, and attempts any value: none of them leads to a tenant."""
    subjects = [
        "@acme#usr_1",
        "1#@acme#usr_1",
        "#identity#email#ada@example.com",
        "@acme#oauth#google#1",
        "torii@acme#user#u",
    ]
    user = storage.create_user(NewUser(id="usr_1", email="ada@example.com"))
    for subject in subjects:
        storage.link_oauth_account(user.id, NewOAuthAccount(provider="acme", subject=subject))
        storage.acquire_attempt("user", subject)
        storage.store_pkce_verifier(f"{subject:s<40}", "v" * 43, expires_at=config.clock() + timedelta(hours=1))
    acme = storage.tenant("acme")
    for subject in subjects:
        assert acme.get_user_by_provider_and_subject("acme", subject) is None
        found = storage.get_user_by_provider_and_subject("acme", subject)
        assert found is not None
        assert found.id == user.id
    place = placer(config)
    placed = [place(config.table_name(key.partition(" ")[0]), item) for key, item in raw().items()]  # type: ignore[arg-type]
    assert {None if one is None else one[1] for one in placed} == {None}
    assert None not in placed
    with closing(Client(config)) as client:
        assert verify(config, client).ok
    populate(acme, "usr_1", subject="@other#usr_1")
    assert storage.delete_user("usr_1")
    assert everything(acme, "usr_1")["user"] is not None
    assert len(everything(acme, "usr_1")["accounts"]) == 1


def test_a_transaction_cannot_name_our_tables_as_we_do(
    storage: DynamoDbHandle, raw: Callable[[], dict[str, Any]]
) -> None:
    """The names that requests have before they are translated are no names of tables."""
    for there in (storage, storage.tenant("other")):
        for table in (":users", ":sessions", ":identities", ":tokens", ":login_attempts"):
            with pytest.raises(ValidationError, match="table"):
                there.transact_write(lambda builder, table=table: builder.put(table, {"id": KEY}))  # type: ignore[misc]
    assert raw() == {}


def test_a_name_that_is_not_a_tenants_is_refused(storage: DynamoDbHandle) -> None:
    """Before any key is made of it."""
    for name in ("", "ACME", "acme_1", "a.b", "@acme", "acme#", "a" * 64, "acme\n", "\xe9", "\uff14", None, 1, b"acme"):
        with pytest.raises(ValidationError, match="tenant"):
            storage.tenant(name)  # type: ignore[arg-type]
