"""What binds a sign-up to the browser that it was made in: a secret in a cookie, and its digest in the mailed link."""

from __future__ import annotations

import hmac

from torii_dynamodb._rules import base64url, validation
from torii_dynamodb._rules.secrets import digest
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.models import Token

__all__ = ["bound_to", "is_bound", "new_binding"]

_BROWSER = "browser"


def new_binding(random: RandomBytes) -> str:
    """A binding: 256 random bits, 43 characters."""
    return base64url.encode(random(32))


def bound_to(binding: str | None) -> dict[str, str]:
    """The metadata of a link that is bound to a browser; empty without a binding."""
    if binding is None:
        return {}
    return {_BROWSER: digest(validation.secret_text(binding, "browser_binding", least=43, most=128))}


def is_bound(token: Token, binding: str | None) -> bool:
    """Whether the browser that holds the binding is the one that the link is bound to."""
    kept = token.metadata.get(_BROWSER)
    return isinstance(kept, str) and isinstance(binding, str) and hmac.compare_digest(digest(binding), kept)
