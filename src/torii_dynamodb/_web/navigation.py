"""Where browsers are sent: paths below mounts and proxies, and targets after a sign-in that stay on trusted sites."""

from __future__ import annotations

from contextvars import ContextVar
from urllib.parse import quote, unquote, urlsplit

from torii_dynamodb._rules.origins import origin_of
from torii_dynamodb._web.connection import Connection
from torii_dynamodb._web.settings import WebConfig, encoded_url

__all__ = ["Navigation", "note_root_path"]

# Paths are built in many places, templates among them, that have no request.
_root: ContextVar[str] = ContextVar("torii_dynamodb_root_path", default="")


def note_root_path(connection: Connection) -> None:
    """Remember where the application that handles this request is mounted: the ``root_path`` of ASGI."""
    # Never "//host": a mount may have a parameter in its path.
    path = connection.scope.get("root_path", "").strip("/")
    _root.set(f"/{quote(path)}" if path else "")


class Navigation:
    """Paths and addresses as browsers see them.

    Args:
        config: ``base_url``, the trusted origins, and where to go after a sign-in.
        tenant_path: The path below which the tenant is, at the end of that of ``base_url``; empty if the path names no
            tenant. A sign-in then leads to no path outside of it.
    """

    def __init__(self, config: WebConfig, *, tenant_path: str = "") -> None:
        self._next_origins = set(config.trusted_origins)
        self._origin = self._base_path = ""
        if config.base_url is not None:
            self._origin = origin_of("base_url", config.base_url)
            self._next_origins.add(self._origin)
            self._base_path = urlsplit(config.base_url).path
        self._within = self._base_path if tenant_path else ""
        # The middleware adds the tenant's path to "root_path".
        self._base_path = self._base_path.removesuffix(tenant_path)
        self._after_sign_in = self.inside(config.after_sign_in)

    def inside(self, path: str) -> str:
        """A configured path as browsers see it: below the tenant's path, if the path names the tenant."""
        return self._within + path

    def path(self, path: str) -> str:
        """One of our paths as browsers see it: below the path of ``base_url``, a mount, and a server's ``root_path``.

        Args:
            path: The path in the application that includes the router, such as ``/auth/sign-in``.
        """
        base, root = self._base_path, _root.get()
        # A server that knows the whole path reports it; one behind a proxy that strips part of it may report the rest
        # or nothing.
        return (root if f"{root}/".startswith(f"{base}/") else base + root) + path

    def url(self, path: str) -> str:
        """The full URL of one of our paths. It requires ``base_url``; the ``Host`` header is never used."""
        assert self._origin
        return self._origin + self.path(path)

    def safe_next(self, url: str | None, default: str | None = None) -> str:
        r"""Where to go after a sign-in: a path of this site, a URL at a trusted origin, or the default.

        Browsers read ``//host``, ``/\host``, and what remains after dropping tabs and line ends as other sites. The
        result is ASCII, so every header can carry it: everything else is percent-encoded, as browsers do.

        Args:
            url: The requested target. Anything else, and anything too long, leads to the default.
            default: ``None``: the configuration's ``after_sign_in``.
        """
        fallback = self._after_sign_in if default is None else default
        try:
            encoded = encoded_url(url or "")
            parts = urlsplit(encoded)
        except ValueError:
            return fallback
        if encoded.startswith("/"):
            return fallback if encoded.startswith("//") or self._leaves_tenant(parts.path) else encoded
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        if parts.scheme not in ("https", "http") or origin not in self._next_origins:
            return fallback
        return fallback if origin == self._origin and self._leaves_tenant(parts.path) else encoded

    def _leaves_tenant(self, path: str) -> bool:
        if not self._within:
            return False
        # Browsers resolve these, encoded or not (WHATWG URL, "double-dot URL path segment").
        dots = any(unquote(segment) in (".", "..") for segment in path.split("/"))
        return dots or not f"{path}/".startswith(f"{self._within}/")
