"""Whatever an operation changes in the tables, it removes from the cache."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.admin.every_operation import steps
from tests.cache.memory import MemoryCache

from torii_dynamodb import DynamoDbStorage, NewSession
from torii_dynamodb._core.cache import CacheKeys
from torii_dynamodb._core.layout import placer
from torii_dynamodb._sync.client import Client
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.local.engines import LocalEngine


def reader(config: DynamoDbConfig, client: Client) -> Callable[[], dict[str, Any]]:
    """Return a function that reads all users and sessions, by their key in the cache."""
    place, keys = placer(config), CacheKeys(config)

    def read() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for table in config.tables:
            name = config.table_name(table)
            page = client.call("Scan", {"TableName": name, "ConsistentRead": True})
            assert "LastEvaluatedKey" not in page
            for item in page["Items"]:
                placed = place(name, item)
                match placed:
                    case ("users", tenant, user):
                        found[keys.user(tenant, user["id"]["S"])] = user
                    case ("sessions", tenant, session):
                        found[keys.session(tenant, session["user_id"]["S"], session["id"]["S"])] = session
                    case _:
                        pass
        return found

    return read


@pytest.mark.parametrize("tenant", [None, "acme"])
@pytest.mark.parametrize("layout", ["tables", "single"])
def test_every_operation_removes_what_it_changes(
    dynoxide: LocalEngine, table_prefix: str, layout: Any, tenant: str | None
) -> None:
    """Every operation of the contract removes each user and session that it changed or deleted."""
    config = dynoxide.config(table_prefix=table_prefix, layout=layout, session_cleanup="inline")
    cache = MemoryCache()
    changes = 0
    with DynamoDbStorage.open(config, cache=cache) as whole, closing(Client(config)) as client:
        storage = whole if tenant is None else whole.tenant(tenant)
        read = reader(replace(config), client)
        ends = config.clock() + timedelta(hours=1)
        for name, act in steps(storage):
            if name not in ("create_user", "health_check"):
                # A session for whatever ends sessions, and everything stored, for whatever does not remove it.
                with suppress(ToriiError):
                    storage.get_signed_in(storage.create_session(NewSession(user_id="usr_ada", expires_at=ends)).token)
            before = read()
            cache.forgotten.clear()
            with suppress(ToriiError):
                act()
            after = read()
            changed = {key for key, item in before.items() if after.get(key) != item}
            changes += len(changed)
            assert changed <= set(cache.forgotten), name
            for key, held in cache.held.items():
                assert not held.startswith(b"E") or key in after, f"{name} left an entry of what it deleted"
    assert changes > 20
