"""The accounts of a blocking application: the services, who is signed in, and the pages and routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict, cast
from urllib.parse import quote

from torii_dynamodb._rules.checking import check_kind, wrong
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb._sync.gate import Gate
from torii_dynamodb._web import callers
from torii_dynamodb._web.callers import Caller
from torii_dynamodb._web.connection import Environ
from torii_dynamodb._web.cookies import Cookies
from torii_dynamodb._web.csrf import CrossSite, FormTokens
from torii_dynamodb._web.limits import ClientAddress
from torii_dynamodb._web.navigation import Navigation, note_root_path
from torii_dynamodb._web.problems import Refusal, refusal_of
from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb._wsgi.bridge import Bridge
from torii_dynamodb._wsgi.in_threads import InThreads, in_thread
from torii_dynamodb._wsgi.opened_later import OpenedLater
from torii_dynamodb.clock import Clock, RandomBytes, system_random
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.models import SignedIn, User

if TYPE_CHECKING:
    import httpx

    from torii_dynamodb._pool import HashingPool
    from torii_dynamodb._rules.hashing import PasswordHasher, PasswordPolicy
    from torii_dynamodb._rules.jwt import AccessTokenClaims, JwtSettings
    from torii_dynamodb._rules.oauth import OAuthProvider
    from torii_dynamodb._rules.second_factor import SecondFactorPolicy
    from torii_dynamodb._rules.session_policy import SessionPolicy
    from torii_dynamodb._rules.webauthn import PasskeySettings
    from torii_dynamodb._sync.cache import Cache
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.mail import Mailer
    from torii_dynamodb._sync.secret_box import SecretBox
    from torii_dynamodb._sync.services import Torii
    from torii_dynamodb._sync.services.legacy import Legacy
    from torii_dynamodb._web.connection import Carrier
    from torii_dynamodb.compromised import CompromisedPasswords
    from torii_dynamodb.events import Event
    from torii_dynamodb.fastapi.admin import Admin
    from torii_dynamodb.fastapi.pages import PagesConfig
    from torii_dynamodb.mail.settings import MailSettings
    from torii_dynamodb.mail.templates import Templates
    from torii_dynamodb.models import LockoutPolicy
    from torii_dynamodb.second_factor import SignInResult

__all__ = ["ServiceOptions", "WsgiAccounts"]

_MEMO = "caller"


class ServiceOptions(TypedDict, total=False):
    """The options of ``Torii``. What does I/O (mailer, secret box, legacy system) is the blocking kind."""

    sessions: SessionPolicy | None
    passwords: PasswordPolicy | None
    lockout: LockoutPolicy | None
    hasher: PasswordHasher | None
    hashing: HashingPool | None
    require_verified_to_sign_in: bool | None
    compromised: CompromisedPasswords | None
    secret: str | bytes | Sequence[str | bytes] | None
    secret_box: SecretBox | None
    mailer: Mailer | None
    mail: MailSettings | None
    templates: Templates | None
    magic_link_sign_up: bool
    oauth: Sequence[OAuthProvider]
    oauth_sign_up: bool
    http: httpx.AsyncClient | None
    passkeys: PasskeySettings | None
    second_factor: SecondFactorPolicy | None
    jwt: JwtSettings | None
    legacy: Legacy | None
    legacy_timeout: timedelta
    access_token_claims: AccessTokenClaims | None
    clock: Clock
    random: RandomBytes


class WsgiAccounts:
    """Both twins of the services, made of the same options, and what is decided about each request.

    The blocking services check every request; the pages and routes are an ASGI application on the asynchronous ones.

    Attributes:
        torii: The blocking services, for the application.
        covers: Whether a path belongs to the pages and routes.
        bridge: Calls the pages and routes.
        asgi: The pages and routes.
        gate: Checks sessions.
        asynchronous: The same for event loops.

    Args:
        storage: The configuration of DynamoDB, which is opened at its first use; or a blocking storage that is open.
        web: How the web layer behaves.
        pages: How the pages look; ``None``: there are none.
        admin: The admin area.
        cache: Answers session checks.
        options: The options of the services.

    Raises:
        ConfigurationError: An option is wrong, or something is missing that the configuration requires.
    """

    def __init__(
        self,
        storage: DynamoDbConfig | Storage,
        *,
        web: WebConfig | None = None,
        pages: PagesConfig | None = None,
        admin: Admin | None = None,
        cache: Cache | None = None,
        options: ServiceOptions,
    ) -> None:
        from torii_dynamodb import AsyncTorii, Torii
        from torii_dynamodb.fastapi.accounts import AccountsApp
        from torii_dynamodb.fastapi.storage import dynamodb

        check_kind("web", web or WebConfig(), "torii_dynamodb._web.settings.WebConfig", "WebConfig(...)")
        self._opened: OpenedLater | None = None
        inner: Any = InThreads(storage)
        outer: Any = storage
        if isinstance(storage, DynamoDbConfig):
            inner = dynamodb(storage, cache=None if cache is None else cast("Any", InThreads(cache)))
            outer = self._opened = OpenedLater(storage, cache)
        elif cache is not None:
            raise wrong("storage", storage, "a DynamoDbConfig along with a cache")
        self.config = config = WebConfig() if web is None else web
        if options.get("require_verified_to_sign_in") is None:
            # Private registration: also in the application's own views, signing in does not tell who has an account.
            private = config.registration == "private" and options.get("mailer") is not None
            options = {**options, "require_verified_to_sign_in": private}
        self.torii: Torii = Torii(outer, **cast("Any", {**options, "http": None}))
        flows = AsyncTorii(inner, **cast("Any", _asynchronous(options)))
        flows.events.subscribe(self._heard)
        accounts = AccountsApp(flows, config=config, pages=pages, admin=admin)
        self.asgi = accounts
        self.covers = accounts.covers
        self.bridge = Bridge(accounts, accounts.web.end)
        self.asynchronous = accounts.web.part.gate
        self._pages = None if pages is None else pages.prefix
        self._cookies = Cookies(config, self.torii.clock)
        self._cross_site = CrossSite(config)
        self._client = ClientAddress(config)
        self._navigation = Navigation(config)
        self._forms = FormTokens(system_random)
        self.gate = Gate(self.torii, config, cookies=self._cookies, cross_site=self._cross_site)

    async def _heard(self, event: Event) -> None:
        """What happens in the pages and routes is told to the subscribers of the application's services."""
        await in_thread(self.torii.events.emit)(event)

    def close(self) -> None:
        """Wait for mails being sent, and close what was opened here. The next use opens it again."""
        self.bridge.close()
        self.torii.close()
        if self._opened is not None:
            self._opened.close()

    # Who is signed in

    def caller(self, request: Environ) -> Caller | None:
        """Who is signed in. It is looked up once per request; after a failure it is nobody, for error pages that ask.

        Raises:
            Refusal: The session came in a cookie, but the request came from another site.
        """
        memo = request.scope
        if _MEMO not in memo:
            memo[_MEMO] = None
            memo[_MEMO] = self.gate.caller(request)
        found: Caller | None = memo[_MEMO]
        return found

    def looked_up(self, request: Environ) -> Caller | None:
        """Who is signed in, if that has been looked up."""
        return request.scope.get(_MEMO)

    def was_looked_up(self, request: Environ) -> bool:
        """Whether the response may depend on who is signed in."""
        return _MEMO in request.scope

    def remember(self, request: Environ, caller: Caller | None) -> None:
        """From now on, this is who is signed in."""
        request.scope[_MEMO] = caller

    def guard(self, request: Environ) -> None:
        """Refuse a request of another site that may change something and carries the session cookie. No look-up.

        A cookie beside a bearer token does not count, and another site cannot send such a token.

        Raises:
            Refusal: It is one. Nobody is signed in then, so that error pages can be shown.
        """
        # Most requests only read, and need not have their credentials read here.
        if not self._cross_site.refuses(request, cookie=True):
            return
        found = callers.credential_of(request, self._cookies, self.config.transports)
        if found is None or found[1] != "cookie":
            return
        try:
            self.gate.refuse_cross_site(request, cookie=True)
        except Refusal:
            self.remember(request, None)
            raise

    def require(self, request: Environ, **needed: Any) -> Caller:
        """Return who is signed in, if they may go on: see :func:`torii_dynamodb._web.callers.need`.

        Raises:
            Refusal: Nobody is signed in (401), or something is missing (403).
        """
        caller, now = self.caller(request), self.torii.clock()
        return callers.need(Refusal, caller, now, recent_sign_in=self.config.recent_sign_in, **needed)

    def refused(self, error: ToriiError) -> Refusal:
        """The response to an error. An error that is not the client's fault is logged."""
        return refusal_of(error, Refusal)

    def remedy(self, request: Environ, problem: Refusal, here: str) -> str | None:
        """Where a person can do what is missing; ``None`` if the client is no browser, or there is no such page.

        Args:
            request: The request.
            problem: What is missing.
            here: The path to come back to, with its query.
        """
        found = callers.remedy(problem)
        if found is None or self._pages is None or not callers.is_navigation(request):
            return None
        name, query = found
        back = {"next": here} if request.scope["method"] in ("GET", "HEAD") else {}
        return self.path(request, name, **query, **back)

    # For the application's own pages

    def path(self, request: Environ, name: str, **query: str) -> str:
        """The path of one of our pages as browsers see it, such as ``/auth/sign-in`` for ``"sign-in"``."""
        note_root_path(request)
        pairs = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        return self._navigation.path(f"{self._pages}/{name}") + (f"?{pairs}" if pairs else "")

    def safe_next(self, url: str | None) -> str:
        """Where to go after a sign-in: a path of this site, a URL at a trusted origin, or ``after_sign_in``."""
        return self._navigation.safe_next(url)

    def form_token(self, request: Environ) -> str:
        """A token for a form that is sent to one of our pages; empty if nobody is signed in."""
        secret = self._cookies.read(request, self._cookies.session)
        return self._forms.issue(secret) if secret else ""

    def browser(self, request: Environ) -> Browser:
        """The browser that a request comes from, for the services."""
        return Browser(
            user_agent=request.get("user-agent"),
            ip_address=self._client.of(request),
            device_token=self._cookies.read(request, self._cookies.device),
        )

    # Signing in and out in the application's own views

    def sign_in(
        self, request: Environ, response: Carrier, who: User | SignInResult, *, replace: bool = False
    ) -> Caller | None:
        """Begin a session in this browser, or leave the challenge for a second factor: see :meth:`Gate.sign_in`.

        Args:
            request: The request.
            response: The response that sets cookies.
            who: What the services returned, or a user whom the application has authenticated.
            replace: Whether the session may replace another user's in this browser.

        Returns:
            Who is signed in now; ``None`` if a second factor is due.

        Raises:
            AccountLocked: An administrator locked the account.
            Refusal: Another user is signed in in this browser (409), or the request comes from another site (403). A
                new session has been ended.
        """
        result = self.gate.sign_in(request, response, who, browser=self.browser(request), replace=replace)
        if not isinstance(result, SignedIn):
            return None
        user, session = result
        caller = Caller(user=user, session=session, token=session.token, transport="cookie")
        self.remember(request, caller)
        return caller

    def sign_out(self, request: Environ, response: Carrier) -> None:
        """End the session of the request, and everything that was begun in this browser."""
        found = callers.credential_of(request, self._cookies, frozenset(("cookie", "bearer")))
        if found is not None:
            self.torii.delete_session(found[0])
        self.gate.forget_session(response)
        self.gate.drop_begun(request, response)
        self.remember(request, None)

    def leave_moved(self, request: Environ, response: Carrier) -> None:
        """Set the session cookie again, if this request extended the session."""
        found = self.looked_up(request)
        if found is not None and found.moved and found.transport == "cookie":
            self.gate.leave_session(response, found.session)


def _asynchronous(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same options for the asynchronous services: what blocks runs in threads."""
    found = dict(options)
    adapters: dict[str, Callable[[Any], Any]] = {
        "mailer": InThreads,
        "secret_box": InThreads,
        "legacy": in_thread,
        "access_token_claims": in_thread,
    }
    for name, adapted in adapters.items():
        if found.get(name) is not None:
            found[name] = adapted(found[name])
    return found
