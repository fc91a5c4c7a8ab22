"""The interface between this library and a transport. Public as :mod:`torii_dynamodb.transport`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import urlsplit

__all__ = ["AsyncTransport", "Endpoint", "Request", "Response", "Transport"]


class Endpoint:
    """Where requests go: the parts of a URL.

    Attributes:
        url: The URL without a trailing slash.
        host: The host to connect to, without brackets.
        port: The port to connect to.
        tls: Whether to speak TLS.
        authority: The ``Host`` header: with the port only if it is not the scheme's default.
        path: The path, at least ``/``.
    """

    __slots__ = ("authority", "host", "path", "port", "tls", "url")

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no http:// or https:// address with a host")
        self.url = url.rstrip("/")
        self.host = parts.hostname
        self.tls = parts.scheme == "https"
        default = 443 if self.tls else 80
        self.port = parts.port or default
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = name if self.port == default else f"{name}:{self.port}"
        self.path = parts.path or "/"

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"


class Request:
    """One signed request, ready to be sent.

    Attributes:
        head: The request line and all headers, including the empty line after them.
        body: The JSON document.
    """

    __slots__ = ("body", "head")

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body

    @property
    def target(self) -> str:
        """The path."""
        return self.head.split(b" ", 2)[1].decode("ascii")

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by name, for transports that build their own head."""
        lines = self.head.split(b"\r\n")[1:-2]
        pairs = (line.split(b": ", 1) for line in lines)
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}


class Response:
    """One complete response.

    Headers are searched for on demand: of a dozen, a successful call reads three or four.

    Attributes:
        status: The HTTP status.
        head: The status line and the headers, as received.
        body: The whole body.
    """

    __slots__ = ("_folded", "body", "head", "status")

    def __init__(self, status: int, head: bytes, body: bytes = b"") -> None:
        self.status = status
        self.head = head
        self.body = body
        self._folded = head.lower()

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Response:
        """Build a response from a head that a transport has already parsed."""
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers)
        return cls(status, f"HTTP/1.1 {status}{lines}".encode("latin-1"), body)

    def header(self, name: bytes) -> bytes | None:
        """Return the value of a header (RFC 9112, 5) by its name in lower case; ``None`` if it is missing."""
        start = self._folded.find(b"\r\n" + name + b":")
        if start < 0:
            return None
        start += len(name) + 3
        end = self.head.find(b"\r\n", start)
        return self.head[start : end if end >= 0 else None].strip()


class AsyncTransport(Protocol):
    """Sends one request and returns its response; asynchronous.

    ``timeout`` is in seconds, for the request and its response. With ``fresh``, the request must use a new connection
    (the server had closed the last one). It raises only
    :class:`~torii_dynamodb._wire.errors.TransportError`.
    """

    async def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response: ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """Sends one request and returns its response; blocking, and shared by threads. See :class:`AsyncTransport`."""

    def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response: ...

    def close(self) -> None: ...
