"""Protection against cross-site request forgery.

There are two guards. A request that changes something is refused if the browser says that it comes from another site
(``Sec-Fetch-Site``, or ``Origin`` from browsers without it); with a session cookie, the browser must say that it does
not. In addition, forms carry a token that only a page of this site can know: an HMAC keyed with the cookie that
accompanies it.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.cross_site import is_cross_site
from torii_dynamodb._rules.origins import origin_of
from torii_dynamodb._web.connection import Connection
from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.clock import RandomBytes

__all__ = ["CrossSite", "FormTokens"]


class CrossSite:
    """Distinguishes requests of this site's pages from those of other sites.

    Args:
        config: Names the trusted origins.
    """

    def __init__(self, config: WebConfig) -> None:
        self._origins = {origin.lower() for origin in config.trusted_origins}
        self._own = None if config.base_url is None else origin_of("base_url", config.base_url)

    def refuses(self, connection: Connection, *, cookie: bool) -> bool:
        """Whether to refuse a request.

        Args:
            connection: The request. One that only reads is never refused; a WebSocket does not count as one.
            cookie: Whether a session came in a cookie: then a browser must vouch for the request. Without a cookie, a
                request without these headers passes: it comes from a program that is not a browser.
        """
        method = connection.scope["method"] if connection.scope["type"] == "http" else None
        return is_cross_site(method, connection.headers.get, origins=self._origins, own=self._own, cookie=cookie)


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
