"""Codes that people type from a mail: eight digits, good only in the browser that asked."""

from __future__ import annotations

import hmac

from torii_dynamodb._rules.totp import typed_digits
from torii_dynamodb.clock import RandomBytes

__all__ = ["DIGITS", "TRIES", "mark", "new_code", "typed"]

DIGITS = 8
TRIES = 5


def new_code(random: RandomBytes) -> str:
    """Eight random digits."""
    # 64 bits: the remainder prefers no code by more than one part in 10^11.
    return f"{int.from_bytes(random(8)) % 10**DIGITS:0{DIGITS}d}"


def typed(code: object) -> str | None:
    """A typed code in ASCII digits; ``None`` if it cannot be one."""
    return typed_digits(code, DIGITS)


def mark(flow_token: str, code: str) -> str:
    """What is stored of a code: a MAC under the flow token, which only the browser holds.

    Whoever reads the table has neither, so that ten million guesses offline tell nothing.
    """
    return hmac.digest(flow_token.encode(), f"torii-dynamodb/email-code/1:{code}".encode(), "sha256").hex()
