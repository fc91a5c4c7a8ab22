"""The browser that sent a request, and the checks and errors that all sign-ins share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.errors import AccountLocked, RateLimited
from torii_dynamodb.models import AttemptResult, Metadata, User

__all__ = ["INVALID_LINK", "WRONG_PASSWORD", "Browser", "refuse_locked", "refuse_more"]

# Used in several places, because the messages must not distinguish the cases.
INVALID_LINK = "the link was used, has expired, or is not one of ours"
WRONG_PASSWORD = "the email address or the password is wrong"


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """The browser (or app) that sent a request, as far as the application knows.

    Args:
        user_agent: Its ``User-Agent``.
        ip_address: Its IP address.
        metadata: Your own data for the new session.
        device_token: What ``torii.devices.issue`` made for it after an earlier sign-in. A browser that the user signed
            in with before has its own attempts, so strangers who lock the address out do not lock out its owner. A
            trusted one need not give a second factor.
    """

    user_agent: str | None = None
    ip_address: str | None = None
    metadata: Metadata | None = None
    device_token: str | None = field(default=None, repr=False)


def refuse_locked(user: User) -> None:
    """Raise ``AccountLocked`` for an account that an administrator locked."""
    if user.locked_at is not None:
        raise AccountLocked("the account is locked by an administrator", retry_after=None, locked_at=user.locked_at)


def refuse_more(attempt: AttemptResult, message: str, *, what: str = "requests") -> None:
    """Raise ``RateLimited`` for an attempt that was refused."""
    if not attempt.allowed:
        # A storage must say until when; if one does not, the attempt must still not pass.
        raise RateLimited(message, retry_after=attempt.retry_after or timedelta(seconds=1), what=what)
