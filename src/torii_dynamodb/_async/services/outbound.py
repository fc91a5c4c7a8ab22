"""A request to a provider: to checked addresses, of bounded size and time. Written by hand in both twins."""

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

# So long for one address of a host, so that the next has its turn within the deadline.
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
    """Send a request and read the answer. Redirects are not followed.

    Each request has a connection of its own: sign-ins are rare, and so nothing is shared that one stuck provider could
    use up, and no connection goes stale or belongs to an event loop that has ended.

    Args:
        method: ``GET`` or ``POST``.
        url: Where to.
        headers: What to send.
        content: The body.
        reach: Which addresses may be connected to. The name is resolved once, and what was checked is connected to, so
            a name that resolves to something else the next time (DNS rebinding) gains nothing. A proxy, named by the
            environment or by ``http``, resolves the name itself: then this is for the proxy to enforce.
        most: So many bytes are read at most, and so many are held at most after decompression.
        seconds: After so long the exchange is given up, whatever it is doing.
        http: The application's own client, used instead of a connection of ours.

    Raises:
        TimeoutError: It took too long.
        TooLarge: The answer is larger than ``most``.
        Exception: It failed otherwise; httpx, httpcore, TLS and sockets say so in many classes.
    """
    async with asyncio.timeout(seconds):
        if http is not None:
            async with http.stream(
                method, url, headers=dict(headers), content=content, follow_redirects=False
            ) as answer:
                # A transport that answers from memory has read and decoded its answer already.
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
            raise TooLarge("the answer is too large")
    return bytes(body)


def _pool(url: str, reach: Reach) -> httpcore.AsyncConnectionPool:
    proxy = _proxy(url)
    if proxy is None:
        return httpcore.AsyncConnectionPool(ssl_context=_tls(), network_backend=_Checked(reach))
    given = httpx.Proxy(proxy)
    return httpcore.AsyncHTTPProxy(str(given.url), proxy_auth=given.auth, ssl_context=_tls())


class _Checked(httpcore.AsyncNetworkBackend):
    """Resolves names, and connects to addresses that may be connected to only."""

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
        failed: Exception = PermissionError("the name leads to no address that may be connected to")
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
        raise PermissionError("providers are not asked through sockets of the file system")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@cache
def _tls() -> ssl.SSLContext:
    # certifi's certificates, or those that SSL_CERT_FILE or SSL_CERT_DIR name. Reading them takes long: once a process.
    return httpx.create_ssl_context()


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address (``HTTPS_PROXY``, ``NO_PROXY``)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if proxy is None or host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
