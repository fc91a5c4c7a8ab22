# Generated from src/torii_dynamodb/_async/services/administration.py by tools/unasync.py. Do not edit.

"""What administrators do to the accounts of others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.searching import matches, search_words
from torii_dynamodb._rules.second_factor import FACTOR_NAMES, factor_kind
from torii_dynamodb._rules.signing_in import refuse_locked
from torii_dynamodb._sync.services.mail import mailbox
from torii_dynamodb.administration import Belongings, SearchPage
from torii_dynamodb.errors import ConfigurationError, NotFound, ValidationError, VersionConflict
from torii_dynamodb.events import (
    EmailChanged,
    EmailVerified,
    PasswordChanged,
    SecondFactorRemoved,
    SessionsEnded,
    UserCreated,
)
from torii_dynamodb.models import EMAIL_VERIFICATION, PASSWORD_RESET, Metadata, NewToken, NewUser, Token, User

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.services.events import Events
    from torii_dynamodb._sync.services.mail import Mail
    from torii_dynamodb._sync.services.passwords import PasswordService
    from torii_dynamodb.clock import Clock
    from torii_dynamodb.errors import CorruptItem

__all__ = ["Administration"]

_INVITATION = "invitation"
_USERS_PER_REQUEST = 100


class Administration:
    """Accounts of others: create, verify, move to another address, set passwords, remove second factors, search.

    Nothing here asks who is calling: that is the caller's job. Locking, signing out, deleting and changing a name or
    metadata are on ``torii`` itself.

    A returned user whose ``version`` is that of the user passed in was not changed.

    Args:
        storage: Stores everything.
        passwords: Returns the service that checks and hashes passwords; called only if one is given.
        events: Receives the events.
        clock: The clock.
        mail: Sends links and notices; without it no notices are sent, and methods that send links raise
            ConfigurationError.
    """

    def __init__(
        self,
        storage: Storage,
        passwords: Callable[[], PasswordService],
        *,
        events: Events,
        clock: Clock,
        mail: Mail | None,
    ) -> None:
        self._storage = storage
        self._passwords = passwords
        self._events = events
        self._clock = clock
        self._mail = mail

    def _needed_mail(self) -> Mail:
        if self._mail is None:
            raise ConfigurationError("this sends mail: give the services mailer=... and mail=MailSettings(...)")
        return self._mail

    # Creating

    def create(
        self,
        email: str,
        *,
        name: str | None = None,
        metadata: Metadata | None = None,
        password: str | None = None,
        verified: bool = False,
        invite: bool = False,
    ) -> User:
        """Create a user, in one write.

        Args:
            email: The address.
            name: A display name.
            metadata: Your own data.
            password: A password; ``None``: there is none.
            verified: Whether you vouch that the address is theirs. Otherwise the first proof of the address removes the
                password, unless it is typed then.
            invite: Whether to mail a link with which they choose a password, which also proves the address. Not with
                ``password``.

        Raises:
            ValidationError: The address, the name, the metadata or the password cannot be used.
            AlreadyExists: ``what="email"``: another user has the address.
            RateLimited: Too many invitations were sent to this mailbox. Nothing was created.
            Overloaded: Too many passwords are being hashed.
            ConfigurationError: ``invite`` was given, and there is no mailer.
        """
        if invite and password is not None:
            raise ValidationError("password", "is chosen by the user who is invited: give either this or invite=True")
        if invite:
            mail = self._needed_mail()
            mail.throttle(email, _INVITATION, mail.settings.invitation_for)
        new_user = NewUser(
            email=email,
            name=name,
            email_verified_at=self._clock() if verified else None,
            metadata={} if metadata is None else metadata,
        )
        password_hash = None
        if password is not None:
            password_hash = self._passwords().hash_first(password, email=email, name=name)
        user = self._storage.create_user(new_user, password_hash=password_hash)
        self._events.emit(UserCreated(at=self._clock(), user_id=user.id, email=user.email, method="custom"))
        if invite:
            mail = self._needed_mail()
            lifetime, path = mail.settings.invitation_for, mail.settings.reset_password_path
            token = self.new_reset_token(user, lifetime=lifetime)
            mail.send_link("invitation", mailbox(user), path, token, lifetime, user=user)
        return user

    # Addresses

    def verify(self, user: User, *, keep: bool = False) -> User:
        """Vouch that the address is the user's. Does nothing if it is verified already.

        Until an address is proved, whoever registered it may be a stranger. So, like any first proof, this removes what
        was set up before it: password, sessions, linked accounts, passkeys, second factors, links.

        Args:
            user: The user as read: if all sessions have been ended since, nothing is written.
            keep: Keep what was set up: you know that it was the owner of the address who did.

        Returns:
            The user as stored now.

        Raises:
            NotFound: There is no such user.
            VersionConflict: The user has another address now.
            Revoked: All sessions have been ended since the user was read.
        """
        after = self._storage.mark_email_verified(
            user.id, email=user.email, remove_unproven=not keep, session_epoch=user.session_epoch
        )
        if after is None:
            self._read(user.id)
            raise VersionConflict("the user has another address now; nothing was changed")
        if not user.is_email_verified and after.version != user.version:
            now = self._clock()
            self._events.emit(
                EmailVerified(at=now, user_id=user.id, email=after.email, by_administrator=True),
            )
        return after

    def change_email(self, user: User, new_email: str) -> User:
        """Move a user to another address, for somebody who lost the old mailbox and cannot sign in.

        The new address is unverified, and all sessions and links end. Password, passkeys, linked accounts and second
        factors stay; unless the owner types the password then, the first proof of the new address removes them. With a
        mailer, the old address is told, and the new one gets a verification link.

        These are two writes. If it fails between them, call it again: for a user who already has the address, and has
        not verified it, it ends the sessions and sends the link again.

        Args:
            user: The user as read.
            new_email: The new address. Another spelling of the old one only changes how it is shown.

        Returns:
            The user as stored now.

        Raises:
            ValidationError: It is not a valid address.
            AlreadyExists: ``what="email"``: another user has the address.
            VersionConflict: The user has changed since it was read. Nothing was written.
            NotFound: There is no such user.
            RateLimited: Too many links were sent to the new mailbox. Nothing was written.
        """
        address = normalise_email(new_email)
        moves = address.normalised != user.email
        ends = moves or not user.is_email_verified
        if self._mail is not None and ends:
            lifetime = self._mail.settings.verify_email_for
            self._mail.throttle(address.as_given, EMAIL_VERIFICATION, lifetime)
        after = user
        if address.as_given != user.email_as_given:
            after = self._storage.update_user(user, email=address.as_given)
        if moves:
            now = self._clock()
            changed = EmailChanged(
                at=now, user_id=user.id, old_email=user.email, email=after.email, by_administrator=True
            )
            self._events.emit(changed)
            if self._mail is not None:
                context = {"new_email": after.email_as_given}
                self._mail.send("email_changed", mailbox(user), context, user=user)
        if not ends:
            return after
        self._storage.delete_sessions_for_user(user.id)
        self._events.emit(SessionsEnded(at=self._clock(), user_id=user.id))
        after = self._read(user.id)
        if self._mail is not None:
            lifetime, path = self._mail.settings.verify_email_for, self._mail.settings.verify_email_path
            token = self._mail.token(EMAIL_VERIFICATION, lifetime, user=after, email=after.email)
            self._mail.send_link("verify_email", mailbox(after), path, token, lifetime, user=after)
        return after

    # Passwords

    def set_password(self, user: User, new_password: str) -> User:
        """Set or replace a user's password. All sessions end in the same write, and the owner is told by mail.

        Prefer :meth:`send_reset`: then only the owner knows the password.

        Raises:
            ValidationError: The password cannot be used.
            NotFound: There is no such user.
            RateLimited: This user's password was changed as often as lockout allows attempts.
            Overloaded: Too many passwords are being hashed. Nothing was counted.
        """
        password_hash = self._passwords().hash_new(user, new_password)
        after = self._storage.set_password_hash(user.id, password_hash, user=user)
        # Strangers who locked the owner out by guessing must not keep them out with the new password.
        self._storage.clear_attempts(after.email)
        if self._mail is not None:
            self._mail.send("password_changed", mailbox(after), {}, user=after)
        changed = PasswordChanged(
            at=self._clock(), user_id=after.id, first=not user.has_password, by_administrator=True
        )
        self._events.emit(changed)
        return after

    def send_reset(self, user: User) -> None:
        """Mail the user a link to choose a password, as if they had asked for it.

        Raises:
            AccountLocked: The account is locked: the link would not work.
            RateLimited: Too many were sent to this mailbox.
            ConfigurationError: There is no mailer.
        """
        self._needed_mail()
        refuse_locked(user)
        self._passwords().send_reset(user.email)

    def new_reset_token(self, user: User, *, lifetime: timedelta = timedelta(minutes=30)) -> Token:
        """Return a token with which its bearer chooses the user's password, to hand over on another way than mail.

        It works in a reset link, where it counts as a proof of the address. Whoever has it has the account.

        Raises:
            AccountLocked: The account is locked: the token would not work.
        """
        refuse_locked(user)
        new_token = NewToken(purpose=PASSWORD_RESET, expires_at=self._clock() + lifetime, user_id=user.id)
        return self._storage.create_token(new_token, user=user)

    # Second factors

    def remove_second_factors(self, user: User, factor_id: str | None = None) -> bool:
        """Remove the second factors of a user who lost them; the owner is told by mail. Passkeys and sessions stay.

        Args:
            user: The user.
            factor_id: An authenticator app, ``"recovery"`` or ``"passkey"``; ``None``: all of them.

        Returns:
            Whether there were any.
        """
        if factor_id is None:
            gone = self._storage.remove_factors_for_user(user.id)
        else:
            gone = self._storage.remove_factor(user.id, factor_id)
        if gone:
            kind = factor_kind(factor_id)
            removed = SecondFactorRemoved(
                at=self._clock(),
                user_id=user.id,
                kind=kind,
                factor_id=factor_id if kind == "totp" else None,
                by_administrator=True,
            )
            self._events.emit(removed)
            if self._mail is not None and kind == "all":
                self._mail.notify("second_factors_removed", user, {})
            elif self._mail is not None:
                self._mail.notify("second_factor_removed", user, {"factor": FACTOR_NAMES[kind]})
        return gone

    # Looking

    def belongings(self, user: User) -> Belongings:
        """Return what the user has besides the address, for a question before it is lost. Up to four requests."""
        sessions = self._storage.list_sessions_for_user(user.id)
        accounts = self._storage.list_oauth_accounts_for_user(user.id)
        passkeys = self._storage.list_passkeys_for_user(user.id)
        return Belongings(
            password=user.has_password,
            sessions=len(sessions),
            passkeys=len(passkeys),
            providers=tuple(sorted(account.provider for account in accounts)),
            second_factors=len(user.factors),
        )

    def search(self, text: str, *, cursor: str | None = None, most: int = 1000, enough: int = 25) -> SearchPage:
        """Look for users whose name or address contains each word of a text, in any case, with or without accents.

        DynamoDB has no such search: this reads the users one after the other, but only a part of them for each call.
        For a whole address use ``torii.get_user_by_email``, which reads two items.

        Args:
            text: Parts of a name or an address.
            cursor: The previous step's ``next_cursor``.
            most: About how many users to look at in this call, in requests of 100.
            enough: Stop before that after the request with which this many were found.

        Returns:
            What was found in this step. It may be nothing although there are more users: continue with ``next_cursor``.

        Raises:
            ValidationError: The text is empty, or the cursor is not valid.

        Cost: 1 request for each 100 users, 1 read unit for each 4 KB of them.
        """
        words = search_words(text)
        found: list[User] = []
        corrupt: list[CorruptItem] = []
        looked_at = 0
        while True:
            page = self._storage.list_users(limit=_USERS_PER_REQUEST, cursor=cursor)
            looked_at += len(page.items) + len(page.corrupt)
            found += [user for user in page.items if matches(user, words)]
            corrupt += page.corrupt
            cursor = page.next_cursor
            if cursor is None or len(found) >= enough or looked_at >= most:
                return SearchPage(users=tuple(found), looked_at=looked_at, next_cursor=cursor, corrupt=tuple(corrupt))

    def _read(self, user_id: str) -> User:
        user = self._storage.get_user(user_id, consistent=True)
        if user is None:
            raise NotFound("user", "there is no such user")
        return user
