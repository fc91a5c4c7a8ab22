# Generated from src/torii_dynamodb/_async/services/torii.py by tools/unasync.py. Do not edit.

"""The services in one object."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from torii_dynamodb._core.hashing import Argon2Hasher, PasswordHasher, PasswordPolicy
from torii_dynamodb._sync.services.passwords import PasswordService
from torii_dynamodb._sync.services.sessions import SessionPolicy, SessionService
from torii_dynamodb.clock import Clock, system_clock
from torii_dynamodb.models import LockoutPolicy, Metadata, Session, User

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage

__all__ = ["Torii"]


class Torii:
    """Register, sign in, check, sign out, on any storage that keeps the contract.

    Args:
        storage: Where everything is kept, for example an ``DynamoDbHandle``.
        sessions: How long sessions last.
        passwords: Which passwords are taken.
        lockout: How many attempts are taken in which time.
        hasher: Hashes passwords; ``None``: argon2id.
        clock: What time it is; should be the storage's.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        sessions: SessionPolicy | None = None,
        passwords: PasswordPolicy | None = None,
        lockout: LockoutPolicy | None = None,
        hasher: PasswordHasher | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.storage = storage
        self._sessions = SessionService(storage, policy=sessions or SessionPolicy(), clock=clock)
        self._password_policy = passwords or PasswordPolicy()
        self._lockout = lockout or LockoutPolicy()
        self._hasher = hasher

    @cached_property
    def password(self) -> PasswordService:
        """Sign-in by e-mail address and password. Made when first used: a session check needs no argon2."""
        return PasswordService(
            self.storage,
            self._sessions,
            hasher=self._hasher or Argon2Hasher(),
            policy=self._password_policy,
            lockout=self._lockout,
        )

    def get_user(self, user_id: str) -> User | None:
        """The user; ``None`` where there is none."""
        return self.storage.get_user(user_id)

    def delete_user(self, user_id: str) -> bool:
        """Delete a user with all identities, sessions and tokens. Returns whether there was one."""
        return self.storage.delete_user(user_id)

    def get_session(self, token: str) -> tuple[Session, User] | None:
        """Check a session's token: the session and its user, or ``None`` when it is not valid. One request."""
        return self.storage.get_session_and_user(token)

    def create_session(
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
        return self._sessions.create(user, user_agent=user_agent, ip_address=ip_address, metadata=metadata)

    def refresh_session(self, token: str) -> Session | None:
        """Check a session and, if it is time, move its end. ``None`` when it is not valid."""
        return self._sessions.refresh(token)

    def list_sessions(self, user_id: str) -> list[Session]:
        """The user's valid sessions, newest first ("your devices")."""
        return self.storage.list_sessions_for_user(user_id)

    def delete_session(self, token: str) -> None:
        """Sign out."""
        self.storage.delete_session(token)

    def delete_sessions_for_user(self, user_id: str) -> None:
        """Sign out everywhere: when it returns, no session made before is valid, on any host."""
        self.storage.delete_sessions_for_user(user_id)
