"""Starlette: account pages and routes, ``request.user``, ``@requires("authenticated")``. See docs/starlette.md.

::

    accounts = Accounts(torii, config=WebConfig(...), pages=PagesConfig(app_name="Example"))
    app = Starlette(
        routes=[*accounts.routes, Route("/", home)],
        middleware=accounts.middleware,
        exception_handlers=accounts.exception_handlers,
        lifespan=accounts.lifespan,
    )
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast, overload

try:
    from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
    from starlette.datastructures import MutableHeaders, URLPath
    from starlette.middleware import Middleware
    from starlette.middleware.authentication import AuthenticationMiddleware
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import RedirectResponse, Response
    from starlette.routing import BaseRoute, Match, NoMatchFound
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from torii_dynamodb.fastapi.accounts import AccountsApp
except ModuleNotFoundError as error:
    if error.name in ("fastapi", "starlette"):
        raise ImportError("accounts need more packages: pip install 'torii-dynamodb[pages]'") from error
    raise

from torii_dynamodb._web import callers
from torii_dynamodb._web.callers import Caller
from torii_dynamodb._web.current import CurrentUser
from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.errors import ConfigurationError, ToriiError
from torii_dynamodb.fastapi.errors import Problem, ProblemResponse, problem_of
from torii_dynamodb.fastapi.middleware import ToriiMiddleware
from torii_dynamodb.fastapi.pages.settings import PagesConfig
from torii_dynamodb.fastapi.web import Web
from torii_dynamodb.models import SignedIn, User
from torii_dynamodb.second_factor import SignInResult

__all__ = [
    "Accounts",
    "PagesConfig",
    "ToriiBackend",
    "WebConfig",
    "login",
    "login_required",
    "logout",
    "recent_required",
    "second_factor_required",
    "verified_required",
]

View = TypeVar("View", bound=Callable[..., Awaitable[Any]])

_SCOPE = "torii_dynamodb.accounts"


class Accounts(AccountsApp):
    """The account pages and routes, and what else a Starlette application needs. The arguments are ``AccountsApp``'s.

    Attributes:
        routes: The routes of the pages and JSON routes. The pages have names for ``url_for``: ``sign-in``, ``account``.
        middleware: Sets ``request.user`` and ``request.auth``.
        exception_handlers: Show the library's errors, and what the decorators refuse.
    """

    @property
    def routes(self) -> list[BaseRoute]:
        """One route, which knows all of our paths."""
        return [_Route(self)]

    @property
    def middleware(self) -> list[Middleware]:
        """The check of the session, and Starlette's own middleware on top of it."""
        return [
            Middleware(ToriiMiddleware, web=self.web),
            Middleware(_Named, accounts=self),
            Middleware(AuthenticationMiddleware, backend=ToriiBackend(self.web)),
        ]

    @property
    def exception_handlers(self) -> Mapping[Any, Callable[[Request, Any], Awaitable[Response]]]:
        """Handlers of the library's errors."""
        return {ToriiError: self._refused, Problem: self._refused}

    @asynccontextmanager
    async def lifespan(self, _: object) -> AsyncGenerator[None]:
        """Open the storage when the application starts; when it ends, wait for mails being sent, and close it."""
        await self.web.start()
        try:
            yield
        finally:
            await self.web.end()

    def path(self, page: str, **query: str) -> str:
        """The path of one of the account pages, such as ``accounts.path("sign-in", next="/reports")``.

        Raises:
            ConfigurationError: There are no pages.
        """
        if self.site is None:
            raise ConfigurationError("there are no pages: give Accounts(..., pages=PagesConfig(...))")
        return self.site.path(page, **query)

    async def _refused(self, request: Request, error: Exception) -> Response:
        problem = problem_of(error) if isinstance(error, ToriiError) else cast("Problem", error)
        found = callers.remedy(problem)
        if found is None or self.site is None or not callers.is_navigation(request):
            return (
                ProblemResponse(problem)
                if self.site is None or not callers.is_navigation(request)
                else (await self.site.error(request, problem))
            )
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        back = {"next": here} if request.method in ("GET", "HEAD") else {}
        return RedirectResponse(self.path(found[0], **found[1], **back), 303)


class _Route(BaseRoute):
    """Leads to the account flows, without changing the path as a mount does."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Starlette's hook."""
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        ours = scope["type"] == "http" and self._accounts.covers(path)
        return (Match.FULL if ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Starlette's hook."""
        if name not in self._accounts.pages or path_params:
            raise NoMatchFound(name, path_params)
        return URLPath(self._accounts.pages[name], protocol="http")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's hook."""
        await self._accounts(scope, receive, send)


class _Named:
    """Tells the decorators which accounts there are, and shared caches that responses depend on who is signed in."""

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self._app = app
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Cookie")
            await send(message)

        scope[_SCOPE] = self._accounts
        await self._app(scope, receive, sending)


class ToriiBackend(AuthenticationBackend):
    """Says who is signed in, for Starlette's ``AuthenticationMiddleware``. ``Accounts.middleware`` contains it.

    The scopes are ``authenticated``, ``verified``, ``recent`` (signed in recently, with the second factor of those who
    have one) and ``second_factor`` (given in this session): ``@requires(["authenticated", "verified"])``.

    Args:
        web: ``Accounts.web``.
    """

    def __init__(self, web: Web) -> None:
        self._web = web

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Starlette's hook."""
        return self._described(await self._web.caller(conn) if self._web.in_tenant else None)

    def _described(self, found: Caller | None) -> tuple[AuthCredentials, BaseUser]:
        scopes: list[str] = []
        if found is not None:
            by_session = found.transport != "jwt"
            known = {
                "authenticated": True,
                "verified": found.user.is_email_verified,
                "recent": by_session and self._web.is_recent(found),
                "second_factor": by_session and self._web.gave_second_factor(found),
            }
            scopes = [name for name, holds in known.items() if holds]
        return AuthCredentials(scopes), cast("BaseUser", CurrentUser(found))


def _accounts(request: HTTPConnection) -> Accounts:
    found: Accounts | None = request.scope.get(_SCOPE)
    if found is None:
        raise ConfigurationError("this application has no accounts: Starlette(middleware=accounts.middleware, ...)")
    return found


def _guarded(view: View, **needed: Any) -> View:
    @wraps(view)
    async def guarded(request: Request, *args: Any, **kwargs: Any) -> Any:
        accounts = _accounts(request)
        callers.need(
            Problem,
            await accounts.web.caller(request),
            accounts.web.torii.clock(),
            recent_sign_in=accounts.web.config.recent_sign_in,
            **needed,
        )
        return await view(request, *args, **kwargs)

    return cast("View", guarded)


def login_required(view: View) -> View:
    """Let only people who are signed in use a view: browsers are sent to the sign-in page, others get 401 as JSON."""
    return _guarded(view)


def verified_required(view: View) -> View:
    """Let only users whose address is verified use a view. Browsers are sent to the account page; others get 403."""
    return _guarded(view, verified=True)


@overload
def recent_required(view: View, /) -> View: ...
@overload
def recent_required(max_age: timedelta | None = None, /) -> Callable[[View], View]: ...
def recent_required(given: Any = None, /) -> Any:
    """Require a recent sign-in for what the thief of a session must not do; also a second factor of those who have one.

    ``@recent_required``, or ``@recent_required(timedelta(minutes=5))``. By default it is ``WebConfig.recent_sign_in``.
    """
    return callers.with_age(_guarded, given, "recent")


@overload
def second_factor_required(view: View, /) -> View: ...
@overload
def second_factor_required(max_age: timedelta | None = None, /) -> Callable[[View], View]: ...
def second_factor_required(given: Any = None, /) -> Any:
    """Require a second factor, given in this session. Users who have none are sent to the page to set one up.

    ``@second_factor_required``, or ``@second_factor_required(timedelta(minutes=5))`` for one given recently.
    """
    return callers.with_age(_guarded, given, "second_factor")


async def login(request: Request, response: Response, who: User | SignInResult, *, replace: bool = False) -> bool:
    """Sign someone in in this browser, in your own view.

    The session that the browser came with is ended. A user who has a second factor has to give it first: then nobody
    is signed in yet, and you redirect to ``accounts.path("second-factor")``.

    Args:
        request: The request.
        response: The response that sets cookies.
        who: What a service returned (``torii.password.authenticate(...)``), or a user whom you have authenticated.
        replace: Whether the session may replace another user's in this browser, because the person was asked.

    Returns:
        Whether they are signed in now.

    Raises:
        AccountLocked: An administrator locked the account.
        Problem: The request comes from another site, or another user is signed in in this browser. A new session has
            been ended.
    """
    web = _accounts(request).web
    result = await web.part.gate.sign_in(request, response, who, browser=web.browser(request), replace=replace)
    return isinstance(result, SignedIn)


async def logout(request: Request, response: Response) -> None:
    """End the session of a request.

    Args:
        request: The request.
        response: The response that deletes cookies.
    """
    web = _accounts(request).web
    found = await web.signed_in(request)
    if found is not None:
        await web.torii.delete_session(found.token)
    web.forget_session(response)
    await web.drop_begun(request, response)
