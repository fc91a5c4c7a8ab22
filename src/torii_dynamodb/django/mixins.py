"""Mixins for views that are classes. Where ``django.contrib.auth`` is installed, ``LoginRequiredMixin`` works, too."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.views import View

from torii_dynamodb.django.configuration import accounts
from torii_dynamodb.django.requests import environ_of
from torii_dynamodb.errors import ConfigurationError

__all__ = ["RecentRequiredMixin", "SecondFactorRequiredMixin", "VerifiedRequiredMixin"]


class _Guarded:
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if View in cls.__mro__ and cls.__mro__.index(View) < cls.__mro__.index(_Guarded):
            raise ConfigurationError(f"{cls.__name__}: name the mixin before the view; after it, it guards nothing")

    def needed(self) -> dict[str, Any]:
        """What :meth:`WsgiAccounts.require` is asked for."""
        raise NotImplementedError

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Django's hook."""
        accounts().require(environ_of(request), **self.needed())
        parent: Any = super()
        return parent.dispatch(request, *args, **kwargs)


class VerifiedRequiredMixin(_Guarded):
    """Lets only users whose address is verified use a view."""

    def needed(self) -> dict[str, Any]:
        """A verified address."""
        return {"verified": True}


class RecentRequiredMixin(_Guarded):
    """Requires a recent sign-in, and a recent second factor of users who have one.

    Attributes:
        recent_max_age: How recent; ``None``: as in ``WebConfig.recent_sign_in``.
    """

    recent_max_age: ClassVar[timedelta | None] = None

    def needed(self) -> dict[str, Any]:
        """A recent sign-in."""
        return {"recent": self.recent_max_age or True}


class SecondFactorRequiredMixin(_Guarded):
    """Requires a second factor.

    Attributes:
        second_factor_max_age: How recent; ``None``: at any time in this session.
    """

    second_factor_max_age: ClassVar[timedelta | None] = None

    def needed(self) -> dict[str, Any]:
        """A second factor."""
        return {"second_factor": self.second_factor_max_age or True}
