# Generated from src/torii_dynamodb/_async/services/passwords.py by tools/unasync.py. Do not edit.

"""Registering, signing in and changing passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb._core.emails import normalise_email
from torii_dynamodb._core.hashing import PasswordHasher, PasswordPolicy, attempted_password, check_password
from torii_dynamodb._sync.primitives import gather, run_in_thread
from torii_dynamodb.errors import AccountLocked, InvalidCredentials, VersionConflict
from torii_dynamodb.models import (
    AttemptResult,
    LockoutPolicy,
    Metadata,
    NewUser,
    PasswordCredentials,
    Session,
    User,
)

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.sessions import SessionService

__all__ = ["PasswordService"]

_REFUSED = "the e-mail address or the password is wrong"


class PasswordService:
    """E-mail address and password.

    Args:
        storage: Where it is kept.
        sessions: Makes the sessions.
        hasher: Hashes; called in a thread.
        policy: Which passwords are taken.
        lockout: How many attempts are taken in which time.
    """

    def __init__(
        self,
        storage: Storage,
        sessions: SessionService,
        *,
        hasher: PasswordHasher,
        policy: PasswordPolicy,
        lockout: LockoutPolicy,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self._hasher = hasher
        self._policy = policy
        self._lockout = lockout
        self._decoy: str | None = None

    def register(self, email: str, password: str, *, name: str | None = None, metadata: Metadata | None = None) -> User:
        """Create a user with a password, in one write. It signs nobody in.

        Raises:
            ValidationError: The address or the password cannot be used.
            AlreadyExists: ``what="email"``: somebody holds the address. A public form should not tell.
        """
        # Before the hash, which costs more than everything else together.
        normalise_email(email)
        password_hash = run_in_thread(self._hasher.hash, check_password(password, self._policy))
        new_user = NewUser(email=email, name=name, metadata={} if metadata is None else metadata)
        return self._storage.create_user(new_user, password_hash=password_hash)

    def authenticate(
        self,
        email: str,
        password: str,
        *,
        user_agent: str | None = None,
        ip_address: str | None = None,
        metadata: Metadata | None = None,
    ) -> tuple[User, Session]:
        """Sign in.

        The attempt is counted before the password is looked at. An unknown address costs the same work as a known one.
        Five requests in three rounds: (count the attempt, read the hash), (read the user, verify), (store the session,
        clear the count).

        Returns:
            The user and a new session with its token.

        Raises:
            InvalidCredentials: No such user, no password, or a wrong one; it does not tell which.
            AccountLocked: Too many attempts (``retry_after`` tells how long), or locked by an administrator.
        """
        attempted = attempted_password(password, self._policy)
        attempt, credentials = self._take_attempt(email)
        for _ in range(2):
            user = self._verified(credentials, attempted)
            if user is None:
                self._fail(email, attempt, user_agent, ip_address)
                raise InvalidCredentials(_REFUSED)
            if credentials is not None and user.password_version == credentials.password_version:
                break
            # The password was changed between the two reads: what was verified is no longer true. Once more.
            credentials = self._storage.get_credentials_by_email(email)
        else:
            self._fail(email, attempt, user_agent, ip_address)
            raise InvalidCredentials(_REFUSED)
        if user.locked_at is not None:
            raise AccountLocked("the account is locked by an administrator", retry_after=None, locked_at=user.locked_at)
        session = self._sign_in(user, email, attempt, user_agent, ip_address, metadata)
        self._rehash(user, credentials, attempted)
        return user, session

    def change_password(
        self,
        user_id: str,
        current_password: str,
        new_password: str,
        *,
        user: User | None = None,
    ) -> User:
        """Replace the password, having verified the current one. All sessions end in the same write.

        Two requests with the user at hand. Sign the person in anew with ``create_session(user)`` if they are to stay.

        Args:
            user_id: Whose it is.
            current_password: The password until now.
            new_password: The password from now on.
            user: The user as the session check read it.

        Returns:
            The user as stored now.

        Raises:
            InvalidCredentials: The current password is wrong, or there is no such user or password.
            AccountLocked: Too many wrong ones: attempts count as those of signing in.
            ValidationError: The new password cannot be used.
            VersionConflict: Somebody else changed it at the same moment.
        """
        normalised = check_password(new_password, self._policy)
        attempted = attempted_password(current_password, self._policy)
        if user is None or user.id != user_id:
            user = self._storage.get_user(user_id, consistent=True)
            if user is None:
                raise InvalidCredentials(_REFUSED)
        attempt, credentials = self._take_attempt(user.email)
        if credentials is not None and credentials.user_id != user_id:
            credentials = None
        if not self._matches(credentials, attempted):
            self._fail(user.email, attempt, None, None)
            raise InvalidCredentials("the current password is wrong")
        version = credentials.password_version if credentials is not None else None
        password_hash = run_in_thread(self._hasher.hash, normalised)

        def write() -> User:
            return self._storage.set_password_hash(user_id, password_hash, expected_version=version, user=user)

        after = write()
        self._clear(user.email, attempt)
        return after

    def set_password(self, user_id: str, new_password: str, *, user: User | None = None) -> User:
        """Set a first password, where there is none (for one who signs in otherwise so far). All sessions end.

        Raises:
            ValidationError: The password cannot be used.
            NotFound: There is no such user.
            VersionConflict: There is a password already; change it with ``change_password``, or by a reset.
        """
        normalised = check_password(new_password, self._policy)
        if user is not None and user.has_password:
            raise VersionConflict("there is a password already; use change_password, or a reset")
        password_hash = run_in_thread(self._hasher.hash, normalised)
        return self._storage.set_password_hash(user_id, password_hash, expected_version=None, user=user)

    def remove_password(self, user_id: str, *, allow_verified_email: bool = False) -> bool:
        """Take the password away. All sessions end.

        Returns:
            Whether there was one.

        Raises:
            LastSignInMethod: Nothing else is left to sign in with.
            NotFound: There is no such user.
        """
        return self._storage.remove_password_hash(user_id, allow_verified_email=allow_verified_email)

    def _take_attempt(self, email: str) -> tuple[AttemptResult, PasswordCredentials | None]:
        found: list[PasswordCredentials | None] = []

        def acquire() -> AttemptResult:
            return self._storage.acquire_login_attempt(email, policy=self._lockout)

        def read() -> AttemptResult | None:
            found.append(self._storage.get_credentials_by_email(email))
            return None

        attempt, _ = gather(acquire, read)
        assert attempt is not None
        if not attempt.allowed:
            raise AccountLocked(
                "too many attempts to sign in to this account; try again later", retry_after=attempt.retry_after
            )
        return attempt, found[0]

    def _verified(self, credentials: PasswordCredentials | None, attempted: str | None) -> User | None:
        """The user, if the password is right. Both are looked at together, and for unknown addresses too."""
        read: list[User | None] = []

        def matches() -> bool:
            return self._matches(credentials, attempted)

        def read_user() -> bool:
            if credentials is not None:
                read.append(self._storage.get_user(credentials.user_id, consistent=True))
            return True

        right, _ = gather(matches, read_user)
        return read[0] if right and read else None

    def _matches(self, credentials: PasswordCredentials | None, attempted: str | None) -> bool:
        password_hash = None if credentials is None else credentials.password_hash
        if password_hash is None or attempted is None:
            # The same work as for a known address, so that time tells nothing.
            run_in_thread(self._hasher.verify, self._decoy_hash(), attempted or "")
            return False
        return run_in_thread(self._hasher.verify, password_hash, attempted)

    def _decoy_hash(self) -> str:
        if self._decoy is None:
            self._decoy = run_in_thread(self._hasher.hash, "nobody's password")
        return self._decoy

    def _sign_in(
        self,
        user: User,
        email: str,
        attempt: AttemptResult,
        user_agent: str | None,
        ip_address: str | None,
        metadata: Metadata | None,
    ) -> Session:
        def create() -> Session | None:
            return self._sessions.create(user, user_agent=user_agent, ip_address=ip_address, metadata=metadata)

        def clear() -> Session | None:
            self._clear(email, attempt)
            return None

        session, _ = gather(create, clear)
        assert session is not None
        return session

    def _clear(self, email: str, attempt: AttemptResult) -> None:
        if attempt.attempt_id:
            self._storage.clear_attempts(email, attempt_id=attempt.attempt_id)

    def _fail(self, email: str, attempt: AttemptResult, user_agent: str | None, ip_address: str | None) -> None:
        if attempt.attempt_id:
            self._storage.record_failed_attempt(
                email, attempt.attempt_id, ip_address=ip_address, user_agent=user_agent, policy=self._lockout
            )

    def _rehash(self, user: User, credentials: PasswordCredentials, attempted: str | None) -> None:
        old = credentials.password_hash
        if old is None or attempted is None or not self._hasher.needs_rehash(old):
            return
        new = run_in_thread(self._hasher.hash, attempted)
        self._storage.rehash_password(user.id, email=credentials.email, old_hash=old, new_hash=new)
