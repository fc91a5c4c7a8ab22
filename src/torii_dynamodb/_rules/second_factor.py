"""When a second factor is required, and what a session records of how it began."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb._rules.enrolled import SECOND_FACTOR, factor_kinds, is_enrolled
from torii_dynamodb._rules.times import epoch_seconds
from torii_dynamodb.clock import Clock
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import LockoutPolicy, User

__all__ = [
    "FACTOR_NAMES",
    "SECOND_FACTOR",
    "Challenges",
    "FactorKind",
    "SecondFactorPolicy",
    "amr_of",
    "factor_kind",
    "factor_kinds",
    "is_enrolled",
    "with_second_factor",
]

FactorKind = Literal["totp", "passkey", "recovery", "all"]

FACTOR_NAMES = {"totp": "Authenticator app", "passkey": "Passkeys", "recovery": "Recovery codes"}
"""What mails call each kind of second factor."""

_MAX_CHALLENGE = timedelta(hours=1)
_MAX_TRUST = timedelta(days=365)

# RFC 8176. It has no name for a link or a provider; a passkey proves possession of a key.
_AMR = {"password": ("pwd",), "passkey": ("pop",), "email_code": ("otp",), "magic_link": ("otp",)}


def factor_kind(factor_id: str | None) -> FactorKind:
    """Return the kind of the second factor with an id; ``"all"`` for ``None``."""
    if factor_id is None:
        return "all"
    return "passkey" if factor_id == "passkey" else "recovery" if factor_id == "recovery" else "totp"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorPolicy:
    """Who must give a second factor, and for how long a trusted browser need not.

    Args:
        required: ``"enrolled"``: users who have set up a second factor. ``"always"``: everybody; users without one set
            one up before their first session begins. A function of the user: whether a second factor is required;
            users who have set one up must always give it.
        trust_devices_for: For how long a browser that gave a second factor need not give it again, if the user ticks
            "trust this device", at most 365 days. ``None``: the choice is not offered.
        challenge_for: For how long the second factor can be given after the first: one minute to one hour.
        issuer: The application's name in authenticator apps. ``None``: the ``app_name`` of the mail settings, or the
            ``rp_name`` of the passkey settings.
        attempts: How many wrong answers are accepted in which time, over all second factors of a user.
    """

    required: Literal["enrolled", "always"] | Callable[[User], bool] = "enrolled"
    trust_devices_for: timedelta | None = None
    challenge_for: timedelta = timedelta(minutes=10)
    issuer: str | None = None
    attempts: LockoutPolicy = field(default_factory=LockoutPolicy)

    def __post_init__(self) -> None:
        if not callable(self.required) and self.required not in ("enrolled", "always"):
            raise ConfigurationError(
                f'second_factor.required: give "enrolled", "always" or a function, not {self.required!r}'
            )
        check_fields(self)
        if not timedelta(minutes=1) <= self.challenge_for <= _MAX_CHALLENGE:
            raise ConfigurationError("second_factor.challenge_for: give one minute to one hour")
        if self.trust_devices_for is not None and not timedelta(0) < self.trust_devices_for <= _MAX_TRUST:
            raise ConfigurationError("second_factor.trust_devices_for: give at most 365 days, or None")
        if not self.attempts.enabled:
            raise ConfigurationError("second_factor.attempts: six digits can be guessed without a limit; enable it")

    def is_required_of(self, user: User) -> bool:
        """Whether the user must give a second factor."""
        if is_enrolled(user) or self.required == "always":
            return True
        if not callable(self.required):
            return False
        required: object = self.required(user)
        # None from a forgotten "return" would let everybody in; an async function would ask everybody.
        if not isinstance(required, bool):
            raise ConfigurationError(
                f"second_factor.required: the function must return True or False, not {type(required).__name__}"
            )
        return required


class Challenges:
    """Vouches for challenges, so that nobody can make one up to use up a stranger's attempts. No I/O.

    A challenge is a one-time token, ``~``, when it expires, ``~``, and a MAC of that under the application's secret.
    The time is in it so that an expired one, which anyone may have who once knew the password, uses up no attempt.

    Args:
        secrets: The application's secrets: the first signs, all are recognised.
        clock: The clock.
    """

    def __init__(self, secrets: Sequence[bytes], *, clock: Clock) -> None:
        self._keys = [hmac.digest(secret, b"torii-dynamodb/challenge/1", "sha256") for secret in secrets]
        self._clock = clock

    def sign(self, token: str, expires_at: datetime) -> str:
        """The challenge made of a one-time token."""
        dated = f"{token}~{epoch_seconds(expires_at):x}"
        return f"{dated}~{_mac(self._keys[0], dated)}"

    def token_of(self, challenge: object) -> str | None:
        """The one-time token of a challenge; ``None`` if it was not issued here, or has expired."""
        if not isinstance(challenge, str) or len(challenge) > 512:
            return None
        dated, _, mac = challenge.rpartition("~")
        given = mac.encode(errors="surrogatepass")
        good = [hmac.compare_digest(given, _mac(key, dated).encode()) for key in self._keys]
        if not any(good):
            return None
        token, _, until = dated.rpartition("~")
        return token if epoch_seconds(self._clock()) < int(until, 16) else None


def _mac(key: bytes, token: str) -> str:
    return base64url.encode(hmac.digest(key, token.encode(errors="surrogatepass"), "sha256"))


def amr_of(method: str) -> tuple[str, ...]:
    """How a session records its first factor, in the names of RFC 8176."""
    return _AMR.get(method, ())


def with_second_factor(amr: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The same, after a second factor: its name, and ``mfa``."""
    return tuple(dict.fromkeys((*amr, name, "mfa")))
