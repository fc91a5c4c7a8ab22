# Generated from src/torii_dynamodb/_async/gate.py by tools/unasync.py. Do not edit.

"""Who is signed in by a request, and how a session begins and ends in a browser, on any framework."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from torii_dynamodb._rules.session_policy import signed_in_at
from torii_dynamodb._web.callers import Caller, bearer_of, credential_of
from torii_dynamodb._web.cookies import Cookies
from torii_dynamodb._web.csrf import CrossSite
from torii_dynamodb._web.problems import Refusal
from torii_dynamodb.models import SignedIn, User

if TYPE_CHECKING:
    from torii_dynamodb._rules.signing_in import Browser
    from torii_dynamodb._sync.services import Torii
    from torii_dynamodb._web.connection import Carrier, Connection
    from torii_dynamodb._web.settings import SessionTransport, WebConfig
    from torii_dynamodb.models import Session
    from torii_dynamodb.second_factor import SecondFactorChallenge, SignInResult

__all__ = ["Gate"]

_PENDING = timedelta(minutes=5)


class Gate:
    """Checks the session of each request, and sets and ends sessions.

    Args:
        torii: The services.
        config: How the web layer behaves.
        cookies: The cookies.
        cross_site: Distinguishes requests of this site's pages from others.
        problem: The class of what is raised.
    """

    def __init__(
        self,
        torii: Torii,
        config: WebConfig,
        *,
        cookies: Cookies,
        cross_site: CrossSite,
        problem: type[Refusal] = Refusal,
    ) -> None:
        self._torii = torii
        self._accepted = frozenset(config.transports)
        self._cookies = cookies
        self._cross_site = cross_site
        self._problem = problem

    # Who is signed in

    def caller(self, connection: Connection) -> Caller | None:
        """Who is signed in by a session token or an access token.

        One storage request, and a write if the session is due for an extension.

        Returns:
            ``None`` if nobody is signed in.

        Raises:
            Refusal: The session came in a cookie, but the request came from another site.
        """
        found = credential_of(connection, self._cookies, self._accepted)
        if found is None:
            return None
        token, transport = found
        if transport == "jwt":
            return self._bearer_of_access_token(token)
        if transport == "cookie":
            self.refuse_cross_site(connection, cookie=True)
        checked = self._torii.get_signed_in(token)
        if checked is None:
            return None
        user, session = checked
        # HEAD does not count as use of the session.
        looking = connection.scope.get("method") == "HEAD"
        touched = session if looking else self._torii.touch_session(session)
        if touched is None:
            return None
        return Caller(
            user=user, session=touched, token=token, transport=transport, moved=touched.expires_at != session.expires_at
        )

    def _bearer_of_access_token(self, token: str) -> Caller | None:
        checked = self._torii.jwt.check(token)
        if checked is None:
            return None
        claims, (user, session) = checked
        return Caller(user=user, session=session, token=token, transport="jwt", claims=claims)

    def refuse_cross_site(self, connection: Connection, *, cookie: bool = False) -> None:
        """Refuse a request that a page of another site made the browser send, which needs no bearer token.

        Raises:
            Refusal: It is such a request.
        """
        if not cookie and bearer_of(connection) is not None:
            return
        if self._cross_site.refuses(connection, cookie=cookie):
            raise self._problem(
                403,
                "cross_site",
                "the browser does not confirm that this request comes from this site; "
                "name other origins that may send requests in trusted_origins",
            )

    def has_cookie(self, connection: Connection) -> bool:
        """Whether the request has a session cookie, valid or not."""
        return self._cookies.read(connection, self._cookies.session) is not None

    def other_user(self, connection: Connection, user_id: str | None) -> User | None:
        """The user who is signed in by this browser's cookie, if it is someone else. One storage request with a cookie.

        Args:
            connection: The request.
            user_id: Who is about to sign in; ``None``: someone without an account.
        """
        cookie = self._cookies.read(connection, self._cookies.session)
        if cookie is None or "cookie" not in self._accepted:
            return None
        found = self._torii.get_signed_in(cookie)
        return None if found is None or found.user.id == user_id else found.user

    def refuse_switch(self, connection: Connection, user_id: str | None) -> None:
        """Refuse to replace the session of another user, so that nobody becomes someone else unawares.

        Raises:
            Refusal: Another user is signed in in this browser.
        """
        if self.other_user(connection, user_id) is not None:
            raise self._problem(
                409,
                "other_user_signed_in",
                "another user is signed in in this browser; sign out first, or send replace_session=true",
            )

    # Beginning and ending sessions

    def sign_in(
        self,
        connection: Connection,
        response: Carrier,
        who: User | SignInResult,
        *,
        browser: Browser,
        replace: bool = False,
    ) -> SignInResult:
        """Begin a session in this browser for an application's own view, or leave the challenge for a second factor.

        Args:
            connection: The request.
            response: The response that sets cookies.
            who: What the services returned, or a user whom the application has authenticated.
            browser: The browser that the request comes from.
            replace: Whether the session may replace another user's in this browser, because the person was asked.

        Returns:
            Who is signed in now, or the challenge that has been left with the browser.

        Raises:
            AccountLocked: An administrator locked the account.
            Refusal: Another user is signed in in this browser (409), or the request comes from another site (403),
                which could sign people in to its own account. A new session has been ended.
        """
        try:
            self.refuse_cross_site(connection)
        except Refusal:
            if isinstance(who, SignedIn):
                self._torii.delete_session(who.session.token)
            raise
        result = self._torii.sign_in(who, browser=browser) if isinstance(who, User) else who
        if isinstance(result, SignedIn):
            self.begin_session(connection, response, result.user, result.session, replace=replace)
        else:
            if not replace:
                self.refuse_switch(connection, result.user.id)
            self.leave_challenge(response, result)
        return result

    def begin_session(
        self,
        connection: Connection,
        response: Carrier,
        user: User,
        session: Session,
        *,
        transport: SessionTransport = "cookie",
        replace: bool = False,
        trust_device: bool = False,
    ) -> str | None:
        """Give the client its new session, and end the sessions that the request came with (ASVS 7.2.4).

        Those are the sessions in its cookie and its ``Authorization`` header, whichever way the new one is sent: the
        client could sign them out anyway. A cookie that another site made the browser send is left alone; so is that of
        another user, unless the person agreed.

        Args:
            connection: The request.
            response: The response that sets cookies.
            user: Who signed in.
            session: Their new session.
            transport: How the client wants to receive it.
            replace: Whether it may replace another user's session in this browser, because the person was asked.
            trust_device: Whether the browser need not give a second factor for a while (only if the policy offers it,
                and one was given for this session).

        Returns:
            The token for the response's body with ``transport="bearer"``, otherwise ``None``.

        Raises:
            Refusal: Another user is signed in in this browser. The new session has been ended.
        """
        if not replace and transport == "cookie":
            try:
                self.refuse_switch(connection, user.id)
            except Refusal:
                self._torii.delete_session(session.token)
                raise
        cookie = self._cookies.read(connection, self._cookies.session)
        if cookie is not None and self._cross_site.refuses(connection, cookie=False):
            cookie = None
        if transport == "bearer" and not replace and self.other_user(connection, user.id) is not None:
            cookie = None
        bearer = bearer_of(connection)
        sent = bearer[0] if bearer is not None and bearer[1] == "bearer" and "bearer" in self._accepted else None
        for before in {cookie, sent} - {None, session.token}:
            assert before is not None
            self._torii.delete_session(before)
        if transport == "bearer":
            if cookie is not None:
                self.forget_session(response)
            return session.token
        self.leave_session(response, session)
        trusts = trust_device and self._torii.sessions.second_factor.trust_devices_for is not None
        trusted_since = session.second_factor_at if trusts else None
        presented = self._cookies.read(connection, self._cookies.device)
        self.leave_device(response, user, presented, trusted_since=trusted_since)
        for name in (self._cookies.challenge, self._cookies.email_code, self._cookies.mailed):
            if self._cookies.read(connection, name) is not None:
                self._cookies.delete(response, name)
        return None

    def drop_begun(self, connection: Connection, response: Carrier) -> None:
        """Drop the sign-ins that were begun in this browser: the next person at it must not go on with them."""
        pending = self._cookies.read(connection, self._cookies.pending)
        if pending is not None:
            self._torii.delete_session(pending)
        begun = (self._cookies.pending, self._cookies.challenge, self._cookies.email_code, self._cookies.mailed)
        for cookie in begun:
            if self._cookies.read(connection, cookie) is not None:
                self._cookies.delete(response, cookie)

    # What is stored in the browser

    def leave_session(self, response: Carrier, session: Session) -> None:
        """Set the session cookie. It lasts as long as the session can; the storage ends an idle session earlier."""
        last = max(session.expires_at, signed_in_at(session) + self._torii.sessions.policy.absolute)
        self._cookies.set(response, self._cookies.session, session.token, until=last)

    def forget_session(self, response: Carrier) -> None:
        """Remove the session cookie."""
        self._cookies.delete(response, self._cookies.session)

    def leave_device(
        self, response: Carrier, user: User, presented: str | None, *, trusted_since: datetime | None = None
    ) -> None:
        """Set the known-device cookie, if the services have a ``secret``.

        Args:
            response: Where the cookie goes.
            user: Who signed in.
            presented: The token that the browser came with. What it was trusted for, it stays trusted for.
            trusted_since: When the browser gave the second factor that it need not give again for a while.
        """
        if self._torii.remembers_devices:
            devices = self._torii.devices
            token = devices.issue(user, presented, trusted_since=trusted_since)
            self._cookies.set(response, self._cookies.device, token, until=devices.lifetime)

    def leave_challenge(self, response: Carrier, challenge: SecondFactorChallenge) -> None:
        """Leave a challenge's token with the browser, for as long as it is valid."""
        self._cookies.set(response, self._cookies.challenge, challenge.token, until=challenge.expires_at)

    def leave_pending(self, response: Carrier, session: Session) -> None:
        """Set a new session aside while the person is asked whether it may replace another user's."""
        self._cookies.set(response, self._cookies.pending, session.token, until=_PENDING)
