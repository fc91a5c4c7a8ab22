"""The current user, as the frameworks' templates and decorators expect it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torii_dynamodb._web.callers import Caller
from torii_dynamodb.models import Metadata, Session, User

__all__ = ["CurrentUser", "Deferred"]


class CurrentUser:
    """The user of a request, or nobody. What it does not have itself is that of :attr:`user`.

    Attributes:
        caller: Who is signed in and how; ``None``: nobody.
        is_authenticated: Whether somebody is signed in.
        is_anonymous: Whether nobody is.
        is_active: Whether somebody is: the session of a locked user has ended.

    Args:
        caller: Who is signed in.
    """

    def __init__(self, caller: Caller | None) -> None:
        self.caller = caller
        self.is_authenticated = self.is_active = caller is not None
        self.is_anonymous = caller is None

    @property
    def user(self) -> User:
        """The user.

        Raises:
            AttributeError: Nobody is signed in.
        """
        return self._signed_in.user

    @property
    def session(self) -> Session:
        """The session.

        Raises:
            AttributeError: Nobody is signed in.
        """
        return self._signed_in.session

    @property
    def _signed_in(self) -> Caller:
        if self.caller is None:
            raise AttributeError("nobody is signed in")
        return self.caller

    @property
    def id(self) -> str | None:
        """The user's ID; ``None`` for nobody."""
        return None if self.caller is None else self.caller.user.id

    @property
    def email(self) -> str:
        """The user's address; empty for nobody."""
        return "" if self.caller is None else self.caller.user.email

    @property
    def name(self) -> str | None:
        """The user's name, if they have given one."""
        return None if self.caller is None else self.caller.user.name

    @property
    def metadata(self) -> Metadata:
        """Your own data of the user; empty for nobody."""
        return {} if self.caller is None else self.caller.user.metadata

    @property
    def is_email_verified(self) -> bool:
        """Whether the user's address is verified."""
        return self.caller is not None and self.caller.user.is_email_verified

    @property
    def display_name(self) -> str:
        """The user's name or address, as in Starlette; empty for nobody."""
        return self.name or self.email

    @property
    def identity(self) -> str:
        """The user's ID, as in Starlette; empty for nobody."""
        return self.id or ""

    def get_id(self) -> str | None:
        """The user's ID, as in Flask-Login."""
        return self.id

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self.caller is None:
            raise AttributeError(
                f"{name}: nobody is signed in. If the view has login_required, put it below the route's decorator"
            )
        return getattr(self.caller.user, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CurrentUser) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.email

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id or 'nobody'}>"


class Deferred:
    """Cookies that are set once there is a response."""

    def __init__(self) -> None:
        self._calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Remember a cookie."""
        self._calls.append((args, kwargs))

    def leave(self, set_cookie: Callable[..., object]) -> None:
        """Set all cookies, with the function of the response."""
        for args, kwargs in self._calls:
            set_cookie(*args, **kwargs)
        self._calls.clear()
