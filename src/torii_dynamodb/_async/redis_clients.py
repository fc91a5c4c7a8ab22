"""redis-py's asynchronous clients. Written by hand on both sides: redis-py's two have different names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from torii_dynamodb._wire.errors import copy_error

__all__ = ["AsyncMergedGets", "AsyncRedisClients"]

T = TypeVar("T")

Get = Callable[[Sequence[str]], Awaitable[list[bytes | None]]]


class AsyncRedisClients:
    """The client of each event loop: connections belong to a loop.

    Args:
        url: The server, or one node of the cluster.
        cluster: Whether it is a cluster.
        sentinels: URLs of the Sentinels to ask for the server, whose name is the host in ``url``; empty for none.
        connect_timeout: Seconds for connecting.
        timeout: Seconds for a response.
        max_connections: How many connections each loop opens; in a cluster, to each node.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: bool,
        sentinels: Sequence[str],
        connect_timeout: float,
        timeout: float,
        max_connections: int,
    ) -> None:
        self._url, self._cluster, self._sentinels = url, cluster, sentinels
        self._connect_timeout, self._timeout = connect_timeout, timeout
        self._for_reads = 0 if cluster else max_connections // 4
        self._max_connections = max_connections - self._for_reads
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}
        self._readers: dict[asyncio.AbstractEventLoop, list[Any]] = {}

    def get(self) -> Any:
        """Return this event loop's client. It connects when it is used."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for ended in [other for other in list(self._clients) if other.is_closed()]:
                self._clients.pop(ended, None)
                self._readers.pop(ended, None)
            client = self._clients[loop] = self._make()
        return client

    async def call(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Call something with the client.

        Raises:
            TimeoutError: It took longer than connecting and a response may, which redis-py limits one by one.
        """
        async with asyncio.timeout(self._connect_timeout + self._timeout):
            return await call(self.get())

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys."""
        if self._cluster:
            return await self.call(lambda client: client.mget_nonatomic(keys))
        return await self._send("MGET", *keys)  # type: ignore[no-any-return]

    async def script(self, command: str, script: str, keys: Sequence[str], arguments: Sequence[bytes | int]) -> Any:
        """Run a script: with the command ``EVALSHA`` by its name, with ``EVAL`` by its text."""
        words = (command, script, len(keys), *keys, *arguments)
        if self._cluster:
            return await self.call(lambda client: client.execute_command(*words))
        return await self._send(*words)

    async def _send(self, *words: Any) -> Any:
        """Send a command over a connection that is kept for this.

        redis-py's client takes a connection from its pool for each command, sets two timers, and keeps statistics. That
        takes half of the CPU time of a session check.
        """
        loop = asyncio.get_running_loop()
        client = self.get()
        idle = self._readers.get(loop)
        if idle is None:
            # The timer is ours.
            made = [client.connection_pool.make_connection() for _ in range(self._for_reads)]
            for connection in made:
                connection.socket_timeout = None
            idle = self._readers[loop] = made
        if not idle:
            return await self.call(lambda client: client.execute_command(*words))
        connection = idle.pop()
        try:
            return await self._send_over(connection, words)
        finally:
            if self._readers.get(loop) is idle:
                idle.append(connection)
            else:  # closed meanwhile
                await connection.disconnect(nowait=True)

    async def _send_over(self, connection: Any, words: Sequence[Any]) -> Any:
        from redis.exceptions import ConnectionError  # noqa: A004 - theirs, not the built-in one

        while True:
            connected: bool = connection.is_connected
            if not connected:
                async with asyncio.timeout(self._connect_timeout):
                    await connection.connect()
            try:
                async with asyncio.timeout(self._timeout):
                    await connection.send_command(*words)
                    return await connection.read_response()
            except ConnectionError:
                # The server may have closed it while it was idle.
                if not connected:
                    raise

    async def aclose(self) -> None:
        """Close this event loop's connections."""
        loop = asyncio.get_running_loop()
        for connection in self._readers.pop(loop, ()):
            await connection.disconnect()
        client = self._clients.pop(loop, None)
        if client is not None:
            await client.aclose()
            for sentinel in _sentinels_of(client):
                await sentinel.aclose()

    def _make(self) -> Any:
        from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError  # noqa: A004 - theirs, not the built-in one

        # Only a connection that the server has closed is worth a second attempt: after a time-out, it would double the
        # wait.
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            "socket_connect_timeout": self._connect_timeout,
            "socket_timeout": self._timeout,
            "max_connections": self._max_connections,
        }
        if self._cluster:
            return RedisCluster.from_url(self._url, **options)
        if self._sentinels:
            return self._primary(options)
        pool: Any = BlockingConnectionPool
        return Redis.from_pool(pool.from_url(self._url, timeout=self._connect_timeout + self._timeout, **options))

    def _primary(self, options: dict[str, Any]) -> Any:
        """Return a client of the server that the Sentinels name each time it connects."""
        from redis import connection
        from redis.asyncio import Redis
        from redis.asyncio.sentinel import Sentinel

        # Neither has types.
        urls: Any = connection
        sentinel: Any = Sentinel
        known: dict[str, Any] = {**urls.parse_url(self._url), **options}
        known["ssl"] = known.pop("connection_class", None) is not None
        for place in ("host", "port"):
            known.pop(place, None)
        # As it was written: a host is in lower case.
        name = urlsplit(self._url).netloc.rpartition("@")[2].partition(":")[0]
        found = sentinel([], **known)
        client: Any = Redis
        found.sentinels = [client.from_url(one, **options) for one in self._sentinels]
        return found.master_for(name)


def _sentinels_of(client: Any) -> list[Any]:
    """The clients with which a client asks Sentinels for its server."""
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [] if manager is None else manager.sentinels


class AsyncMergedGets:
    """Gets of the same round of an event loop share one request.

    Args:
        get: Gets the values of any number of keys.
    """

    def __init__(self, get: Get) -> None:
        self._get = get
        self._waiting: dict[asyncio.AbstractEventLoop, list[tuple[Sequence[str], asyncio.Future[Any]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, in their order."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[bytes | None]] = loop.create_future()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = []
            # It begins in the loop's next round. It belongs to no caller: one that is cancelled does not affect others.
            task = loop.create_task(self._send(loop))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        waiting.append((keys, done))
        return await done

    async def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._waiting.pop(loop)
        keys = list(dict.fromkeys(key for asked, _ in waiting for key in asked))
        found: dict[str, bytes | None] = {}
        error: Exception | None = None
        try:
            found = dict(zip(keys, await self._get(keys), strict=True))
        except Exception as raised:  # noqa: BLE001 - raised for each caller
            error = raised
        except BaseException:
            for _, done in waiting:
                done.cancel()
            raise
        for asked, done in waiting:
            if done.done():
                continue
            if error is None:
                done.set_result([found[key] for key in asked])
            else:
                done.set_exception(copy_error(error))
