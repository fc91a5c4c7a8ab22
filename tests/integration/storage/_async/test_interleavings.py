"""Other writers between a read and its write, duplicates from an index, and a builder's invalid arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb.errors import CorruptItem, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewSession, NewUser, User
from torii_dynamodb.testing.clock import FakeClock

ADA, GRACE = "ada@example.com", "grace@example.com"


@pytest.fixture
async def storage(dynoxide: LocalEngine, table_prefix: str) -> AsyncIterator[AsyncDynamoDbHandle]:
    config = dynoxide.config(table_prefix=table_prefix, clock=FakeClock(), session_cleanup="off")
    async with AsyncDynamoDbStorage.open(config) as handle:
        yield handle


async def session(storage: AsyncDynamoDbHandle, user: User, *, minutes: int = 60, size: int = 0) -> str:
    """Create a session and return its token."""
    ends = storage.config.clock() + timedelta(minutes=minutes)
    new_session = NewSession(user_id=user.id, expires_at=ends, metadata={"b": b"x" * size})
    return (await storage.create_session(new_session, user=user)).token or ""


async def test_deleting_spares_no_claim_of_a_user_made_anew(
    storage: AsyncDynamoDbHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a user is deleted and recreated between read and write, no claim is left without its user."""
    await storage.create_user(NewUser(email=ADA, id="u1"))
    transact = storage._transact

    async def late(*items: Any) -> Any:
        monkeypatch.setattr(storage, "_transact", transact)
        await storage.delete_user("u1")
        await storage.create_user(NewUser(email=GRACE, id="u1"))
        return await transact(*items)

    monkeypatch.setattr(storage, "_transact", late)
    assert await storage.delete_user("u1")
    assert await storage.get_user("u1") is None
    for email in (ADA, GRACE):
        await storage.create_user(NewUser(email=email))


async def test_a_claim_without_its_user_is_an_error(storage: AsyncDynamoDbHandle) -> None:
    """If tables were restored from different points in time, get_or_create raises instead of retrying forever."""
    user = await storage.create_user(NewUser(email=ADA))
    table = storage.config.table_name("users")
    await storage.transact_write(lambda builder: builder.delete(table, {"id": user.id}), allow_torii_tables=True)
    with pytest.raises(CorruptItem) as told:
        await storage.get_or_create_user_by_email(ADA)
    assert told.value.table == "identities"


async def test_a_session_that_moves_while_pages_are_read_is_listed_once(
    storage: AsyncDynamoDbHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session refreshed between two pages is on both, but is listed once, with its later expiry, and removed once."""
    user = await storage.create_user(NewUser(email=ADA))
    tokens = [await session(storage, user, minutes=minutes) for minutes in (10, 20)]
    later = storage.config.clock().replace(microsecond=0) + timedelta(minutes=30)
    call = storage._client.call

    async def small_pages(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation != "Query":
            return await call(operation, payload)
        answer = await call(operation, payload | {"Limit": 1})
        if "ExclusiveStartKey" not in payload:
            await storage.refresh_session(tokens[0], expires_at=later)
        return answer

    monkeypatch.setattr(storage._client, "call", small_pages)
    listed = await storage.list_sessions_for_user(user.id)
    assert sorted(found.expires_at for found in listed) == [later - timedelta(minutes=10), later]

    async def twice(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = await call(operation, payload)
        if operation == "Query":
            answer["Items"] *= 2
        return answer

    monkeypatch.setattr(storage._client, "call", twice)
    await storage.delete_sessions_for_user(user.id)
    assert await storage.remove_ended_sessions(user.id) == 2


async def test_rows_of_ended_sessions_go_page_by_page_and_no_others(storage: AsyncDynamoDbHandle) -> None:
    """More ended sessions than fit on a page (1 MB) are removed, and a session created since is not."""
    old = await storage.create_user(NewUser(email=ADA))
    for _ in range(12):
        await session(storage, old, size=200_000)
    await storage.delete_sessions_for_user(old.id)
    user = await storage.get_user(old.id)
    assert user is not None
    token = await session(storage, user)
    assert await storage.remove_ended_sessions(user.id) == 12
    assert await storage.get_session(token) is not None
    assert await storage.remove_ended_sessions(user.id) == 0


@pytest.mark.parametrize(
    "build",
    [
        lambda builder: builder.put("a-table", {1: "one"}),
        lambda builder: builder.put("a-table", {"id": "x", "map": {1: "one"}}),
        lambda builder: builder.put("a-table", {"\ud800": "surrogate"}),
        lambda builder: builder.put("a-table", {"id": 0.5}),
        lambda builder: builder.put("a-table", {"id": "x"}, condition=5),
        lambda builder: builder.put("a-table", {"id": "x"}, condition="#id = :a", values=["a"]),
        lambda builder: builder.put(5, {"id": "x"}),
        lambda builder: builder.update("a-table", {"id": "x"}, None, condition="#id = :a"),
        lambda builder: builder.update("a-table", {"id": "x"}, "SET #a = :a", condition=None),
        lambda builder: builder.delete("a-table", "x"),
        lambda builder: builder.check("a-table", {"id": "x"}, condition=""),
        lambda builder: builder,
    ],
)
async def test_a_builder_refuses_what_cannot_be_sent(storage: AsyncDynamoDbHandle, build: Any) -> None:
    """Arguments of a wrong type or value raise ValidationError before any request."""
    with pytest.raises(ValidationError):
        await storage.transact_write(build)
