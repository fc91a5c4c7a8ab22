"""Origins of pages (RFC 6454)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from torii_dynamodb.errors import ConfigurationError

__all__ = ["check_origins", "origin_of"]

_APP_SCHEMES = ("chrome-extension", "capacitor", "ionic", "tauri", "app")
_LOCAL = ("localhost", "127.0.0.1", "::1")


def check_origins(option: str, origins: Iterable[str]) -> None:
    """Check that these are origins of pages, apps or extensions, and nothing more.

    Raises:
        ConfigurationError: One is not; the message names the option.
    """
    for origin in origins:
        if origin_of(option, origin, apps=True) != origin:
            raise ConfigurationError(f"{option}: {origin!r}: give only scheme, host and port, in lower case")


def origin_of(option: str, url: str, *, apps: bool = False) -> str:
    """The origin of an https URL, or of an http URL on this machine.

    Args:
        option: The option's name, for the error.
        url: The URL.
        apps: Whether the origin of an app or an extension is allowed.

    Raises:
        ConfigurationError: It is neither.
    """
    try:
        parts = urlsplit(url)
        host, scheme, _ = parts.hostname or "", parts.scheme, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{option}: {url!r}: {error}") from error
    local = host in _LOCAL or host.endswith(".localhost")
    if not host or not (scheme == "https" or (scheme == "http" and local) or (apps and scheme in _APP_SCHEMES)):
        raise ConfigurationError(f"{option}: {url!r}: give an https:// URL (http:// only for localhost)")
    if "@" in parts.netloc or not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        raise ConfigurationError(
            f"{option}: {url!r}: give the host as browsers send it (an international name as xn--...)"
        )
    # As browsers write it: without the scheme's default port (RFC 6454, 6.1).
    default_port = {"https": ":443", "http": ":80"}.get(scheme, "")
    return f"{scheme}://{parts.netloc}".lower().removesuffix(default_port)
