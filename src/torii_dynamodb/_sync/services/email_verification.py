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
from torii_dynamodb.models import EMAIL_VERIFICATION, Session, User, VerifiedToken

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.passwords import PasswordService
    from torii_dynamodb.clock import Clock, RandomBytes

__all__ = ["EMAIL_CHANGE", "EmailVerificationService"]

EMAIL_CHANGE = "email_change"
"""The purpose of tokens that move a user to another address."""

_NEW_EMAIL = "new_email"
_SESSION = "session"


class EmailVerificationService:
    """Links that prove an address.

    A verification link signs nobody in. Give ``user_id`` where somebody is signed in: then a link that was sent to
    another account's owner does not pass for this one.

    Until an address is proved, whoever registered it may be a stranger to its owner. So the first proof removes what
    was set up before it: password, sessions, linked accounts, passkeys, links. It is kept where the proof comes from
    whoever set it up: the browser that signed up (its binding), or somebody who knows the password.

    Args:
        storage: Where tokens are kept.
        mail: Sends the links.
        passwords: Gives the service that checks and hashes passwords; called only where one was typed.
        events: Who is told.
        clock: What time it is.
        random: Makes bindings.
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
        """How long a link holds, and a browser's binding with it."""
        return self._mail.settings.verify_email_for

    def new_browser_binding(self) -> str:
        """A secret to leave with the browser that signs up, in a cookie that only this site can set and read.

        Hand it to :meth:`send` or ``torii.password.sign_up``, which keep its digest with the link.
        """
        return new_binding(self._random)

    def send(self, user: User, *, browser_binding: str | None = None) -> bool:
        """Mail a verification link to the user's stored address.

        Args:
            user: Whose address it is.
            browser_binding: What the browser that signed this user up was left with. Only for the sign-up itself, and
                for who is signed in: nobody else may bind a link to their browser.

        Returns:
            Whether one was sent; ``False`` when the address is verified already.

        Raises:
            RateLimited: Enough were sent to this mailbox.
        """
        if user.is_email_verified:
            return False
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        self._mail.throttle(user.email, EMAIL_VERIFICATION, lifetime, by=user.id)
        bound = bound_to(browser_binding)
        token = self._mail.token(EMAIL_VERIFICATION, lifetime, user=user, email=user.email, metadata=bound)
        self._mail.send_link(
            "verify_email", mailbox(user), settings.verify_email_path, token, lifetime, user_id=user.id
        )
        return True

    def send_to(self, email: str) -> None:
        """Mail a verification link to whoever holds the address. Answers alike, after the same work, if nobody does.

        Raises:
            ValidationError: It is no address.
            RateLimited: Enough were sent to this mailbox.
        """
        address = normalise_email(email)
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        user = self._mail.find(email, EMAIL_VERIFICATION, lifetime)
        token = self._mail.token(EMAIL_VERIFICATION, lifetime, user=user, email=address.normalised)
        if user is not None and not user.is_email_verified:
            self._mail.send_link(
                "verify_email", mailbox(user), settings.verify_email_path, token, lifetime, user_id=user.id
            )

    def check(self, token: str) -> VerifiedToken | None:
        """Whether a verification link holds, without using it up. ``None`` when it does not."""
        found = self._storage.check_token(token, purpose=EMAIL_VERIFICATION)
        return None if found is None or found.user is None else found

    def keeps(
        self, found: VerifiedToken, *, browser_binding: str | None = None, session: Session | None = None
    ) -> bool:
        """Whether a link, used in this browser, keeps what was set up before without a word: for the page that asks.

        Args:
            found: What :meth:`check` or :meth:`check_change` returned.
            browser_binding: What the browser was left with at sign-up; for a verification link.
            session: The session of who is signed in; for a link to a new address.
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
            token: What the link carries.
            user_id: Who is signed in, if anybody: the link must be theirs.
            browser_binding: What this browser was left with at sign-up.
            password: The password chosen at sign-up, typed anew. Counted as an attempt to sign in.
            new_password: A password to set in the same write, in place of what was set up before.
            browser: Where the request comes from.

        Returns:
            The user as stored now.

        Raises:
            InvalidToken: The link does not hold, or is somebody else's (it is then not used up).
            InvalidCredentials: The password is wrong, or there is none; the link is not used up.
            AccountLocked: Too many attempts at the password, or locked by an administrator; the link is not used up.
            ValidationError: The new password cannot be used, or both passwords are given; the link is not used up.
        """
        found = self._held(token, EMAIL_VERIFICATION, user_id)
        keep = self.keeps(found, browser_binding=browser_binding)
        user, before = self._prove(token, found, keep, browser, password=password, new_password=new_password)
        if not before.is_email_verified:
            self._events.emit(EmailVerified(at=self._clock(), user_id=user.id, email=user.email))
        return user

    def send_change(self, user: User, new_email: str, *, session: Session | None = None) -> None:
        """Mail a link to an address that the user wants to move to. Nothing changes before it is used.

        Answers alike whether or not somebody holds the new address. Ask for a recent sign-in before.

        Args:
            user: As the session check read them.
            new_email: Where they want to move.
            session: Their session: the link keeps what is set up when it is used by this very session.

        Raises:
            ValidationError: It is no address, or the user's own.
            RateLimited: Enough were sent to this mailbox, or by this user.
        """
        address = normalise_email(new_email, field="new_email")
        if address.normalised == user.email:
            raise ValidationError("new_email", "is the address of this account already")
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        holder = self._mail.find(address.as_given, EMAIL_CHANGE, lifetime, by=user.id)
        metadata = {_NEW_EMAIL: address.as_given} | ({} if session is None else {_SESSION: session.id})
        token = self._mail.token(EMAIL_CHANGE, lifetime, user=user, email=user.email, metadata=metadata)
        if holder is None:
            to = f"{address.as_given.rpartition('@')[0]}@{address.normalised.rpartition('@')[2]}"
            self._mail.send_link("change_email", to, settings.change_email_path, token, lifetime, user_id=user.id)

    def check_change(self, token: str) -> VerifiedToken | None:
        """Whether a link to a new address holds, without using it up. ``None`` when it does not."""
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
        """Use a link to a new address, in one write: the user moves there, and the old address is told.

        It is the first proof of the new address: what was set up before stays only with the ``session`` that asked for
        the link, or with the right ``password``. So nobody can have a stranger, who happens to be signed in to their
        account, move it to the stranger's address and keep a way in.

        Args:
            token: What the link carries.
            user_id: Who is signed in: the link must be theirs. Required, because anybody can have such a link sent to a
                stranger, whose click would otherwise confirm it.
            session: The session of who is signed in, as checked.
            password: The account's password, typed anew. Counted as an attempt to sign in.
            new_password: A password to set in the same write, in place of what was set up before.
            browser: Where the request comes from.

        Returns:
            The user as stored now, the new address verified.

        Raises:
            InvalidToken: The link does not hold, or is somebody else's (it is then not used up).
            AlreadyExists: ``what="email"``: somebody else holds the address by now.
            InvalidCredentials: The password is wrong, or there is none; the link is not used up.
            AccountLocked: Too many attempts at the password, or locked by an administrator; the link is not used up.
            ValidationError: The new password cannot be used, or both passwords are given; the link is not used up.
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
            raise AlreadyExists("email", "somebody else holds the address by now") from error
        context = {"new_email": user.email_as_given}
        self._mail.send("email_changed", mailbox(before), context, user_id=user.id)
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
        """Use a link up, and take the address as proved; the user as stored now, and as before."""
        before = found.user
        assert before is not None
        refuse_locked(before)
        if password is not None and new_password is not None:
            raise ValidationError(
                "new_password", "takes the place of what was set up before; give it, or the password, to keep that"
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
            # Who locked the owner out by guessing shall not keep them out with the new password.
            self._storage.clear_attempts(user.email)
            self._events.emit(PasswordReset(at=self._clock(), user_id=user.id))
        return user, before

    def _held(self, token: str, purpose: str, user_id: str | None) -> VerifiedToken:
        """A link that holds, not used up yet. Raises ``InvalidToken`` for any other, and for somebody else's."""
        found = self._storage.check_token(token, purpose=purpose)
        if found is None or found.user is None or user_id not in (None, found.user.id):
            raise InvalidToken(INVALID_LINK)
        return found
