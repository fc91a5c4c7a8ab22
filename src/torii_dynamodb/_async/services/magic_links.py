"""Signing in with a link sent to the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torii_dynamodb._async.services.mail import mailbox
from torii_dynamodb._async.services.proofs import prove_email
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.signing_in import INVALID_LINK, Browser
from torii_dynamodb.errors import AlreadyExists, InvalidToken
from torii_dynamodb.events import EmailVerified, UserCreated
from torii_dynamodb.models import MAGIC_LINK, NewUser, User, VerifiedToken
from torii_dynamodb.second_factor import SignInResult

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb._async.services.sessions import AsyncSessionService
    from torii_dynamodb.clock import Clock

__all__ = ["AsyncMagicLinkService"]

_AS_GIVEN = "email_as_given"


class AsyncMagicLinkService:
    """Sign-in links.

    Args:
        storage: Stores the tokens.
        sessions: Creates the sessions.
        mail: Sends the links.
        events: Receives the events.
        clock: The clock.
        sign_up: Whether a link to an address without an account creates one when it is used.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        sessions: AsyncSessionService,
        mail: AsyncMail,
        *,
        events: AsyncEvents,
        clock: Clock,
        sign_up: bool = True,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self._mail = mail
        self._events = events
        self._clock = clock
        self._sign_up = sign_up

    async def send(self, email: str) -> None:
        """Mail a sign-in link. The result and the work are the same for known, unknown and locked addresses.

        An unknown address gets a link that signs up, if that is allowed (``sign_up``); nothing is created before it is
        used. Three rounds of requests.

        Raises:
            ValidationError: It is not a valid address.
            RateLimited: Too many were sent to this mailbox.
        """
        address = normalise_email(email)
        lifetime = self._mail.settings.magic_link_for
        user = await self._mail.find(email, MAGIC_LINK, lifetime)
        metadata = {_AS_GIVEN: address.as_given}
        token = await self._mail.token(MAGIC_LINK, lifetime, user=user, email=address.normalised, metadata=metadata)
        if user.locked_at is not None if user is not None else not self._sign_up:
            return
        to = address.normalised if user is None else mailbox(user)
        path = self._mail.settings.magic_link_path
        await self._mail.send_link("magic_link", to, path, token, lifetime, user=user)

    async def check(self, token: str) -> VerifiedToken | None:
        """Check a link without using it up, for the page that asks for a click. ``None`` if it is not valid."""
        return await self._storage.check_token(token, purpose=MAGIC_LINK)

    async def complete(self, token: str, *, browser: Browser = Browser()) -> SignInResult:
        """Use a link: sign in. It proves the address; the first proof removes what was set up before it.

        Returns:
            The user as stored now, and a new session with its token.

        Raises:
            InvalidToken: The link is not valid.
            AccountLocked: An administrator locked the account.
        """
        verified = await self._storage.verify_token(token, purpose=MAGIC_LINK)
        if verified is None:
            raise InvalidToken(INVALID_LINK)
        return await self.sign_in_by(verified, browser, method="magic_link")

    async def sign_in_by(
        self, verified: VerifiedToken, browser: Browser, *, method: Literal["magic_link", "email_code"]
    ) -> SignInResult:
        """Sign in by a proof of the address that was used up: a link, or a code from a mail."""
        user = verified.user
        if user is None:
            user = await self._sign_up_by(verified)
        await self._sessions.refuse_locked(user, browser, method=method)
        email = verified.token.email
        proved = await prove_email(
            self._storage, self._events, self._clock, user, email=user.email if email is None else email
        )
        if proved is None:
            raise InvalidToken(INVALID_LINK)
        return await self._sessions.sign_in(proved, browser, method=method)

    async def _sign_up_by(self, verified: VerifiedToken) -> User:
        """Create a user, or return the one who has registered the address since without proving it.

        A user who has proved it gets other links, which end with their sessions. This link was sent before there was a
        user to bind it to.
        """
        email = verified.token.email
        if email is None or not self._sign_up:
            raise InvalidToken(INVALID_LINK)
        given = verified.token.metadata.get(_AS_GIVEN)
        now = self._clock()
        try:
            user = await self._storage.create_user(
                NewUser(email=given if isinstance(given, str) else email, email_verified_at=now)
            )
        except AlreadyExists:
            found = await self._storage.get_user_by_email(email, consistent=True)
            if found is None or found.is_email_verified:
                raise InvalidToken(INVALID_LINK) from None
            return found
        await self._events.emit(UserCreated(at=now, user_id=user.id, email=user.email, method="magic_link"))
        await self._events.emit(EmailVerified(at=now, user_id=user.id, email=user.email))
        return user
