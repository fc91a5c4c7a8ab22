"""What routes, pages, dependencies and the middleware share: who asks, from where, what the browser is left with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from torii_dynamodb._rules.checking import check_kind
from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.jwt import AccessClaims
from torii_dynamodb._rules.session_policy import signed_in_at
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb.clock import system_random
from torii_dynamodb.errors import ConfigurationError, RateLimited
from torii_dynamodb.events import SignInMethod
from torii_dynamodb.fastapi.cookies import Cookies
from torii_dynamodb.fastapi.csrf import CrossSite, FormTokens
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.limits import ClientAddress, network_of
from torii_dynamodb.fastapi.navigation import Navigation
from torii_dynamodb.fastapi.settings import Credential, SessionTransport, WebConfig
from torii_dynamodb.fastapi.storage import close_storage, open_storage
from torii_dynamodb.models import LockoutPolicy, Session, SignedIn, SignInResult, User

if TYPE_CHECKING:
    from torii_dynamodb._async.services import AsyncTorii

__all__ = ["Caller", "Web", "bearer_of"]

_MEMO = "torii_dynamodb"
_FORM_LIFETIME = timedelta(hours=12)
_PENDING = timedelta(minutes=5)
_BINDING = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is signed in.

    Args:
        user: The user.
        session: The session; by an access token it is the one behind it, without its token.
        token: What was presented: the session's token, or the access token.
        transport: How it came. ``"jwt"``: an access token, which proves less than the session does: it is handed on to
            other services, so it neither changes credentials nor gets further tokens, and is never a recent sign-in.
        claims: What the access token says; ``None`` where it was the session's token.
        moved: Whether the session's end was moved just now, so that the cookie is to be set again.
    """

    user: User
    session: Session
    token: str = field(repr=False)
    transport: Credential
    claims: AccessClaims | None = None
    moved: bool = False

    def outlives(self, change: User) -> bool:
        """Whether the session is valid still, after a change that left the user so."""
        return self.session.epoch == change.session_epoch


class Web:
    """The web layer around the services. One stands behind each router; pages and the middleware use it too.

    Attributes:
        torii: The services.
        config: How the web layer behaves.
        cookies: The cookies.
        navigation: Where browsers are sent.
        forms: Form tokens.
        page: Gives the path of a page by its name, where there are pages; else ``None``.

    Args:
        torii: The services.
        config: How the web layer behaves.

    Raises:
        ConfigurationError: Access tokens are to be accepted but not set up, or their keys are too weak.
    """

    def __init__(self, torii: AsyncTorii, config: WebConfig) -> None:
        services = "torii_dynamodb._async.services.torii.AsyncTorii"
        check_kind("torii", torii, services, "AsyncTorii(...): Torii would block the event loop")
        check_kind("config", config, "torii_dynamodb.fastapi.settings.WebConfig", "WebConfig(...)")
        if torii.issues_jwt:
            torii.jwt  # noqa: B018 - a wrong key is told at the start, not at the first token
        elif "jwt" in config.transports:
            raise ConfigurationError("transports: 'jwt' needs access tokens: give AsyncTorii jwt=JwtSettings(...)")
        self.torii = torii
        self.config = config
        self.cookies = Cookies(config, torii.clock)
        self.navigation = Navigation(config)
        self.forms = FormTokens(system_random)
        self.page: Callable[[str], str] | None = None
        self._cross_site = CrossSite(config)
        self._client = ClientAddress(config)

    @property
    def requires_verified(self) -> bool:
        """Whether a password signs in only users whose address is verified."""
        decided = self.torii.require_verified_to_sign_in
        return (self.config.registration == "private" and self.torii.sends_mail) if decided is None else decided

    async def start(self) -> None:
        """When the application starts: open the storage, so that what is wrong with it is told now."""
        await open_storage(self.torii.storage)

    async def end(self) -> None:
        """When the application ends: wait for mails under way, and close what was opened here."""
        try:
            await self.torii.close()
        finally:
            await close_storage(self.torii.storage)

    # Who asks

    async def signed_in(self, connection: HTTPConnection) -> Caller | None:
        """Who is signed in, by the session itself: an access token counts for nothing here.

        Returns:
            ``None`` where nobody is.

        Raises:
            Problem: The session came in a cookie, but the request from another site.
        """
        found = await self.caller(connection)
        return None if found is None or found.transport == "jwt" else found

    async def caller(self, connection: HTTPConnection) -> Caller | None:
        """Who asks, by a session or an access token.

        Looked up once a request: one storage request, and a write where the session's end is due.

        Returns:
            ``None`` where nobody is signed in.

        Raises:
            Problem: The session came in a cookie, but the request from another site.
        """
        memo: dict[int, Caller | None] = connection.scope.setdefault(_MEMO, {})
        key = id(self)
        if key not in memo:
            memo[key] = await self._check(connection)
        return memo[key]

    async def _check(self, connection: HTTPConnection) -> Caller | None:
        found = self._token(connection)
        if found is None:
            return None
        token, transport = found
        if transport == "jwt":
            return await self._check_access_token(token)
        if transport == "cookie":
            self.refuse_cross_site(connection, cookie=True)
        checked = await self.torii.get_signed_in(token)
        if checked is None:
            return None
        user, session = checked
        # HEAD asks what GET would answer, and is no use of the session.
        looking = connection.scope.get("method") == "HEAD"
        touched = session if looking else await self.torii.touch_session(session)
        if touched is None:
            return None
        return Caller(
            user=user, session=touched, token=token, transport=transport, moved=touched.expires_at != session.expires_at
        )

    async def _check_access_token(self, token: str) -> Caller | None:
        checked = await self.torii.jwt.check(token)
        if checked is None:
            return None
        claims, (user, session) = checked
        return Caller(user=user, session=session, token=token, transport="jwt", claims=claims)

    def _token(self, connection: HTTPConnection) -> tuple[str, Credential] | None:
        offered = set(self.config.transports)
        authorization = bearer_of(connection)
        if authorization is not None and not offered.isdisjoint(("bearer", "jwt")):
            return authorization if authorization[1] in offered else None
        cookie = self.cookies.read(connection, self.cookies.session)
        return (cookie, "cookie") if cookie and "cookie" in self.config.transports else None

    def _bearer(self, connection: HTTPConnection) -> str | None:
        found = bearer_of(connection)
        return found[0] if found is not None and found[1] == "bearer" and "bearer" in self.config.transports else None

    def refuse_cross_site(self, connection: HTTPConnection, *, cookie: bool = False) -> None:
        """Refuse a request that another site's page made the browser send; one with a bearer token never is.

        Raises:
            Problem: It is such a request.
        """
        scheme = connection.headers.get("authorization", "").partition(" ")[0]
        if not cookie and scheme.lower() == "bearer":
            return
        if self._cross_site.refuses(connection, cookie=cookie):
            raise Problem(
                403,
                "cross_site",
                "the browser does not say that this request comes from this site; "
                "origins that may ask are named in trusted_origins",
            )

    def is_recent(self, signed_in: Caller, max_age: timedelta | None = None) -> bool:
        """Whether somebody signed in a short while ago; by an access token nobody did."""
        if signed_in.transport == "jwt":
            return False
        age = self.torii.clock() - signed_in_at(signed_in.session)
        return age <= (self.config.recent_sign_in if max_age is None else max_age)

    # From where

    def client_ip(self, connection: HTTPConnection) -> str | None:
        """The client's IP address; ``None`` where there is none (a Unix socket)."""
        return self._client.of(connection)

    def browser(self, connection: HTTPConnection) -> Browser:
        """The browser that a request comes from, for the services."""
        return Browser(
            user_agent=connection.headers.get("user-agent"),
            ip_address=self.client_ip(connection),
            device_token=self.cookies.read(connection, self.cookies.device),
        )

    async def limit(self, connection: HTTPConnection) -> None:
        """Count a request from this IP address. One storage request.

        Raises:
            RateLimited: Enough came from there.
        """
        address = None if self.config.ip_limit is None else self._client.counted_as(connection)
        if self.config.ip_limit is None or address is None:
            return
        attempt = await self.torii.storage.acquire_attempt("ip", network_of(address), policy=self.config.ip_limit)
        if not attempt.allowed and not await self._known_user_may(connection, self.config.ip_limit):
            self._client.refused(connection)
            raise RateLimited(
                "too many requests from this address; try again later",
                retry_after=attempt.retry_after or self.config.ip_limit.window,
            )

    async def _known_user_may(self, connection: HTTPConnection, policy: LockoutPolicy) -> bool:
        """Whether a browser that signed somebody in before may go on, though its IP address is used up.

        Whole offices, and sites behind a proxy that is not named, share one address: strangers there shall not keep the
        owner out. Counted by user, not by device: anybody can have many devices of one account.
        """
        if not self.torii.remembers_devices:
            return False
        token = self.cookies.read(connection, self.cookies.device)
        named = self.torii.devices.user_of(token)
        user = None if named is None else await self.torii.storage.get_user(named, consistent=True)
        if user is None or self.torii.devices.recognise(token, user) is None:
            return False
        return (await self.torii.storage.acquire_attempt("user", user.id, purpose="ip", policy=policy)).allowed

    # What the browser is left with

    def leave_session(self, response: Response, session: Session) -> None:
        """Set the session cookie. It lasts as long as the session may; the storage ends it earlier if it is idle."""
        last = max(session.expires_at, signed_in_at(session) + self.torii.sessions.policy.absolute)
        self.cookies.set(response, self.cookies.session, session.token, until=last)

    def forget_session(self, response: Response) -> None:
        """Remove the session cookie."""
        self.cookies.delete(response, self.cookies.session)

    def leave_device(self, response: Response, user: User, presented: str | None) -> None:
        """Set the known-device cookie, where the services have a ``secret``."""
        if self.torii.remembers_devices:
            devices = self.torii.devices
            self.cookies.set(response, self.cookies.device, devices.issue(user, presented), until=devices.lifetime)

    def sign_up_binding(self, connection: HTTPConnection) -> str:
        """What binds a sign-up to this browser: what it holds from an earlier one, or something new.

        One for all sign-ups of a browser: who signs up a second time while the first mail is under way can still use
        the first link.
        """
        held = self.held_binding(connection)
        return self.torii.email_verification.new_browser_binding() if held is None else held

    def held_binding(self, connection: HTTPConnection) -> str | None:
        """The binding that a sign-up left with this browser; ``None`` where there is none."""
        held = self.cookies.read(connection, self.cookies.sign_up)
        return held if held is not None and _BINDING.fullmatch(held) else None

    def leave_binding(self, response: Response, binding: str) -> None:
        """Leave a sign-up's binding with the browser, for as long as the mailed link holds."""
        self.cookies.set(response, self.cookies.sign_up, binding, until=self.torii.email_verification.lifetime)

    def signed_in_by(self, result: SignInResult) -> SignedIn:
        """Who is signed in by a first factor.

        Raises:
            Problem: A second factor is due.
        """
        if not isinstance(result, SignedIn):
            raise Problem(403, "second_factor_required", "a second factor is needed to sign in")
        return result

    async def begin_session(
        self,
        connection: HTTPConnection,
        response: Response,
        user: User,
        session: Session,
        *,
        transport: SessionTransport = "cookie",
        replace: bool = False,
    ) -> str | None:
        """Hand a new session to whoever signed in, and end those that the request came with (ASVS 7.2.4).

        They are what its cookie and its ``Authorization`` header hold, whichever way the new one travels: whoever sent
        them could sign them out as well. A cookie that another site made the browser send is left alone; so is one of
        another user, unless the person agreed.

        Args:
            connection: The request.
            response: Where cookies go.
            user: Who signed in.
            session: Their new session.
            transport: How it is to travel.
            replace: Whether it may take the place of another user's session in this browser: the person was asked.

        Returns:
            The token for the answer's body, with ``transport="bearer"``; else ``None``.

        Raises:
            Problem: Another user is signed in in this browser. The new session is ended.
        """
        if not replace and transport == "cookie":
            try:
                await self.refuse_switch(connection, user.id)
            except Problem:
                await self.torii.delete_session(session.token)
                raise
        cookie = self.cookies.read(connection, self.cookies.session)
        if cookie is not None and self._cross_site.refuses(connection, cookie=False):
            cookie = None
        if transport == "bearer" and not replace and await self.other_user(connection, user.id) is not None:
            cookie = None
        for before in {cookie, self._bearer(connection)} - {None, session.token}:
            assert before is not None
            await self.torii.delete_session(before)
        if transport == "bearer":
            if cookie is not None:
                self.forget_session(response)
            return session.token
        self.leave_session(response, session)
        self.leave_device(response, user, self.cookies.read(connection, self.cookies.device))
        return None

    def has_cookie(self, connection: HTTPConnection) -> bool:
        """Whether a session cookie came along, of whatever worth."""
        return self.cookies.read(connection, self.cookies.session) is not None

    async def other_user(self, connection: HTTPConnection, user_id: str | None) -> User | None:
        """Who is signed in by this browser's cookie, if that is somebody else. One request, where there is a cookie.

        Args:
            connection: The request.
            user_id: Who is about to sign in; ``None``: somebody who has no account yet.
        """
        cookie = self.cookies.read(connection, self.cookies.session)
        if cookie is None or "cookie" not in self.config.transports:
            return None
        found = await self.torii.get_signed_in(cookie)
        return None if found is None or found.user.id == user_id else found.user

    async def refuse_switch(self, connection: HTTPConnection, user_id: str | None) -> None:
        """Refuse to sign in over the session of another user: nobody is to become somebody else unasked.

        Raises:
            Problem: Another user is signed in in this browser.
        """
        if await self.other_user(connection, user_id) is not None:
            raise Problem(
                409,
                "other_user_signed_in",
                "another user is signed in in this browser; sign out first, or send replace_session=true",
            )

    def leave_pending(self, response: Response, session: Session) -> None:
        """Keep a new session aside, while the person is asked whether it may replace another user's."""
        self.cookies.set(response, self.cookies.pending, session.token, until=_PENDING)

    def require_transport(self, transport: SessionTransport) -> None:
        """Refuse a transport that is not offered, before anything is done.

        Raises:
            Problem: It is not offered.
        """
        if transport not in self.config.transports:
            raise Problem(422, "validation_error", f"transport: {transport!r} is not offered here")

    async def renew_session(
        self, connection: HTTPConnection, response: Response, signed_in: Caller, user: User, *, method: SignInMethod
    ) -> tuple[Session, str | None]:
        """Sign a browser in anew, after something that ended all sessions of its user, done by that very user.

        Args:
            connection: The request.
            response: Where cookies go.
            signed_in: Who was signed in until then.
            user: The user as that write left them.
            method: How they proved to be who they are.

        Returns:
            The session, and the token for the answer's body where the old one came as bearer.
        """
        browser = self.browser(connection)
        # The password is part of what a device token vouches for: renew it first, or the browser counts as a stranger.
        if self.torii.remembers_devices and self.torii.devices.recognise(browser.device_token, signed_in.user):
            browser = replace(browser, device_token=self.torii.devices.issue(user, browser.device_token))
        session = await self.torii.sessions.renew(signed_in.session, user)
        await self.torii.sessions.announce(user, session, browser, method=method)
        if signed_in.transport == "bearer":
            return session, session.token
        self.leave_session(response, session)
        self.leave_device(response, user, browser.device_token)
        return session, None

    # Forms

    def form_token(self, connection: HTTPConnection, response: Response) -> str:
        """A token for a form of a page. Before there is a session, a cookie of its own is set to make it of."""
        secret = self.cookies.read(connection, self.cookies.session) or self.cookies.read(connection, self.cookies.form)
        if not secret:
            secret = system_random(32).hex()
            self.cookies.set(response, self.cookies.form, secret, until=_FORM_LIFETIME)
        return self.forms.issue(secret)

    def check_form(self, connection: HTTPConnection, token: object) -> None:
        """Check a form's token, and that the request comes from this site.

        Raises:
            Problem: It does not hold.
        """
        self.refuse_cross_site(connection)
        secrets = [self.cookies.read(connection, name) for name in (self.cookies.session, self.cookies.form)]
        if not any(self.forms.holds(secret, token) for secret in secrets):
            raise Problem(403, "cross_site", "the form is too old, or not one of ours; load the page again")


def bearer_of(connection: HTTPConnection) -> tuple[str, Literal["bearer", "jwt"]] | None:
    """What ``Authorization: Bearer`` holds, and what it is by its form; ``None`` where there is no such header.

    A JWT has three parts with dots between them (RFC 7515, 7.1), a session's token two: so each is checked as what it
    is, and neither is tried as the other.
    """
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = credentials.strip()
    return token, "jwt" if token.count(".") == 2 else "bearer"
