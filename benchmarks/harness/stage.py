"""The engines, their tables and their data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.harness.contestants import BENCH, Contestant
from torii_dynamodb import AsyncDynamoDbStorage, DynamoDbConfig, DynamoDbStorage, NewSession, NewUser
from torii_dynamodb._core import sessions, users
from torii_dynamodb._sync.client import Client
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import Session
from torii_dynamodb.testing.clock import FakeRandom

# Contestants that use a client by hand use the library's tables; these have their own.
_OWN_TABLES = ("fastapi_users", "authjs", "powertools")

_START = datetime(2026, 1, 1, tzinfo=UTC)
_END = _START + timedelta(days=36_500)


def make_tables(engine: LocalEngine, taking_part: list[Contestant]) -> None:
    """Create the tables of the contestants that do not create them."""
    prefixes = {one.prefix for one in taking_part if one.key not in _OWN_TABLES} | {"ours_async"}
    for prefix in sorted(prefixes):
        DynamoDbStorage().initialize(engine.config(table_prefix=prefix)).close()
    client = Client(engine.config())
    for key, table in (("authjs", _AUTHJS), ("powertools", _POWERTOOLS)):
        if any(one.key == key for one in taking_part):
            client.call("CreateTable", table)
    client.close()


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


# As in https://authjs.dev/getting-started/adapters/dynamodb.
_AUTHJS: dict[str, Any] = {
    "TableName": "authjs_authjs",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "GSI1PK", "GSI1SK")
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "GSI1",
            "KeySchema": [
                {"AttributeName": "GSI1PK", "KeyType": "HASH"},
                {"AttributeName": "GSI1SK", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


# As in the documentation of Powertools for AWS Lambda (Python), "Idempotency".
_POWERTOOLS: dict[str, Any] = {
    "TableName": "powertools_store",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}


def session_of(number: int) -> Session:
    """Return the session of the user with that number, the same in every run, so that a filled file can be reused."""
    new = NewSession(
        user_id=f"usr_{number:032x}",
        expires_at=_END,
        user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0",
        ip_address="203.0.113.7",
    )
    return sessions.bind(new, 1_000_000 + number, _START, FakeRandom(number))


def token_of(number: int) -> str:
    """Return the token of that session."""
    token = session_of(number).token
    assert token is not None
    return token


def filled_engine(size: int, say: Callable[[str], None]) -> LocalEngine:
    """Start an engine on a file with that many users, each with a session. Filled once, kept below ``.bench``."""
    path = BENCH / "data" / f"users-{size}.db"
    done = path.with_suffix(".filled")
    if not done.exists():
        for left in path.parent.glob(f"users-{size}.*"):
            left.unlink()
        say(f"  filling {path.name} ...")
        with LocalEngine("dynoxide", db_path=path) as engine:
            asyncio.run(_fill(engine.config(table_prefix="size", merge_reads=False), size))
        done.touch()
    return LocalEngine("dynoxide", db_path=path).start()


async def _fill(config: DynamoDbConfig, size: int) -> None:
    async with AsyncDynamoDbStorage.open(config) as storage:
        client = storage._client
        step = 2_000
        for first in range(0, size, step):
            rows: list[tuple[str, dict[str, Any]]] = []
            for number in range(first, min(first + step, size)):
                session = session_of(number)
                new = NewUser(id=session.user_id, email=f"user-{number}@example.com", name="Ada Lovelace")
                user = users.to_item(users.new_user_model(new, None, _START, FakeRandom(number)))
                user["session_epoch"] = {"N": str(session.epoch)}
                rows.append((config.table_name("users"), {"PutRequest": {"Item": user}}))
                rows.append((config.table_name("sessions"), {"PutRequest": {"Item": sessions.to_item(session)}}))
            await client.batch_write(rows)
