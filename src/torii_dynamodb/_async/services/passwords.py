"""Registering, signing in and changing passwords."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from torii_dynamodb._async.primitives import both, monotonic
from torii_dynamodb._async.services.attempts import AsyncAttempts, TakenAttempt
from torii_dynamodb._async.services.mail import mailbox
from torii_dynamodb._async.services.password_checks import AsyncPasswordChecks
from torii_dynamodb._async.services.password_resets import AsyncPasswordResets
from torii_dynamodb._rules.bindings import bound_to
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.hashing import PasswordPolicy, attempted_password, normalise_password
from torii_dynamodb._rules.signing_in import WRONG_PASSWORD, Browser, refuse_locked, refuse_more
from torii_dynamodb.clock import system_random
from torii_dynamodb.errors import AlreadyExists, InvalidCredentials, NotFound, ToriiError, VersionConflict
from torii_dynamodb.events import PasswordChanged, PasswordRemoved, UserCreated
from torii_dynamodb.models import (
    EMAIL_VERIFICATION,
    LockoutPolicy,
    Metadata,
    NewUser,
    PasswordCredentials,
    SignedIn,
    User,
    VerifiedToken,
)
from torii_dynamodb.second_factor import SignInResult

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._async.services.hashing import AsyncHashing
    from torii_dynamodb._async.services.legacy import AsyncMigration
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb._async.services.sessions import AsyncSessionService
    from torii_dynamodb._pool import Submit
    from torii_dynamodb._rules.devices import Devices
    from torii_dynamodb.clock import Clock, RandomBytes
    from torii_dynamodb.compromised import CompromisedPasswords

__all__ = ["AsyncPasswordService"]

_log = logging.getLogger("torii_dynamodb")

_SIGN_UP = "sign_up"


class AsyncPasswordService:
    """Email address and password.

    Args:
        storage: Stores the hashes.
        sessions: Creates the sessions.
        hashing: Hashes and verifies.
        policy: Which passwords are accepted.
        lockout: How many attempts are accepted in which time.
        events: Receives the events.
        clock: The clock.
        compromised: Knows passwords from breaches.
        devices: Recognises browsers that the user signed in with before.
        mail: Sends links and notices; with ``None``, methods that need it raise ConfigurationError.
        require_verified: Whether only users whose address is verified sign in; ``None`` if each call decides.
        migration: Asks another system about addresses that are not known here; ``None`` if there is none.
        random: The randomness for unused ids.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        sessions: AsyncSessionService,
        *,
        hashing: AsyncHashing,
        policy: PasswordPolicy,
        lockout: LockoutPolicy,
        events: AsyncEvents,
        clock: Clock,
        compromised: CompromisedPasswords | None = None,
        devices: Devices | None = None,
        mail: AsyncMail | None = None,
        require_verified: bool | None = None,
        migration: AsyncMigration | None = None,
        random: RandomBytes = system_random,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self._hashing = hashing
        self._lockout = lockout
        self._require_verified = require_verified
        self._migration = migration
        self._random = random
        self._policy = policy
        self._checks = AsyncPasswordChecks(policy, compromised, words=() if mail is None else (mail.settings.app_name,))
        self._resets = AsyncPasswordResets(storage, self._checks, hashing, events=events, clock=clock, mail=mail)
        self._attempts = AsyncAttempts(storage, lockout=lockout, events=events, clock=clock, devices=devices)
        self._events = events
        self._clock = clock
        self._mail = mail

    async def check_policy(self, password: str, *, email: str | None = None) -> None:
        """Check whether a password would be accepted, for a form that says so early.

        Raises:
            ValidationError: It would not; the message says why.
        """
        await self._checks.check(password, email=email)

    async def register(
        self, email: str, password: str, *, name: str | None = None, metadata: Metadata | None = None
    ) -> User:
        """Create a user with a password, in one write. It does not sign in.

        Raises:
            ValidationError: The address or the password cannot be used.
            AlreadyExists: ``what="email"``: another user has the address. A public form should not reveal that: it
                calls :meth:`sign_up`.
            Overloaded: Too many passwords are being hashed.
        """
        password_hash = await self.hash_first(password, email=email, name=name)
        new_user = NewUser(email=email, name=name, metadata={} if metadata is None else metadata)
        user = await self._storage.create_user(new_user, password_hash=password_hash)
        await self._events.emit(UserCreated(at=self._clock(), user_id=user.id, email=user.email, method="password"))
        return user

    async def sign_up(
        self,
        email: str,
        password: str,
        *,
        name: str | None = None,
        metadata: Metadata | None = None,
        browser_binding: str | None = None,
    ) -> None:
        """Register from a public form. The result and the work are the same whether or not the address is taken.

        A free address gets an account and a verification link; an account whose address is not verified yet gets
        another link; the owner of a verified one gets a mail that says so. Five requests in five rounds, and the hash,
        in each case.

        Args:
            email: The address.
            password: The password.
            name: A display name.
            metadata: Your own data.
            browser_binding: The browser's binding (``torii.email_verification.new_browser_binding()``): the link then
                keeps the password if it is used in this browser. Without it, the link asks for the password.

        Raises:
            ValidationError: The address or the password cannot be used.
            RateLimited: Too many mails were sent to this mailbox.
            Overloaded: Too many passwords are being hashed.
            ConfigurationError: There is no mailer.
        """
        mail = self._resets.mail()
        bound = bound_to(browser_binding)
        address = normalise_email(email)
        normalised = await self._checks.check(password, email=address.as_given, name=name)
        with self._hashing.turn() as submit:
            await mail.throttle(email, _SIGN_UP, mail.settings.verify_email_for)
            password_hash = await self._hashing.hash(submit, normalised)
        new_user = NewUser(email=email, name=name, metadata={} if metadata is None else metadata)
        created: User | None = None
        # Taken: continue in the same way. The mail informs its owner.
        with suppress(AlreadyExists):
            created = await self._storage.create_user(new_user, password_hash=password_hash)
        # Read in any case, so that a new account takes the same requests as an existing one.
        holder = await mail.holder(email)
        lifetime = mail.settings.verify_email_for
        # Registering an address again does not vouch for what the first registration set up: this browser keeps none of
        # it.
        token = await mail.token(
            EMAIL_VERIFICATION,
            lifetime,
            user=holder,
            email=address.normalised,
            metadata=None if created is None else bound,
        )
        if holder is not None and not holder.is_email_verified and holder.locked_at is None:
            # Also if it was registered before without opening the link: without it, the account is of no use.
            path = mail.settings.verify_email_path
            await mail.send_link("verify_email", mailbox(holder), path, token, lifetime, user=holder)
        else:
            to = address.normalised if holder is None else mailbox(holder)
            await mail.send("account_exists", to, {}, user=holder)
        if created is not None:
            await self._events.emit(
                UserCreated(at=self._clock(), user_id=created.id, email=created.email, method="password")
            )

    async def authenticate(
        self,
        email: str,
        password: str,
        *,
        browser: Browser = Browser(),
        require_verified: bool = False,
    ) -> SignInResult:
        """Sign in.

        The attempt is counted before the password is checked. An unknown address takes the same work as a known one.
        With ``legacy``, another system is then asked about it, and every refusal takes the same time.
        Five requests in three rounds: (count the attempt, read the hash), (read the user, verify), (store the session,
        clear the count).

        Args:
            email: The address.
            password: The password.
            browser: The browser that sent the request.
            require_verified: Whether the right password of a user whose address is not verified counts as a wrong one,
                in every respect. It must if registration is private; otherwise registering an address and then signing
                in would reveal whether it was free. If the services' ``require_verified_to_sign_in`` is set, it
                decides.

        Returns:
            The user and a new session with its token.

        Raises:
            InvalidCredentials: No such user, no password, a wrong one, or (with ``require_verified``) an address that
                is not verified; it does not say which.
            AccountLocked: Too many attempts (``retry_after`` says how long), or locked by an administrator.
            Overloaded: Too many passwords are being checked. The attempt was not counted.
        """
        attempted = attempted_password(password, self._policy)
        if self._require_verified is not None:
            require_verified = self._require_verified
        with self._hashing.turn() as submit:
            attempt, credentials = await self._attempts.take(email, browser)
            user: User | None = None
            for _ in range(2):
                user = await self._verified(submit, credentials, attempted)
                if user is None or credentials is None or user.password_version == credentials.password_version:
                    break
                # The password was changed between the two reads, so the verification is outdated. Once more.
                credentials, user = await self._storage.get_credentials_by_email(email), None
        answered = monotonic()
        # Without a place in the pool: it may take long, and takes no CPU.
        if credentials is None and self._migration is not None and await self._migration.migrate(email, attempted):
            with self._hashing.turn() as submit:
                credentials = await self._storage.get_credentials_by_email(email)
                user = await self._verified(submit, credentials, attempted)
        unverified = require_verified and user is not None and not user.is_email_verified
        if user is None or credentials is None or unverified:
            if self._migration is not None:
                await self._migration.rest(answered)
            await self._attempts.refuse(email, credentials, attempt, browser, unverified=unverified)
        await self._sessions.refuse_locked(user, browser, method="password")
        result, _ = await both(
            partial(self._sessions.open, user, browser, method="password"), lambda: self._attempts.clear(email, attempt)
        )
        await self._rehash(user, credentials, attempted)
        if isinstance(result, SignedIn):
            await self._sessions.announce(user, result.session, browser, method="password")
        return result

    async def change_password(
        self,
        user_id: str,
        current_password: str,
        new_password: str,
        *,
        user: User | None = None,
        browser: Browser = Browser(),
    ) -> User:
        """Replace the password after verifying the current one. All sessions end in the same write.

        Two requests if ``user`` is given; with lockout, two more to count the change and the attempt, and one to clear
        the attempt. To keep the person signed in, call ``create_session(user)``. The owner gets a mail, if there is a
        mailer.

        Args:
            user_id: The user.
            current_password: The current password.
            new_password: The new password.
            user: The user as the session check read it.
            browser: The browser that sent the request.

        Returns:
            The user as stored now.

        Raises:
            InvalidCredentials: The current password is wrong, or there is no such user or password.
            AccountLocked: Too many wrong ones (attempts count as those of signing in), or locked by an administrator.
            ValidationError: The new password cannot be used.
            VersionConflict: Another request changed it at the same moment.
            Revoked: All sessions have been ended since the user was read.
            RateLimited: This user's password was changed as often as lockout allows attempts, right or wrong.
            Overloaded: Too many passwords are being checked. Nothing was counted.
        """
        attempted = attempted_password(current_password, self._policy)
        if user is None or user.id != user_id:
            user = await self._storage.get_user(user_id, consistent=True)
            if user is None:
                raise InvalidCredentials(WRONG_PASSWORD)
        refuse_locked(user)
        normalised = await self._checks.check(new_password, email=user.email_as_given, name=user.name)
        with self._hashing.turn() as submit:
            await self._count_change(user_id)
            attempt, credentials = await self._counted(
                submit, user, attempted, browser, "the current password is wrong"
            )
            password_hash = await self._hashing.hash(submit, normalised)
        after = await self._storage.set_password_hash(
            user_id,
            password_hash,
            expected_version=credentials.password_version,
            user=user,
            session_epoch=user.session_epoch,
        )
        await self._attempts.clear(user.email, attempt)
        await self._tell_of_change(after, first=False)
        return after

    async def check(self, user: User, password: str, *, browser: Browser = Browser()) -> None:
        """Check a user's password without signing in. It counts as an attempt to sign in, before it is checked.

        Raises:
            InvalidCredentials: It is wrong, or there is none; it does not say which.
            AccountLocked: Too many attempts (``retry_after`` says how long), or locked by an administrator.
            Overloaded: Too many passwords are being checked. The attempt was not counted.
        """
        refuse_locked(user)
        attempted = attempted_password(password, self._policy)
        with self._hashing.turn() as submit:
            attempt, _ = await self._counted(submit, user, attempted, browser, "the password is wrong")
        await self._attempts.clear(user.email, attempt)

    async def hash_first(self, password: str, *, email: str, name: str | None = None) -> str:
        """Check and hash the password of a user who is about to be created.

        Raises:
            ValidationError: The address or the password cannot be used.
            Overloaded: Too many passwords are being hashed.
        """
        # Before the hash, which costs more than everything else together.
        address = normalise_email(email)
        normalised = await self._checks.check(password, email=address.as_given, name=name)
        with self._hashing.turn() as submit:
            return await self._hashing.hash(submit, normalised)

    async def hash_new(self, user: User, new_password: str) -> str:
        """Check and hash a new password for a user, for a storage call that sets it.

        Raises:
            ValidationError: The password cannot be used.
            RateLimited: This user's password was changed as often as lockout allows attempts.
            Overloaded: Too many passwords are being hashed. Nothing was counted.
        """
        normalised = await self._checks.check(new_password, email=user.email_as_given, name=user.name)
        with self._hashing.turn() as submit:
            await self._count_change(user.id)
            return await self._hashing.hash(submit, normalised)

    async def _counted(
        self, submit: Submit, user: User, attempted: str | None, browser: Browser, refusal: str
    ) -> tuple[TakenAttempt, PasswordCredentials]:
        """Count an attempt on a known user's password, then check it."""
        attempt, credentials = await self._attempts.take(user.email, browser)
        if credentials is not None and credentials.user_id != user.id:
            credentials = None
        stored = None if credentials is None else credentials.password_hash
        right = await self._hashing.verify(submit, stored, attempted)
        if credentials is None or not right:
            await self._attempts.fail(user.email, attempt, browser)
            raise InvalidCredentials(refusal)
        return attempt, credentials

    async def set_password(self, user_id: str, new_password: str, *, user: User | None = None) -> User:
        """Set a first password for a user who has none (and signs in another way so far). All sessions end.

        Require a recent sign-in first.

        Raises:
            ValidationError: The password cannot be used.
            NotFound: There is no such user.
            VersionConflict: There is a password already; change it with ``change_password`` or a reset.
            Revoked: All sessions have been ended since the user was read.
            RateLimited: This user's password was changed as often as lockout allows attempts.
            Overloaded: Too many passwords are being hashed. Nothing was counted.
        """
        if user is None or user.id != user_id:
            user = await self._storage.get_user(user_id, consistent=True)
            if user is None:
                raise NotFound("user", "there is no such user")
        refuse_locked(user)
        email = user.email_as_given
        normalised = await self._checks.check(new_password, email=email)
        if user.has_password:
            raise VersionConflict("there is a password already; use change_password or a reset")
        with self._hashing.turn() as submit:
            await self._count_change(user_id)
            password_hash = await self._hashing.hash(submit, normalised)
        after = await self._storage.set_password_hash(
            user_id, password_hash, expected_version=None, user=user, session_epoch=user.session_epoch
        )
        await self._tell_of_change(after, first=True)
        return after

    async def remove_password(
        self, user_id: str, *, user: User | None = None, allow_verified_email: bool = False
    ) -> bool:
        """Remove the password. All sessions end, and the owner is told by mail.

        Args:
            user_id: The user.
            user: The user as the session check read it: nothing is removed if all sessions have been ended since.
            allow_verified_email: Whether a verified address counts as a way to sign in (magic links).

        Returns:
            Whether there was one.

        Raises:
            LastSignInMethod: The user has no other way to sign in.
            NotFound: There is no such user.
            Revoked: All sessions have been ended since the user was read.
        """
        epoch = None if user is None else user.session_epoch
        removed = await self._storage.remove_password_hash(
            user_id, allow_verified_email=allow_verified_email, session_epoch=epoch
        )
        if removed:
            await self._events.emit(PasswordRemoved(at=self._clock(), user_id=user_id))
            if self._mail is not None:
                await self._mail.notify_by_id("password_removed", user_id, {}, user=user)
        return removed

    async def send_reset(self, email: str) -> None:
        """Mail a link to choose a new password. The result and the work are the same for known and unknown addresses.

        Raises:
            ValidationError: It is not a valid address.
            RateLimited: Too many were sent to this mailbox.
            ConfigurationError: There is no mailer.
        """
        await self._resets.send(email)

    async def check_reset(self, token: str) -> VerifiedToken | None:
        """Check a reset link without using it up, for the page with the form. ``None`` if it is not valid."""
        return await self._resets.check(token)

    async def complete_reset(self, token: str, new_password: str) -> User:
        """Use a reset link: set the new password, in one write, which ends all sessions and links.

        It also proves the address; a first proof removes accounts and passkeys set up before it. It does not sign in:
        use ``sign_in(user, method="password_reset")``.

        Returns:
            The user as stored now.

        Raises:
            InvalidToken: The link is not valid.
            ValidationError: The password cannot be used; the link is not used up.
            AccountLocked: An administrator locked the account.
            RateLimited: This user's links were tried too often.
            Overloaded: Too many passwords are being hashed; the link is not used up.
        """
        return await self._resets.complete(token, new_password)

    async def _count_change(self, user_id: str) -> None:
        """Count a change of the password, even with the right one: each costs a hash or two."""
        counted = await self._storage.acquire_attempt("user", user_id, purpose="password", policy=self._lockout)
        refuse_more(counted, "the password was changed too often; try again later")

    async def _tell_of_change(self, user: User, *, first: bool) -> None:
        if self._mail is not None:
            await self._mail.send("password_changed", mailbox(user), {}, user=user)
        await self._events.emit(PasswordChanged(at=self._clock(), user_id=user.id, first=first))

    async def _verified(
        self, submit: Submit, credentials: PasswordCredentials | None, attempted: str | None
    ) -> User | None:
        """Return the user if the password is right. Both are read together, also for unknown addresses."""
        stored = None if credentials is None else credentials.password_hash
        # An unused id if there is no user: the same requests.
        user_id = f"usr_{self._random(16).hex()}" if credentials is None else credentials.user_id
        right, user = await both(
            lambda: self._hashing.verify(submit, stored, attempted),
            lambda: self._storage.get_user(user_id, consistent=True),
        )
        return user if right else None

    async def _rehash(self, user: User, credentials: PasswordCredentials, attempted: str | None) -> None:
        old = credentials.password_hash
        if old is None or attempted is None or not self._hashing.needs_rehash(old):
            return
        try:
            with self._hashing.turn() as submit:
                new = await self._hashing.hash(submit, normalise_password(attempted))
            await self._storage.rehash_password(user.id, email=credentials.email, old_hash=old, new_hash=new)
        except ToriiError as error:
            # The person is signed in all the same; the next sign-in tries again.
            _log.warning("a password hash was not renewed: %s", error.code)
