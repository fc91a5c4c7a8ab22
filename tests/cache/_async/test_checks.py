"""Session checks with a cache, on Valkey and Dynoxide: what they cost, what ends them, and what happens without it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cache.connecting import SERVICE, certify, sentinel_of
from tests.ports import reserved_port
from tests.valkey_server import ValkeyServer

import torii_dynamodb._async.cache as cache_module
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb._async.valkey import AsyncValkeyCache
from torii_dynamodb._core.cache import CacheCounts, Lease
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import CacheUnavailable, ConfigurationError, Unavailable
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewSession, NewUser, Session, User
from torii_dynamodb.testing.clock import FakeClock

SECRET = "a secret of the tests, which is long enough"
PATIENT: dict[str, Any] = {"timeout": 5, "connect_timeout": 5}
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g"


class WatchedCache:
    """Passes everything on to a cache, and notes what it was asked for."""

    def __init__(self, cache: AsyncValkeyCache) -> None:
        self.cache = cache
        self.calls: list[str] = []
        self.max_age = cache.max_age
        self.before_fill: Callable[[], Awaitable[object]] | None = None

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        self.calls.append("get")
        return await self.cache.get(keys)

    async def lease(self, keys: Sequence[str]) -> Lease:
        self.calls.append("lease")
        return await self.cache.lease(keys)

    async def fill(self, lease: Lease, values: Mapping[str, bytes]) -> None:
        if self.before_fill is not None:
            act, self.before_fill = self.before_fill, None
            await act()
        self.calls.append("fill")
        await self.cache.fill(lease, values)

    async def forget(self, keys: Sequence[str], *, undecided: bool = False) -> None:
        self.calls.append("forget")
        await self.cache.forget(keys, undecided=undecided)

    async def clear(self, prefix: str) -> None:
        self.calls.append("clear")
        await self.cache.clear(prefix)

    async def aclose(self) -> None:
        await self.cache.aclose()


@dataclass
class World:
    """A storage with a cache, and a user with a session that is in it."""

    storage: AsyncDynamoDbHandle
    cache: WatchedCache
    clock: FakeClock
    user: User
    session: Session
    requests: list[str] = field(default_factory=list[str])

    async def passes(self, session: Session | None = None) -> bool:
        """Check a session."""
        return await self.storage.get_signed_in((session or self.session).token) is not None

    def reset(self) -> None:
        """Forget what was counted."""
        self.requests.clear()
        self.cache.calls.clear()


@asynccontextmanager
async def opened(
    config: DynamoDbConfig, url: str, *, tenant: str | None = None, **options: Any
) -> AsyncIterator[World]:
    """Open a storage with a cache, and check a session once, so that it is stored."""
    requests: list[str] = []
    clock = FakeClock()
    config = replace(config, clock=clock, session_cleanup="off", on_call=lambda call: requests.append(call.operation))
    # Time limits of a test machine that is busy.
    given: dict[str, Any] = {"secret": SECRET, "clock": clock, "timeout": 5, "connect_timeout": 5} | options
    cache = WatchedCache(AsyncValkeyCache(url, **given))
    async with AsyncDynamoDbStorage.open(config, cache=cache) as whole:
        storage = whole if tenant is None else whole.tenant(tenant)
        user = await storage.create_user(NewUser(email="ada@example.com"), password_hash=HASH)
        session = await storage.create_session(NewSession(user_id=user.id, expires_at=clock() + timedelta(days=1)))
        world = World(storage, cache, clock, user, session, requests)
        assert await world.passes()
        world.reset()
        yield world


@pytest.fixture(params=["tables", "single"])
def config(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> DynamoDbConfig:
    """A configuration of each layout."""
    return dynoxide.config(table_prefix=table_prefix, layout=request.param)


@pytest.fixture
async def world(config: DynamoDbConfig, valkey: ValkeyServer) -> AsyncIterator[World]:
    """A storage with a warm cache."""
    async with opened(config, valkey.url) as world:
        yield world


async def test_a_check_costs_no_request_once_it_is_stored(world: World) -> None:
    """A warm check is one round trip to the cache and none to DynamoDB; a cold one is one request to DynamoDB."""
    assert await world.passes()
    assert await world.storage.get_signed_in_by_id(world.user.id, world.session.id) is not None
    assert (world.requests, world.cache.calls) == ([], ["get", "get"])
    world.reset()
    other = await world.storage.create_session(
        NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(days=1)), user=world.user
    )
    assert (world.requests, world.cache.calls) == (["PutItem"], [])
    world.reset()
    assert await world.passes(other)
    assert (world.requests, world.cache.calls) == (["BatchGetItem"], ["get", "lease", "fill"])
    assert world.storage.cache_counts == CacheCounts(hits=2, misses=2)


async def test_a_stored_check_returns_what_dynamodb_would(world: World) -> None:
    """The user and the session from the cache are those from DynamoDB."""
    stored = await world.storage.get_signed_in(world.session.token)
    assert world.requests == []
    assert stored == await world.storage.get_signed_in(world.session.token, consistent=True)
    assert world.requests == ["BatchGetItem"]


ENDING: dict[str, Callable[[World], Awaitable[object]]] = {
    "sign-out": lambda w: w.storage.delete_session(w.session.token),
    "sign-out by id": lambda w: w.storage.delete_session_by_id(w.user.id, w.session.id),
    "sign-out everywhere": lambda w: w.storage.delete_sessions_for_user(w.user.id),
    "password": lambda w: w.storage.set_password_hash(w.user.id, HASH),
    "lock": lambda w: w.storage.set_locked_at(w.user.id, w.clock()),
    "deletion": lambda w: w.storage.delete_user(w.user.id),
}


@pytest.mark.parametrize("end", ENDING.values(), ids=ENDING)
async def test_an_ended_session_is_refused(world: World, end: Callable[[World], Awaitable[object]]) -> None:
    """Whatever ends a session also removes it from the cache, in one more round trip."""
    await end(world)
    assert world.cache.calls == ["forget"]
    assert not await world.passes()
    # A refusal is not stored.
    assert "fill" not in world.cache.calls or not await world.passes()


async def test_a_tenant_has_entries_of_its_own(config: DynamoDbConfig, valkey: ValkeyServer) -> None:
    """A session of a tenant is stored and removed like any other, and is nothing in another tenant."""
    async with opened(config, valkey.url, tenant="acme") as world:
        assert await world.passes()
        assert world.requests == []
        async with AsyncDynamoDbStorage.open(world.storage.config, cache=world.cache) as whole:
            for other in (whole, whole.tenant("other")):
                assert await other.get_signed_in(world.session.token) is None
        await world.storage.delete_sessions_for_user(world.user.id)
        assert not await world.passes()


async def test_a_slow_reader_cannot_store_the_past(world: World) -> None:
    """A reader that read before the revocation, and stores after it, stores nothing."""
    await world.storage.update_user(world.user, name="Ada")

    async def revoke() -> None:
        await world.storage.delete_sessions_for_user(world.user.id)

    world.cache.before_fill = revoke
    assert await world.passes()
    assert not await world.passes()


async def test_a_refreshed_session_is_read_again(world: World) -> None:
    """A new expiry is seen at once: a session ends neither early nor late because of the cache."""
    later = world.clock() + timedelta(days=30)
    await world.storage.refresh_session(world.session.token, expires_at=later)
    found = await world.storage.get_session(world.session.token)
    assert found is not None
    assert found.expires_at == later
    world.clock.advance(timedelta(days=30))
    assert not await world.passes()


async def test_what_was_written_without_the_cache_is_noticed(world: World) -> None:
    """A check that reads DynamoDB removes what it finds to be older there, and counts it."""
    async with AsyncDynamoDbStorage.open(world.storage.config) as without:
        await without.delete_sessions_for_user(world.user.id)
        assert await world.passes(), "until the entry is max_age old, or somebody notices"
        later = await without.create_session(
            NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(days=1))
        )
    assert await world.passes(later)
    assert world.storage.cache_counts is not None
    assert world.storage.cache_counts.outdated == 1
    assert not await world.passes()
    assert await world.passes(later)
    world.reset()
    assert await world.passes(later)
    assert world.requests == []
    assert world.storage.cache_counts.outdated == 1


async def test_a_stored_session_ends_when_it_expires(world: World) -> None:
    """Expiry is judged at every check, not when the session is stored."""
    await world.storage.delete_session(world.session.token)
    short = await world.storage.create_session(
        NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(seconds=10))
    )
    assert await world.passes(short)
    world.clock.advance(10)
    assert not await world.passes(short)


async def test_an_entry_is_used_for_max_age(world: World) -> None:
    """An entry is not used once it is ``max_age`` old, nor if it is from the future."""
    world.clock.advance(59)
    assert await world.passes()
    assert world.requests == []
    world.clock.advance(1)
    assert await world.passes()
    assert world.requests == ["BatchGetItem"]
    world.clock.advance(timedelta(hours=-1))
    world.reset()
    assert await world.passes()
    assert world.requests == ["BatchGetItem"]


async def test_nobody_without_the_secret_can_make_an_entry(world: World, valkey: ValkeyServer) -> None:
    """An entry is refused that was changed, that is another key's, or whose maker has another secret."""
    await world.storage.create_user(NewUser(email="eve@example.com", id="eve"))
    eve = await world.storage.create_session(NewSession(user_id="eve", expires_at=world.clock() + timedelta(days=1)))
    assert await world.passes(eve)
    with valkey.client() as client:
        mine: dict[bytes, Any] = {key: client.get(key) for key in client.keys(f"*{world.user.id}*")}
        hers: dict[bytes, Any] = {key: client.get(key) for key in client.keys("*:eve}*")}
        world.reset()
        for key, value in mine.items():
            assert isinstance(value, bytes)
            client.set(key, value.replace(b"ada@example.com", b"eva@example.com").replace(b"epoch", b"epocH"))
        assert await world.passes()
        assert world.requests == ["BatchGetItem"]
        user_key = next(key for key in mine if key.endswith(b":user"))
        eves_key = next(key for key in hers if key.endswith(b":user"))
        client.set(eves_key, mine[user_key] or b"")
        found = await world.storage.get_signed_in(eve.token)
        assert found is not None
        assert found.user.id == "eve"
        for key, value in mine.items():
            client.set(key, value or b"")
    world.reset()
    assert await world.passes()
    assert world.requests == []
    stranger = AsyncValkeyCache(valkey.url, secret="another secret, which is long enough", clock=world.clock)
    names = [key.decode() for key in mine]
    assert await stranger.get(names) == [None, None]
    await stranger.aclose()


async def test_who_writes_to_the_cache_gains_max_age_at_most(world: World, valkey: ValkeyServer) -> None:
    """Old entries, or the lease of a reader that read before a revocation, put back by a thief, last for max_age."""

    async def revoke() -> None:
        await world.storage.delete_sessions_for_user(world.user.id)

    with valkey.client() as client:

        async def revoke_and_put_back() -> None:
            held: dict[bytes, Any] = {key: client.get(key) for key in client.keys(f"*{world.user.id}*")}
            await revoke()
            for key, value in held.items():
                client.set(key, value)

        await revoke_and_put_back()
        assert await world.passes()
        world.clock.advance(60)
        assert not await world.passes()
        client.flushdb()
        session = await world.storage.create_session(
            NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(days=1))
        )
        world.cache.before_fill = revoke_and_put_back
        for _ in range(2):
            assert await world.passes(session)
        world.clock.advance(60)
        assert not await world.passes(session)


async def test_what_is_stored_is_no_secret(world: World, valkey: ValkeyServer) -> None:
    """Neither keys nor values contain a session's token or a password's hash."""
    with valkey.client() as client:
        dump = b"".join(key + (client.get(key) or b"") for key in client.keys(f"*{world.user.id}*"))
    assert b"ada@example.com" in dump, "what the table has about a user"
    for part in (*world.session.token.split("."), world.session.token, HASH, SECRET):
        assert part == world.user.id or part.encode() not in dump


async def test_secrets_rotate(world: World, valkey: ValkeyServer) -> None:
    """A cache with a new secret accepts entries of the old one as long as it is listed."""
    with valkey.client() as client:
        names = [key.decode() for key in client.keys(f"*{world.user.id}*")]
    rotated = AsyncValkeyCache(
        valkey.url, secret=["a new secret, which is also long enough", SECRET], clock=world.clock
    )
    assert None not in await rotated.get(names)
    await rotated.aclose()


async def test_a_write_that_may_be_applied_later_puts_up_a_barrier(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a write whose outcome is unknown, checks read DynamoDB, also once somebody else has written."""
    client = world.storage._clients[0]
    call = client.call

    async def lost(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation != "UpdateItem":
            return await call(operation, payload)
        raise Unavailable("no answer", attempts=3)

    monkeypatch.setattr(client, "call", lost)
    with pytest.raises(Unavailable, match="no answer"):
        await world.storage.delete_sessions_for_user(world.user.id)
    monkeypatch.undo()
    await world.storage.update_user(world.user, name="Ada")
    for _ in range(2):
        world.reset()
        assert await world.passes()
        assert world.requests == ["BatchGetItem"]
    await world.storage.delete_sessions_for_user(world.user.id)
    assert not await world.passes()


async def test_an_operation_with_nothing_to_do_removes_the_user_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a lock could not reach the cache, repeating it must not succeed before it has."""
    monkeypatch.setattr(cache_module, "PATIENCE", 0)
    forget = world.cache.forget

    async def unreachable(keys: Sequence[str], *, undecided: bool = False) -> None:
        raise CacheUnavailable("away", attempts=1)

    monkeypatch.setattr(world.cache, "forget", unreachable)
    when = world.clock()
    for _ in range(2):
        with pytest.raises(CacheUnavailable, match="up to 60 seconds"):
            await world.storage.set_locked_at(world.user.id, when)
    monkeypatch.setattr(world.cache, "forget", forget)
    await world.storage.set_locked_at(world.user.id, when)
    assert not await world.passes()


async def test_without_the_cache_checks_read_dynamodb(
    dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the cache goes away, checks, sign-ins and harmless writes go on; what ends a session says what holds."""
    with ValkeyServer() as server:
        async with opened(dynoxide.config(table_prefix=table_prefix), server.url) as world:
            monkeypatch.setattr(cache_module, "PATIENCE", 0.05)
            storage = world.storage
            server.stop()
            assert await world.passes()
            assert await world.passes()
            assert world.storage.cache_counts == CacheCounts(misses=1, fallbacks=2, failures=1, circuit_open=True)
            assert world.cache.calls == ["get"], "an open circuit breaker asks nothing"
            await storage.update_user(world.user, name="Ada")
            ends = world.clock() + timedelta(days=2)
            other = await storage.create_session(NewSession(user_id=world.user.id, expires_at=ends))
            with pytest.raises(CacheUnavailable, match=r"DynamoDB has the result .* up to 60 seconds"):
                await storage.delete_session(world.session.token)
            assert not await world.passes()
            assert await world.passes(other)
            health = await storage.health_check()
            assert health.healthy
            assert (health.cache or "").startswith("cache_unavailable: ")
            server.start()
            # A write that insists finds out that it is back.
            await storage.delete_session(world.session.token)
            assert await world.passes(other)
            world.reset()
            assert await world.passes(other)
            assert world.requests == []
            assert (await storage.health_check()).cache == "ok"


async def test_a_cache_that_does_not_answer_costs_one_time_limit(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A frozen server delays a check by the time limit at most, and the next ones not at all."""
    with ValkeyServer() as server:
        async with opened(dynoxide.config(table_prefix=table_prefix), server.url, timeout=0.05) as world:
            server.freeze()
            assert await world.passes()
            assert await world.passes()
            assert world.cache.calls == ["get"]
            server.thaw()


async def test_a_restarted_cache_is_filled_again(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A server that has lost its data and its scripts is used again without a failed check."""
    with ValkeyServer() as server:
        async with opened(dynoxide.config(table_prefix=table_prefix), server.url) as world:
            server.stop()
            server.start()
            assert await world.passes()
            world.reset()
            assert await world.passes()
            assert world.requests == []
            assert world.storage.cache_counts == CacheCounts(hits=1, misses=2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # redis-py leaves a connection behind
async def test_a_cluster_gets_a_check_in_one_request(
    dynoxide: LocalEngine, table_prefix: str, valkey_cluster: ValkeyServer
) -> None:
    """In a cluster, everything of a user is in one slot, so a check is one request, and a fill is atomic."""
    config, url = dynoxide.config(table_prefix=table_prefix), valkey_cluster.url
    async with opened(config, url, cluster=True) as world:
        with valkey_cluster.client() as client:
            client.config_resetstat()
            assert await world.passes()
            assert world.requests == []
            stats: Any = client.info("commandstats")
        assert stats["cmdstat_mget"]["calls"] == 1
        await world.storage.delete_sessions_for_user(world.user.id)
        assert not await world.passes()
    del world
    gc.collect()  # during another test, the warning about that connection would be an error


async def test_tls_checks_the_servers_certificate(tmp_path: Path) -> None:
    """With ``valkeys``, the server needs a certificate of a known CA, for its own address."""
    for name, host in (("right", "127.0.0.1"), ("wrong", "127.0.0.2")):
        (tmp_path / name).mkdir()
        certify(tmp_path / name, host)
    for name, works in (("right", True), ("wrong", False)):
        with ValkeyServer(certificate=tmp_path / name) as server:
            url = f"valkeys://127.0.0.1:{server.tls_port}"
            trusting = AsyncValkeyCache(f"{url}?ssl_ca_certs={tmp_path / name}/ca.pem", secret=SECRET, **PATIENT)
            strangers = AsyncValkeyCache(url, secret=SECRET, **PATIENT)
            if works:
                lease = await trusting.lease(["torii:a"])
                await trusting.fill(lease, {"torii:a": b"value"})
                assert await trusting.get(["torii:a"]) == [b"value"]
            else:
                with pytest.raises(CacheUnavailable, match=r"(?i)certificate"):
                    await trusting.get(["torii:a"])
            with pytest.raises(CacheUnavailable, match=r"(?i)certificate"):
                await strangers.get(["torii:a"])
            await trusting.aclose()
            await strangers.aclose()


async def test_a_sentinel_knows_the_server(valkey: ValkeyServer, tmp_path: Path) -> None:
    """The first Sentinel that answers names the server; a name that none knows is no server."""
    with reserved_port() as nobody, sentinel_of(valkey, tmp_path) as sentinel:
        sentinels = [f"valkey://127.0.0.1:{nobody}", sentinel]
        cache = AsyncValkeyCache(f"valkey://{SERVICE}", sentinels=sentinels, secret=SECRET, **PATIENT)
        lease = await cache.lease(["torii:sentinel"])
        await cache.fill(lease, {"torii:sentinel": b"value"})
        assert await cache.get(["torii:sentinel"]) == [b"value"]
        with valkey.client() as client:
            assert client.exists("torii:sentinel")
        unknown = AsyncValkeyCache("valkey://other", sentinels=sentinels, secret=SECRET, **PATIENT)
        with pytest.raises(CacheUnavailable, match="other"):
            await unknown.get(["torii:sentinel"])
        await cache.aclose()
        await unknown.aclose()
    with pytest.raises(ConfigurationError, match="sentinels"):
        AsyncValkeyCache("valkey://name", sentinels=sentinels, cluster=True, secret=SECRET)


async def test_rows_written_by_an_application_are_removed_too(world: World) -> None:
    """``transact_write`` with our own tables removes what it changes from the cache, if need be after a read."""
    config = world.storage.config
    if config.layout == "single":
        table = config.table_name("table")
        key = {"pk": f"torii#user#{world.user.id}", "sk": f"session#{world.session.id}"}
    else:
        table, key = config.table_name("sessions"), {"id": world.session.id}
    await world.storage.transact_write(lambda builder: builder.delete(table, key), allow_torii_tables=True)
    assert world.cache.calls == ["forget"]
    assert not await world.passes()


async def test_what_is_no_cache_is_refused(dynoxide: LocalEngine) -> None:
    """A wrong object, and a cache beside a home Region, are refused before anything is requested."""
    wrong: Any = "valkey://localhost"
    with pytest.raises(ConfigurationError, match="cache: give a cache"):
        await AsyncDynamoDbStorage().initialize(dynoxide.config(), cache=wrong)
    cache = AsyncValkeyCache("valkey://localhost", secret=SECRET)
    config = replace(dynoxide.config(), region="eu-central-1", home_region="us-east-1")
    with pytest.raises(ConfigurationError, match="home_region"):
        await AsyncDynamoDbStorage().initialize(config, cache=cache)
