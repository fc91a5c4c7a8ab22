"""What routes, pages, dependencies and the middleware share: who is signed in, and what is stored in the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from starlette.requests import HTTPConnection
from starlette.responses import Response

from torii_dynamodb._rules import base64url
from torii_dynamodb._rules.checking import check_kind
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb._web.callers import Caller, bearer_of, gave_second_factor, outdated
from torii_dynamodb._web.cookies import Cookies
from torii_dynamodb._web.csrf import FormTokens
from torii_dynamodb._web.limits import ClientAddress, network_of
from torii_dynamodb._web.navigation import Navigation
from torii_dynamodb._web.settings import SessionTransport, WebConfig
from torii_dynamodb.clock import system_random
from torii_dynamodb.errors import NotFound, RateLimited
from torii_dynamodb.events import SignInMethod
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.parts import TenantPart, part_of, part_of_tenant
from torii_dynamodb.fastapi.storage import close_storage, open_storage
from torii_dynamodb.languages import prefer
from torii_dynamodb.models import LockoutPolicy, Session, SignedIn, User
from torii_dynamodb.second_factor import SecondFactorChallenge, SignInResult

if TYPE_CHECKING:
    from torii_dynamodb._async.services import AsyncTorii
    from torii_dynamodb.fastapi.pages.settings import PagesConfig
    from torii_dynamodb.fastapi.schemas import SecondFactorOut, SignedInOut
    from torii_dynamodb.fastapi.tenants import Tenants

__all__ = ["Caller", "Web", "bearer_of"]

_MEMO = "torii_dynamodb"
_MAILED = timedelta(minutes=15)
_FORM_LIFETIME = timedelta(hours=12)
_CHOICE = timedelta(days=365)  # of a language
_BINDING = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Web:
    """The web layer around the services. Each router has one; the pages and the middleware use it too.

    With tenants, ``torii``, ``config``, ``cookies``, ``navigation`` and ``requires_verified`` are those of the tenant
    that the current request is for. Where it is for none, using them raises a :class:`Problem` with status 404.

    Attributes:
        model: The services given to the router. With tenants, no request uses them: they say what there are routes for.
        forms: Form tokens.
        page: Returns the path of a page by its name; ``None`` if there are no pages.
        tenants: The tenants; ``None`` without.

    Args:
        torii: The services.
        config: How the web layer behaves.
        tenants: The tenants, if there are any.

    Raises:
        ConfigurationError: Access tokens are accepted but not set up, or their keys are too weak.
    """

    def __init__(self, torii: AsyncTorii, config: WebConfig, *, tenants: Tenants | None = None) -> None:
        check_kind("config", config, "torii_dynamodb._web.settings.WebConfig", "WebConfig(...)")
        self._base = part_of(torii, config)
        self.model = torii
        self.forms = FormTokens(system_random)
        self.page: Callable[[str], str] | None = None
        self.tenants = tenants
        if tenants is not None:
            check_kind("tenants", tenants, "torii_dynamodb.fastapi.tenants.Tenants", "Tenants(...)")
            tenants.bind(lambda name, tenant, path: part_of_tenant(name, tenant, config, path=path))
        self._torii = torii if tenants is None else cast("AsyncTorii", _CurrentServices(self, tenants))
        self._client = ClientAddress(config)

    async def start(self) -> None:
        """Open the storage when the application starts, so that problems are reported now."""
        await open_storage(self.model.storage)

    async def end(self) -> None:
        """When the application ends, wait for mails being sent, and close what was opened here."""
        try:
            if self.tenants is not None:
                await self.tenants.close()
            await self.model.close()
        finally:
            await close_storage(self.model.storage)

    # What depends on the tenant

    @property
    def part(self) -> TenantPart:
        """What depends on the tenant.

        Raises:
            Problem: The request is for no tenant (404).
        """
        return self._base if self.tenants is None else self.tenants.part()

    @property
    def _part_or_base(self) -> TenantPart:
        return (None if self.tenants is None else self.tenants.part_or_none()) or self._base

    def require_tenant(self) -> None:
        """Refuse a request that is for no tenant, if there are tenants.

        Raises:
            Problem: It is for none (404).
        """
        _ = self.part

    @property
    def in_tenant(self) -> bool:
        """Whether the request is for a tenant, or there are none. Without the middleware it is ``True``, and fails."""
        return self.tenants is None or self.tenants.found

    async def tenant_of(self, connection: HTTPConnection) -> TenantPart | None:
        """The tenant that a request is for, if there are tenants, and it is for one."""
        if self.tenants is None:
            return None
        return await self.tenants.part_of(connection, from_proxy=self._client.from_proxy(connection))

    @property
    def torii(self) -> AsyncTorii:
        """The services."""
        return self._torii

    @property
    def config(self) -> WebConfig:
        """How the web layer behaves."""
        return self._part_or_base.config

    @property
    def cookies(self) -> Cookies:
        """The cookies."""
        return self.part.cookies

    @property
    def navigation(self) -> Navigation:
        """Where browsers are sent."""
        return self._part_or_base.navigation

    @property
    def requires_verified(self) -> bool:
        """Whether users can sign in with a password only once their address is verified."""
        return self.part.requires_verified

    def dressed(self, settings: PagesConfig) -> PagesConfig:
        """The configuration of the pages, with what the tenant has of its own."""
        part = self._part_or_base
        if part.tenant is None:
            return settings
        return replace(
            settings,
            app_name=part.tenant.app_name,
            home=part.navigation.inside(settings.home),
            stylesheet=part.tenant.stylesheet or settings.stylesheet,
            brand=part.tenant.brand or settings.brand,
        )

    @property
    def session_cookie(self) -> str:
        """The name of the session cookie, for descriptions: with ``{tenant}`` in place of the tenant's name."""
        if self.tenants is None:
            return self._base.cookies.session
        return Cookies(self._base.config, self.model.clock, tenant="{tenant}").session

    # Who is signed in

    async def signed_in(self, connection: HTTPConnection) -> Caller | None:
        """Who is signed in by a session token; access tokens are ignored.

        Returns:
            ``None`` if nobody is.

        Raises:
            Problem: The session came in a cookie, but the request came from another site.
        """
        found = await self.caller(connection)
        return None if found is None or found.transport == "jwt" else found

    async def caller(self, connection: HTTPConnection) -> Caller | None:
        """Who is signed in by a session token or an access token.

        It is looked up once per request: one storage request, and a write if the session is due for an extension.

        Returns:
            ``None`` if nobody is signed in.

        Raises:
            Problem: The session came in a cookie, but the request came from another site.
        """
        memo: dict[int, Caller | None] = connection.scope.setdefault(_MEMO, {})
        key = id(self)
        if key not in memo:
            memo[key] = await self.part.gate.caller(connection)
        return memo[key]

    def refuse_cross_site(self, connection: HTTPConnection, *, cookie: bool = False) -> None:
        """Refuse a request that a page of another site made the browser send, which needs no bearer token.

        Raises:
            Problem: It is such a request.
        """
        self.part.gate.refuse_cross_site(connection, cookie=cookie)

    def is_recent(self, signed_in: Caller, max_age: timedelta | None = None) -> bool:
        """Whether the sign-in is recent, and for users with a second factor that factor too; see :meth:`outdated`."""
        return self.outdated(signed_in, max_age) is None

    def outdated(
        self, signed_in: Caller, max_age: timedelta | None = None
    ) -> Literal["recent_sign_in_required", "second_factor_required"] | None:
        """What has to be repeated before an action that a thief of the session must not perform; ``None``: nothing.

        Either the sign-in is too old, or the user has second factors and gave none recently: a recent sign-in in a
        trusted browser takes only the first factor. An access token never counts as recent.

        Args:
            signed_in: Who is signed in.
            max_age: The maximum age; ``None``: the configuration's ``recent_sign_in``.
        """
        limit = self.config.recent_sign_in if max_age is None else max_age
        return outdated(signed_in, limit, self.torii.clock())

    def gave_second_factor(self, signed_in: Caller, max_age: timedelta | None = None) -> bool:
        """Whether a second factor was given for the session, at most ``max_age`` ago (``None``: at any time)."""
        return gave_second_factor(signed_in, max_age, self.torii.clock())

    # Where the request comes from

    def browser(self, connection: HTTPConnection) -> Browser:
        """The browser that a request comes from, for the services."""
        return Browser(
            user_agent=connection.headers.get("user-agent"),
            ip_address=self._client.of(connection),
            device_token=self.cookies.read(connection, self.cookies.device),
        )

    async def limit(self, connection: HTTPConnection, *, purpose: str | None = None) -> None:
        """Count a request from this IP address. One storage request.

        Args:
            connection: The request.
            purpose: Counts it apart from others; ``None``: with all that have no purpose.

        Raises:
            RateLimited: There were too many from this address.
        """
        address = None if self.config.ip_limit is None else self._client.counted_as(connection)
        if self.config.ip_limit is None or address is None:
            return
        attempt = await self.torii.storage.acquire_attempt(
            "ip", network_of(address), purpose=purpose, policy=self.config.ip_limit
        )
        if not attempt.allowed and not await self._known_user_may(connection, self.config.ip_limit):
            self._client.refused(connection)
            raise RateLimited(
                "too many requests from this address; try again later",
                retry_after=attempt.retry_after or self.config.ip_limit.window,
            )

    async def _known_user_may(self, connection: HTTPConnection, policy: LockoutPolicy) -> bool:
        """Whether a browser that signed someone in before may continue although its IP address is over the limit.

        Whole offices, and all users behind an unnamed proxy, share one address: strangers there must not keep the owner
        out. Counted by user, not by device, because anyone can have many devices of one account.
        """
        if not self.torii.remembers_devices:
            return False
        token = self.cookies.read(connection, self.cookies.device)
        named = self.torii.devices.user_of(token)
        user = None if named is None else await self.torii.storage.get_user(named, consistent=True)
        if user is None or self.torii.devices.recognise(token, user) is None:
            return False
        return (await self.torii.storage.acquire_attempt("user", user.id, purpose="ip", policy=policy)).allowed

    # The language

    def note_languages(self, connection: HTTPConnection) -> None:
        """Remember the languages that the request wants: the one chosen on a page, then ``Accept-Language``."""
        cookies = self._part_or_base.cookies
        prefer(cookies.read(connection, cookies.language), connection.headers.get("accept-language"))

    def leave_language(self, response: Response, tag: str) -> None:
        """Remember in the browser the language that the person chose."""
        self.cookies.set(response, self.cookies.language, tag, until=_CHOICE)

    # What is stored in the browser

    def leave_session(self, response: Response, session: Session) -> None:
        """Set the session cookie. It lasts as long as the session can; the storage ends an idle session earlier."""
        self.part.gate.leave_session(response, session)

    def forget_session(self, response: Response) -> None:
        """Remove the session cookie."""
        self.part.gate.forget_session(response)

    def leave_device(
        self, response: Response, user: User, presented: str | None, *, trusted_since: datetime | None = None
    ) -> None:
        """Set the known-device cookie, if the services have a ``secret``.

        Args:
            response: Where the cookie goes.
            user: Who signed in.
            presented: The token that the browser came with. What it was trusted for, it stays trusted for.
            trusted_since: When the browser gave the second factor that it need not give again for a while.
        """
        self.part.gate.leave_device(response, user, presented, trusted_since=trusted_since)

    def sign_up_binding(self, connection: HTTPConnection) -> str:
        """What binds a sign-up to this browser: its earlier binding, or a new one.

        A browser has one for all its sign-ups, so that after a second sign-up the first link still works.
        """
        held = self.held_binding(connection)
        return self.torii.email_verification.new_browser_binding() if held is None else held

    def held_binding(self, connection: HTTPConnection) -> str | None:
        """The binding that a sign-up stored in this browser, or ``None``."""
        held = self.cookies.read(connection, self.cookies.sign_up)
        return held if held is not None and _BINDING.fullmatch(held) else None

    def leave_binding(self, response: Response, binding: str) -> None:
        """Store a sign-up's binding in the browser, for as long as the mailed link is valid."""
        self.cookies.set(response, self.cookies.sign_up, binding, until=self.torii.email_verification.lifetime)

    async def answer(
        self,
        connection: HTTPConnection,
        response: Response,
        result: SignInResult,
        *,
        transport: SessionTransport,
        replace: bool,
    ) -> SignedInOut | SecondFactorOut:
        """Answer a sign-in by JSON: with the session, or with the challenge that asks for a second factor.

        A challenge sets neither a session nor a device cookie, and ends no session: the completed sign-in does that.

        Args:
            connection: The request.
            response: Where cookies go.
            result: What the services returned.
            transport: How session or challenge are to travel.
            replace: Whether the session may replace another user's in this browser.

        Raises:
            Problem: Another user is signed in in this browser.
        """
        if isinstance(result, SignedIn):
            # The middleware uses this module without FastAPI and pydantic.
            from torii_dynamodb.fastapi.schemas import SignedInOut

            user, session = result
            token = await self.begin_session(connection, response, user, session, transport=transport, replace=replace)
            return SignedInOut.of(user, session, token)
        if transport == "cookie":
            if not replace:
                await self.refuse_switch(connection, result.user.id)
            self.leave_challenge(response, result)
        return self.describe_challenge(result, transport=transport)

    # A sign-in that needs a second factor, and codes from mails: tokens that the browser holds meanwhile

    def describe_challenge(self, challenge: SecondFactorChallenge, *, transport: SessionTransport) -> SecondFactorOut:
        """What a challenge asks for, as JSON. Only with ``transport="bearer"`` does it contain the token."""
        from torii_dynamodb.fastapi.schemas import SecondFactorOut

        bearer = transport == "bearer"
        # A browser is trusted by its device cookie, which only those that use cookies have.
        trust = self.torii.sessions.second_factor.trust_devices_for
        offered = None if bearer or not self.torii.remembers_devices else trust
        return SecondFactorOut.of(challenge, trust_device_for=offered, token=challenge.token if bearer else None)

    def leave_challenge(self, response: Response, challenge: SecondFactorChallenge) -> None:
        """Leave a challenge's token with the browser, for as long as it is valid."""
        self.part.gate.leave_challenge(response, challenge)

    def challenge_token(self, connection: HTTPConnection, given: str | None = None) -> str | None:
        """The token of a challenge: what the request's body contains, otherwise the cookie.

        Raises:
            Problem: It came in a cookie, but the request from another site.
        """
        return self._held(connection, self.cookies.challenge, given)

    def forget_challenge(self, response: Response) -> None:
        """Delete the challenge's cookie."""
        self.cookies.delete(response, self.cookies.challenge)

    def leave_email_code(self, response: Response, flow_token: str) -> None:
        """Leave a mailed code's flow token with the browser, for as long as the code is valid."""
        self.cookies.set(response, self.cookies.email_code, flow_token, until=self.torii.email_code.lifetime)

    def email_code_token(self, connection: HTTPConnection, given: str | None = None) -> str | None:
        """A mailed code's flow token: what the request's body contains, otherwise the cookie.

        Raises:
            Problem: It came in a cookie, but the request from another site.
        """
        return self._held(connection, self.cookies.email_code, given)

    def leave_mailed(self, response: Response, kind: str, email: str) -> None:
        """Leave the address that a mail was sent to with the browser, for the page that says so.

        Args:
            response: The response.
            kind: What was sent.
            email: The address, as it was typed.
        """
        value = f"{kind}.{base64url.encode(email.encode())}"
        self.cookies.set(response, self.cookies.mailed, value, until=_MAILED)

    def mailed(self, connection: HTTPConnection, kind: str) -> str | None:
        """The address that a mail of this kind was last sent to from this browser; ``None`` if it does not know."""
        sent, _, encoded = (self.cookies.read(connection, self.cookies.mailed) or "").partition(".")
        try:
            return base64url.decode(encoded).decode() or None if sent == kind else None
        except ValueError:
            return None

    def forget_email_code(self, response: Response) -> None:
        """Delete the cookie with a mailed code's flow token."""
        self.cookies.delete(response, self.cookies.email_code)

    def _held(self, connection: HTTPConnection, cookie: str, given: str | None) -> str | None:
        if given is not None:
            return given
        held = self.cookies.read(connection, cookie)
        if held is not None:
            self.refuse_cross_site(connection, cookie=True)
        return held

    async def begin_session(
        self,
        connection: HTTPConnection,
        response: Response,
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
            Problem: Another user is signed in in this browser. The new session has been ended.
        """
        return await self.part.gate.begin_session(
            connection, response, user, session, transport=transport, replace=replace, trust_device=trust_device
        )

    async def drop_begun(self, connection: HTTPConnection, response: Response) -> None:
        """Drop the sign-ins that were begun in this browser: the next person at it must not go on with them."""
        await self.part.gate.drop_begun(connection, response)

    def has_cookie(self, connection: HTTPConnection) -> bool:
        """Whether the request has a session cookie, valid or not."""
        return self.part.gate.has_cookie(connection)

    async def other_user(self, connection: HTTPConnection, user_id: str | None) -> User | None:
        """The user who is signed in by this browser's cookie, if it is someone else. One storage request with a cookie.

        Args:
            connection: The request.
            user_id: Who is about to sign in; ``None``: someone without an account.
        """
        return await self.part.gate.other_user(connection, user_id)

    async def refuse_switch(self, connection: HTTPConnection, user_id: str | None) -> None:
        """Refuse to replace the session of another user, so that nobody becomes someone else unawares.

        Raises:
            Problem: Another user is signed in in this browser.
        """
        await self.part.gate.refuse_switch(connection, user_id)

    def leave_pending(self, response: Response, session: Session) -> None:
        """Set a new session aside while the person is asked whether it may replace another user's."""
        self.part.gate.leave_pending(response, session)

    def require_transport(self, transport: SessionTransport) -> None:
        """Refuse a transport that is not enabled, before anything else happens.

        Raises:
            Problem: It is not enabled.
        """
        if transport not in self.config.transports:
            raise Problem(422, "validation_error", f"transport: {transport!r} is not enabled")

    async def renew_session(
        self, connection: HTTPConnection, response: Response, signed_in: Caller, user: User, *, method: SignInMethod
    ) -> tuple[Session, str | None]:
        """Sign a browser in again after its user did something that ended all their sessions.

        Args:
            connection: The request.
            response: The response that sets cookies.
            signed_in: Who was signed in until then.
            user: The user after that change.
            method: How they proved who they are.

        Returns:
            The session, and the token for the response's body if the old one was sent as bearer.
        """
        browser = self.browser(connection)
        # A device token depends on the password: renew it first, or the browser counts as unknown.
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
        """A token for a form. Until there is a session, it is derived from a separate cookie, which is set here."""
        secret = self.cookies.read(connection, self.cookies.session) or self.cookies.read(connection, self.cookies.form)
        if not secret:
            secret = system_random(32).hex()
            self.cookies.set(response, self.cookies.form, secret, until=_FORM_LIFETIME)
        return self.forms.issue(secret)

    def check_form(self, connection: HTTPConnection, token: object) -> None:
        """Check a form's token, and that the request comes from this site.

        Raises:
            Problem: It is not valid.
        """
        self.refuse_cross_site(connection)
        secrets = [self.cookies.read(connection, name) for name in (self.cookies.session, self.cookies.form)]
        if not any(self.forms.holds(secret, token) for secret in secrets):
            raise Problem(403, "cross_site", "the form has expired or does not come from this site; reload the page")


class _CurrentServices:
    """The services of the tenant that the current request is for: routes keep it from before there are requests.

    What is offered to tenants, by the router's services, can be asked at any time.
    """

    def __init__(self, web: Web, tenants: Tenants) -> None:
        self._web = web
        self._tenants = tenants

    def __getattr__(self, name: str) -> Any:
        if name in _OFFERS and self._tenants.part_or_none() is None:
            return getattr(self._web.model, name)
        torii = self._tenants.part().torii
        if name in _NEEDS and not getattr(torii, _NEEDS[name]):
            raise NotFound("page", "there is no such page")
        return getattr(torii, name)


# What a tenant may lack although others have it, and how to tell.
_NEEDS = {
    "email_code": "sends_mail",
    "email_verification": "sends_mail",
    "jwt": "issues_jwt",
    "magic_link": "sends_mail",
    "passkeys": "takes_passkeys",
    "second_factor": "takes_second_factors",
}
# They lead to no storage. The page for an unknown tenant shows the time, too.
_OFFERS = frozenset({*_NEEDS.values(), "clock", "oauth_providers", "remembers_devices"})
