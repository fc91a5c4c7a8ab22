"""``request.user``."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from typing import Any

from django.conf import settings

from torii_dynamodb._web.callers import Caller
from torii_dynamodb._web.current import CurrentUser
from torii_dynamodb.models import User

__all__ = ["ToriiUser"]


class ToriiUser(CurrentUser):
    """The user of a request, or nobody, with the attributes that Django and its libraries expect. It is in no database.

    It has no permissions and is no member of staff: those are rows of ``django.contrib.auth``, see ``MIRROR``.
    """

    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str | None:
        """The user's ID; ``None`` for nobody."""
        return self.id

    @property
    def username(self) -> str:
        """The user's address; empty for nobody."""
        return self.email

    def get_username(self) -> str:
        """The user's address; empty for nobody."""
        return self.email

    def get_full_name(self) -> str:
        """The user's name, if they have given one."""
        return self.name or ""

    def get_short_name(self) -> str:
        """The user's name, if they have given one."""
        return self.name or ""

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Always ``False``."""
        return False

    def has_perms(self, perm_list: Any, obj: object = None) -> bool:
        """Whether nothing is asked for."""
        return not list(perm_list)

    def has_module_perms(self, module: str) -> bool:
        """Always ``False``."""
        return False


def user_of(caller: Caller | None) -> Any:
    """What ``request.user`` is: a :class:`ToriiUser`, or with ``MIRROR`` the row of ``AUTH_USER_MODEL`` for it."""
    found = ToriiUser(caller)
    mirror = settings.TORII.get("MIRROR", False)
    if caller is None or not mirror:
        return found
    row = mirrored(caller.user) if mirror is True else mirror(caller.user)
    row.torii = found
    return row


def mirrored(user: User) -> Any:
    """Return the row of ``AUTH_USER_MODEL`` whose user name is the user's ID, with the user's current address."""
    from django.contrib.auth import get_user_model

    model: Any = get_user_model()
    email = model.get_email_field_name()
    row, created = model._default_manager.get_or_create(
        **{model.USERNAME_FIELD: user.id}, defaults={email: user.email, "password": "!"}
    )
    if not created and getattr(row, email) != user.email:
        setattr(row, email, user.email)
        row.save(update_fields=[email])
    return row
