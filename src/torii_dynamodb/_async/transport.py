"""The default transport: a pool of kept HTTP/1.1 connections over asyncio. Written by hand on both sides.

Why not aiohttp: importing it takes longer than the whole start of this library, and a request over it costs about twice
the CPU time. For features that this pool lacks (HTTP/2, proxies reached over TLS), use another transport: see
:mod:`torii_dynamodb.transport`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from torii_dynamodb._idle import can_carry_on, limit_silence, moment
from torii_dynamodb._messages import Endpoint, Request, Response
from torii_dynamodb._wire.errors import BadResponse, ConnectFailed, Disconnected, TimedOut, TransportError
from torii_dynamodb._wire.http import ResponseParser
from torii_dynamodb._wire.tls import tls_context

if TYPE_CHECKING:
    import ssl

    from torii_dynamodb._wire.proxies import Proxy

__all__ = ["AsyncPool"]

# The maximum head of a proxy's response to CONNECT; real ones have under 1 KB.
MAX_REPLY = 16 * 1024


class _Connection(asyncio.Protocol):
    """One connection: carries one request at a time."""

    __slots__ = ("_answer", "_parser", "_pool", "_transport", "expires", "idle_since", "lost", "served")

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self.expires = 0.0
        self.idle_since = moment()
        self.lost = False
        self.served = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._pool.connections.add(self)
        limit_silence(transport.get_extra_info("socket"), self._pool.connect_timeout)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # no request is pending: whatever this is, it is not a response
            self.abort()
            return
        try:
            response = self._parser.feed(data)
        except BadResponse as error:
            self._fail(error)
            self.abort()
            return
        if response is not None:
            self._answer = None
            if not answer.done():
                answer.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        pool = self._pool
        pool.connections.discard(self)
        if self._answer is not None:
            response = self._parser.end()
            if response is not None:
                answer, self._answer = self._answer, None
                if not answer.done():
                    answer.set_result(response)
            else:
                self._fail(_disconnected(self._parser.started, self.served, exc))
        pool.forget(self)

    def _fail(self, error: TransportError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def timed_out(self) -> None:
        """The time for the response is over."""
        self._fail(TimedOut("no complete response in time"))
        self.abort()

    def start(self, request: Request, answer: asyncio.Future[Response], expires: float) -> None:
        """Send a request; the future gets its response."""
        self._answer = answer
        self.expires = expires
        transport = self._transport
        if self.lost or transport is None or transport.is_closing():
            self._fail(_disconnected(False, self.served, None))
            return
        transport.write(request.head + request.body)

    @property
    def is_open(self) -> bool:
        """Whether the other side keeps it open, as far as the event loop knows."""
        transport = self._transport
        return not self.lost and self._parser.keep_alive and transport is not None and not transport.is_closing()

    @property
    def usable(self) -> bool:
        """Whether it can carry another request, after it was idle. A loop that was frozen does not know it yet."""
        transport = self._transport
        return (
            self.is_open and transport is not None and can_carry_on(transport.get_extra_info("socket"), self.idle_since)
        )

    @property
    def busy(self) -> bool:
        """Whether a response is pending."""
        return self._answer is not None

    def abort(self) -> None:
        """Close at once. A request in flight fails."""
        if self._transport is not None:
            self._transport.abort()


class _Tunnel(asyncio.Protocol):
    """The proxy's response to ``CONNECT``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.reply: asyncio.Future[bytes] = loop.create_future()
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, _ = self._buffer.partition(b"\r\n\r\n")
        if end:
            self._settle(head)  # a refusal is followed by a page for people; a success by nothing
        elif len(self._buffer) > MAX_REPLY:
            self._settle(BadResponse("the proxy's response to CONNECT is too long"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(ConnectFailed("the proxy closed the connection without a response to CONNECT"))

    def _settle(self, outcome: bytes | TransportError) -> None:
        if self.reply.done():
            return
        if isinstance(outcome, bytes):
            self.reply.set_result(outcome)
        else:
            self.reply.set_exception(outcome)


class AsyncPool:
    """Sends requests over at most ``limit`` connections, kept open between requests. Bound to one event loop.

    A caller that finds no free connection waits in a queue, first come, first served.

    Args:
        endpoint: The endpoint.
        limit: The maximum number of connections.
        connect_timeout: Seconds to make a connection, including the proxy's part and TLS.
        proxy: The proxy that the connections go through.
        ca_bundle: A file of certificates to trust instead of the system's.
        keep: Whether connections are kept for the next request.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        limit: int,
        connect_timeout: float,
        proxy: Proxy | None = None,
        ca_bundle: str | None = None,
        keep: bool = True,
    ) -> None:
        self.connections: set[_Connection] = set()
        self._endpoint = endpoint
        self._limit = limit
        self.connect_timeout = connect_timeout
        self._proxy = proxy
        # Without TLS there is no tunnel: the requests themselves are sent to the proxy.
        self._forwarder = None if endpoint.tls else proxy
        self._ca_bundle = ca_bundle
        self._keep = keep
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[_Connection] = []
        self._waiters: deque[asyncio.Future[_Connection | None]] = deque()
        self._held = 0  # open and opening connections, including idle ones
        self._closed = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = float("inf")

    async def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response:
        """Send a request and return its response.

        Raises:
            TransportError: If there was none.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        expires = monotonic() + timeout
        forwarder = self._forwarder
        if forwarder is not None:
            request = forwarder.forwarded(self._endpoint, request)
        connection = None
        if not fresh:
            idle = self._idle
            while idle:
                connection = idle.pop()
                if connection.usable:
                    break
                self._discard(connection)
                connection = None
        if connection is None:
            connection = await self._acquire(loop, expires, fresh)
        answer: asyncio.Future[Response] = loop.create_future()
        if expires < self._alarm_at:
            self._set_alarm(loop, expires)
        try:
            connection.start(request, answer, expires)
            response = await answer
        except BaseException as error:
            self._discard(connection)
            if connection.served and isinstance(error, TransportError):
                self._discard_idle()  # what ended one kept connection has probably ended the others
            raise
        connection.served = True
        self._release(connection)
        return response if forwarder is None else forwarder.checked(self._endpoint, response)

    async def aclose(self) -> None:
        """Close all connections; requests in flight fail."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
            self._alarm_at = float("inf")
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ConnectFailed("the client was closed"))
        self._waiters.clear()
        for connection in list(self.connections):
            connection.abort()
        # The loop closes the connections in its next rounds; TLS takes one more.
        for _ in range(8):
            if not self.connections:
                break
            await asyncio.sleep(0)
        self._idle.clear()

    def forget(self, connection: _Connection) -> None:
        """An idle connection was closed by the other side."""
        if connection in self._idle:
            self._idle.remove(connection)
            self._held -= 1

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("this client is in use in another event loop; use one client per loop")
        # The previous loop is gone, and so are its connections.
        self._loop = loop
        self.connections.clear()
        self._idle.clear()
        self._waiters.clear()
        self._held = 0
        self._alarm = None
        self._alarm_at = float("inf")

    async def _acquire(self, loop: asyncio.AbstractEventLoop, expires: float, fresh: bool) -> _Connection:
        if self._closed:
            raise ConnectFailed("the client was closed")
        if fresh and self._held >= self._limit and self._idle:
            self._discard(self._idle.pop(0))
        if self._held >= self._limit or self._waiters:
            connection = await self._wait(loop, expires)
            if connection is not None:
                if connection.is_open and not fresh:
                    return connection
                self._discard(connection, reuse_slot=True)
        else:
            self._held += 1
        return await self._connect(loop, expires)  # in a slot that has been counted already

    async def _wait(self, loop: asyncio.AbstractEventLoop, expires: float) -> _Connection | None:
        waiter: asyncio.Future[_Connection | None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(max(expires - monotonic(), 0), _time_out, waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # Served and cancelled at the same moment: pass it on.
                connection = waiter.result()
                if connection is None:
                    self._free_slot()
                else:
                    self._release(connection)
            else:
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            raise
        finally:
            timer.cancel()

    async def _connect(self, loop: asyncio.AbstractEventLoop, expires: float) -> _Connection:
        where = (
            self._endpoint.url if self._proxy is None else f"{self._endpoint.url} through the proxy {self._proxy.url}"
        )
        try:
            async with asyncio.timeout(min(self.connect_timeout, max(expires - monotonic(), 0.001))):
                connection = await self._connected(loop)
        except TimeoutError:
            self._free_slot()
            raise ConnectFailed(f"no connection to {where} in time") from None
        except OSError as error:
            self._free_slot()
            raise ConnectFailed(f"no connection to {where}: {error}") from error
        except BaseException:
            self._free_slot()
            raise
        if self._closed:
            connection.abort()
            raise ConnectFailed("the client was closed")
        return connection

    async def _connected(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        endpoint = self._endpoint
        proxy = self._proxy
        options: dict[str, Any] = {}
        if endpoint.tls:
            if self._tls is None:
                self._tls = tls_context(self._ca_bundle)
            options = {"ssl": self._tls, "server_hostname": endpoint.host}
        host, port = (endpoint.host, endpoint.port) if proxy is None else (proxy.host, proxy.port)
        if proxy is None or not endpoint.tls:
            return (await loop.create_connection(lambda: _Connection(self), host, port, **options))[1]
        tunnel, asked = await loop.create_connection(lambda: _Tunnel(loop), host, port)
        try:
            tunnel.write(proxy.connect(endpoint))
            proxy.connected(endpoint, await asked.reply)
            connection = _Connection(self)
            assert self._tls is not None
            inner = await loop.start_tls(tunnel, connection, self._tls, server_hostname=endpoint.host)
            if inner is None:  # lost at that moment
                raise ConnectFailed(f"the proxy {proxy.url} closed the connection")
            connection.connection_made(inner)
        except BaseException:
            tunnel.abort()
            raise
        return connection

    def _release(self, connection: _Connection) -> None:
        if not connection.is_open or self._closed or not self._keep:
            self._discard(connection)
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.idle_since = moment()
        self._idle.append(connection)

    def _discard(self, connection: _Connection, *, reuse_slot: bool = False) -> None:
        connection.abort()
        if not reuse_slot:
            self._free_slot()

    def _discard_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            self._discard(connection)

    def _free_slot(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)  # the slot is passed on: connect yourself
                return
        self._held -= 1

    # One timer for all requests, set to the earliest end of any. Setting and cancelling one for each request would cost
    # more than reading its answer.
    def _set_alarm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = loop.call_later(max(at - monotonic(), 0), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._alarm_at = float("inf")
        now = monotonic()
        earliest = float("inf")
        for connection in list(self.connections):
            if connection.busy:
                if connection.expires <= now:
                    connection.timed_out()
                else:
                    earliest = min(earliest, connection.expires)
        if earliest < float("inf") and self._loop is not None:
            self._set_alarm(self._loop, earliest)


def _time_out(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_exception(ConnectFailed("all connections were busy until the deadline (max_connections)"))


def _disconnected(started: bool, served: bool, exc: Exception | None) -> Disconnected:
    if started:
        return Disconnected("the connection ended within the response")
    if served:
        return Disconnected("a kept connection was closed by the other side, or is dead", stale=True)
    reason = f": {exc}" if exc is not None else ""
    return Disconnected(f"the connection ended before a response{reason}")
