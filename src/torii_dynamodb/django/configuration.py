"""The accounts that the setting ``TORII`` describes."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings

from torii_dynamodb._wsgi.accounts import ServiceOptions, WsgiAccounts
from torii_dynamodb.django.mail import DjangoMailer
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from torii_dynamodb._sync.services import Torii

__all__ = ["accounts", "services"]

_SITE = ("storage", "web", "pages", "admin", "cache")
_HERE = ("mirror",)

_lock = Lock()
_made: WsgiAccounts | None = None


def options() -> dict[str, Any]:
    """The setting ``TORII``, with names in lower case.

    Raises:
        ConfigurationError: It is missing, or has a name that does not exist.
    """
    given = getattr(settings, "TORII", None)
    if not isinstance(given, Mapping) or "STORAGE" not in given:
        raise ConfigurationError('TORII: add TORII = {"STORAGE": DynamoDbConfig(), ...} to the settings')
    known = {name.upper() for name in (*_SITE, *_HERE, *ServiceOptions.__annotations__)}
    for name in cast("Mapping[str, object]", given):
        if name not in known:
            close = get_close_matches(str(name).upper(), known, 1)
            raise ConfigurationError(
                f"TORII: there is no {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
            )
    found = {name.lower(): value for name, value in cast("Mapping[str, Any]", given).items()}
    if found.get("mail") is not None:
        found.setdefault("mailer", DjangoMailer())
    return found


def accounts() -> WsgiAccounts:
    """Return the accounts of this project, made at the first call: no connection is opened before the first request.

    Raises:
        ConfigurationError: The setting ``TORII`` is wrong.
    """
    global _made  # noqa: PLW0603 - one per project, as the settings are
    if _made is None:
        with _lock:
            if _made is None:
                given = options()
                site = {name: given.pop(name) for name in _SITE if name in given}
                for name in _HERE:
                    given.pop(name, None)
                _made = WsgiAccounts(**site, options=cast("ServiceOptions", given))
    return _made


def services() -> Torii:
    """Return the blocking services, for your own views: ``services().password``, ``services().events``, ..."""
    return accounts().torii


def forget(*, setting: str, **_: object) -> None:
    """Make them again when a test changes the settings."""
    global _made
    if setting == "TORII":
        made, _made = _made, None
        if made is not None:
            made.close()
