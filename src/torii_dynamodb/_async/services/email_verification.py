"""Verifying addresses, and changing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torii_dynamodb._async.services.mail import mailbox
from torii_dynamodb._core.emails import normalise_email
from torii_dynamodb._core.events import EmailChanged, EmailVerified
from torii_dynamodb.errors import AlreadyExists, InvalidToken, ValidationError, VersionConflict
from torii_dynamodb.models import EMAIL_VERIFICATION, User, VerifiedToken

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb.clock import Clock

__all__ = ["EMAIL_CHANGE", "AsyncEmailVerificationService"]

EMAIL_CHANGE = "email_change"
"""The purpose of tokens that move a user to another address."""

_INVALID = "the link was used, has expired, or is not one of ours"
_NEW_EMAIL = "new_email"


class AsyncEmailVerificationService:
    """Links that prove an address.

    A verification link signs nobody in and removes nothing. Give ``user_id`` where somebody is signed in: then a link
    that was sent to another account's owner does not pass for this one.

    Args:
        storage: Where tokens are kept.
        mail: Sends the links.
        events: Who is told.
        clock: What time it is.
    """

    def __init__(self, storage: AsyncStorage, mail: AsyncMail, *, events: AsyncEvents, clock: Clock) -> None:
        self._storage = storage
        self._mail = mail
        self._events = events
        self._clock = clock

    async def send(self, user: User) -> bool:
        """Mail a verification link to the user's stored address.

        Returns:
            Whether one was sent; ``False`` when the address is verified already.

        Raises:
            RateLimited: Enough were sent to this mailbox.
        """
        if user.is_email_verified:
            return False
        await self._mail.throttle(user.email)
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        token = await self._mail.token(EMAIL_VERIFICATION, lifetime, user=user, email=user.email)
        await self._mail.send_link(
            "verify_email", mailbox(user), settings.verify_email_path, token, lifetime, user_id=user.id
        )
        return True

    async def request(self, email: str) -> None:
        """Mail a verification link to whoever holds the address. Answers alike, after the same work, if nobody does.

        Raises:
            ValidationError: It is no address.
            RateLimited: Enough were sent to this mailbox.
        """
        address = normalise_email(email)
        user = await self._mail.find(email)
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        token = await self._mail.token(EMAIL_VERIFICATION, lifetime, user=user, email=address.normalised)
        if user is not None and not user.is_email_verified:
            await self._mail.send_link(
                "verify_email", mailbox(user), settings.verify_email_path, token, lifetime, user_id=user.id
            )

    async def verify(self, token: str) -> VerifiedToken | None:
        """Whether a verification link holds, without using it up. ``None`` when it does not."""
        found = await self._storage.check_token(token, purpose=EMAIL_VERIFICATION)
        return None if found is None or found.user is None else found

    async def complete(self, token: str, *, user_id: str | None = None) -> User:
        """Use a verification link.

        Args:
            token: What the link carries.
            user_id: Who is signed in, if anybody: the link must be theirs.

        Returns:
            The user as stored now.

        Raises:
            InvalidToken: The link does not hold, or is somebody else's (it is then not used up).
        """
        if user_id is not None:
            await self._require_owner(token, EMAIL_VERIFICATION, user_id)
        verified = await self._storage.verify_token(token, purpose=EMAIL_VERIFICATION)
        if verified is None or verified.user is None:
            raise InvalidToken(_INVALID)
        before = verified.user
        if before.is_email_verified:
            return before
        user = await self._storage.mark_email_verified(before.id, email=before.email)
        if user is None:
            raise InvalidToken(_INVALID)
        await self._events.emit(EmailVerified(at=self._clock(), user_id=user.id, email=user.email))
        return user

    async def send_change(self, user: User, new_email: str) -> None:
        """Mail a link to an address that the user wants to move to. Nothing changes before it is used.

        Answers alike whether or not somebody holds the new address. Ask for a recent sign-in before.

        Raises:
            ValidationError: It is no address, or the user's own.
            RateLimited: Enough were sent to this mailbox.
        """
        address = normalise_email(new_email, field="new_email")
        if address.normalised == user.email:
            raise ValidationError("new_email", "is the address of this account already")
        holder = await self._mail.find(address.as_given)
        settings = self._mail.settings
        lifetime = settings.verify_email_for
        token = await self._mail.token(
            EMAIL_CHANGE, lifetime, user=user, email=user.email, metadata={_NEW_EMAIL: address.as_given}
        )
        if holder is None:
            to = f"{address.as_given.rpartition('@')[0]}@{address.normalised.rpartition('@')[2]}"
            await self._mail.send_link("change_email", to, settings.change_email_path, token, lifetime, user_id=user.id)

    async def verify_change(self, token: str) -> VerifiedToken | None:
        """Whether a link to a new address holds, without using it up. ``None`` when it does not."""
        found = await self._storage.check_token(token, purpose=EMAIL_CHANGE)
        return None if found is None or found.user is None else found

    async def complete_change(self, token: str, *, user_id: str) -> User:
        """Use a link to a new address: the user moves there, and the old address is told.

        Args:
            token: What the link carries.
            user_id: Who is signed in: the link must be theirs. Required, because anybody can have such a link sent to a
                stranger, whose click would otherwise confirm it.

        Returns:
            The user as stored now, the new address verified.

        Raises:
            InvalidToken: The link does not hold, or is somebody else's (it is then not used up).
            AlreadyExists: ``what="email"``: somebody else holds the address by now.
            VersionConflict: The user was changed at the same moment; ask for another link.
        """
        await self._require_owner(token, EMAIL_CHANGE, user_id)
        verified = await self._storage.verify_token(token, purpose=EMAIL_CHANGE)
        new_email = None if verified is None else verified.token.metadata.get(_NEW_EMAIL)
        if verified is None or verified.user is None or not isinstance(new_email, str):
            raise InvalidToken(_INVALID)
        before = verified.user
        moved = await self._move(before, new_email)
        user = await self._storage.mark_email_verified(moved.id, email=moved.email)
        if user is None:
            raise VersionConflict("the address was changed again at the same moment; ask for another link")
        context = {"new_email": moved.email_as_given}
        await self._mail.send("email_changed", mailbox(before), context, user_id=user.id)
        now = self._clock()
        await self._events.emit(EmailChanged(at=now, user_id=user.id, old_email=before.email, email=user.email))
        await self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        return user

    async def _move(self, user: User, new_email: str) -> User:
        try:
            return await self._storage.update_user(user, email=new_email)
        except VersionConflict:
            # Most changes (a passkey added, a name) do not matter here. What the token is bound to does.
            again = await self._storage.get_user(user.id, consistent=True)
            if again is None or (again.email, again.session_epoch) != (user.email, user.session_epoch):
                raise
            return await self._storage.update_user(again, email=new_email)
        except AlreadyExists as error:
            raise AlreadyExists("email", "somebody else holds the address by now") from error

    async def _require_owner(self, token: str, purpose: str, user_id: str) -> None:
        found = await self._storage.check_token(token, purpose=purpose)
        if found is None or found.user is None or found.user.id != user_id:
            raise InvalidToken(_INVALID)
