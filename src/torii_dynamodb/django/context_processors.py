"""The context processor: ``user`` and ``torii`` in templates."""

from __future__ import annotations

from typing import Any

from torii_dynamodb.django.configuration import accounts
from torii_dynamodb.django.requests import environ_of

__all__ = ["torii"]


class _InTemplates:
    """What templates use.

    Args:
        request: The request.
    """

    def __init__(self, request: Any) -> None:
        self._request = request

    @property
    def form_token(self) -> str:
        """The value of the field ``csrf_token`` in a form that is sent to one of the account pages."""
        return accounts().form_token(environ_of(self._request))


def torii(request: Any) -> dict[str, Any]:
    """Add ``user``, and ``torii.form_token`` for forms that are sent to the account pages."""
    return {"user": request.user, "torii": _InTemplates(request)}
