"""Where browsers see an application that is mounted below another, or stands behind a proxy with a path of its own."""

from __future__ import annotations

from contextvars import ContextVar
from urllib.parse import quote

from starlette.requests import HTTPConnection

__all__ = ["note_root_path", "root_path"]

# Paths are made in many places, and in templates, that have no request at hand.
_root: ContextVar[str] = ContextVar("torii_dynamodb_root_path", default="")


def note_root_path(connection: HTTPConnection) -> None:
    """Remember where the application is that answers this request: ``root_path`` of ASGI, which mounts add to."""
    # Never "//host": a mount may have a parameter in its path.
    path = connection.scope.get("root_path", "").strip("/")
    _root.set(f"/{quote(path)}" if path else "")


def root_path() -> str:
    """Where the application is that answers the present request: empty, or a path without a slash at its end."""
    return _root.get()
