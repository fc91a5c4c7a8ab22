"""What views use: the current user, decorators, signing in and out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast, overload

from flask import current_app, has_request_context, request
from werkzeug.local import LocalProxy

from torii_dynamodb._web.callers import with_age
from torii_dynamodb._web.connection import Environ
from torii_dynamodb._web.current import CurrentUser, Deferred
from torii_dynamodb._wsgi.accounts import WsgiAccounts
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.models import User
from torii_dynamodb.second_factor import SignInResult

__all__ = [
    "current_user",
    "login",
    "login_required",
    "logout",
    "recent_required",
    "second_factor_required",
    "verified_required",
]

P = ParamSpec("P")
T = TypeVar("T")
View = Callable[P, T]

_REQUEST = "torii_dynamodb.request"
DEFERRED = "cookies"


def accounts() -> WsgiAccounts:
    """The accounts of the current application."""
    found: WsgiAccounts | None = current_app.extensions.get("torii")
    if found is None:
        raise ConfigurationError("this application has no accounts: ToriiFlask(app, DynamoDbConfig(...), ...)")
    return found


def this_request() -> Environ:
    """The current request. It is kept with the request: in tests, several share one application context."""
    found: Environ | None = request.environ.get(_REQUEST)
    if found is None:
        found = request.environ[_REQUEST] = Environ(request.environ)
    return found


def here() -> str:
    """The path of the current request as the browser sees it, with its query."""
    return request.script_root + request.full_path.removesuffix("?")


def _current_user() -> CurrentUser:
    return CurrentUser(accounts().caller(this_request()) if has_request_context() else None)


current_user: CurrentUser = cast("CurrentUser", LocalProxy(_current_user))
"""The user of the current request, looked up when it is first used: one request to DynamoDB."""


def _guarded(view: View[P, T], **needed: Any) -> View[P, T]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        accounts().require(this_request(), **needed)
        return cast("T", current_app.ensure_sync(view)(*args, **kwargs))

    return guarded


def login_required(view: View[P, T]) -> View[P, T]:
    """Let only people who are signed in use a view.

    Browsers are sent to the sign-in page, and come back; other clients get a problem as JSON (401).
    """
    return _guarded(view)


def verified_required(view: View[P, T]) -> View[P, T]:
    """Let only users whose address is verified use a view. Browsers are sent to the account page; others get 403."""
    return _guarded(view, verified=True)


@overload
def recent_required(view: View[P, T], /) -> View[P, T]: ...
@overload
def recent_required(max_age: timedelta | None = None, /) -> Callable[[View[P, T]], View[P, T]]: ...
def recent_required(given: Any = None, /) -> Any:
    """Require a recent sign-in for what the thief of a session must not do; also a second factor of those who have one.

    ``@recent_required``, or ``@recent_required(timedelta(minutes=5))``. By default it is ``WebConfig.recent_sign_in``.
    """
    return with_age(_guarded, given, "recent")


@overload
def second_factor_required(view: View[P, T], /) -> View[P, T]: ...
@overload
def second_factor_required(max_age: timedelta | None = None, /) -> Callable[[View[P, T]], View[P, T]]: ...
def second_factor_required(given: Any = None, /) -> Any:
    """Require a second factor, given in this session. Users who have none are sent to the page to set one up.

    ``@second_factor_required``, or ``@second_factor_required(timedelta(minutes=5))`` for one given recently.
    """
    return with_age(_guarded, given, "second_factor")


def login(who: User | SignInResult, *, replace: bool = False) -> bool:
    """Sign someone in in this browser, in your own view.

    The session that the browser came with is ended. A user who has a second factor has to give it first: then nobody
    is signed in yet, and you redirect to ``torii.path("second-factor")``.

    Args:
        who: What a service returned (``torii.services.password.authenticate(...)``), or a user whom you have
            authenticated.
        replace: Whether the session may replace another user's in this browser, because the person was asked.

    Returns:
        Whether they are signed in now.

    Raises:
        AccountLocked: An administrator locked the account.
    """
    return accounts().sign_in(this_request(), _cookies(), who, replace=replace) is not None


def logout() -> None:
    """End the session of this request."""
    accounts().sign_out(this_request(), _cookies())


def _cookies() -> Deferred:
    found: Deferred = this_request().scope.setdefault(DEFERRED, Deferred())
    return found
