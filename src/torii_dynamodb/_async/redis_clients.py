"""redis-py's asynchronous clients. Written by hand on both sides: redis-py's two have different names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from torii_dynamodb._wire.errors import copy_error

__all__ = ["AsyncMergedGets", "AsyncRedisClients"]

Get = Callable[[Sequence[str]], Awaitable[list[bytes | None]]]


class AsyncRedisClients:
    """The client of each event loop: connections belong to a loop.

    Args:
        url: The server, or one node of the cluster.
        cluster: Whether it is a cluster.
        options: redis-py's options for connections.
        pool: redis-py's options for pools, of a server that is not a cluster.
    """

    def __init__(self, url: str, *, cluster: bool, options: dict[str, Any], pool: dict[str, Any]) -> None:
        self._url, self._cluster, self._options, self._pool = url, cluster, options, pool
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}

    def get(self) -> Any:
        """Return this event loop's client. It connects when it is used."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for ended in [other for other in list(self._clients) if other.is_closed()]:
                self._clients.pop(ended, None)
            client = self._clients[loop] = self._make()
        return client

    async def aclose(self) -> None:
        """Close this event loop's client."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _make(self) -> Any:
        from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError  # noqa: A004 - theirs, not the built-in one

        # Only a connection that the server has closed is worth a second attempt: after a time-out, it would double the
        # wait.
        again = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
        if self._cluster:
            return RedisCluster.from_url(self._url, retry=again, **self._options)
        pool: Any = BlockingConnectionPool
        return Redis.from_pool(pool.from_url(self._url, retry=again, **self._options, **self._pool))


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
