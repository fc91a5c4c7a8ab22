"""Packages that only some features need, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Literal

from torii_dynamodb.errors import ConfigurationError

__all__ = ["needed"]

Extra = Literal["cache", "hashes", "jwt", "oauth", "passkeys"]

_NEEDS: Final[dict[Extra, str]] = {
    "cache": "the cache needs redis",
    "hashes": "hashes of bcrypt need bcrypt",
    "jwt": "access tokens need PyJWT",
    "oauth": "sign-in through providers needs Authlib and httpx",
    "passkeys": "passkeys need webauthn",
}


def needed(module: str, extra: Extra) -> Any:
    """Import a module of the packages that an extra installs.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"{_NEEDS[extra]}: pip install 'torii-dynamodb[{extra}]'") from error
