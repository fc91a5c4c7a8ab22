"""Decorators for views. Where ``django.contrib.auth`` is installed, its own ``login_required`` works as well."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction

from torii_dynamodb._web.callers import with_age
from torii_dynamodb.django.configuration import accounts
from torii_dynamodb.django.requests import environ_of

__all__ = ["login_required", "recent_required", "second_factor_required", "verified_required"]

View = TypeVar("View", bound=Callable[..., Any])


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
    return with_age(_guarded, given, "recent")


@overload
def second_factor_required(view: View, /) -> View: ...
@overload
def second_factor_required(max_age: timedelta | None = None, /) -> Callable[[View], View]: ...
def second_factor_required(given: Any = None, /) -> Any:
    """Require a second factor, given in this session. Users who have none are sent to the page to set one up.

    ``@second_factor_required``, or ``@second_factor_required(timedelta(minutes=5))`` for one given recently.
    """
    return with_age(_guarded, given, "second_factor")


def _guarded(view: View, **needed: Any) -> View:
    # Under ASGI the middleware has looked the user up already, so this never blocks the event loop.
    if iscoroutinefunction(view):

        @wraps(view)
        async def awaited(request: Any, *args: Any, **kwargs: Any) -> Any:
            accounts().require(environ_of(request), **needed)
            return await view(request, *args, **kwargs)

        guarded: Any = awaited
    else:

        @wraps(view)
        def called(request: Any, *args: Any, **kwargs: Any) -> Any:
            accounts().require(environ_of(request), **needed)
            return view(request, *args, **kwargs)

        guarded = called
    return guarded  # type: ignore[no-any-return]
