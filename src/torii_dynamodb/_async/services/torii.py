"""The services in one object."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from torii_dynamodb._async.services.passwords import AsyncPasswordService
from torii_dynamodb._async.services.sessions import AsyncSessionService, SessionPolicy
from torii_dynamodb._core.hashing import Argon2Hasher, PasswordHasher, PasswordPolicy
from torii_dynamodb.clock import Clock, system_clock
from torii_dynamodb.models import LockoutPolicy, Metadata, Session, User

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage

__all__ = ["AsyncTorii"]


class AsyncTorii:
    """Register, sign in, check, sign out, on any storage that keeps the contract.

    Args:
        storage: Where everything is kept, for example an ``AsyncDynamoDbHandle``.
        sessions: How long sessions last.
        passwords: Which passwords are taken.
        lockout: How many attempts are taken in which time.
        hasher: Hashes passwords; ``None``: argon2id.
        clock: What time it is; should be the storage's.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        *,
        sessions: SessionPolicy | None = None,
        passwords: PasswordPolicy | None = None,
        lockout: LockoutPolicy | None = None,
        hasher: PasswordHasher | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.storage = storage
        self._sessions = AsyncSessionService(storage, policy=sessions or SessionPolicy(), clock=clock)
        self._password_policy = passwords or PasswordPolicy()
        self._lockout = lockout or LockoutPolicy()
        self._hasher = hasher

    @cached_property
    def password(self) -> AsyncPasswordService:
        """Sign-in by e-mail address and password. Made when first used: a session check needs no argon2."""
        return AsyncPasswordService(
            self.storage,
            self._sessions,
            hasher=self._hasher or Argon2Hasher(),
            policy=self._password_policy,
            lockout=self._lockout,
        )

    async def get_user(self, user_id: str) -> User | None:
        """The user; ``None`` where there is none."""
        return await self.storage.get_user(user_id)

    async def delete_user(self, user_id: str) -> bool:
        """Delete a user with all identities, sessions and tokens. Returns whether there was one."""
        return await self.storage.delete_user(user_id)

    async def get_session(self, token: str) -> tuple[Session, User] | None:
        """Check a session's token: the session and its user, or ``None`` when it is not valid. One request."""
        return await self.storage.get_session_and_user(token)

    async def create_session(
        self,
        user: User,
        *,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
    ) -> Session:
        """Sign a user in whom you have authenticated by means of your own.

        Args:
            user: The user as read then; a password changed since makes the session invalid from the start.
            user_agent: The browser's name for itself.
            ip_address: Where the sign-in came from.
            metadata: Anything of yours.
        """
        return await self._sessions.create(user, user_agent=user_agent, ip_address=ip_address, metadata=metadata)

    async def refresh_session(self, token: str) -> Session | None:
        """Check a session and, if it is time, move its end. ``None`` when it is not valid."""
        return await self._sessions.refresh(token)

    async def list_sessions(self, user_id: str) -> list[Session]:
        """The user's valid sessions, newest first ("your devices")."""
        return await self.storage.list_sessions_for_user(user_id)

    async def delete_session(self, token: str) -> None:
        """Sign out."""
        await self.storage.delete_session(token)

    async def delete_sessions_for_user(self, user_id: str) -> None:
        """Sign out everywhere: when it returns, no session made before is valid, on any host."""
        await self.storage.delete_sessions_for_user(user_id)
