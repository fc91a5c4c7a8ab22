"""What signing in returns if a second factor is required, and what setting one up returns.

Not in :mod:`torii_dynamodb.models`: creating a dataclass takes half a millisecond, and a session check needs none of
these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models import Factor, SignedIn, User

__all__ = ["EnrolledFactor", "SecondFactorChallenge", "SignInResult", "TotpEnrolment"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorChallenge:
    """The first factor was right, and a second one is required. There is no session yet.

    Args:
        user: The user who gave the first factor. Nobody is signed in yet.
        token: Pass it with the second factor (``torii.second_factor.complete``). It is not accepted as a session token.
        expires_at: When the first factor has to be given again.
        enrolment: Whether the user has no second factor and must set one up first.
    """

    user: User
    token: str = field(repr=False)
    expires_at: datetime
    enrolment: bool


SignInResult: TypeAlias = SignedIn | SecondFactorChallenge
"""The result of a first factor. Tell the two apart by ``isinstance(result, SignedIn)``."""


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class TotpEnrolment:
    """An authenticator app that is being set up. Nothing is stored until its first code is accepted.

    Args:
        uri: The ``otpauth://`` URI, for a QR code.
        secret: The seed as text, for people who type it into the app.
        token: Pass it back with the first code. It is sealed, and valid for 15 minutes.
    """

    uri: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(repr=False)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledFactor:
    """An authenticator app that was set up.

    Args:
        factor: The factor.
        recovery_codes: Show these once: they are not stored. Empty if the user had some already.
    """

    factor: Factor
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
