"""redis-py's blocking client. Written by hand on both sides: redis-py's two have different names."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torii_dynamodb._sync.primitives import Lock, monotonic

__all__ = ["MergedGets", "RedisClients"]

T = TypeVar("T")

Get = Callable[[Sequence[str]], list[bytes | None]]


class RedisClients:
    """The client of this process. redis-py connects again after a fork.

    Args:
        url: The server, or one node of the cluster.
        cluster: Whether it is a cluster.
        connect_timeout: Seconds for connecting.
        timeout: Seconds for a response.
        max_connections: How many connections it opens; in a cluster, to each node.
    """

    def __init__(
        self, url: str, *, cluster: bool, connect_timeout: float, timeout: float, max_connections: int
    ) -> None:
        self._url, self._cluster = url, cluster
        self._connect_timeout, self._timeout = connect_timeout, timeout
        self._for_reads = 0 if cluster else max_connections // 4
        self._max_connections = max_connections - self._for_reads
        self._client: Any = None
        self._readers: _Readers | None = None
        self._lock = Lock()
        self._now = threading.local()

    def get(self) -> Any:
        """Return the client. One of a server connects when it is used; one of a cluster asks for the nodes at once."""
        client = self._client
        if client is None:
            with self._lock:
                client = self._client = self._client or self._make()
        return client

    def call(self, call: Callable[[Any], T]) -> T:
        """Call something with the client.

        Raises:
            TimeoutError: It took longer than connecting and a response may. redis-py's limit starts again with every
                byte.
        """
        self._now.ends = monotonic() + self._connect_timeout + self._timeout
        try:
            return call(self.get())
        finally:
            self._now.ends = None

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, over a connection that is kept for this.

        redis-py's client takes a connection from its pool for each command, and keeps statistics. That takes half of
        the CPU time of a session check.
        """
        client = self.get()
        if self._cluster:
            return self.call(lambda client: client.mget_nonatomic(keys))
        readers = self._readers
        if readers is None or readers.process != os.getpid():
            with self._lock:
                readers = self._readers
                if readers is None or readers.process != os.getpid():
                    readers = self._readers = _Readers(client.connection_pool, self._for_reads)
        try:
            connection = readers.idle.pop()
        except IndexError:
            return self.call(lambda client: client.mget(keys))
        try:
            return self.call(lambda _: _mget(connection, keys))
        finally:
            if self._readers is readers:
                readers.idle.append(connection)
            else:  # closed meanwhile
                connection.disconnect()

    def close(self) -> None:
        """Close the connections."""
        readers, self._readers = self._readers, None
        if readers is not None and readers.process == os.getpid():
            for connection in readers.idle:
                connection.disconnect()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _make(self) -> Any:
        from redis import BlockingConnectionPool, Redis, RedisCluster
        from redis.backoff import NoBackoff
        from redis.connection import DefaultParser
        from redis.exceptions import ConnectionError  # noqa: A004 - theirs, not the built-in one
        from redis.retry import Retry

        # Only a connection that the server has closed is worth a second attempt: after a time-out, it would double the
        # wait.
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            "socket_connect_timeout": self._connect_timeout,
            "socket_timeout": self._timeout,
            "max_connections": self._max_connections,
        }
        parser: Any = DefaultParser
        if hasattr(parser, "read_from_socket"):  # hiredis
            options["parser_class"] = self._limited(parser)
        if self._cluster:
            return RedisCluster.from_url(self._url, **options)
        pool: Any = BlockingConnectionPool
        return Redis.from_pool(pool.from_url(self._url, timeout=self._connect_timeout + self._timeout, **options))

    def _limited(self, parser: Any) -> type:
        now = self._now

        class LimitedParser(parser):  # type: ignore[misc]
            def read_from_socket(self, *args: Any, **options: Any) -> Any:
                ends: float | None = getattr(now, "ends", None)
                if ends is not None and monotonic() > ends:
                    raise TimeoutError
                base: Any = super()
                return base.read_from_socket(*args, **options)

        return LimitedParser


class _Readers:
    """A process's connections for reads."""

    def __init__(self, pool: Any, number: int) -> None:
        self.process = os.getpid()
        self.idle = [pool.make_connection() for _ in range(number)]


def _mget(connection: Any, keys: Sequence[str]) -> list[bytes | None]:
    from redis.exceptions import ConnectionError  # noqa: A004 - theirs, not the built-in one

    while True:
        connected: bool = connection.is_connected
        if not connected:
            connection.connect()
        try:
            connection.send_command("MGET", *keys)
            return connection.read_response()  # type: ignore[no-any-return]
        except ConnectionError:
            # The server may have closed it while it was idle.
            if not connected:
                raise


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
