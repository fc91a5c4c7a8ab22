# Generated from src/torii_dynamodb/_async/services/options.py by tools/unasync.py. Do not edit.

"""What the options of ``Torii`` must be, as a table."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import cast

from torii_dynamodb._rules import validation
from torii_dynamodb._rules.checking import check_kind, check_methods, check_policy, check_twin, wrong
from torii_dynamodb._sync.primitives import BLOCKING
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = ["check_options", "tenant_of"]

_RULES = "torii_dynamodb._rules"
_STORAGE = "an open storage, for example that of `with DynamoDbStorage.open(config)`"
_LEGACY = "a coroutine function: def legacy(email, password) -> LegacyUser | None"
_MAILER = "a mailer with `def send(message)`, for example SmtpMailer(...)"

# The class is named, not imported: most programs use few of them. None is always allowed.
_CLASSES = {
    "sessions": (f"{_RULES}.session_policy.SessionPolicy", "SessionPolicy(...)"),
    "passwords": (f"{_RULES}.hashing.PasswordPolicy", "PasswordPolicy(...)"),
    "hashing": ("torii_dynamodb._pool.HashingPool", "HashingPool(...)"),
    "mail": ("torii_dynamodb.mail.settings.MailSettings", "MailSettings(...)"),
    "second_factor": (f"{_RULES}.second_factor.SecondFactorPolicy", "SecondFactorPolicy(...)"),
    "passkeys": (f"{_RULES}.webauthn.PasskeySettings", "PasskeySettings(...)"),
    "jwt": (f"{_RULES}.jwt.JwtSettings", "JwtSettings(...)"),
}

_METHODS = {
    "hasher": (["hash", "verify", "needs_rehash"], "a hasher, for example Argon2Hasher()"),
    "compromised": (["is_compromised"], "for example PasswordList(...)"),
    "templates": (["render"], "Templates(...)"),
    "access_token_claims": (["__call__"], "a function of a user and a session that returns a mapping"),
    "clock": (["__call__"], "a function without arguments that returns the time"),
    "random": (["__call__"], "a function that takes a number and returns that many random bytes"),
}

_FLAGS = {
    "magic_link_sign_up": (True, False),
    "oauth_sign_up": (True, False),
    "require_verified_to_sign_in": (True, False, None),
}


def check_options(options: Mapping[str, object]) -> None:
    """Check the arguments of ``Torii``, by name.

    Raises:
        ConfigurationError: One is wrong; the message names it.
    """
    _check_storage(options["storage"])
    mailer, oauth = options["mailer"], options["oauth"]
    if (mailer is None) != (options["mail"] is None):
        raise ConfigurationError("give mailer=... and mail=MailSettings(...), or neither")
    if mailer is not None:
        check_methods("mailer", mailer, ["send"], _MAILER)
        check_twin("mailer", mailer, "send", blocking=BLOCKING, wanted=_MAILER)
    if isinstance(oauth, str) or not isinstance(oauth, Collection):
        raise wrong("oauth", oauth, "a list of providers, for example [google(...)]")
    for provider in cast("Collection[object]", oauth):
        check_kind("oauth", provider, f"{_RULES}.oauth.OAuthProvider", "providers, for example google(...)")
    check_policy("lockout", options["lockout"])
    _check_legacy(options["legacy"], options["legacy_timeout"])
    for option, (kind, wanted) in _CLASSES.items():
        if options[option] is not None:
            check_kind(option, options[option], kind, wanted)
    for option, (methods, wanted) in _METHODS.items():
        if options[option] is not None:
            check_methods(option, options[option], methods, wanted)
    for option, allowed in _FLAGS.items():
        if not any(options[option] is one for one in allowed):
            raise wrong(option, options[option], "True or False")


def _check_legacy(legacy: object, timeout: object) -> None:
    if legacy is not None:
        check_methods("legacy", legacy, ["__call__"], _LEGACY)
        method = inspect.getattr_static(type(legacy), "__call__", None)
        asynchronous = inspect.iscoroutinefunction(legacy) or inspect.iscoroutinefunction(method)
        if asynchronous is BLOCKING:
            raise wrong("legacy", legacy, _LEGACY)
    if not isinstance(timeout, timedelta) or not timedelta(seconds=0.1) <= timeout <= timedelta(seconds=10):
        raise ConfigurationError(f"legacy_timeout: {timeout!r}: give a timedelta from 0.1 to 10 seconds")


def tenant_of(storage: object) -> str | None:
    """Return the tenant of a storage; ``None`` if it is no tenant's, or knows no tenants.

    Raises:
        ConfigurationError: Its ``tenant_name`` is not a tenant's name.
    """
    name: object = getattr(storage, "tenant_name", None)
    try:
        return None if name is None else validation.tenant(name)
    except ValidationError as error:
        raise ConfigurationError(f"storage: tenant_name: {error.reason}") from error


def _check_storage(storage: object) -> None:
    opened = isinstance(storage, type) or not hasattr(storage, "initialize") or hasattr(storage, "get_signed_in")
    if not opened:
        raise ConfigurationError(f"storage: {type(storage).__name__} is not open yet: give {_STORAGE}")
    check_methods("storage", storage, ["get_signed_in"], _STORAGE)
    check_twin("storage", storage, "get_signed_in", blocking=BLOCKING, wanted=_STORAGE)
