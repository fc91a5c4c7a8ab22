"""The default transport: a pool of kept HTTP/1.1 connections over blocking sockets. The asynchronous one uses asyncio.

Why not urllib3: importing it takes longer than the whole start of this library. For features that this pool
lacks (HTTP/2, proxies reached over TLS), use another transport: see :mod:`torii_dynamodb.transport`.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from torii_dynamodb._idle import can_carry_on, limit_silence, moment
from torii_dynamodb._messages import Endpoint, Request, Response
from torii_dynamodb._sync.primitives import Future
from torii_dynamodb._wire.errors import BadResponse, ConnectFailed, Disconnected, TimedOut, TransportError
from torii_dynamodb._wire.http import ResponseParser
from torii_dynamodb._wire.tls import tls_context

if TYPE_CHECKING:
    import ssl

    from torii_dynamodb._wire.proxies import Proxy

__all__ = ["Pool"]

# The maximum head of a proxy's response to CONNECT; real ones have under 1 KB.
MAX_REPLY = 16 * 1024
_PIECE = 256 * 1024


class _Connection:
    """One connection: carries one request at a time."""

    __slots__ = ("_parser", "_socket", "_timeout", "idle_since", "served")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._timeout = 0.0
        self._parser = ResponseParser()
        self.idle_since = moment()
        self.served = False

    def exchange(self, request: Request, expires: float) -> Response:
        """Send a request and wait for its response."""
        sock = self._socket
        parser = self._parser
        try:
            self._limit(expires - monotonic())
            sock.sendall(request.head + request.body)
            data = sock.recv(_PIECE)
            while True:
                if not data:
                    response = parser.end()
                    if response is None:
                        raise self._disconnected(None)
                    return response
                response = parser.feed(data)
                if response is not None:
                    return response
                left = expires - monotonic()
                if left <= 0:
                    raise TimedOut("no complete response in time")
                self._limit(left)
                data = sock.recv(_PIECE)
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:  # with a number, the kernel gave up: see _idle
                raise TimedOut("no complete response in time") from None
            raise self._disconnected(error) from error

    def _limit(self, left: float) -> None:
        # Each settimeout() is a call to the kernel, and a chance to lose the interpreter to one of many other threads.
        if not -0.001 < self._timeout - left < 0.005:
            self._timeout = max(left, 0.001)
            self._socket.settimeout(self._timeout)

    def _disconnected(self, error: OSError | None) -> Disconnected:
        if self._parser.started:
            return Disconnected("the connection ended within the response")
        if self.served:
            return Disconnected("a kept connection was closed by the other side, or is dead", stale=True)
        reason = f": {error}" if error is not None else ""
        return Disconnected(f"the connection ended before a response{reason}")

    @property
    def keep_alive(self) -> bool:
        """Whether the other side keeps it open."""
        return self._parser.keep_alive

    @property
    def usable(self) -> bool:
        """Whether it can carry another request, after it was idle."""
        return self._parser.keep_alive and can_carry_on(self._socket, self.idle_since)

    def abort(self) -> None:
        """Close at once."""
        self._socket.close()


class Pool:
    """Sends requests over at most ``limit`` connections, kept open between requests. Threads share it.

    A caller that finds no free connection waits in a queue, first come, first served. After a fork, the child starts
    with no connections.

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
        self._endpoint = endpoint
        self._limit = limit
        self._connect_timeout = connect_timeout
        self._proxy = proxy
        # Without TLS there is no tunnel: the requests themselves are sent to the proxy.
        self._forwarder = None if endpoint.tls else proxy
        self._ca_bundle = ca_bundle
        self._keep = keep
        self._tls: ssl.SSLContext | None = None
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._waiters: deque[Future[_Connection | None]] = deque()
        self._held = 0  # open and opening connections, including idle ones

    def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response:
        """Send a request and return its response.

        Raises:
            TransportError: If there was none.
        """
        expires = monotonic() + timeout
        if self._process != os.getpid():
            for inherited in self._idle:  # the parent's descriptors stay open
                inherited.abort()
            self._start()
        forwarder = self._forwarder
        if forwarder is not None:
            request = forwarder.forwarded(self._endpoint, request)
        connection = self._acquire(expires, fresh)
        try:
            response = connection.exchange(request, expires)
        except BaseException as error:
            self._discard(connection)
            if connection.served and isinstance(error, TransportError):
                self._discard_idle()  # what ended one kept connection has probably ended the others
            raise
        connection.served = True
        self._release(connection)
        return response if forwarder is None else forwarder.checked(self._endpoint, response)

    def close(self) -> None:
        """Close the idle connections now and the others after their responses."""
        with self._lock:
            self._closed = True
            waiters, self._waiters = self._waiters, deque()
        self._discard_idle()
        for waiter in waiters:
            waiter.set_exception(ConnectFailed("the client was closed"))

    def _acquire(self, expires: float, fresh: bool) -> _Connection:
        waiter: Future[_Connection | None] | None = None
        with self._lock:
            if self._closed:
                raise ConnectFailed("the client was closed")
            while self._idle:
                if fresh and self._held < self._limit:
                    break
                connection = self._idle.pop(0 if fresh else -1)
                if not fresh and connection.usable:
                    return connection
                connection.abort()
                self._held -= 1
            if self._held >= self._limit:
                waiter = Future()
                self._waiters.append(waiter)
            else:
                self._held += 1
        if waiter is not None:
            connection_or_slot = self._wait(waiter, expires)
            if connection_or_slot is not None:
                if not fresh:
                    return connection_or_slot
                connection_or_slot.abort()
        return self._connect(expires)  # in a slot that has been counted already

    def _wait(self, waiter: Future[_Connection | None], expires: float) -> _Connection | None:
        try:
            served = waiter.wait(expires - monotonic())
        except BaseException:
            self._leave(waiter)
            raise
        if not served and self._leave(waiter, keep=True):
            raise ConnectFailed("all connections were busy until the deadline (max_connections)")
        return waiter.result()

    def _leave(self, waiter: Future[_Connection | None], *, keep: bool = False) -> bool:
        # True: it was still in the queue. Otherwise it was served at this moment: pass on what it got, or keep it.
        with self._lock:
            try:
                self._waiters.remove(waiter)
                return True
            except ValueError:
                pass
        if not keep:
            connection = waiter.result()
            if connection is None:
                self._free_slot()
            else:
                self._release(connection)
        return False

    def _connect(self, expires: float) -> _Connection:
        endpoint = self._endpoint
        proxy = self._proxy
        host, port = (endpoint.host, endpoint.port) if proxy is None else (proxy.host, proxy.port)
        where = endpoint.url + ("" if proxy is None else f" through the proxy {proxy.url}")
        sock: socket.socket | None = None
        try:
            timeout = min(self._connect_timeout, max(expires - monotonic(), 0.001))
            ends = monotonic() + timeout
            if endpoint.tls and self._tls is None:
                self._tls = tls_context(self._ca_bundle)
            sock = socket.create_connection((host, port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            limit_silence(sock, self._connect_timeout)
            if self._tls is not None:
                if proxy is not None:
                    sock.sendall(proxy.connect(endpoint))
                    proxy.connected(endpoint, _reply(sock, ends))
                    sock.settimeout(max(ends - monotonic(), 0.001))
                sock = self._tls.wrap_socket(sock, server_hostname=endpoint.host)
        except BaseException as error:
            if sock is not None:
                sock.close()
            self._free_slot()
            if isinstance(error, TimeoutError):
                raise ConnectFailed(f"no connection to {where} in time") from None
            if isinstance(error, OSError):
                raise ConnectFailed(f"no connection to {where}: {error}") from error
            raise
        return _Connection(sock)

    def _release(self, connection: _Connection) -> None:
        connection.idle_since = moment()
        if self._keep and connection.keep_alive:
            with self._lock:
                waiter = self._waiters.popleft() if self._waiters else None
                if waiter is None and not self._closed:
                    self._idle.append(connection)
                    return
            if waiter is not None:
                waiter.set_result(connection)
                return
        self._discard(connection)

    def _discard(self, connection: _Connection) -> None:
        connection.abort()
        self._free_slot()

    def _discard_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
            self._held -= len(idle)
        for connection in idle:
            connection.abort()

    def _free_slot(self) -> None:
        with self._lock:
            if not self._waiters:
                self._held -= 1
                return
            waiter = self._waiters.popleft()
        waiter.set_result(None)  # the slot is passed on: connect yourself


def _reply(sock: socket.socket, ends: float) -> bytes:
    """The proxy's response to ``CONNECT``."""
    buffer = b""
    while True:
        sock.settimeout(max(ends - monotonic(), 0.001))
        data = sock.recv(MAX_REPLY)
        if not data:
            raise ConnectFailed("the proxy closed the connection without a response to CONNECT")
        buffer += data
        head, end, _ = buffer.partition(b"\r\n\r\n")
        if end:
            return head  # a refusal is followed by a page for people; a success by nothing
        if len(buffer) > MAX_REPLY:
            raise BadResponse("the proxy's response to CONNECT is too long")
