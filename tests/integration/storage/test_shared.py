"""Tenants and an application share tables, connections and background work."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from torii_dynamodb import (
    AsyncDynamoDbStorage,
    CallRecord,
    DynamoDbStorage,
    NewOAuthAccount,
    NewSession,
    NewUser,
    RateLimit,
)
from torii_dynamodb._sync.client import Client
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import Throttled, TransactionFailed, Unavailable, ValidationError
from torii_dynamodb.local.engines import LocalEngine

NAMES = [f"tenant-{number}" for number in range(20)]
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"


@pytest.fixture(params=["tables", "single"])
def config(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> DynamoDbConfig:
    """A configuration of each layout, on tables of its own."""
    return dynoxide.config(table_prefix=table_prefix, layout=request.param)


def raw(config: DynamoDbConfig) -> list[dict[str, Any]]:
    """Return every stored item."""
    with closing(Client(config)) as client:
        names = [config.table_name(table) for table in config.tables]
        return [item for name in names for item in client.call("Scan", {"TableName": name})["Items"]]


async def test_reads_of_tenants_are_merged_and_told_apart(config: DynamoDbConfig) -> None:
    """Twenty tenants have a user with the same id; checks at the same moment share requests, each gets its own user."""
    calls: list[CallRecord] = []
    async with AsyncDynamoDbStorage.open(replace(config, on_call=calls.append)) as storage:
        tokens = {}
        for name in NAMES:
            tenant = storage.tenant(name)
            user = await tenant.create_user(NewUser(id="usr_1", email="ada@example.com", name=name))
            session = NewSession(user_id=user.id, expires_at=config.clock() + timedelta(days=1))
            tokens[name] = (await tenant.create_session(session)).token
        calls.clear()
        found = await asyncio.gather(*(storage.tenant(name).get_signed_in(tokens[name]) for name in NAMES))
        assert [one and one.user.name for one in found] == NAMES
        assert sum(call.attempts for call in calls) < len(NAMES)
        strangers = zip(NAMES, reversed(NAMES), strict=True)
        found = await asyncio.gather(*(storage.tenant(name).get_signed_in(tokens[other]) for name, other in strangers))
        assert found == [None] * len(NAMES)
        assert await storage.get_signed_in(tokens[NAMES[0]]) is None


def test_threads_work_for_different_tenants_at_the_same_time(config: DynamoDbConfig) -> None:
    """One handle serves them all; none sees another's users."""
    with DynamoDbStorage.open(config) as storage:

        def use(name: str) -> list[str | None]:
            tenant = storage.tenant(name)
            for number in range(3):
                tenant.create_user(NewUser(id=f"usr_{number}", email=f"user-{number}@example.com", name=name))
            found = tenant.batch_get_users([f"usr_{number}" for number in range(4)])
            return [None if user is None else user.name for user in found]

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(use, NAMES)) == [[name, name, name, None] for name in NAMES]


def test_closing_the_storage_waits_for_the_work_of_its_tenants(config: DynamoDbConfig) -> None:
    """The rows of a tenant's ended sessions are removed before the connections close; others' rows stay."""
    config = replace(config, session_cleanup="background")
    with DynamoDbStorage.open(config) as storage:
        for name in NAMES[:2]:
            tenant = storage.tenant(name)
            user = tenant.create_user(NewUser(id="usr_1", email="ada@example.com"))
            session = NewSession(user_id=user.id, expires_at=config.clock() + timedelta(days=1))
            for _ in range(30):
                tenant.create_session(session, user=user)
        tenant = storage.tenant(NAMES[0])
        tenant.delete_sessions_for_user("usr_1")
        tenant.close()
    left = [item for item in raw(config) if "epoch" in item]
    assert len(left) == 30
    assert all(item["user_id"]["S"] == f"@{NAMES[1]}#usr_1" for item in left)


def test_a_tenants_user_and_an_item_of_the_application_are_written_together(
    dynoxide: LocalEngine, table_prefix: str
) -> None:
    """In a shared table: all or nothing, and the library's items are refused however their keys are given."""
    config = dynoxide.config(table_prefix=table_prefix, layout="single", table=table_prefix)
    with DynamoDbStorage.open(config) as storage:
        tenant = storage.tenant("acme")

        def sign_up(email: str) -> Any:
            def build(tx: Any) -> None:
                user = tx.create_user(NewUser(id="usr_1", email=email))
                tx.put(table_prefix, {"pk": f"plan#{user.id}", "sk": "plan"}, condition="attribute_not_exists(#pk)")

            return build

        tenant.transact_write(sign_up("ada@example.com"))
        with pytest.raises(TransactionFailed):
            tenant.transact_write(sign_up("grace@example.com"))
        assert tenant.get_user_by_email("ada@example.com") is not None
        assert tenant.get_user_by_email("grace@example.com") is None
        assert storage.get_user("usr_1") is None
        stored = {"pk": "torii@acme#user#usr_1", "sk": "user"}
        tenant.transact_write(lambda tx: tx.check(table_prefix, stored, condition="attribute_exists(#pk)"))
        arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{table_prefix}"
        for name in (table_prefix, arn):
            for key in (stored, {"pk": "torii#user#usr_1", "sk": "user"}, {"pk": "torii@other#token#1", "sk": "token"}):
                with pytest.raises(ValidationError, match="the library's own"):
                    storage.transact_write(lambda tx, name=name, key=key: tx.delete(name, key))  # type: ignore[misc]
        with pytest.raises(ValidationError, match="pk and sk"):
            storage.transact_write(
                lambda tx: tx.check(config.table_name("users"), {"id": "usr_1"}, condition="attribute_exists(#id)")
            )


def test_a_tenants_transaction_names_its_own_rows(dynoxide: LocalEngine, table_prefix: str) -> None:
    """In five tables, a row of the library's that a tenant's transaction names is that tenant's."""
    config = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(config) as storage:
        acme, other = storage.tenant("acme"), storage.tenant("other")
        acme.create_user(NewUser(id="usr_1", email="ada@example.com"))
        users = config.table_name("users")

        def exists(tx: Any) -> None:
            tx.check(
                users,
                {"id": "usr_1"},
                condition="attribute_exists(#id) AND #email = :email",
                values={"email": "ada@example.com"},
            )

        acme.transact_write(exists)
        for stranger in (storage, other):
            with pytest.raises(TransactionFailed):
                stranger.transact_write(exists)

        def twice(tx: Any) -> None:
            tx.create_user(NewUser(id="usr_1", email="grace@example.com"))
            exists(tx)

        with pytest.raises(ValidationError, match="twice"):
            acme.transact_write(twice)
        other.transact_write(lambda tx: tx.delete(users, {"id": "usr_1"}), allow_torii_tables=True)
        assert acme.get_user("usr_1") is not None
        with pytest.raises(TransactionFailed):
            acme.transact_write(
                lambda tx: tx.check(users, {"id": "usr_1"}, condition="#email = :email", values={"email": 1})
            )


def test_the_limit_of_a_single_table_applies_to_all_tenants(dynoxide: LocalEngine, table_prefix: str) -> None:
    """``rate_limits`` with "table": what one tenant writes, the others wait for; reads have a limit of their own."""
    limit = {"table": RateLimit(write=1)}
    config = dynoxide.config(table_prefix=table_prefix, layout="single", rate_limits=limit, deadline=1)
    with DynamoDbStorage.open(config) as storage:
        storage.tenant("acme").create_user(NewUser(email="ada@example.com"))
        with pytest.raises(Throttled, match="rate limit"):
            storage.tenant("other").create_user(NewUser(email="ada@example.com"))
        assert storage.tenant("acme").get_user_by_email("ada@example.com") is not None


def test_the_longest_names_can_be_stored(dynoxide: LocalEngine, table_prefix: str) -> None:
    """With the longest prefix and tenant, addresses and OAuth accounts may be as long as ever."""
    config = dynoxide.config(table_prefix=table_prefix, layout="single", key_prefix="p" * 64)
    email, subject = f"{'a' * 64}@{'d' * 63}.{'d' * 63}.{'d' * 53}.com", "\U0001f600" * 63
    with DynamoDbStorage.open(config) as storage:
        tenant = storage.tenant("t" * 63)
        user = tenant.create_user(NewUser(id="u" * 64, email=email), password_hash=HASH)
        tenant.link_oauth_account(user.id, NewOAuthAccount(provider="p" * 32, subject=subject))
        found = tenant.get_user_by_provider_and_subject("p" * 32, subject)
        assert found is not None
        assert (found.id, found.email) == (user.id, email)
        assert tenant.get_user_by_email(email) == found


def test_a_tenants_checks_read_in_the_local_region(config: DynamoDbConfig) -> None:
    """With a home Region, a tenant's session is read where it is used, and written at home."""
    with DynamoDbStorage.open(config) as home:
        tenant = home.tenant("acme")
        user = tenant.create_user(NewUser(email="ada@example.com"))
        expires_at = config.clock() + timedelta(days=1)
        token = tenant.create_session(NewSession(user_id=user.id, expires_at=expires_at)).token
    abroad = replace(
        config,
        create_tables=False,
        home_region="eu-central-1",
        home_endpoint_url="http://127.0.0.1:1",
        retry_attempts=0,
        session_cleanup="off",
    )
    with DynamoDbStorage.open(abroad) as storage:
        found = storage.tenant("acme").get_signed_in(token)
        assert found is not None
        assert found.user == user
        with pytest.raises(Unavailable):
            storage.tenant("acme").get_user(user.id)
