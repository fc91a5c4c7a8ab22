"""The binding of a sign-up to its browser: a secret in a cookie, and its digest in the mailed link."""

from __future__ import annotations

import hmac

from torii_dynamodb._rules import base64url, validation
from torii_dynamodb._rules.secrets import digest
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.models import Token

__all__ = ["bound_to", "is_bound", "new_binding"]

_BROWSER = "browser"


def new_binding(random: RandomBytes) -> str:
    """Make a binding: 256 random bits, 43 characters."""
    return base64url.encode(random(32))


def bound_to(binding: str | None) -> dict[str, str]:
    """Return the metadata of a link that is bound to a browser; empty without a binding."""
    if binding is None:
        return {}
    return {_BROWSER: digest(validation.secret_text(binding, "browser_binding", least=43, most=128))}


def is_bound(token: Token, binding: str | None) -> bool:
    """Whether the link is bound to the browser with this binding."""
    kept = token.metadata.get(_BROWSER)
    return isinstance(kept, str) and isinstance(binding, str) and hmac.compare_digest(digest(binding), kept)
