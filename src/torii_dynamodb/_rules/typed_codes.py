"""Mailed codes: eight digits, valid only in the browser that asked."""

from __future__ import annotations

import hmac

from torii_dynamodb._rules.totp import typed_digits
from torii_dynamodb.clock import RandomBytes

__all__ = ["DIGITS", "TRIES", "mark", "new_code", "typed"]

DIGITS = 8
TRIES = 5


def new_code(random: RandomBytes) -> str:
    """Return eight random digits."""
    # Of 64 bits, the remainder prefers no code by more than one part in 10^11.
    return f"{int.from_bytes(random(8)) % 10**DIGITS:0{DIGITS}d}"


def typed(code: object) -> str | None:
    """Return a typed code in ASCII digits; ``None`` if it cannot be a code."""
    return typed_digits(code, DIGITS)


def mark(flow_token: str, code: str) -> str:
    """Return what is stored of a code: a MAC under the flow token, which only the browser has.

    Somebody who reads the table does not have the flow token, and cannot guess the code offline.
    """
    return hmac.digest(flow_token.encode(), f"torii-dynamodb/email-code/1:{code}".encode(), "sha256").hex()
