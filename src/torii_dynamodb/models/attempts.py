"""Attempts, and how many are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

__all__ = ["AttemptKind", "AttemptResult", "FailedAttempt", "LockoutPolicy", "LockoutStatus"]

AttemptKind: TypeAlias = Literal["login", "ip", "mail", "device", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutPolicy:
    """How many attempts are allowed in what time.

    Args:
        max_attempts: The most attempts in any window; 1 to 20.
        window: The length of the window, at least a second.
        retention: How long the audit of failed attempts is kept.
        enabled: ``False`` allows every attempt and writes nothing.
    """

    max_attempts: int = 5
    window: timedelta = timedelta(minutes=15)
    retention: timedelta = timedelta(days=7)
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """Whether an attempt is allowed.

    Args:
        allowed: Whether it is. Only then may the password be verified.
        attempt_id: Identifies the attempt, if it is allowed and was counted; otherwise empty.
        retry_after: If it is not allowed: how long until the next one is.
    """

    allowed: bool
    attempt_id: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutStatus:
    """The lockout status of an address.

    Args:
        locked: Whether an attempt would be refused now.
        attempts: How many attempts there were in the current window.
        retry_after: How long until the next attempt is allowed; ``None`` if one is allowed now.
    """

    locked: bool
    attempts: int
    retry_after: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An audit row: a sign-in that failed.

    Args:
        attempt_id: The attempt's id.
        at: When it was made.
        ip_address: Where it came from.
        user_agent: The browser's ``User-Agent``.
    """

    attempt_id: str
    at: datetime
    ip_address: str | None
    user_agent: str | None
