# Generated from tests/integration/storage/_async/test_interleavings.py by tools/unasync.py. Do not edit.

"""Other writers between a read and its write, duplicates from an index, and a builder's invalid arguments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from torii_dynamodb._sync.storage.handle import DynamoDbHandle, DynamoDbStorage
from torii_dynamodb.errors import CorruptItem, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewSession, NewUser, User
from torii_dynamodb.testing.clock import FakeClock

ADA, GRACE = "ada@example.com", "grace@example.com"


@pytest.fixture
def storage(dynoxide: LocalEngine, table_prefix: str) -> Iterator[DynamoDbHandle]:
    config = dynoxide.config(table_prefix=table_prefix, clock=FakeClock(), session_cleanup="off")
    with DynamoDbStorage.open(config) as handle:
        yield handle


def session(storage: DynamoDbHandle, user: User, *, minutes: int = 60, size: int = 0) -> str:
    """Create a session and return its token."""
    ends = storage.config.clock() + timedelta(minutes=minutes)
    new_session = NewSession(user_id=user.id, expires_at=ends, metadata={"b": b"x" * size})
    return (storage.create_session(new_session, user=user)).token or ""


def test_deleting_spares_no_claim_of_a_user_made_anew(storage: DynamoDbHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a user is deleted and recreated between read and write, no claim is left without its user."""
    storage.create_user(NewUser(email=ADA, id="u1"))
    transact = storage._transact

    def late(*items: Any) -> Any:
        monkeypatch.setattr(storage, "_transact", transact)
        storage.delete_user("u1")
        storage.create_user(NewUser(email=GRACE, id="u1"))
        return transact(*items)

    monkeypatch.setattr(storage, "_transact", late)
    assert storage.delete_user("u1")
    assert storage.get_user("u1") is None
    for email in (ADA, GRACE):
        storage.create_user(NewUser(email=email))


def test_a_claim_without_its_user_is_an_error(storage: DynamoDbHandle) -> None:
    """If tables were restored from different points in time, get_or_create raises instead of retrying forever."""
    user = storage.create_user(NewUser(email=ADA))
    table = storage.config.table_name("users")
    storage.transact_write(lambda builder: builder.delete(table, {"id": user.id}), allow_torii_tables=True)
    with pytest.raises(CorruptItem) as told:
        storage.get_or_create_user_by_email(ADA)
    assert told.value.table == "identities"


def test_a_session_that_moves_while_pages_are_read_is_listed_once(
    storage: DynamoDbHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session refreshed between two pages is on both, but is listed once, with its later expiry, and removed once."""
    user = storage.create_user(NewUser(email=ADA))
    tokens = [session(storage, user, minutes=minutes) for minutes in (10, 20)]
    later = storage.config.clock().replace(microsecond=0) + timedelta(minutes=30)
    call = storage._client.call

    def small_pages(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation != "Query":
            return call(operation, payload)
        answer = call(operation, payload | {"Limit": 1})
        if "ExclusiveStartKey" not in payload:
            storage.refresh_session(tokens[0], expires_at=later)
        return answer

    monkeypatch.setattr(storage._client, "call", small_pages)
    listed = storage.list_sessions_for_user(user.id)
    assert sorted(found.expires_at for found in listed) == [later - timedelta(minutes=10), later]

    def twice(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = call(operation, payload)
        if operation == "Query":
            answer["Items"] *= 2
        return answer

    monkeypatch.setattr(storage._client, "call", twice)
    storage.delete_sessions_for_user(user.id)
    assert storage.remove_ended_sessions(user.id) == 2


def test_rows_of_ended_sessions_go_page_by_page_and_no_others(storage: DynamoDbHandle) -> None:
    """More ended sessions than fit on a page (1 MB) are removed, and a session created since is not."""
    old = storage.create_user(NewUser(email=ADA))
    for _ in range(12):
        session(storage, old, size=200_000)
    storage.delete_sessions_for_user(old.id)
    user = storage.get_user(old.id)
    assert user is not None
    token = session(storage, user)
    assert storage.remove_ended_sessions(user.id) == 12
    assert storage.get_session(token) is not None
    assert storage.remove_ended_sessions(user.id) == 0


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
def test_a_builder_refuses_what_cannot_be_sent(storage: DynamoDbHandle, build: Any) -> None:
    """Arguments of a wrong type or value raise ValidationError before any request."""
    with pytest.raises(ValidationError):
        storage.transact_write(build)
