"""Protection against cross-site request forgery.

There are two guards. A request that changes something is refused if the browser says that it comes from another site
(``Sec-Fetch-Site``, or ``Origin`` from browsers without it); with a session cookie, the browser must say that it does
not. In addition, forms carry a token that only a page of this site can know: an HMAC keyed with the cookie that
accompanies it.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from torii_dynamodb._rules import base64url
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.fastapi.settings import WebConfig, origin_of

__all__ = ["CrossSite", "FormTokens"]

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class CrossSite:
    """Distinguishes requests of this site's pages from those of other sites.

    Args:
        config: Names the trusted origins.
    """

    def __init__(self, config: WebConfig) -> None:
        self._origins = {origin.lower() for origin in config.trusted_origins}
        self._own = None if config.base_url is None else origin_of("base_url", config.base_url)

    def refuses(self, connection: HTTPConnection, *, cookie: bool) -> bool:
        """Whether to refuse a request.

        Args:
            connection: The request. One that only reads is never refused; a WebSocket does not count as one.
            cookie: Whether a session came in a cookie: then a browser must vouch for the request. Without a cookie, a
                request without these headers passes: it comes from a program that is not a browser.
        """
        if connection.scope["type"] == "http" and connection.scope["method"] in _SAFE:
            return False
        origin = connection.headers.get("origin", "").lower()
        if origin and (origin in self._origins or origin == self._own):
            return False
        site = connection.headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        if not origin:
            return cookie
        # Behind a proxy that terminates TLS the scheme is unknown here, so sites are told apart by host.
        # "null" has no host, nor does an HTTP/1.0 request that a proxy forwarded without one.
        host = urlsplit(origin).netloc
        return self._own is not None or not host or host != connection.headers.get("host", "").lower()


class FormTokens:
    """Tokens for forms: ``<nonce>.<HMAC of the nonce under the secret>``.

    The secret is a cookie of the same request: the session's, or a random one until there is a session. So nothing is
    stored, no key is configured, and a token becomes invalid with its session. The nonce makes every token different,
    because compression reveals what repeats in a page (BREACH).

    Args:
        random: Returns random bytes for nonces.
    """

    def __init__(self, random: RandomBytes) -> None:
        self._random = random

    def issue(self, secret: str) -> str:
        """Return a token to put into a form."""
        nonce = base64url.encode(self._random(16))
        return f"{nonce}.{_mac(secret, nonce)}"

    @staticmethod
    def holds(secret: str | None, token: object) -> bool:
        """Whether a form's token was made under this secret."""
        if not secret or not isinstance(token, str):
            return False
        nonce, _, mac = token.partition(".")
        return bool(nonce) and hmac.compare_digest(mac.encode(), _mac(secret, nonce).encode())


def _mac(secret: str, nonce: str) -> str:
    return base64url.encode(hmac.new(secret.encode(), b"torii-dynamodb/form/1\x00" + nonce.encode(), sha256).digest())
