"""The cache of session checks in Valkey or Redis."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from torii_dynamodb._async.primitives import gather
from torii_dynamodb._async.redis_clients import AsyncMergedGets, AsyncRedisClients
from torii_dynamodb._core.cache import BARRIER, LEASE_TIME, Lease, Seal, lease_mark, milliseconds
from torii_dynamodb._rules.app_secret import secret_keys
from torii_dynamodb._rules.checking import wrong
from torii_dynamodb._rules.extras import needed
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.errors import CacheUnavailable, ConfigurationError

__all__ = ["AsyncValkeyCache"]

T = TypeVar("T")

_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss", "unix": "unix"}
_MOST_AGE = timedelta(hours=1)
_PAGE: Final = 1000
_AT_ONCE: Final = 16


class _Script:
    """A Lua script, which the server runs as one step. It does what its namesake in ``_core/cache.py`` decides."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.name = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# In all of them, `redis.pcall('GET', key)` returns an error, which equals nothing, if the key is not a string but
# something that another application put there. A server without free memory (OOM) still reads and removes: that nothing
# new can be stored is no reason to do without what is there.

# may_lease. Keys; the mark and its milliseconds. Returns 1 for each key that was leased.
_LEASE: Final = _Script("""
local leased = {}
for i, key in ipairs(KEYS) do
  local held = redis.pcall('GET', key)
  if not held then
    local done = redis.pcall('SET', key, ARGV[1], 'PX', ARGV[2])
    if not done.err then held = ARGV[1] elseif not string.find(done.err, 'OOM', 1, true) then return done end
  end
  leased[i] = held == ARGV[1] and 1 or 0
end
return leased
""")

# may_fill. Keys; the mark, milliseconds, and for each key an entry, or nothing to give the lease back.
_FILL: Final = _Script("""
for i, key in ipairs(KEYS) do
  if redis.pcall('GET', key) == ARGV[1] then
    local done = ARGV[i + 2] ~= '' and redis.pcall('SET', key, ARGV[i + 2], 'PX', ARGV[2])
    if not done or done.err then redis.call('DEL', key) end
  end
end
""")

# after_write. Keys; the barrier, and its milliseconds, or 0 if the write is decided. If there is no room for a barrier,
# at least the entry goes.
_FORGET: Final = _Script("""
local failed
for i, key in ipairs(KEYS) do
  if ARGV[2] ~= '0' then
    local done = redis.pcall('SET', key, ARGV[1], 'PX', ARGV[2])
    if done.err then
      failed = done
      redis.call('DEL', key)
    end
  elseif redis.pcall('GET', key) ~= ARGV[1] then redis.call('DEL', key) end
end
return failed
""")


class AsyncValkeyCache:
    """A cache of session checks in Valkey, Redis, or a service that speaks their protocol. Needs the extra ``cache``.

    Pass it to ``AsyncDynamoDbStorage.open(config, cache=...)``. It connects at its first use. All hosts of a deployment
    need the same cache, secrets and ``max_age``.

    Args:
        url: ``valkey://[user:password@]host[:port][/database]``, ``valkeys://...`` for TLS, or the same with ``redis``
            and ``rediss``. Parameters such as ``?ssl_ca_certs=/path`` are redis-py's.
        secret: The application's secret: 32 or more random bytes, or several to rotate: the first makes entries, all
            are accepted. Somebody who can write to the cache, but does not have it, cannot sign in.
        max_age: How long an entry is used: one second to one hour. If the cache loses what a revocation did, this is
            how long an ended session can pass.
        cluster: Whether the server is part of a cluster; the others are found through it.
        sentinels: URLs of the Sentinels that know the server's address. The host in ``url`` is then the name under
            which they monitor it, for example ``valkey://user:password@mymaster``.
        connect_timeout: How long connecting may take, in seconds.
        timeout: How long a response may take, in seconds. A check that finds no response reads DynamoDB.
            No request takes longer than both together.
        max_connections: How many connections each event loop, or process, opens; to each node of a cluster.
        clock: The clock by which entries are dated.
        random: The randomness for the marks of leases.

    Raises:
        ConfigurationError: An option is invalid, or redis-py is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | bytes | Sequence[str | bytes],
        max_age: timedelta = timedelta(seconds=60),
        cluster: bool = False,
        sentinels: Sequence[str] = (),
        connect_timeout: float = 0.1,
        timeout: float = 0.05,
        max_connections: int = 32,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        self._where, address = _address(url)
        if not isinstance(max_age, timedelta) or not timedelta(seconds=1) <= max_age <= _MOST_AGE:
            raise ConfigurationError("max_age must be a timedelta from one second to one hour")
        if not isinstance(cluster, bool):
            raise wrong("cluster", cluster, "True or False")
        if isinstance(sentinels, str) or (sentinels and cluster):
            raise ConfigurationError("sentinels: give a list of URLs, and none for a cluster, which needs none")
        for name, seconds in (("connect_timeout", connect_timeout), ("timeout", timeout)):
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 5:
                raise ConfigurationError(f"{name} must be a number of seconds, more than 0 and at most 5")
        if isinstance(max_connections, bool) or not isinstance(max_connections, int) or max_connections < 1:
            raise ConfigurationError("max_connections must be a whole number of at least 1")
        redis = needed("redis", "cache")
        self._errors: tuple[type[Exception], ...] = (
            redis.RedisError, redis.exceptions.RedisClusterException, OSError, TimeoutError,
        )  # fmt: skip
        self._read_only: type[Exception] = redis.exceptions.ReadOnlyError
        self._no_script: type[Exception] = redis.exceptions.NoScriptError
        self._cluster = cluster
        self._clients = AsyncRedisClients(
            address,
            cluster=cluster,
            sentinels=[_address(one)[1] for one in sentinels],
            connect_timeout=connect_timeout,
            timeout=timeout,
            max_connections=max_connections,
        )
        self._seal = Seal(secret_keys(secret), max_age)
        self._max_age = max_age
        self._clock = clock
        self._random = random
        self._merged = AsyncMergedGets(self._get)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._where!r})"

    @property
    def max_age(self) -> timedelta:
        """See :attr:`AsyncCache.max_age`."""
        return self._max_age

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """See :meth:`AsyncCache.get`. What several callers get in the same round of the event loop is one request."""
        held = await self._merged(keys)
        now = milliseconds(self._clock())
        return [self._seal.open(key, value, now) for key, value in zip(keys, held, strict=True)]

    async def lease(self, keys: Sequence[str]) -> Lease:
        """See :meth:`AsyncCache.lease`."""
        taken_at, mark = self._clock(), lease_mark(self._random(16))
        leased = await self._run(_LEASE, keys, mark, _milliseconds(LEASE_TIME))
        return Lease(tuple(key for key, granted in zip(keys, leased, strict=True) if granted), mark, taken_at)

    async def fill(self, lease: Lease, values: Mapping[str, bytes]) -> None:
        """See :meth:`AsyncCache.fill`."""
        left = self._max_age - (self._clock() - lease.taken_at)
        if lease.keys and left > timedelta(milliseconds=1):
            entries = [
                self._seal.entry(key, values[key], lease.taken_at) if key in values else b"" for key in lease.keys
            ]
            await self._run(_FILL, lease.keys, lease.mark, _milliseconds(min(left, self._max_age)), *entries)

    async def forget(self, keys: Sequence[str], *, undecided: bool = False) -> None:
        """See :meth:`AsyncCache.forget`."""
        # In a cluster, a script's keys must be of one user.
        together: dict[str, list[str]] = {}
        for key in keys:
            together.setdefault(key.partition("}")[0] if self._cluster else "", []).append(key)
        ends = _milliseconds(self._max_age + 2 * LEASE_TIME) if undecided else 0
        calls = (partial(self._run, _FORGET, some, BARRIER, ends) for some in together.values())
        await gather(*calls, limit=_AT_ONCE)

    async def clear(self, prefix: str) -> None:
        """See :meth:`AsyncCache.clear`. It reads the names of all keys of the server or cluster."""
        await self._use(lambda: self._clear(prefix))

    async def aclose(self) -> None:
        """See :meth:`AsyncCache.aclose`."""
        await self._clients.aclose()

    async def _clear(self, prefix: str) -> None:
        found: list[str] = []
        async for key in self._clients.get().scan_iter(match=f"{prefix}*", count=_PAGE):
            found.append(key.decode())
            if len(found) == _PAGE:
                await self.forget(found)
                found = []
        if found:
            await self.forget(found)

    async def _get(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._use(lambda: self._clients.mget(keys))

    async def _run(self, script: _Script, keys: Sequence[str], *arguments: bytes | int) -> Any:
        try:
            return await self._use(lambda: self._clients.script("EVALSHA", script.name, keys, arguments))
        except _ScriptMissing:
            return await self._use(lambda: self._clients.script("EVAL", script.text, keys, arguments))

    async def _use(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except self._no_script:
            raise _ScriptMissing from None
        except self._errors as error:
            if isinstance(error, self._read_only):
                # The server was a primary when we connected: find the present one.
                await self._clients.aclose()
            raise CacheUnavailable(f"{self._where}: {type(error).__name__}: {error}", attempts=1) from error


class _ScriptMissing(Exception):
    """The server does not know a script, for example because it was restarted."""


def _milliseconds(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)


def _address(url: object) -> tuple[str, str]:
    """Return a URL's host for messages, without password, and the URL as redis-py takes it."""
    if not isinstance(url, str):
        raise wrong("url", url, "the cache's URL, for example valkey://localhost:6379")
    try:
        parts = urlsplit(url)
        scheme, port = _SCHEMES.get(parts.scheme), parts.port or 6379
    except ValueError:
        scheme, port, parts = None, 0, urlsplit("")
    if scheme is None or not (parts.hostname or (scheme == "unix" and parts.path)):
        raise ConfigurationError(
            "url: give the cache's URL: valkey://host:port, valkeys://host:port for TLS, redis://, rediss:// or unix://"
        )
    where = parts.path if scheme == "unix" else f"{parts.hostname}:{port}"
    query = parts.query
    if scheme == "rediss" and "ssl_check_hostname=" not in query:
        # Releases of redis-py before 6 do not check it otherwise.
        query = f"{query}&ssl_check_hostname=true".removeprefix("&")
    return where, parts._replace(scheme=scheme, query=query).geturl()
