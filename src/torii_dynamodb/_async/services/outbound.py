"""A request to a provider: to checked addresses, with limits on size and time. Written by hand on both sides."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from torii_dynamodb._rules.outbound import Answer, Reach, TooLarge, may_connect

__all__ = ["exchange"]

# The time limit for one of a host's addresses, so that the next is tried within the deadline.
_CONNECT_SECONDS = 3.0


async def exchange(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None,
    reach: Reach,
    most: int,
    seconds: float,
    http: httpx.AsyncClient | None = None,
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
    async with asyncio.timeout(seconds):
        if http is not None:
            async with http.stream(
                method, url, headers=dict(headers), content=content, follow_redirects=False
            ) as answer:
                # A transport with responses in memory has already read and decoded them.
                done = answer.is_stream_consumed
                body = answer.content if done else await _read(answer.aiter_raw(), most)
                return Answer.of(answer.status_code, answer.headers, body, most, decode=not done)
        async with (
            _pool(url, reach) as pool,
            pool.stream(method, url, headers=[*headers.items()], content=content) as found,
        ):
            body = await _read(found.aiter_stream(), most)
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in found.headers}
            return Answer.of(found.status, told, body, most)


async def _read(chunks: AsyncIterator[bytes], most: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise TooLarge("the response is too large")
    return bytes(body)


def _pool(url: str, reach: Reach) -> httpcore.AsyncConnectionPool:
    proxy = _proxy(url)
    if proxy is None:
        return httpcore.AsyncConnectionPool(ssl_context=_tls(), network_backend=_Checked(reach))
    given = httpx.Proxy(proxy)
    return httpcore.AsyncHTTPProxy(str(given.url), proxy_auth=given.auth, ssl_context=_tls())


class _Checked(httpcore.AsyncNetworkBackend):
    """Resolves names, and connects only to allowed addresses."""

    def __init__(self, reach: Reach) -> None:
        self._reach: Reach = reach
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failed: Exception = PermissionError("the name resolves to no address that may be connected to")
        for address in dict.fromkeys(str(entry[4][0]) for entry in found):
            if may_connect(address, self._reach):
                try:
                    return await self._inner.connect_tcp(address, port, _CONNECT_SECONDS, local_address, socket_options)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failed = error
        raise failed

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise PermissionError("providers are not reached through Unix sockets")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


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
