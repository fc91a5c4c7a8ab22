"""redis-py's blocking client. Written by hand on both sides: redis-py's two have different names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from torii_dynamodb._sync.primitives import Future, Lock, monotonic, start_anew_after_fork
from torii_dynamodb._wire.errors import copy_error
from torii_dynamodb.errors import CacheUnavailable

__all__ = ["MergedGets", "RedisClients"]

T = TypeVar("T")

Get = Callable[[Sequence[str]], list[bytes | None]]

IN_FLIGHT = 2
"""How many gets are sent at once. With 16 and 64 threads, 2 take less CPU time than 3, and less waiting than 1."""


class RedisClients:
    """The client of this process, and of each one forked from it.

    Args:
        url: The server, or one node of the cluster.
        cluster: Whether it is a cluster.
        sentinels: URLs of the Sentinels to ask for the server, whose name is the host in ``url``; empty for none.
        connect_timeout: Seconds for connecting.
        timeout: Seconds for a response.
        max_connections: How many connections it opens; in a cluster, to each node.
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
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Forget the connections: after a fork, they belong to the parent."""
        self._lock = Lock()
        self._now = threading.local()
        self._client: Any = None
        self._readers: list[Any] | None = None

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
        """Return the values of keys."""
        if self._cluster:
            return self.call(lambda client: client.mget_nonatomic(keys))
        return self._send("MGET", *keys)  # type: ignore[no-any-return]

    def script(self, command: str, script: str, keys: Sequence[str], arguments: Sequence[bytes | int]) -> Any:
        """Run a script: with the command ``EVALSHA`` by its name, with ``EVAL`` by its text."""
        words = (command, script, len(keys), *keys, *arguments)
        if self._cluster:
            return self.call(lambda client: client.execute_command(*words))
        return self._send(*words)

    def _send(self, *words: Any) -> Any:
        """Send a command over a connection that is kept for this.

        redis-py's client takes a connection from its pool for each command, and keeps statistics. That takes half of
        the CPU time of a session check.
        """
        client = self.get()
        with self._lock:
            if self._readers is None:
                pool = client.connection_pool
                self._readers = [pool.make_connection() for _ in range(self._for_reads)]
            readers = self._readers
            connection = readers.pop() if readers else None
        if connection is None:
            return self.call(lambda client: client.execute_command(*words))
        try:
            return self.call(lambda _: _send_over(connection, words))
        finally:
            if self._readers is readers:
                readers.append(connection)
            else:  # closed meanwhile
                connection.disconnect()

    def close(self) -> None:
        """Close the connections."""
        readers, self._readers = self._readers, None
        for connection in readers or ():
            connection.disconnect()
        client, self._client = self._client, None
        if client is not None:
            client.close()
            for sentinel in _sentinels_of(client):
                sentinel.close()

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
        if self._sentinels:
            return self._primary(options)
        pool: Any = BlockingConnectionPool
        return Redis.from_pool(pool.from_url(self._url, timeout=self._connect_timeout + self._timeout, **options))

    def _primary(self, options: dict[str, Any]) -> Any:
        """Return a client of the server that the Sentinels name each time it connects."""
        from redis import Redis, connection
        from redis.sentinel import Sentinel

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


def _send_over(connection: Any, words: Sequence[Any]) -> Any:
    from redis.exceptions import ConnectionError  # noqa: A004 - theirs, not the built-in one

    while True:
        connected: bool = connection.is_connected
        if not connected:
            connection.connect()
        try:
            connection.send_command(*words)
            return connection.read_response()
        except ConnectionError:
            # The server may have closed it while it was idle.
            if not connected:
                raise


def _sentinels_of(client: Any) -> list[Any]:
    """The clients with which a client asks Sentinels for its server."""
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [] if manager is None else manager.sentinels


class MergedGets:
    """Gets that begin while some are in flight wait for one of them, and share the next request.

    Args:
        get: Gets the values of any number of keys.
    """

    def __init__(self, get: Get) -> None:
        self._get = get
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Forget the waiting threads and the requests in flight: after a fork, they belong to the parent."""
        self._lock = Lock()
        self._waiting: list[_Waiter] = []
        self._flying = 0

    def __call__(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, in their order."""
        waiter = _Waiter(keys)
        with self._lock:
            at_once = self._flying < IN_FLIGHT
            if at_once:
                self._flying += 1
            else:
                self._waiting.append(waiter)
        if at_once:
            return self._fly(keys, ())
        try:
            found = waiter.done.result()
        except Exception:
            raise
        except BaseException:
            self._leave(waiter)
            raise
        if found is not None:
            return found
        with self._lock:
            others, self._waiting = self._waiting, []
        return self._fly(keys, others)

    def _fly(self, keys: Sequence[str], others: Sequence[_Waiter]) -> list[bytes | None]:
        asked = list(dict.fromkeys([*keys, *(key for other in others for key in other.keys)]))
        found: dict[str, bytes | None] = {}
        error: Exception | None = None
        try:
            found = dict(zip(asked, self._get(asked), strict=True))
        except Exception as raised:
            error = raised
            raise
        finally:
            if error is not None:
                # Those that wait would wait again: what they are told is just as true for them.
                with self._lock:
                    others, self._waiting = [*others, *self._waiting], []
            self._land()
            for other in others:
                if found:
                    other.done.set_result([found[key] for key in other.keys])
                else:
                    other.done.set_exception(copy_error(error or CacheUnavailable("interrupted", attempts=1)))
        return [found[key] for key in keys]

    def _land(self) -> None:
        with self._lock:
            if self._waiting:
                # The first asks for itself and for those that wait by the time it runs.
                self._waiting.pop(0).done.set_result(None)
            else:
                self._flying -= 1

    def _leave(self, waiter: _Waiter) -> None:
        """Give up, after an interrupt: nobody else may depend on this thread."""
        with self._lock:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                return
        if waiter.done.wait(0) and not waiter.done.failed() and waiter.done.result() is None:
            self._land()


class _Waiter:
    """A get that waits: for its values, or for ``None``, which means that its thread is to ask."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys
        self.done: Future[list[bytes | None] | None] = Future()
