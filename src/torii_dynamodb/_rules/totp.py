"""Time-based one-time passwords (RFC 6238): SHA-1, six digits, 30 seconds, which every authenticator app supports.

``pyotp`` computes them; it is imported when a seed is used.
"""

from __future__ import annotations

import hmac
import unicodedata
from base64 import b32encode
from datetime import datetime

from torii_dynamodb._rules.times import epoch_seconds
from torii_dynamodb.clock import RandomBytes

__all__ = ["associated", "enrolment_uri", "matching_step", "new_seed", "typed_digits"]

PERIOD = 30  # seconds (RFC 6238, 5.2)
DIGITS = 6
_SEED_BYTES = 20  # RFC 4226, 4 (R6): 160 bits
_DRIFT = (0, -1, 1)  # RFC 6238, 5.2: one step for the network and slow typing
_SEPARATORS = {" ", "-", "\u00a0", "\u202f", "\t", "\n", "\r"}


def new_seed(random: RandomBytes) -> bytes:
    """Return a seed of 160 random bits."""
    return random(_SEED_BYTES)


def associated(user_id: str, factor_id: str) -> bytes:
    """Return what a sealed seed is bound to: it opens for no other user and no other factor."""
    return f"factor#{user_id}#{factor_id}".encode()


def seed_text(seed: bytes) -> str:
    """Return the seed as people type it into an app: base32 without padding."""
    return b32encode(seed).decode().rstrip("=")


def enrolment_uri(seed: bytes, *, issuer: str, account: str) -> str:
    """Return the ``otpauth://`` URI that an authenticator app reads from a QR code.

    Args:
        seed: The seed.
        issuer: The application's name, as the app shows it.
        account: The user's address, as the app shows it.
    """
    from pyotp.totp import TOTP

    # A colon separates issuer and account in the label.
    return TOTP(seed_text(seed)).provisioning_uri(name=account, issuer_name=issuer.replace(":", " "))


def matching_step(seed: bytes, code: str, now: datetime, *, after: int | None) -> int | None:
    """Return the time step that a code belongs to.

    Args:
        seed: The seed.
        code: Six ASCII digits, as :func:`typed_digits` returns them.
        now: The current time. One step of drift either way is accepted.
        after: The last step that was accepted: it and earlier ones are refused. ``None``: none yet.

    Returns:
        The step, or ``None`` for a wrong or used code.
    """
    from pyotp.hotp import HOTP

    counter = epoch_seconds(now) // PERIOD
    generator = HOTP(seed_text(seed), digits=DIGITS)
    # All steps are computed, so the time does not reveal which one was close.
    steps = [step for step in (counter + drift for drift in _DRIFT) if step >= 0]
    matching = [step for step in steps if hmac.compare_digest(generator.at(step), code)]
    fresh = [step for step in matching if after is None or step > after]
    return fresh[0] if fresh else None


def typed_digits(code: object, digits: int) -> str | None:
    """Return a typed code in ASCII digits, without spaces and hyphens; ``None`` if it cannot be a code.

    Full-width digits and those of other scripts are accepted: phones write them.
    """
    if not isinstance(code, str) or len(code) > 64:
        return None
    kept = [character for character in code if character not in _SEPARATORS]
    values = [unicodedata.digit(character, -1) if character.isdecimal() else -1 for character in kept]
    return None if len(values) != digits or -1 in values else "".join(map(str, values))
