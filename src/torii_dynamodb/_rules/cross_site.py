"""Whether a request comes from a page of another site, by what browsers say about it."""

from __future__ import annotations

from collections.abc import Callable, Collection

__all__ = ["is_cross_site"]

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


def is_cross_site(
    method: str | None,
    header: Callable[[str], str | None],
    *,
    origins: Collection[str],
    own: str | None = None,
    cookie: bool,
) -> bool:
    """Whether to refuse a request as coming from another site.

    Args:
        method: The method. One that only reads is never refused; ``None``: a WebSocket, which does not count as one.
        header: Returns a header by its name in lower case; ``None`` if there is none.
        origins: Trusted origins, in lower case.
        own: The site's own origin, in lower case; ``None`` if it is only known from ``Host``.
        cookie: Whether a session came in a cookie: then a browser must vouch for the request. Without a cookie, a
            request without these headers passes: it comes from a program that is not a browser.
    """
    if method in _SAFE:
        return False
    origin = (header("origin") or "").lower()
    if origin and (origin in origins or origin == own):
        return False
    site = header("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    if not origin:
        return cookie
    # Behind a proxy that terminates TLS the scheme is unknown here, so sites are told apart by host.
    # "null" has no host, nor does an HTTP/1.0 request that a proxy forwarded without one.
    host = origin.partition("://")[2]
    return own is not None or not host or host != (header("host") or "").lower()
