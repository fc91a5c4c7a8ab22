"""Only the library writes to its tables, and a row that something else wrote does not hide the others."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from torii_dynamodb import (
    DynamoDbConfig,
    NewOAuthAccount,
    NewPasskey,
    NewSession,
    NewUser,
    TransactionBuilder,
)
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb._core.keys import oauth_key, passkey_key
from torii_dynamodb.config import TABLES
from torii_dynamodb.errors import CorruptItem, ValidationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.schema import SCHEMA

ADA = "ada@example.com"


@pytest.fixture
async def storage(dynoxide: LocalEngine, table_prefix: str) -> AsyncIterator[AsyncDynamoDbHandle]:
    """Open a storage on tables of the test's own."""
    config = dynoxide.config(table_prefix=table_prefix, session_cleanup="off")
    async with AsyncDynamoDbStorage.open(config) as handle:
        yield handle


async def spoil(storage: AsyncDynamoDbHandle, table: str, key: dict[str, Any], attribute: str, value: Any) -> None:
    """Write as another program would that does not know what the library reads."""
    body = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "SET #a = :a",
        "ExpressionAttributeNames": {"#a": attribute},
        "ExpressionAttributeValues": {":a": value},
    }
    await storage._client.call("UpdateItem", body)


@pytest.mark.parametrize("spelling", ["{}", "arn:aws:dynamodb:eu-central-1:111122223333:table/{}"])
@pytest.mark.parametrize("table", TABLES)
def test_writes_to_our_tables_are_refused(table: Any, spelling: str) -> None:
    """Every way of writing is refused, by name and by ARN; checks, create_user and the caller's own tables are not."""
    config = DynamoDbConfig(table_names={"tokens": "elsewhere"})
    name = spelling.format(config.table_name(table))
    schema = SCHEMA[table]
    key = {one.name: "x" for one in (schema.hash_key, schema.range_key) if one is not None}

    def writes(builder: TransactionBuilder) -> list[Any]:
        return [
            lambda: builder.put(name, key),
            lambda: builder.update(name, key, "SET #a = :a", condition="attribute_exists(#id)", values={"a": 1}),
            lambda: builder.delete(name, key),
        ]

    for write in writes(TransactionBuilder(config)):
        with pytest.raises(ValidationError, match="allow_torii_tables=True"):
            write()
    for number in range(3):
        writes(TransactionBuilder(config, allow_torii_tables=True))[number]()
    builder = TransactionBuilder(config).check(name, key, condition="attribute_exists(#id)")
    builder.create_user(NewUser(email=ADA))
    builder.put("torii_tokens" if table == "tokens" else "profiles", {"id": "mine"})


@pytest.mark.parametrize("name", [
    "torii_users/index/email-index", " torii_users", "torii_users\n", "arn:aws:dynamodb:eu:1:table/torii_users/",
    "ARN:AWS:DYNAMODB:eu-central-1:1:TABLE/torii_users", "arn:aws:s3:::torii_users", "", 5, None,
])  # fmt: skip
def test_other_spellings_of_a_table_are_none(name: Any) -> None:
    """Text that DynamoDB would not accept as a table is refused."""
    with pytest.raises(ValidationError, match="full name, or its ARN"):
        TransactionBuilder(DynamoDbConfig()).put(name, {"id": "x"})


def test_one_item_by_name_and_by_arn_stands_twice() -> None:
    """A table's name and its ARN are the same table."""
    builder = TransactionBuilder(DynamoDbConfig()).delete("mine", {"id": "1"})
    with pytest.raises(ValidationError, match="appears twice"):
        builder.delete("arn:aws:dynamodb:eu-central-1:111122223333:table/mine", {"id": "1"})


async def test_a_broken_user_does_not_take_the_page_away(
    storage: AsyncDynamoDbHandle, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are listed, the broken one is named and logged, and reading it directly raises CorruptItem."""
    users = [await storage.create_user(NewUser(email=f"{number}@example.com")) for number in range(3)]
    await spoil(storage, storage._users, {"id": {"S": users[1].id}}, "created_at", {"N": "5"})
    await storage.transact_write(
        lambda builder: builder.put(storage._users, {"id": "usr_foreign"}), allow_torii_tables=True
    )
    with caplog.at_level(logging.WARNING, "torii_dynamodb"):
        page = await storage.list_users()
    assert {user.id for user in page.items} == {users[0].id, users[2].id}
    assert {error.key for error in page.corrupt} == {users[1].id, "usr_foreign"}
    assert {error.table for error in page.corrupt} == {"users"}
    assert "leaves out 2 stored items" in caplog.text
    with pytest.raises(CorruptItem) as told:
        await storage.get_user(users[1].id)
    assert (told.value.key, told.value.attribute) == (users[1].id, "created_at")


async def test_pages_go_on_behind_a_broken_user(storage: AsyncDynamoDbHandle) -> None:
    """A page that contains only a broken user is empty, and has a next page."""
    users = [await storage.create_user(NewUser(email=f"{number}@example.com")) for number in range(3)]
    await spoil(storage, storage._users, {"id": {"S": users[0].id}}, "version", {"S": "new"})
    seen: list[str] = []
    corrupt: list[str | None] = []
    cursor = None
    while True:
        page = await storage.list_users(limit=1, cursor=cursor)
        seen += [user.id for user in page.items]
        corrupt += [error.key for error in page.corrupt]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(user.id for user in users[1:])
    assert corrupt == [users[0].id]


async def test_broken_sessions_are_listed_apart(storage: AsyncDynamoDbHandle) -> None:
    """The other sessions are listed; a broken one signs nobody in, and is removed when all are ended."""
    user = await storage.create_user(NewUser(email=ADA))
    ends = storage.config.clock() + timedelta(hours=1)
    kept, broken = [await storage.create_session(NewSession(user_id=user.id, expires_at=ends)) for _ in range(2)]
    await spoil(storage, storage._sessions, {"id": {"S": broken.id}}, "epoch", {"S": "0"})
    listed = await storage.list_sessions_for_user(user.id)
    assert [session.id for session in listed] == [kept.id]
    assert [error.key for error in listed.corrupt] == [broken.id]
    assert broken.token
    with pytest.raises(CorruptItem):
        await storage.get_session(broken.token)
    await storage.delete_sessions_for_user(user.id)
    assert await storage.remove_ended_sessions(user.id) == 2


@pytest.mark.parametrize(("attribute", "value"), [("created_at", {"BOOL": True}), ("user_id", {"N": "1"})])
async def test_broken_passkeys_and_accounts_are_listed_apart(
    storage: AsyncDynamoDbHandle, attribute: str, value: dict[str, Any]
) -> None:
    """The others are listed, whatever attribute is broken, including the user's id."""
    user = await storage.create_user(NewUser(email=ADA))
    for number in range(2):
        passkey = NewPasskey(user_id=user.id, credential_id=b"%d" % number * 16, public_key=b"key")
        await storage.add_passkey(passkey)
        await storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject=str(number)))
    for identity in (passkey_key(b"1" * 16), oauth_key("google", "1")):
        await spoil(storage, storage._identities, {"id": {"S": identity}}, attribute, value)
    passkeys = await storage.list_passkeys_for_user(user.id)
    accounts = await storage.list_oauth_accounts_for_user(user.id)
    assert [passkey.credential_id for passkey in passkeys] == [b"0" * 16]
    assert [account.subject for account in accounts] == ["0"]
    assert [error.attribute for error in (*passkeys.corrupt, *accounts.corrupt)] == [attribute] * 2


@pytest.mark.parametrize(("attribute", "value"), [("at", {"N": "1"}), ("expires_at", {"S": "soon"})])
async def test_broken_attempts_are_listed_apart(
    storage: AsyncDynamoDbHandle, attribute: str, value: dict[str, Any]
) -> None:
    """The audit of failed attempts lists the others."""
    for _ in range(3):
        attempt = await storage.acquire_login_attempt(ADA)
        await storage.record_failed_attempt(ADA, attempt.attempt_id)
    first = (await storage.list_failed_attempts(ADA))[0]
    rows = (await storage._client.call("Scan", {"TableName": storage._attempts}))["Items"]
    (row,) = [row for row in rows if row["attempt"] == {"S": first.attempt_id}]
    await spoil(storage, storage._attempts, {"subject": row["subject"], "attempt": row["attempt"]}, attribute, value)
    listed = await storage.list_failed_attempts(ADA)
    assert len(listed) == 2
    assert [error.attribute for error in listed.corrupt] == [attribute]
