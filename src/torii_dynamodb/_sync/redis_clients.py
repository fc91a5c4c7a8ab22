"""redis-py's blocking client. Written by hand on both sides: redis-py's two have different names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torii_dynamodb._sync.primitives import Lock

__all__ = ["MergedGets", "RedisClients"]

Get = Callable[[Sequence[str]], list[bytes | None]]


class RedisClients:
    """The client of this process. redis-py connects again after a fork.

    Args:
        url: The server, or one node of the cluster.
        cluster: Whether it is a cluster.
        options: redis-py's options for connections.
        pool: redis-py's options for pools, of a server that is not a cluster.
    """

    def __init__(self, url: str, *, cluster: bool, options: dict[str, Any], pool: dict[str, Any]) -> None:
        self._url, self._cluster, self._options, self._pool = url, cluster, options, pool
        self._client: Any = None
        self._lock = Lock()

    def get(self) -> Any:
        """Return the client. One of a server connects when it is used; one of a cluster asks for the nodes at once."""
        client = self._client
        if client is None:
            with self._lock:
                client = self._client = self._client or self._make()
        return client

    def close(self) -> None:
        """Close the client."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _make(self) -> Any:
        from redis import BlockingConnectionPool, Redis, RedisCluster
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError  # noqa: A004 - theirs, not the built-in one
        from redis.retry import Retry

        # Only a connection that the server has closed is worth a second attempt: after a time-out, it would double the
        # wait.
        again = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
        if self._cluster:
            return RedisCluster.from_url(self._url, retry=again, **self._options)
        pool: Any = BlockingConnectionPool
        return Redis.from_pool(pool.from_url(self._url, retry=again, **self._options, **self._pool))


class MergedGets:
    """Gets, each by itself: threads have no rounds in which to wait for others.

    Args:
        get: Gets the values of any number of keys.
    """

    def __init__(self, get: Get) -> None:
        self._get = get

    def __call__(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, in their order."""
        return self._get(keys)
