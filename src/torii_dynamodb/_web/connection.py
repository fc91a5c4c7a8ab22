"""Requests and responses, as far as the web layer needs them. Starlette's fit; for WSGI there is :class:`Environ`."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, Protocol

__all__ = ["Carrier", "Connection", "Environ", "Headers"]


class Headers(Protocol):
    """The headers of a request. Names are in lower case."""

    def get(self, key: str, /) -> str | None:
        """One of them, or ``None``."""
        ...

    def getlist(self, key: str, /) -> list[str]:
        """All lines with this name."""
        ...

    def __contains__(self, key: object, /) -> bool: ...


class Peer(Protocol):
    """The other end of a connection."""

    @property
    def host(self) -> str:
        """Its address."""
        ...


class Connection(Protocol):
    """A request, or the request that opens a WebSocket."""

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """ASGI's scope: ``type``, ``method``, ``root_path``; what is found out about a request is noted in it."""
        ...

    @property
    def headers(self) -> Headers:
        """The headers."""
        ...

    @property
    def client(self) -> Peer | None:
        """Who connected; ``None`` if that is not known."""
        ...


class Carrier(Protocol):
    """A response that sets cookies."""

    def set_cookie(
        self,
        key: str,
        value: str,
        *,
        max_age: int,
        path: str,
        domain: str | None,
        secure: bool,
        httponly: bool,
        samesite: Literal["lax", "strict", "none"],
    ) -> object:
        """Set a cookie."""
        ...


class Environ:
    """A request of WSGI (PEP 3333), as a :class:`Connection`.

    Args:
        environ: Its environment; ``request.META`` in Django, which has it under ASGI as well.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self.environ = environ
        self.scope: MutableMapping[str, Any] = {
            "type": "http",
            "method": environ.get("REQUEST_METHOD", "GET"),
            "root_path": environ.get("SCRIPT_NAME", ""),
        }

    @property
    def headers(self) -> Environ:
        """The headers."""
        return self

    @property
    def client(self) -> Environ | None:
        """Who connected. Servers leave the address out, or empty, for a Unix socket."""
        return self if self.environ.get("REMOTE_ADDR") else None

    @property
    def host(self) -> str:
        """The address of who connected."""
        return str(self.environ["REMOTE_ADDR"])

    def get(self, key: str, /) -> str | None:
        """A header. Servers join the lines of one name."""
        found = self.environ.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if found is None else str(found)

    def getlist(self, key: str, /) -> list[str]:
        """A header, in a list."""
        found = self.get(key)
        return [] if found is None else [found]

    def __contains__(self, key: object, /) -> bool:
        return isinstance(key, str) and self.get(key) is not None
