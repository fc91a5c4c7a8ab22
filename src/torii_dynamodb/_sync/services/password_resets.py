# Generated from src/torii_dynamodb/_async/services/password_resets.py by tools/unasync.py. Do not edit.

"""Choosing a new password with a link sent to the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.signing_in import INVALID_LINK, refuse_locked, refuse_more
from torii_dynamodb._sync.services.mail import mailbox
from torii_dynamodb.errors import ConfigurationError, InvalidToken
from torii_dynamodb.events import EmailVerified, PasswordReset
from torii_dynamodb.models import PASSWORD_RESET, LockoutPolicy, User, VerifiedToken

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.hashing import Hashing
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.password_checks import PasswordChecks
    from torii_dynamodb.clock import Clock

__all__ = ["PasswordResets"]

# How often a link may be tried with an acceptable password: each try costs a hash, and one is enough.
_TRIES = LockoutPolicy()


class PasswordResets:
    """Implements the reset methods of the password service; see there."""

    def __init__(
        self,
        storage: Storage,
        checks: PasswordChecks,
        hashing: Hashing,
        *,
        events: Events,
        clock: Clock,
        mail: Mail | None,
    ) -> None:
        self._storage = storage
        self._checks = checks
        self._hashing = hashing
        self._events = events
        self._clock = clock
        self._mail = mail

    def mail(self) -> Mail:
        """Return the mail service. Raises ``ConfigurationError`` if there is none."""
        if self._mail is None:
            raise ConfigurationError("this sends mail: give the services mailer=... and mail=MailSettings(...)")
        return self._mail

    def send(self, email: str) -> None:
        """Mail a link, if a user has the address."""
        mail = self.mail()
        address = normalise_email(email)
        lifetime = mail.settings.reset_password_for
        user = mail.find(email, PASSWORD_RESET, lifetime)
        token = mail.token(PASSWORD_RESET, lifetime, user=user, email=address.normalised)
        if user is not None and user.locked_at is None:
            path = mail.settings.reset_password_path
            mail.send_link("reset_password", mailbox(user), path, token, lifetime, user=user)

    def check(self, token: str) -> VerifiedToken | None:
        """Check a link."""
        found = self._storage.check_token(token, purpose=PASSWORD_RESET)
        return None if found is None or found.user is None else found

    def complete(self, token: str, new_password: str) -> User:
        """Use a link."""
        # Before the hash: guesses at links must not cost tens of milliseconds each.
        found = self.check(token)
        if found is None or found.user is None:
            raise InvalidToken(INVALID_LINK)
        before = found.user
        refuse_locked(before)
        normalised = self._checks.check(new_password, email=before.email_as_given, name=before.name)
        with self._hashing.turn() as submit:
            counted = self._storage.acquire_attempt("user", before.id, purpose=PASSWORD_RESET, policy=_TRIES)
            refuse_more(counted, "this link was tried too often; try again later")
            password_hash = self._hashing.hash(submit, normalised)
        user = self._storage.complete_password_reset(token, password_hash)
        if user is None:
            raise InvalidToken(INVALID_LINK)
        # Strangers who locked the owner out by guessing must not keep them out with the new password.
        self._storage.clear_attempts(user.email)
        if self._mail is not None:
            self._mail.send("password_changed", mailbox(user), {}, user=user)
        now = self._clock()
        if not before.is_email_verified:
            self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        self._events.emit(PasswordReset(at=now, user_id=user.id))
        return user
