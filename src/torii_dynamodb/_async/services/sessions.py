"""Making, checking, extending and ending sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from torii_dynamodb.clock import Clock
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import Metadata, NewSession, Session, User

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage

__all__ = ["AsyncSessionService", "SessionPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """How long sessions last.

    Args:
        absolute: A session ends so long after the sign-in, whatever happens.
        idle: A session ends when it was not used for so long.
        refresh_after: A session's end is moved at most so often: a write a request would cost more than all else.
    """

    absolute: timedelta = timedelta(days=30)
    idle: timedelta = timedelta(days=7)
    refresh_after: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not timedelta(seconds=1) <= self.idle <= self.absolute <= timedelta(days=3650):
            raise ConfigurationError("session policy: give one second <= idle <= absolute <= ten years")
        if not timedelta(0) <= self.refresh_after < self.idle:
            raise ConfigurationError("session policy: refresh_after must be shorter than idle")

    def end(self, signed_in: datetime, now: datetime) -> datetime:
        """When a session used now ends, unless it is used again."""
        return min(signed_in + self.absolute, now + self.idle)

    def is_due(self, session: Session, now: datetime) -> bool:
        """Whether moving a session's end is worth a write."""
        return self.end(session.created_at, now) - session.expires_at >= max(self.refresh_after, timedelta(seconds=1))


class AsyncSessionService:
    """Sessions with an absolute and an idle timeout.

    Args:
        storage: Where they are kept.
        policy: How long they last.
        clock: What time it is.
    """

    def __init__(self, storage: AsyncStorage, *, policy: SessionPolicy, clock: Clock) -> None:
        self._storage = storage
        self.policy = policy
        self._clock = clock

    async def create(
        self,
        user: User,
        *,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
    ) -> Session:
        """A session for a user as read by whatever authenticated it."""
        now = self._clock()
        new_session = NewSession(
            user_id=user.id,
            expires_at=self.policy.end(now, now),
            user_agent=user_agent,
            ip_address=ip_address,
            metadata={} if metadata is None else metadata,
        )
        return await self._storage.create_session(new_session, user=user)

    async def refresh(self, token: str) -> Session | None:
        """Check a session, and move its end if that is due (``SessionPolicy.refresh_after``).

        Returns:
            The session as it is now; ``None`` when it is not valid.
        """
        session = await self._storage.get_session(token)
        if session is None:
            return None
        now = self._clock()
        if not self.policy.is_due(session, now):
            return session
        return await self._storage.refresh_session(token, expires_at=self.policy.end(session.created_at, now))
