"""Fills tables with people, and dumps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from torii_dynamodb import DynamoDbStorage, NewOAuthAccount, NewSession, NewToken, NewUser, Session
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.items import Items
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.models import NewFactor
from torii_dynamodb.schema import SCHEMA, Key


def people(config: DynamoDbConfig, count: int = 3, tenant: str | None = None) -> list[Session]:
    """Make users with a password, a linked account, a session and a magic link each; return the sessions."""
    with DynamoDbStorage.open(config) as opened:
        storage = opened if tenant is None else opened.tenant(tenant)
        sessions: list[Session] = []
        for index in range(count):
            user = storage.create_user(
                NewUser(email=f"user{index}@example.com", metadata={"n": index, "half": 0.5, "set": [1, "a", b"\x00"]}),
                password_hash="$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            )
            storage.link_oauth_account(user.id, NewOAuthAccount(provider="github", subject=f"s{index}"))
            # One of them disconnected a provider, which their item remembers.
            if index == 0:
                storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject="old"))
                storage.unlink_oauth_account(user.id, "google", "old")
            # And one has second factors.
            if index == 1:
                storage.add_factor(NewFactor(user_id=user.id, id="app", secret=b"\x00sealed", last_step=1))
                storage.set_recovery_codes(user.id, ["mark-1", "mark-2"])
                storage.use_recovery_code(user.id, "mark-1")
            later = datetime.now(UTC) + timedelta(days=1)
            storage.create_token(NewToken(purpose="magic_link", user_id=user.id, expires_at=later))
            sessions.append(storage.create_session(NewSession(user_id=user.id, expires_at=later)))
    return sessions


def _keys(table: TableName) -> list[Key]:
    schema = SCHEMA[table]
    return [schema.hash_key] + ([schema.range_key] if schema.range_key is not None else [])


def dump(config: DynamoDbConfig, client: Client) -> dict[str, list[dict[str, Any]]]:
    """Every item of every table, ordered by key; a single table's as the five tables would contain them."""
    found: dict[str, list[dict[str, Any]]] = {}
    items = Items(config, client)
    for table in TABLES:
        answer = items.client.call("Scan", {"TableName": items.name(table), "ConsistentRead": True})
        found[table] = sorted(answer["Items"], key=lambda item: str([item[one.name] for one in _keys(table)]))
    return found
