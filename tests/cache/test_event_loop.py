"""What only the asynchronous cache does: merged gets, cancelled callers, several event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.cache._async.test_checks import SECRET, opened
from tests.valkey_server import ValkeyServer

from torii_dynamodb.cache import AsyncValkeyCache, CacheCounts
from torii_dynamodb.fastapi.storage import close_storage, dynamodb
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewSession, NewUser


async def test_checks_of_one_round_share_a_request(
    dynoxide: LocalEngine, table_prefix: str, valkey: ValkeyServer
) -> None:
    """Checks that begin together, of different users, are one MGET."""
    async with opened(dynoxide.config(table_prefix=table_prefix), valkey.url) as world:
        user = await world.storage.create_user(NewUser(email="bob@example.com"))
        ends = world.clock() + timedelta(days=1)
        other = await world.storage.create_session(NewSession(user_id=user.id, expires_at=ends))
        assert await world.passes(other)
        world.reset()
        with valkey.client() as client:
            client.config_resetstat()
            assert all(await asyncio.gather(*(world.passes(one) for one in [world.session, other] * 20)))
            stats: Any = client.info("commandstats")
        assert stats["cmdstat_mget"]["calls"] == 1
        assert world.requests == []


async def test_a_cancelled_check_does_not_affect_others(
    dynoxide: LocalEngine, table_prefix: str, valkey: ValkeyServer
) -> None:
    """The caller that began a merged get may be cancelled: the others get their answer."""
    async with opened(dynoxide.config(table_prefix=table_prefix), valkey.url) as world:
        first, second = (asyncio.ensure_future(world.passes()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_cancelled_revocation_leaves_a_barrier(
    dynoxide: LocalEngine, table_prefix: str, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If its caller is cancelled after the write was sent, the session is removed in the background."""
    async with opened(dynoxide.config(table_prefix=table_prefix), valkey.url) as world:
        client = world.storage._clients[0]
        call, sent = client.call, asyncio.Event()

        async def slow(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
            answer = await call(operation, payload)
            if operation == "UpdateItem":
                sent.set()
                await asyncio.Event().wait()
            return answer

        monkeypatch.setattr(client, "call", slow)
        revoking = asyncio.ensure_future(world.storage.delete_sessions_for_user(world.user.id))
        await sent.wait()
        revoking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await revoking
        await world.storage.settle()
        assert not await world.passes()


async def test_a_revocation_that_is_cancelled_while_it_removes_still_does(
    dynoxide: LocalEngine, table_prefix: str, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If its caller is cancelled between the write and the removal, the removal is done in the background."""
    async with opened(dynoxide.config(table_prefix=table_prefix), valkey.url) as world:
        forget, removing = world.cache.forget, asyncio.Event()

        async def slow(keys: Sequence[str], *, undecided: bool = False) -> None:
            monkeypatch.setattr(world.cache, "forget", forget)
            removing.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(world.cache, "forget", slow)
        revoking = asyncio.ensure_future(world.storage.delete_session(world.session.token))
        await removing.wait()
        revoking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await revoking
        await world.storage.settle()
        assert not await world.passes()


def test_a_cache_is_used_in_several_event_loops(valkey: ValkeyServer) -> None:
    """Each event loop gets connections of its own, also after another one has ended."""
    cache = AsyncValkeyCache(valkey.url, secret=SECRET, timeout=5, connect_timeout=5)

    async def use() -> None:
        assert await cache.get(["nothing"]) == [None]
        await cache.aclose()

    for _ in range(2):
        asyncio.run(use())


def test_a_storage_that_several_loops_open_counts_once(
    dynoxide: LocalEngine, valkey: ValkeyServer, table_prefix: str
) -> None:
    """What ``dynamodb()`` opens in each event loop shares what checks found in the cache, tenants' parts included."""
    cache = AsyncValkeyCache(valkey.url, secret=SECRET, timeout=5, connect_timeout=5)
    config = dynoxide.config(table_prefix=table_prefix)
    storage = dynamodb(config, cache=cache)
    token = ""

    async def check() -> None:
        nonlocal token
        if not token:
            user = await storage.create_user(NewUser(email="ada@example.com"))
            ends = config.clock() + timedelta(days=1)
            token = (await storage.create_session(NewSession(user_id=user.id, expires_at=ends))).token
        assert await storage.get_signed_in(token) is not None
        await close_storage(storage)

    for _ in range(2):
        asyncio.run(check())
    assert storage.cache_counts == CacheCounts(hits=1, misses=1)
    assert storage.tenant("acme").cache_counts is storage.cache_counts
    assert dynamodb(config).cache_counts is None
