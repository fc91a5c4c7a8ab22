"""Creating, checking, extending, rotating and ending sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from torii_dynamodb._rules.second_factor import (
    SECOND_FACTOR,
    Challenges,
    SecondFactorPolicy,
    amr_of,
    is_enrolled,
    with_second_factor,
)
from torii_dynamodb._rules.secrets import parse_session_token
from torii_dynamodb._rules.session_policy import SessionPolicy, signed_in_at
from torii_dynamodb._rules.signing_in import Browser, refuse_locked
from torii_dynamodb.clock import Clock
from torii_dynamodb.errors import AccountLocked
from torii_dynamodb.events import (
    SessionEnded,
    SessionRotated,
    SessionsEnded,
    SignInFailed,
    SignInMethod,
    UserSignedIn,
)
from torii_dynamodb.models import NewSession, NewToken, Session, SignedIn, User
from torii_dynamodb.second_factor import SecondFactorChallenge, SignInResult

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._async.services.mail import AsyncMail
    from torii_dynamodb._rules.devices import Devices

__all__ = ["AsyncSessionService"]

# A person who has just signed up does not need a mail about signing in.
_NEW_USER = timedelta(hours=1)


class AsyncSessionService:
    """Sessions with an absolute and an idle timeout.

    Args:
        storage: Stores them.
        policy: How long they last.
        clock: The clock.
        events: Receives the events.
        devices: Recognises browsers; ``None`` to recognise none.
        mail: Mails the owner about sign-ins from unknown browsers; ``None`` for no mails.
        second_factor: Who must give a second factor; ``None``: users who have set one up.
        challenges: Vouches for challenges; ``None`` without a ``secret``, and then no challenge can be completed.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        *,
        policy: SessionPolicy,
        clock: Clock,
        events: AsyncEvents,
        devices: Devices | None = None,
        mail: AsyncMail | None = None,
        second_factor: SecondFactorPolicy | None = None,
        challenges: Challenges | None = None,
    ) -> None:
        self._storage = storage
        self.second_factor = second_factor or SecondFactorPolicy()
        self._challenges = challenges
        self.policy = policy
        self._clock = clock
        self._events = events
        self._devices = devices
        self._mail = mail

    async def create(
        self,
        user: User,
        browser: Browser,
        *,
        method: SignInMethod = "custom",
        second_factor_at: datetime | None = None,
        second_factor: str | None = None,
    ) -> Session:
        """Create a session for a user as read by the caller that authenticated them. Emits no event.

        Args:
            user: The user.
            browser: Where the request comes from.
            method: The first factor.
            second_factor_at: When a second factor was verified; ``None``: it was not.
            second_factor: Its name in RFC 8176.

        Raises:
            AccountLocked: An administrator locked the account.
        """
        refuse_locked(user)
        now = self._clock()
        amr = amr_of(method)
        new_session = NewSession(
            user_id=user.id,
            expires_at=self.policy.end(now, now),
            user_agent=browser.user_agent,
            ip_address=browser.ip_address,
            metadata={} if browser.metadata is None else browser.metadata,
            amr=amr if second_factor is None else with_second_factor(amr, second_factor),
            second_factor_at=second_factor_at,
        )
        return await self._storage.create_session(new_session, user=user)

    async def open(
        self,
        user: User,
        browser: Browser,
        *,
        method: SignInMethod,
        provider: str | None = None,
        second_factor_at: datetime | None = None,
        second_factor: str | None = None,
    ) -> SignInResult:
        """Create a session, or a challenge if a second factor is required: one write either way. Emits no event."""
        if second_factor_at is None and self.second_factor.is_required_of(user):
            second_factor_at = self._trusted_since(user, browser)
            if second_factor_at is None:
                return await self._challenge(user, method, provider)
        session = await self.create(
            user, browser, method=method, second_factor_at=second_factor_at, second_factor=second_factor
        )
        return SignedIn(user, session)

    def _trusted_since(self, user: User, browser: Browser) -> datetime | None:
        """When this browser gave a second factor, if it is trusted still and the user has one."""
        trust = self.second_factor.trust_devices_for
        if self._devices is None or trust is None or not is_enrolled(user):
            return None
        passed = self._devices.second_factor_at(browser.device_token, user)
        return passed if passed is not None and self._clock() - passed < trust else None

    async def _challenge(self, user: User, method: SignInMethod, provider: str | None) -> SecondFactorChallenge:
        refuse_locked(user)
        new_token = NewToken(
            purpose=SECOND_FACTOR,
            expires_at=self._clock() + self.second_factor.challenge_for,
            user_id=user.id,
            metadata={"method": method} if provider is None else {"method": method, "provider": provider},
        )
        token = await self._storage.create_token(new_token, user=user)
        return SecondFactorChallenge(
            user=user,
            token=token.token if self._challenges is None else self._challenges.sign(token.token, token.expires_at),
            expires_at=token.expires_at,
            enrolment=not is_enrolled(user),
        )

    async def sign_in(
        self,
        user: User,
        browser: Browser,
        *,
        method: SignInMethod,
        provider: str | None = None,
        second_factor_at: datetime | None = None,
        second_factor: str | None = None,
    ) -> SignInResult:
        """Create a session and emit the event, or create a challenge where a second factor is due.

        Raises:
            AccountLocked: An administrator locked the account.
        """
        await self.refuse_locked(user, browser, method=method, provider=provider)
        result = await self.open(
            user,
            browser,
            method=method,
            provider=provider,
            second_factor_at=second_factor_at,
            second_factor=second_factor,
        )
        if isinstance(result, SignedIn):
            await self.announce(user, result.session, browser, method=method, provider=provider)
        return result

    async def refuse_locked(
        self, user: User, browser: Browser, *, method: SignInMethod, provider: str | None = None
    ) -> None:
        """Refuse to sign in to an account that an administrator locked, and emit the event."""
        try:
            refuse_locked(user)
        except AccountLocked:
            await self._events.emit(
                SignInFailed(
                    at=self._clock(),
                    user_id=user.id,
                    method=method,
                    reason="locked",
                    email=user.email,
                    provider=provider,
                    ip_address=browser.ip_address,
                    user_agent=browser.user_agent,
                )
            )
            raise

    async def announce(
        self,
        user: User,
        session: Session,
        browser: Browser,
        *,
        method: SignInMethod,
        provider: str | None = None,
    ) -> None:
        """Report a sign-in to the handlers of events, and to the owner if the browser is unknown."""
        known = None if self._devices is None else self._devices.recognise(browser.device_token, user) is not None
        now = self._clock()
        if known is False and self._mail is not None and now - user.created_at >= _NEW_USER:
            await self._mail.tell_of_sign_in(user, browser)
        await self._events.emit(
            UserSignedIn(
                at=now,
                user_id=user.id,
                session_id=session.id,
                method=method,
                provider=provider,
                ip_address=session.ip_address,
                user_agent=session.user_agent,
                known_device=known,
            )
        )

    async def refresh(self, token: str) -> Session | None:
        """Check a session, and move its end if that is due (``SessionPolicy.refresh_after``).

        Returns:
            The session as it is now; ``None`` if it is not valid.
        """
        session = await self._storage.get_session(token)
        return None if session is None else await self.touch(session)

    async def touch(self, session: Session) -> Session | None:
        """Move the end of a session that was just checked, if that is due; otherwise no request is made.

        Returns:
            The session as it is now; ``None`` if it has ended since.
        """
        now = self._clock()
        if not self.policy.is_due(session, now):
            return session
        ends = self.policy.end(signed_in_at(session), now)
        return await self._storage.refresh_session(session.token, expires_at=ends)

    async def rotate(self, token: str, *, second_factor: str | None = None) -> Session | None:
        """Replace a session by one with another token. Three requests.

        Args:
            token: The session's token.
            second_factor: The name in RFC 8176 of a second factor that was verified just now.

        Returns:
            The new session with its token; ``None`` if the old one is not valid, or was ended at the same moment (of
            two concurrent rotations, one also gets ``None``).
        """
        found = await self._storage.get_signed_in(token)
        if found is None:
            return None
        return await self.replace(found, second_factor=second_factor)

    async def replace(self, signed_in: SignedIn, *, second_factor: str | None = None) -> Session | None:
        """Replace a session that was just checked, as :meth:`rotate` does. Two requests."""
        user, old = signed_in
        new = await self.renew(old, user, second_factor=second_factor)
        # Ending the old one decides: a session that was signed out meanwhile must not continue under another id.
        if not await self._storage.delete_session_by_id(user.id, old.id):
            await self._storage.delete_session_by_id(user.id, new.id)
            return None
        await self._events.emit(
            SessionRotated(at=self._clock(), user_id=user.id, old_session_id=old.id, session_id=new.id)
        )
        return new

    async def end_others(self, token: str) -> Session | None:
        """Sign out everywhere else: end all sessions in one write, and make a new one for this device.

        Returns:
            The new session with its token, which replaces this one; ``None`` if this one is not valid, or another
            request ended all sessions at the same moment (this one then stays ended).
        """
        found = await self._storage.get_signed_in(token)
        if found is None:
            return None
        user, old = found
        epoch = await self._storage.delete_sessions_for_user(user.id)
        # Exactly one more; otherwise another request ended all sessions since the check, including this one.
        if epoch != user.session_epoch + 1:
            return None
        new = await self.renew(old, replace(user, session_epoch=epoch))
        await self._events.emit(SessionsEnded(at=self._clock(), user_id=user.id, kept_session_id=new.id))
        return new

    async def renew(self, old: Session, user: User, *, second_factor: str | None = None) -> Session:
        """Create the session that takes another's place: with its end, and what it remembers of the sign-in.

        Args:
            old: The session.
            user: The user as read, to whom the new session is bound.
            second_factor: The name in RFC 8176 of a second factor that was verified just now.
        """
        refuse_locked(user)
        now = self._clock()
        new_session = NewSession(
            user_id=user.id,
            expires_at=self._end(old, now),
            user_agent=old.user_agent,
            ip_address=old.ip_address,
            metadata=old.metadata,
            amr=old.amr if second_factor is None else with_second_factor(old.amr, second_factor),
            authenticated_at=signed_in_at(old),
            second_factor_at=old.second_factor_at if second_factor is None else now,
        )
        return await self._storage.create_session(new_session, user=user)

    def _end(self, old: Session, now: datetime) -> datetime:
        # A session that a caller created with a longer lifetime than the policy keeps its end.
        return max(old.expires_at, self.policy.end(signed_in_at(old), now))

    async def end(self, token: str) -> None:
        """Sign out."""
        parsed = parse_session_token(token)
        await self._storage.delete_session(token)
        if parsed is not None:
            await self._events.emit(SessionEnded(at=self._clock(), user_id=parsed.user_id, session_id=parsed.digest))

    async def end_by_id(self, user_id: str, session_id: str) -> bool:
        """End one of the user's sessions."""
        ended = await self._storage.delete_session_by_id(user_id, session_id)
        if ended:
            await self._events.emit(SessionEnded(at=self._clock(), user_id=user_id, session_id=session_id))
        return ended

    async def end_all(self, user_id: str) -> bool:
        """End all the user's sessions."""
        ended = await self._storage.delete_sessions_for_user(user_id) is not None
        if ended:
            await self._events.emit(SessionsEnded(at=self._clock(), user_id=user_id))
        return ended
