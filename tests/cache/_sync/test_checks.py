# Generated from tests/cache/_async/test_checks.py by tools/unasync.py. Do not edit.

"""Session checks with a cache, on Valkey and Dynoxide: what they cost, what ends them, and what happens without it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cache.connecting import SERVICE, certify, sentinel_of
from tests.ports import reserved_port
from tests.valkey_server import ValkeyServer

import torii_dynamodb._sync.cache as cache_module
from torii_dynamodb._core.cache import CacheCounts, Lease
from torii_dynamodb._sync.storage.handle import DynamoDbHandle, DynamoDbStorage
from torii_dynamodb._sync.valkey import ValkeyCache
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

    def __init__(self, cache: ValkeyCache) -> None:
        self.cache = cache
        self.calls: list[str] = []
        self.max_age = cache.max_age
        self.before_fill: Callable[[], object] | None = None

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        self.calls.append("get")
        return self.cache.get(keys)

    def lease(self, keys: Sequence[str]) -> Lease:
        self.calls.append("lease")
        return self.cache.lease(keys)

    def fill(self, lease: Lease, values: Mapping[str, bytes]) -> None:
        if self.before_fill is not None:
            act, self.before_fill = self.before_fill, None
            act()
        self.calls.append("fill")
        self.cache.fill(lease, values)

    def forget(self, keys: Sequence[str], *, undecided: bool = False) -> None:
        self.calls.append("forget")
        self.cache.forget(keys, undecided=undecided)

    def clear(self, prefix: str) -> None:
        self.calls.append("clear")
        self.cache.clear(prefix)

    def close(self) -> None:
        self.cache.close()


@dataclass
class World:
    """A storage with a cache, and a user with a session that is in it."""

    storage: DynamoDbHandle
    cache: WatchedCache
    clock: FakeClock
    user: User
    session: Session
    requests: list[str] = field(default_factory=list[str])

    def passes(self, session: Session | None = None) -> bool:
        """Check a session."""
        return self.storage.get_signed_in((session or self.session).token) is not None

    def reset(self) -> None:
        """Forget what was counted."""
        self.requests.clear()
        self.cache.calls.clear()


@contextmanager
def opened(config: DynamoDbConfig, url: str, *, tenant: str | None = None, **options: Any) -> Iterator[World]:
    """Open a storage with a cache, and check a session once, so that it is stored."""
    requests: list[str] = []
    clock = FakeClock()
    config = replace(config, clock=clock, session_cleanup="off", on_call=lambda call: requests.append(call.operation))
    # Time limits of a test machine that is busy.
    given: dict[str, Any] = {"secret": SECRET, "clock": clock, "timeout": 5, "connect_timeout": 5} | options
    cache = WatchedCache(ValkeyCache(url, **given))
    with DynamoDbStorage.open(config, cache=cache) as whole:
        storage = whole if tenant is None else whole.tenant(tenant)
        user = storage.create_user(NewUser(email="ada@example.com"), password_hash=HASH)
        session = storage.create_session(NewSession(user_id=user.id, expires_at=clock() + timedelta(days=1)))
        world = World(storage, cache, clock, user, session, requests)
        assert world.passes()
        world.reset()
        yield world


@pytest.fixture(params=["tables", "single"])
def config(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> DynamoDbConfig:
    """A configuration of each layout."""
    return dynoxide.config(table_prefix=table_prefix, layout=request.param)


@pytest.fixture
def world(config: DynamoDbConfig, valkey: ValkeyServer) -> Iterator[World]:
    """A storage with a warm cache."""
    with opened(config, valkey.url) as world:
        yield world


def test_a_check_costs_no_request_once_it_is_stored(world: World) -> None:
    """A warm check is one round trip to the cache and none to DynamoDB; a cold one is one request to DynamoDB."""
    assert world.passes()
    assert world.storage.get_signed_in_by_id(world.user.id, world.session.id) is not None
    assert (world.requests, world.cache.calls) == ([], ["get", "get"])
    world.reset()
    other = world.storage.create_session(
        NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(days=1)), user=world.user
    )
    assert (world.requests, world.cache.calls) == (["PutItem"], [])
    world.reset()
    assert world.passes(other)
    assert (world.requests, world.cache.calls) == (["BatchGetItem"], ["get", "lease", "fill"])
    assert world.storage.cache_counts == CacheCounts(hits=2, misses=2)


def test_a_stored_check_returns_what_dynamodb_would(world: World) -> None:
    """The user and the session from the cache are those from DynamoDB."""
    stored = world.storage.get_signed_in(world.session.token)
    assert world.requests == []
    assert stored == world.storage.get_signed_in(world.session.token, consistent=True)
    assert world.requests == ["BatchGetItem"]


ENDING: dict[str, Callable[[World], object]] = {
    "sign-out": lambda w: w.storage.delete_session(w.session.token),
    "sign-out by id": lambda w: w.storage.delete_session_by_id(w.user.id, w.session.id),
    "sign-out everywhere": lambda w: w.storage.delete_sessions_for_user(w.user.id),
    "password": lambda w: w.storage.set_password_hash(w.user.id, HASH),
    "lock": lambda w: w.storage.set_locked_at(w.user.id, w.clock()),
    "deletion": lambda w: w.storage.delete_user(w.user.id),
}


@pytest.mark.parametrize("end", ENDING.values(), ids=ENDING)
def test_an_ended_session_is_refused(world: World, end: Callable[[World], object]) -> None:
    """Whatever ends a session also removes it from the cache, in one more round trip."""
    end(world)
    assert world.cache.calls == ["forget"]
    assert not world.passes()
    # A refusal is not stored.
    assert "fill" not in world.cache.calls or not world.passes()


def test_a_tenant_has_entries_of_its_own(config: DynamoDbConfig, valkey: ValkeyServer) -> None:
    """A session of a tenant is stored and removed like any other, and is nothing in another tenant."""
    with opened(config, valkey.url, tenant="acme") as world:
        assert world.passes()
        assert world.requests == []
        with DynamoDbStorage.open(world.storage.config, cache=world.cache) as whole:
            for other in (whole, whole.tenant("other")):
                assert other.get_signed_in(world.session.token) is None
        world.storage.delete_sessions_for_user(world.user.id)
        assert not world.passes()


def test_a_slow_reader_cannot_store_the_past(world: World) -> None:
    """A reader that read before the revocation, and stores after it, stores nothing."""
    world.storage.update_user(world.user, name="Ada")

    def revoke() -> None:
        world.storage.delete_sessions_for_user(world.user.id)

    world.cache.before_fill = revoke
    assert world.passes()
    assert not world.passes()


def test_a_refreshed_session_is_read_again(world: World) -> None:
    """A new expiry is seen at once: a session ends neither early nor late because of the cache."""
    later = world.clock() + timedelta(days=30)
    world.storage.refresh_session(world.session.token, expires_at=later)
    found = world.storage.get_session(world.session.token)
    assert found is not None
    assert found.expires_at == later
    world.clock.advance(timedelta(days=30))
    assert not world.passes()


def test_what_was_written_without_the_cache_is_noticed(world: World) -> None:
    """A check that reads DynamoDB removes what it finds to be older there, and counts it."""
    with DynamoDbStorage.open(world.storage.config) as without:
        without.delete_sessions_for_user(world.user.id)
        assert world.passes(), "until the entry is max_age old, or somebody notices"
        later = without.create_session(NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(days=1)))
    assert world.passes(later)
    assert world.storage.cache_counts is not None
    assert world.storage.cache_counts.outdated == 1
    assert not world.passes()
    assert world.passes(later)
    world.reset()
    assert world.passes(later)
    assert world.requests == []
    assert world.storage.cache_counts.outdated == 1


def test_a_stored_session_ends_when_it_expires(world: World) -> None:
    """Expiry is judged at every check, not when the session is stored."""
    world.storage.delete_session(world.session.token)
    short = world.storage.create_session(
        NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(seconds=10))
    )
    assert world.passes(short)
    world.clock.advance(10)
    assert not world.passes(short)


def test_an_entry_is_used_for_max_age(world: World) -> None:
    """An entry is not used once it is ``max_age`` old, nor if it is from the future."""
    world.clock.advance(59)
    assert world.passes()
    assert world.requests == []
    world.clock.advance(1)
    assert world.passes()
    assert world.requests == ["BatchGetItem"]
    world.clock.advance(timedelta(hours=-1))
    world.reset()
    assert world.passes()
    assert world.requests == ["BatchGetItem"]


def test_nobody_without_the_secret_can_make_an_entry(world: World, valkey: ValkeyServer) -> None:
    """An entry is refused that was changed, that is another key's, or whose maker has another secret."""
    world.storage.create_user(NewUser(email="eve@example.com", id="eve"))
    eve = world.storage.create_session(NewSession(user_id="eve", expires_at=world.clock() + timedelta(days=1)))
    assert world.passes(eve)
    with valkey.client() as client:
        mine: dict[bytes, Any] = {key: client.get(key) for key in client.keys(f"*{world.user.id}*")}
        hers: dict[bytes, Any] = {key: client.get(key) for key in client.keys("*:eve}*")}
        world.reset()
        for key, value in mine.items():
            assert isinstance(value, bytes)
            client.set(key, value.replace(b"ada@example.com", b"eva@example.com").replace(b"epoch", b"epocH"))
        assert world.passes()
        assert world.requests == ["BatchGetItem"]
        user_key = next(key for key in mine if key.endswith(b":user"))
        eves_key = next(key for key in hers if key.endswith(b":user"))
        client.set(eves_key, mine[user_key] or b"")
        found = world.storage.get_signed_in(eve.token)
        assert found is not None
        assert found.user.id == "eve"
        for key, value in mine.items():
            client.set(key, value or b"")
    world.reset()
    assert world.passes()
    assert world.requests == []
    stranger = ValkeyCache(valkey.url, secret="another secret, which is long enough", clock=world.clock)
    names = [key.decode() for key in mine]
    assert stranger.get(names) == [None, None]
    stranger.close()


def test_who_writes_to_the_cache_gains_max_age_at_most(world: World, valkey: ValkeyServer) -> None:
    """Old entries, or the lease of a reader that read before a revocation, put back by a thief, last for max_age."""

    def revoke() -> None:
        world.storage.delete_sessions_for_user(world.user.id)

    with valkey.client() as client:

        def revoke_and_put_back() -> None:
            held: dict[bytes, Any] = {key: client.get(key) for key in client.keys(f"*{world.user.id}*")}
            revoke()
            for key, value in held.items():
                client.set(key, value)

        revoke_and_put_back()
        assert world.passes()
        world.clock.advance(60)
        assert not world.passes()
        client.flushdb()
        session = world.storage.create_session(
            NewSession(user_id=world.user.id, expires_at=world.clock() + timedelta(days=1))
        )
        world.cache.before_fill = revoke_and_put_back
        for _ in range(2):
            assert world.passes(session)
        world.clock.advance(60)
        assert not world.passes(session)


def test_what_is_stored_is_no_secret(world: World, valkey: ValkeyServer) -> None:
    """Neither keys nor values contain a session's token or a password's hash."""
    with valkey.client() as client:
        dump = b"".join(key + (client.get(key) or b"") for key in client.keys(f"*{world.user.id}*"))
    assert b"ada@example.com" in dump, "what the table has about a user"
    for part in (*world.session.token.split("."), world.session.token, HASH, SECRET):
        assert part == world.user.id or part.encode() not in dump


def test_secrets_rotate(world: World, valkey: ValkeyServer) -> None:
    """A cache with a new secret accepts entries of the old one as long as it is listed."""
    with valkey.client() as client:
        names = [key.decode() for key in client.keys(f"*{world.user.id}*")]
    rotated = ValkeyCache(valkey.url, secret=["a new secret, which is also long enough", SECRET], clock=world.clock)
    assert None not in rotated.get(names)
    rotated.close()


def test_a_write_that_may_be_applied_later_puts_up_a_barrier(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a write whose outcome is unknown, checks read DynamoDB, also once somebody else has written."""
    client = world.storage._clients[0]
    call = client.call

    def lost(operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation != "UpdateItem":
            return call(operation, payload)
        raise Unavailable("no answer", attempts=3)

    monkeypatch.setattr(client, "call", lost)
    with pytest.raises(Unavailable, match="no answer"):
        world.storage.delete_sessions_for_user(world.user.id)
    monkeypatch.undo()
    world.storage.update_user(world.user, name="Ada")
    for _ in range(2):
        world.reset()
        assert world.passes()
        assert world.requests == ["BatchGetItem"]
    world.storage.delete_sessions_for_user(world.user.id)
    assert not world.passes()


def test_an_operation_with_nothing_to_do_removes_the_user_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a lock could not reach the cache, repeating it must not succeed before it has."""
    monkeypatch.setattr(cache_module, "PATIENCE", 0)
    forget = world.cache.forget

    def unreachable(keys: Sequence[str], *, undecided: bool = False) -> None:
        raise CacheUnavailable("away", attempts=1)

    monkeypatch.setattr(world.cache, "forget", unreachable)
    when = world.clock()
    for _ in range(2):
        with pytest.raises(CacheUnavailable, match="up to 60 seconds"):
            world.storage.set_locked_at(world.user.id, when)
    monkeypatch.setattr(world.cache, "forget", forget)
    world.storage.set_locked_at(world.user.id, when)
    assert not world.passes()


def test_without_the_cache_checks_read_dynamodb(
    dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the cache goes away, checks, sign-ins and harmless writes go on; what ends a session says what holds."""
    with ValkeyServer() as server:
        with opened(dynoxide.config(table_prefix=table_prefix), server.url) as world:
            monkeypatch.setattr(cache_module, "PATIENCE", 0.05)
            storage = world.storage
            server.stop()
            assert world.passes()
            assert world.passes()
            assert world.storage.cache_counts == CacheCounts(misses=1, fallbacks=2, failures=1, circuit_open=True)
            assert world.cache.calls == ["get"], "an open circuit breaker asks nothing"
            storage.update_user(world.user, name="Ada")
            ends = world.clock() + timedelta(days=2)
            other = storage.create_session(NewSession(user_id=world.user.id, expires_at=ends))
            with pytest.raises(CacheUnavailable, match=r"DynamoDB has the result .* up to 60 seconds"):
                storage.delete_session(world.session.token)
            assert not world.passes()
            assert world.passes(other)
            health = storage.health_check()
            assert health.healthy
            assert (health.cache or "").startswith("cache_unavailable: ")
            server.start()
            # A write that insists finds out that it is back.
            storage.delete_session(world.session.token)
            assert world.passes(other)
            world.reset()
            assert world.passes(other)
            assert world.requests == []
            assert (storage.health_check()).cache == "ok"


def test_a_cache_that_does_not_answer_costs_one_time_limit(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A frozen server delays a check by the time limit at most, and the next ones not at all."""
    with ValkeyServer() as server:
        with opened(dynoxide.config(table_prefix=table_prefix), server.url, timeout=0.05) as world:
            server.freeze()
            assert world.passes()
            assert world.passes()
            assert world.cache.calls == ["get"]
            server.thaw()


def test_a_restarted_cache_is_filled_again(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A server that has lost its data and its scripts is used again without a failed check."""
    with ValkeyServer() as server:
        with opened(dynoxide.config(table_prefix=table_prefix), server.url) as world:
            server.stop()
            server.start()
            assert world.passes()
            world.reset()
            assert world.passes()
            assert world.requests == []
            assert world.storage.cache_counts == CacheCounts(hits=1, misses=2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # redis-py leaves a connection behind
def test_a_cluster_gets_a_check_in_one_request(
    dynoxide: LocalEngine, table_prefix: str, valkey_cluster: ValkeyServer
) -> None:
    """In a cluster, everything of a user is in one slot, so a check is one request, and a fill is atomic."""
    config, url = dynoxide.config(table_prefix=table_prefix), valkey_cluster.url
    with opened(config, url, cluster=True) as world:
        with valkey_cluster.client() as client:
            client.config_resetstat()
            assert world.passes()
            assert world.requests == []
            stats: Any = client.info("commandstats")
        assert stats["cmdstat_mget"]["calls"] == 1
        world.storage.delete_sessions_for_user(world.user.id)
        assert not world.passes()
    del world
    gc.collect()  # during another test, the warning about that connection would be an error


def test_tls_checks_the_servers_certificate(tmp_path: Path) -> None:
    """With ``valkeys``, the server needs a certificate of a known CA, for its own address."""
    for name, host in (("right", "127.0.0.1"), ("wrong", "127.0.0.2")):
        (tmp_path / name).mkdir()
        certify(tmp_path / name, host)
    for name, works in (("right", True), ("wrong", False)):
        with ValkeyServer(certificate=tmp_path / name) as server:
            url = f"valkeys://127.0.0.1:{server.tls_port}"
            trusting = ValkeyCache(f"{url}?ssl_ca_certs={tmp_path / name}/ca.pem", secret=SECRET, **PATIENT)
            strangers = ValkeyCache(url, secret=SECRET, **PATIENT)
            if works:
                lease = trusting.lease(["torii:a"])
                trusting.fill(lease, {"torii:a": b"value"})
                assert trusting.get(["torii:a"]) == [b"value"]
            else:
                with pytest.raises(CacheUnavailable, match=r"(?i)certificate"):
                    trusting.get(["torii:a"])
            with pytest.raises(CacheUnavailable, match=r"(?i)certificate"):
                strangers.get(["torii:a"])
            trusting.close()
            strangers.close()


def test_a_sentinel_knows_the_server(valkey: ValkeyServer, tmp_path: Path) -> None:
    """The first Sentinel that answers names the server; a name that none knows is no server."""
    with reserved_port() as nobody, sentinel_of(valkey, tmp_path) as sentinel:
        sentinels = [f"valkey://127.0.0.1:{nobody}", sentinel]
        cache = ValkeyCache(f"valkey://{SERVICE}", sentinels=sentinels, secret=SECRET, **PATIENT)
        lease = cache.lease(["torii:sentinel"])
        cache.fill(lease, {"torii:sentinel": b"value"})
        assert cache.get(["torii:sentinel"]) == [b"value"]
        with valkey.client() as client:
            assert client.exists("torii:sentinel")
        unknown = ValkeyCache("valkey://other", sentinels=sentinels, secret=SECRET, **PATIENT)
        with pytest.raises(CacheUnavailable, match="other"):
            unknown.get(["torii:sentinel"])
        cache.close()
        unknown.close()
    with pytest.raises(ConfigurationError, match="sentinels"):
        ValkeyCache("valkey://name", sentinels=sentinels, cluster=True, secret=SECRET)


def test_rows_written_by_an_application_are_removed_too(world: World) -> None:
    """``transact_write`` with our own tables removes what it changes from the cache, if need be after a read."""
    config = world.storage.config
    if config.layout == "single":
        table = config.table_name("table")
        key = {"pk": f"torii#user#{world.user.id}", "sk": f"session#{world.session.id}"}
    else:
        table, key = config.table_name("sessions"), {"id": world.session.id}
    world.storage.transact_write(lambda builder: builder.delete(table, key), allow_torii_tables=True)
    assert world.cache.calls == ["forget"]
    assert not world.passes()


def test_what_is_no_cache_is_refused(dynoxide: LocalEngine) -> None:
    """A wrong object, and a cache beside a home Region, are refused before anything is requested."""
    wrong: Any = "valkey://localhost"
    with pytest.raises(ConfigurationError, match="cache: give a cache"):
        DynamoDbStorage().initialize(dynoxide.config(), cache=wrong)
    cache = ValkeyCache("valkey://localhost", secret=SECRET)
    config = replace(dynoxide.config(), region="eu-central-1", home_region="us-east-1")
    with pytest.raises(ConfigurationError, match="home_region"):
        DynamoDbStorage().initialize(config, cache=cache)
