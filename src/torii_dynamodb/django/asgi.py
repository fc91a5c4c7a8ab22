"""Under ASGI, the account pages without the bridge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from torii_dynamodb.django.configuration import accounts

__all__ = ["with_accounts"]

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


def with_accounts(application: ASGIApp) -> ASGIApp:
    """Return an ASGI application that serves the account pages itself, and passes all other requests on.

    ::

        application = with_accounts(get_asgi_application())

    It is optional: ``torii_dynamodb.django.urls`` works under ASGI as well, with a thread per request. Keep them, since
    they also name the pages. Include them at the root: ``path("", include(...))``.
    """
    return accounts().asgi.around(application)
