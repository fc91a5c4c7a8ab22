"""A request to a provider: to checked addresses, with limits on size and time. Written by hand on both sides."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextvars import copy_context
from functools import cache
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from torii_dynamodb._rules.outbound import Answer, Reach, TooLarge, may_connect
from torii_dynamodb._sync.primitives import Future, monotonic

__all__ = ["exchange"]

# The time limit for one of a host's addresses, so that the next is tried within the deadline.
_CONNECT_SECONDS = 3.0


def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None,
    reach: Reach,
    most: int,
    seconds: float,
    http: httpx.Client | None = None,
) -> Answer:
    """Send a request and read the response. Redirects are not followed.

    Each request has its own connection: sign-ins are rare, a provider that hangs cannot use up anything shared, and no
    connection goes stale or belongs to an event loop that has ended.

    Args:
        method: ``GET`` or ``POST``.
        url: Where to.
        headers: What to send.
        content: The body.
        reach: Which addresses may be connected to. The name is resolved once, and the connection goes to the address
            that was checked, so DNS rebinding gains nothing. A proxy, from the environment or in ``http``, resolves the
            name itself and has to enforce this itself.
        most: The maximum number of bytes to read, and to hold after decompression.
        seconds: The time limit for the whole exchange.
        http: The application's own client, used instead of our own connection.

    Raises:
        TimeoutError: It took too long.
        TooLarge: The response is larger than ``most``.
        Exception: Any other failure; httpx, httpcore, TLS and sockets have many classes for it.
    """
    deadline = monotonic() + seconds
    done: Future[Answer] = Future()

    def work() -> None:
        try:
            done.set_result(_exchange(method, url, headers, content, reach, most, deadline, http))
        except httpcore.TimeoutException:
            done.set_exception(TimeoutError())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
            done.set_exception(error)

    # A thread, because nothing can interrupt a name lookup, or an application's client that waits for headers.
    thread = Thread(target=copy_context().run, args=(work,), name="torii-provider", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise OSError("cannot start a thread") from error
    if not done.wait(seconds):
        raise TimeoutError
    return done.result()


def _exchange(
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None,
    reach: Reach,
    most: int,
    deadline: float,
    http: httpx.Client | None,
) -> Answer:
    if http is not None:
        with http.stream(method, url, headers=dict(headers), content=content, follow_redirects=False) as answer:
            # A transport with responses in memory has already read and decoded them.
            done = answer.is_stream_consumed
            body = answer.content if done else _read(answer.iter_raw(), most, deadline)
            return Answer.of(answer.status_code, answer.headers, body, most, decode=not done)
    with (
        _pool(url, reach, deadline) as pool,
        pool.stream(method, url, headers=[*headers.items()], content=content) as found,
    ):
        body = _read(found.iter_stream(), most, deadline)
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in found.headers}
        return Answer.of(found.status, told, body, most)


def _read(chunks: Iterator[bytes], most: int, deadline: float) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise TooLarge("the response is too large")
        _left(deadline)
    return bytes(body)


def _left(deadline: float) -> float:
    """Return the seconds left.

    Raises:
        TimeoutError: There are none.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _pool(url: str, reach: Reach, deadline: float) -> httpcore.ConnectionPool:
    proxy = _proxy(url)
    backend = _Checked(reach if proxy is None else None, deadline)
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend)
    given = httpx.Proxy(proxy)
    return httpcore.HTTPProxy(str(given.url), proxy_auth=given.auth, ssl_context=_tls(), network_backend=backend)


class _Checked(httpcore.NetworkBackend):
    """Resolves names, and connects only to allowed addresses, until a deadline."""

    def __init__(self, reach: Reach | None, deadline: float) -> None:
        self._reach: Reach | None = reach
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failed: Exception = PermissionError("the name resolves to no address that may be connected to")
        for address in dict.fromkeys(str(entry[4][0]) for entry in found):
            if self._reach is None or may_connect(address, self._reach):
                left = min(_CONNECT_SECONDS, _left(self._deadline))
                try:
                    stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failed = error
                else:
                    return _Timed(stream, self._deadline)
        raise failed

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise PermissionError("providers are not reached through Unix sockets")

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Timed(httpcore.NetworkStream):
    """A connection that reads and writes until a deadline, so that an abandoned thread ends, too."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


@cache
def _tls() -> ssl.SSLContext:
    # certifi's certificates, or those that SSL_CERT_FILE or SSL_CERT_DIR name. Reading them is slow: once per process.
    return httpx.create_ssl_context()


def _proxy(url: str) -> str | None:
    """Return the environment's proxy for a URL (``HTTPS_PROXY``, ``NO_PROXY``)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if proxy is None or host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
