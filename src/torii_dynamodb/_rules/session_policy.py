"""How long sessions last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import Session

__all__ = ["SessionPolicy", "signed_in_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """How long sessions last.

    Args:
        absolute: A session ends this long after the sign-in, whatever happens.
        idle: A session ends after this long without use.
        refresh_after: A session's end is moved at most this often: one write per request would dominate the cost.
    """

    absolute: timedelta = timedelta(days=30)
    idle: timedelta = timedelta(days=7)
    refresh_after: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        check_fields(self)
        if not timedelta(seconds=1) <= self.idle <= self.absolute <= timedelta(days=3650):
            raise ConfigurationError("session policy: give one second <= idle <= absolute <= ten years")
        if not timedelta(0) <= self.refresh_after < self.idle:
            raise ConfigurationError("session policy: refresh_after must be shorter than idle")

    def end(self, signed_in: datetime, now: datetime) -> datetime:
        """Return when a session used now ends, unless it is used again."""
        return min(signed_in + self.absolute, now + self.idle)

    def is_due(self, session: Session, now: datetime) -> bool:
        """Whether moving a session's end is worth a write."""
        return self.end(signed_in_at(session), now) - session.expires_at >= max(
            self.refresh_after, timedelta(seconds=1)
        )


def signed_in_at(session: Session) -> datetime:
    """When the person signed in. Unlike ``created_at``, a rotation does not move it."""
    return session.created_at if session.authenticated_at is None else session.authenticated_at
