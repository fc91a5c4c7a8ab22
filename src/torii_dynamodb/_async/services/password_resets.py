"""Choosing a new password with a link sent to the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb._async.services.mail import mailbox
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.signing_in import INVALID_LINK, refuse_locked, refuse_more
from torii_dynamodb.errors import ConfigurationError, InvalidToken
from torii_dynamodb.events import EmailVerified, PasswordReset
from torii_dynamodb.models import PASSWORD_RESET, LockoutPolicy, User, VerifiedToken

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._async.services.hashing import AsyncHashing
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb._async.services.password_checks import AsyncPasswordChecks
    from torii_dynamodb.clock import Clock

__all__ = ["AsyncPasswordResets"]

# How often a link may be tried with an acceptable password: each try costs a hash, and one is enough.
_TRIES = LockoutPolicy()


class AsyncPasswordResets:
    """Implements the reset methods of the password service; see there."""

    def __init__(
        self,
        storage: AsyncStorage,
        checks: AsyncPasswordChecks,
        hashing: AsyncHashing,
        *,
        events: AsyncEvents,
        clock: Clock,
        mail: AsyncMail | None,
    ) -> None:
        self._storage = storage
        self._checks = checks
        self._hashing = hashing
        self._events = events
        self._clock = clock
        self._mail = mail

    def mail(self) -> AsyncMail:
        """Return the mail service. Raises ``ConfigurationError`` if there is none."""
        if self._mail is None:
            raise ConfigurationError("this sends mail: give the services mailer=... and mail=MailSettings(...)")
        return self._mail

    async def send(self, email: str) -> None:
        """Mail a link, if a user has the address."""
        mail = self.mail()
        address = normalise_email(email)
        lifetime = mail.settings.reset_password_for
        user = await mail.find(email, PASSWORD_RESET, lifetime)
        token = await mail.token(PASSWORD_RESET, lifetime, user=user, email=address.normalised)
        if user is not None and user.locked_at is None:
            path = mail.settings.reset_password_path
            await mail.send_link("reset_password", mailbox(user), path, token, lifetime, user=user)

    async def check(self, token: str) -> VerifiedToken | None:
        """Check a link."""
        found = await self._storage.check_token(token, purpose=PASSWORD_RESET)
        return None if found is None or found.user is None else found

    async def complete(self, token: str, new_password: str) -> User:
        """Use a link."""
        # Before the hash: guesses at links must not cost tens of milliseconds each.
        found = await self.check(token)
        if found is None or found.user is None:
            raise InvalidToken(INVALID_LINK)
        before = found.user
        refuse_locked(before)
        normalised = await self._checks.check(new_password, email=before.email_as_given, name=before.name)
        with self._hashing.turn() as submit:
            counted = await self._storage.acquire_attempt("user", before.id, purpose=PASSWORD_RESET, policy=_TRIES)
            refuse_more(counted, "this link was tried too often; try again later")
            password_hash = await self._hashing.hash(submit, normalised)
        user = await self._storage.complete_password_reset(token, password_hash)
        if user is None:
            raise InvalidToken(INVALID_LINK)
        # Strangers who locked the owner out by guessing must not keep them out with the new password.
        await self._storage.clear_attempts(user.email)
        if self._mail is not None:
            await self._mail.send("password_changed", mailbox(user), {}, user=user)
        now = self._clock()
        if not before.is_email_verified:
            await self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        await self._events.emit(PasswordReset(at=now, user_id=user.id))
        return user
