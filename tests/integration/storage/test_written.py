"""What is stored in five tables does not change between releases, byte for byte.

``written.json`` has the items that were written before there were other layouts. Do not make it anew: a difference
means that tables of applications would contain two kinds of items. It was made anew once, when the serial of a token
with ``revoke_earlier`` became the token's digest; it used to be random, and such tokens are still valid.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from torii_dynamodb import (
    DynamoDbStorage,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
)
from torii_dynamodb._core.layout import placer
from torii_dynamodb._sync.client import Client
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import MetadataValue, NewFactor

WRITTEN = Path(__file__).with_name("written.json")
NOW = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"


def deterministic() -> Callable[[int], bytes]:
    """Return a source of bytes that is the same each time, except for the ids of requests, which are not stored."""
    numbers = itertools.count()

    def random(size: int) -> bytes:
        return os.urandom(16) if size == 16 else sha256(b"%d" % next(numbers)).digest()[:size].ljust(size, b"\0")

    return random


def write(config: DynamoDbConfig, tenant: str | None = None) -> None:
    """Write one of everything, in a fixed order."""
    with DynamoDbStorage.open(config) as opened:
        storage = opened if tenant is None else opened.tenant(tenant)
        metadata: dict[str, MetadataValue] = {
            "n": 1,
            "half": 0.5,
            "text": "ü",
            "set": [1, "a", b"\x00"],
            "none": None,
            "yes": True,
        }
        user = storage.create_user(
            NewUser(email="Ada@Example.com", id="usr_ada", name="Ada", metadata=metadata), password_hash=HASH
        )
        other, _ = storage.create_oauth_account(
            NewUser(email="bob@example.com", id="usr_bob", email_verified_at=NOW),
            NewOAuthAccount(
                provider="google", subject="s#1", email="bob@example.com", profile={"a": 1}, tokens={"t": "x"}
            ),
        )
        storage.link_oauth_account(user.id, NewOAuthAccount(provider="github", subject="2"))
        storage.unlink_oauth_account(user.id, "github", "2")
        storage.add_passkey(NewPasskey(user_id=user.id, credential_id=b"id", public_key=b"key", transports=("usb",)))
        storage.add_factor(NewFactor(user_id=user.id, id="app", secret=b"\x00sealed", last_step=1))
        storage.accept_totp_step(user.id, "app", 5)
        storage.set_recovery_codes(user.id, ["mark-1", "mark-2"])
        storage.use_recovery_code(user.id, "mark-1")
        for who in (user.id, other.id):
            storage.create_session(
                NewSession(
                    user_id=who,
                    expires_at=LATER,
                    user_agent="Browser/1",
                    ip_address="192.0.2.1",
                    metadata={"a": 1},
                    amr=("pwd", "otp"),
                    authenticated_at=NOW,
                    second_factor_at=NOW,
                )
            )
        session = storage.create_session(NewSession(user_id=other.id, expires_at=NOW + timedelta(days=1)))
        storage.refresh_session(session.token, expires_at=LATER)
        storage.delete_sessions_for_user(other.id)
        for purpose in ("magic_link", "email_verification"):
            token = storage.create_token(NewToken(purpose=purpose, user_id=user.id, expires_at=LATER))
            storage.verify_token(token.token, purpose=purpose)
        storage.create_token(NewToken(purpose="magic_link", user_id=user.id, expires_at=LATER, revoke_earlier=True))
        storage.create_token(NewToken(purpose="magic_link", email="new@example.com", expires_at=LATER))
        code = storage.create_code(NewToken(purpose="sign_in", user_id=user.id, expires_at=LATER), "12345678")
        storage.try_code(code.token, "87654321", purpose="sign_in")
        storage.store_passkey_challenge(
            NewPasskeyChallenge(challenge=b"c" * 32, kind="registration", expires_at=LATER, user_id=user.id)
        )
        attempt = storage.acquire_login_attempt("ada@example.com")
        storage.record_failed_attempt(
            "ada@example.com", attempt.attempt_id or "", ip_address="192.0.2.1", user_agent="B"
        )
        storage.acquire_attempt("ip", "192.0.2.1", purpose="sign_in")
        storage.mark_email_verified(user.id, email="ada@example.com")
        storage.set_locked_at(user.id, NOW)


def items(config: DynamoDbConfig, tenant: str | None = None) -> dict[str, list[Any]]:
    """Return every stored item as in the five tables, by table, in a fixed order."""
    found: dict[str, list[Any]] = {table: [] for table in TABLES}
    place = placer(config)
    with closing(Client(config)) as client:
        for name in map(config.table_name, config.tables):
            for item in client.call("Scan", {"TableName": name, "ConsistentRead": True})["Items"]:
                placed = place(name, item)
                assert placed is not None
                assert placed[1] == tenant
                found[placed[0]].append(_sorted(placed[2]))
    return {table: sorted(every, key=lambda item: json.dumps(item, sort_keys=True)) for table, every in found.items()}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: sorted(inner) if name in ("SS", "NS") else _sorted(inner) for name, inner in value.items()}
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value


def config_of(engine: LocalEngine, prefix: str, **options: Any) -> DynamoDbConfig:
    """Return a configuration whose clock stands still and whose random bytes are the same each time."""
    return engine.config(
        table_prefix=prefix, clock=lambda: NOW, random=deterministic(), session_cleanup="off", **options
    )


def test_items_are_written_as_before(dynoxide: LocalEngine, table_prefix: str) -> None:
    """With the default layout and no tenant, one of everything is stored as before, keys included."""
    config = config_of(dynoxide, table_prefix)
    write(config)
    found: dict[str, list[Any]] = {}
    with closing(Client(config)) as client:
        for table in TABLES:
            every = client.call("Scan", {"TableName": config.table_name(table), "ConsistentRead": True})["Items"]
            found[table] = sorted((_sorted(item) for item in every), key=lambda item: json.dumps(item, sort_keys=True))
    assert found == json.loads(WRITTEN.read_text())


@pytest.mark.parametrize(
    ("tenant", "options"),
    [
        ("acme", {}),
        (None, {"layout": "single"}),
        ("acme", {"layout": "single", "ttl_attribute": "ttl", "partition_key": "id", "sort_key": "range"}),
    ],
    ids=str,
)
def test_only_keys_differ_between_layouts(
    dynoxide: LocalEngine, table_prefix: str, tenant: str | None, options: dict[str, Any]
) -> None:
    """Apart from their keys, items are the same in a single table and for a tenant."""
    config = config_of(dynoxide, table_prefix, **options)
    write(config, tenant)
    assert items(config, tenant) == json.loads(WRITTEN.read_text())
