# Generated from src/torii_dynamodb/_async/services/email_verification.py by tools/unasync.py. Do not edit.

"""Verifying addresses, and changing them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from torii_dynamodb._rules.bindings import bound_to, is_bound, new_binding
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.signing_in import INVALID_LINK, Browser, refuse_locked
from torii_dynamodb._sync.services.mail import mailbox
from torii_dynamodb.errors import AlreadyExists, InvalidToken, ValidationError
from torii_dynamodb.events import EmailChanged, EmailVerified, PasswordReset
from torii_dynamodb.models import EMAIL_VERIFICATION, PendingEmailChange, Session, User, VerifiedToken

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.passwords import PasswordService
    from torii_dynamodb.clock import Clock, RandomBytes

__all__ = ["EMAIL_CHANGE", "EmailVerificationService"]

EMAIL_CHANGE = "email_change"
"""The purpose of tokens that change a user's address."""

_NEW_EMAIL = "new_email"
_SESSION = "session"


class EmailVerificationService:
    """Links that prove an address.

    A verification link does not sign in. Pass ``user_id`` if somebody is signed in: then a link that was sent to
    another account's owner is not accepted for this one.

    Until the owner proves an address, the person who registered it may be a stranger. So the first proof removes what
    was set up before it: password, sessions, linked accounts, passkeys, links. It is kept if the proof comes from the
    person who set it up: the browser that signed up (its binding), or somebody who knows the password.

    Args:
        storage: Stores the tokens.
        mail: Sends the links.
        passwords: Returns the service that checks and hashes passwords; called only if one was typed.
        events: Receives the events.
        clock: The clock.
        random: The randomness for bindings.
    """

    def __init__(
        self,
        storage: Storage,
        mail: Mail,
        passwords: Callable[[], PasswordService],
        *,
        events: Events,
        clock: Clock,
        random: RandomBytes,
    ) -> None:
        self._storage = storage
        self._mail = mail
        self._passwords = passwords
        self._events = events
        self._clock = clock
        self._random = random

    @property
    def lifetime(self) -> timedelta:
        """How long a link, and a browser's binding to it, is valid."""
        return self._mail.settings.verify_email_for

    def new_browser_binding(self) -> str:
        """Return a secret for the browser that signs up, for a cookie that only this site can set and read.

        Pass it to :meth:`send` or ``torii.password.sign_up``, which keep its digest with the link.
        """
        return new_binding(self._random)

    def send(self, user: User, *, browser_binding: str | None = None) -> bool:
        """Mail a verification link to the user's stored address.

        Args:
            user: The user whose address it is.
            browser_binding: The binding of the browser that signed this user up. Pass it only for the sign-up itself,
                and if the user is signed in: nobody else may bind a link to their browser.

        Returns:
            Whether one was sent; ``False`` if the address is verified already.

        Raises:
            RateLimited: Too many were sent to this mailbox.
        """
        if user.is_email_verified:
            return False
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        self._mail.throttle(user.email, EMAIL_VERIFICATION, lifetime, by=user.id)
        bound = bound_to(browser_binding)
        token = self._mail.token(EMAIL_VERIFICATION, lifetime, user=user, email=user.email, metadata=bound)
        self._mail.send_link("verify_email", mailbox(user), settings.verify_email_path, token, lifetime, user=user)
        return True

    def send_to(self, email: str) -> None:
        """Mail a verification link to the user with an address. The result and the work are the same if there is none.

        Raises:
            ValidationError: It is not a valid address.
            RateLimited: Too many were sent to this mailbox.
        """
        address = normalise_email(email)
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        user = self._mail.find(email, EMAIL_VERIFICATION, lifetime)
        token = self._mail.token(EMAIL_VERIFICATION, lifetime, user=user, email=address.normalised)
        if user is not None and not user.is_email_verified:
            self._mail.send_link("verify_email", mailbox(user), settings.verify_email_path, token, lifetime, user=user)

    def check(self, token: str) -> VerifiedToken | None:
        """Check a verification link without using it up. ``None`` if it is not valid."""
        found = self._storage.check_token(token, purpose=EMAIL_VERIFICATION)
        return None if found is None or found.user is None else found

    def keeps(
        self, found: VerifiedToken, *, browser_binding: str | None = None, session: Session | None = None
    ) -> bool:
        """Whether a link, used in this browser, keeps what was set up before without asking for the password.

        Args:
            found: The result of :meth:`check` or :meth:`check_change`.
            browser_binding: The browser's binding from the sign-up; for a verification link.
            session: The session that is signed in; for a link to a new address.
        """
        if found.token.purpose == EMAIL_CHANGE:
            begun = found.token.metadata.get(_SESSION)
            return session is not None and session.user_id == found.token.user_id and session.id == begun
        return (found.user is not None and found.user.is_email_verified) or is_bound(found.token, browser_binding)

    def complete(
        self,
        token: str,
        *,
        user_id: str | None = None,
        browser_binding: str | None = None,
        password: str | None = None,
        new_password: str | None = None,
        browser: Browser = Browser(),
    ) -> User:
        """Use a verification link, in one write.

        The first proof of the address removes what was set up before: password, sessions, linked accounts, passkeys and
        links. With the sign-up's ``browser_binding``, or the right ``password``, all of it stays.

        Args:
            token: The link's token.
            user_id: The user who is signed in, if any: the link must be theirs.
            browser_binding: This browser's binding from the sign-up.
            password: The password chosen at sign-up, typed again. Counts as an attempt to sign in.
            new_password: A password to set in the same write, instead of what was set up before.
            browser: The browser that sent the request.

        Returns:
            The user as stored now.

        Raises:
            InvalidToken: The link is not valid, or is another user's (then it is not used up).
            InvalidCredentials: The password is wrong, or there is none; the link is not used up.
            AccountLocked: Too many attempts at the password, or locked by an administrator; the link is not used up.
            ValidationError: The new password cannot be used, or both passwords were given; the link is not used up.
        """
        found = self._held(token, EMAIL_VERIFICATION, user_id)
        keep = self.keeps(found, browser_binding=browser_binding)
        user, before = self._prove(token, found, keep, browser, password=password, new_password=new_password)
        if not before.is_email_verified:
            self._events.emit(EmailVerified(at=self._clock(), user_id=user.id, email=user.email))
        return user

    def send_change(self, user: User, new_email: str, *, session: Session | None = None) -> None:
        """Mail a link to the user's new address. Nothing changes before it is used, and links sent earlier end.

        The result is the same whether or not another user has the new address. Require a recent sign-in first.

        Args:
            user: The user as the session check read them.
            new_email: The new address.
            session: Their session: the link keeps what is set up if it is used in this session.

        Raises:
            ValidationError: It is not a valid address, or the user already has it.
            RateLimited: Too many were sent to this mailbox, or by this user.
        """
        address = normalise_email(new_email, field="new_email")
        if address.normalised == user.email:
            raise ValidationError("new_email", "is already the address of this account")
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        holder = self._mail.find(address.as_given, EMAIL_CHANGE, lifetime, by=user.id)
        metadata = {_NEW_EMAIL: address.as_given} | ({} if session is None else {_SESSION: session.id})
        token = self._mail.token(
            EMAIL_CHANGE, lifetime, user=user, email=user.email, metadata=metadata, revoke_earlier=True
        )
        if holder is None:
            to = f"{address.as_given.rpartition('@')[0]}@{address.normalised.rpartition('@')[2]}"
            self._mail.send_link("change_email", to, settings.change_email_path, token, lifetime, user=user)

    def pending_change(self, user: User) -> PendingEmailChange | None:
        """Return the change of address that was requested last and can still be completed. One request, if any.

        Args:
            user: The user as the session check read them.

        Returns:
            The change; ``None`` if none was requested, or if it was completed, cancelled, replaced or has expired.
        """
        token = self._storage.get_latest_token(user.id, purpose=EMAIL_CHANGE, user=user)
        if token is None:
            return None
        return PendingEmailChange(new_email=str(token.metadata.get(_NEW_EMAIL, "")), expires_at=token.expires_at)

    def cancel_change(self, user_id: str) -> bool:
        """Cancel the user's pending change of address, in one conditional write: its link no longer works.

        Returns:
            Whether there was one. ``False`` if it was completed before.
        """
        return self._storage.revoke_latest_token(user_id, purpose=EMAIL_CHANGE)

    def check_change(self, token: str) -> VerifiedToken | None:
        """Check a link to a new address without using it up. ``None`` if it is not valid."""
        found = self._storage.check_token(token, purpose=EMAIL_CHANGE)
        return None if found is None or found.user is None else found

    def complete_change(
        self,
        token: str,
        *,
        user_id: str,
        session: Session | None = None,
        password: str | None = None,
        new_password: str | None = None,
        browser: Browser = Browser(),
    ) -> User:
        """Use a link to a new address, in one write: the user's address changes, and the old address gets a mail.

        It is the first proof of the new address: what was set up before stays only with the ``session`` that asked for
        the link, or with the right ``password``. So an attacker cannot get a stranger who is signed in to the
        attacker's account to move it to the stranger's address, and keep access.

        Args:
            token: The link's token.
            user_id: The user who is signed in: the link must be theirs. Required, because anybody can have such a link
                sent to a stranger, whose click would otherwise confirm it.
            session: The session that is signed in, as checked.
            password: The account's password, typed again. Counts as an attempt to sign in.
            new_password: A password to set in the same write, instead of what was set up before.
            browser: The browser that sent the request.

        Returns:
            The user as stored now, with the new address verified.

        Raises:
            InvalidToken: The link is not valid, or is another user's (then it is not used up).
            AlreadyExists: ``what="email"``: another user has taken the address meanwhile.
            InvalidCredentials: The password is wrong, or there is none; the link is not used up.
            AccountLocked: Too many attempts at the password, or locked by an administrator; the link is not used up.
            ValidationError: The new password cannot be used, or both passwords were given; the link is not used up.
        """
        found = self._held(token, EMAIL_CHANGE, user_id)
        new_email = found.token.metadata.get(_NEW_EMAIL)
        if not isinstance(new_email, str):
            raise InvalidToken(INVALID_LINK)
        keep = self.keeps(found, session=session)
        try:
            user, before = self._prove(
                token, found, keep, browser, password=password, new_password=new_password, new_email=new_email
            )
        except AlreadyExists as error:
            raise AlreadyExists("email", "another user has taken the address meanwhile") from error
        context = {"new_email": user.email_as_given}
        self._mail.send("email_changed", mailbox(before), context, user=user)
        now = self._clock()
        self._events.emit(EmailChanged(at=now, user_id=user.id, old_email=before.email, email=user.email))
        self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        return user

    def _prove(
        self,
        token: str,
        found: VerifiedToken,
        keep: bool,
        browser: Browser,
        *,
        password: str | None,
        new_password: str | None,
        new_email: str | None = None,
    ) -> tuple[User, User]:
        """Use up a link, and record the proof. Returns the user as stored now, and as before."""
        before = found.user
        assert before is not None
        refuse_locked(before)
        if password is not None and new_password is not None:
            raise ValidationError(
                "new_password", "replaces what was set up before: give either this or the current password, not both"
            )
        password_hash: str | None = None
        if new_password is not None:
            if new_email is None and before.is_email_verified:
                raise InvalidToken(INVALID_LINK)
            keep, password_hash = False, self._passwords().hash_new(before, new_password)
        elif password is not None and not keep:
            self._passwords().check(before, password, browser=browser)
            keep = True
        user = self._storage.complete_email_proof(
            token, purpose=found.token.purpose, new_email=new_email, keep=keep, password_hash=password_hash
        )
        if user is None:
            raise InvalidToken(INVALID_LINK)
        if password_hash is not None:
            # Strangers who locked the owner out by guessing must not keep them out with the new password.
            self._storage.clear_attempts(user.email)
            self._events.emit(PasswordReset(at=self._clock(), user_id=user.id))
        return user, before

    def _held(self, token: str, purpose: str, user_id: str | None) -> VerifiedToken:
        """Return a valid link, not used up yet. Raises ``InvalidToken`` for any other, and for another user's."""
        found = self._storage.check_token(token, purpose=purpose)
        if found is None or found.user is None or user_id not in (None, found.user.id):
            raise InvalidToken(INVALID_LINK)
        return found
