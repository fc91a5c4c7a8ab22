"""The authentication backend, for ``authenticate()`` and what is built on it, such as Django's ``LoginView``."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied

from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb._web.callers import Caller
from torii_dynamodb.django.configuration import services
from torii_dynamodb.django.requests import browser
from torii_dynamodb.django.users import user_of
from torii_dynamodb.errors import InvalidCredentials, ValidationError
from torii_dynamodb.models import SignedIn

__all__ = ["ToriiBackend"]


class ToriiBackend:
    """Checks passwords of Torii's users.

    A user who has a second factor is refused: a password is not enough for them, and ``authenticate()`` cannot ask for
    more. Send people to the sign-in page (``torii:sign-in``) instead, which can.

    After ``django.contrib.auth.login()``, the session is one of Torii's, and can be ended like any other. That function
    needs rows of ``AUTH_USER_MODEL``: ``"MIRROR": True``.
    """

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **credentials: Any
    ) -> Any:
        """Check a password.

        Args:
            request: The request; may be ``None``.
            username: The address; or give ``email``.
            password: The password.
            credentials: ``email``.

        Returns:
            The user; ``None`` if address or password is wrong.

        Raises:
            PermissionDenied: A second factor is due.
            AccountLocked: There were too many attempts.
        """
        email = credentials.get("email") or username
        if not email or password is None:
            return None
        sender = Browser() if request is None else browser(request)
        try:
            result = services().password.authenticate(email, password, browser=sender)
        except (InvalidCredentials, ValidationError):
            return None
        if not isinstance(result, SignedIn):
            raise PermissionDenied("a second factor is due: use the page torii:sign-in")
        signed_in, session = result
        user = user_of(Caller(user=signed_in, session=session, token=session.token, transport="cookie"))
        user.torii_signed_in = result
        return user

    def get_user(self, user_id: Any) -> None:
        """Return nobody: the middleware says who is signed in, not a session of Django's."""
        return
