"""The middleware."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.utils.functional import SimpleLazyObject

from torii_dynamodb._web.problems import Refusal
from torii_dynamodb.django.configuration import accounts
from torii_dynamodb.django.requests import environ_of, finish, response_to
from torii_dynamodb.django.users import user_of
from torii_dynamodb.errors import ToriiError

__all__ = ["ToriiMiddleware"]


class ToriiMiddleware:
    """Sets ``request.user`` and ``request.auser``, refuses requests of other sites, and handles the library's errors.

    The user is looked up when it is first used: one request to DynamoDB. Under ASGI it is looked up at once, if the
    request has a session, so that using it never blocks the event loop. Put it after
    ``django.contrib.auth.middleware.AuthenticationMiddleware``, if you have that.

    A request that may change something and carries the session cookie must come from this site; Django's own CSRF
    protection of your views stays as it is.

    Args:
        get_response: The rest of the application.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Handle a request."""
        if self.is_async:
            return self._handle(request)
        try:
            self._begin(request)
        except Refusal as refusal:
            return response_to(request, refusal)
        return finish(request, self.get_response(request))

    def _begin(self, request: Any) -> None:
        site, this = accounts(), environ_of(request)
        before = getattr(request, "user", None)  # of django.contrib.auth, which may be there as well

        def find() -> Any:
            caller = site.caller(this)
            theirs = caller is None and before is not None and before.is_authenticated
            return before if theirs else user_of(caller)

        async def auser() -> Any:
            return await sync_to_async(_itself, thread_sensitive=True)(request.user)

        request.user = SimpleLazyObject(find)
        request.auser = auser
        if not site.covers(request.path_info):  # our pages and routes look for themselves
            site.guard(this)

    async def _handle(self, request: Any) -> Any:
        site, this = accounts(), environ_of(request)
        try:
            self._begin(request)
            if not site.covers(request.path_info):
                site.remember(this, await site.asynchronous.caller(this))
        except (Refusal, ToriiError) as error:
            site.remember(this, None)  # a page that says what happened may ask again
            return response_to(request, error)
        get: Callable[[Any], Awaitable[Any]] = self.get_response
        return finish(request, await get(request))

    def process_exception(self, request: Any, error: Exception) -> Any:
        """Respond to the library's errors, and to what the decorators refuse."""
        return response_to(request, error) if isinstance(error, Refusal | ToriiError) else None


def _itself(user: Any) -> Any:
    # Whatever it is, it is found now.
    _ = user.is_authenticated
    return user
