"""What the storage takes and returns: frozen dataclasses.

Every datetime is aware and in UTC. Secrets and internals are left out of ``repr`` and of what serialisers see
(``dataclasses.asdict``, orjson, pydantic, FastAPI's responses): read them by name.

Each module of this package is loaded when one of its names is first used: making a dataclass takes longer than
reading a session, and a session check needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb.models.attempts import AttemptKind, AttemptResult, FailedAttempt, LockoutPolicy, LockoutStatus
    from torii_dynamodb.models.common import (
        EMAIL_VERIFICATION,
        MAGIC_LINK,
        PASSWORD_RESET,
        UNSET,
        Listing,
        Metadata,
        MetadataValue,
        Unset,
    )
    from torii_dynamodb.models.factors import Factor, FactorKind, NewFactor
    from torii_dynamodb.models.health import Health
    from torii_dynamodb.models.new import NewSession, NewUser
    from torii_dynamodb.models.oauth import NewOAuthAccount, OAuthAccount, PkceVerifier
    from torii_dynamodb.models.pages import Page
    from torii_dynamodb.models.passkeys import CeremonyKind, NewPasskey, NewPasskeyChallenge, Passkey, PasskeyChallenge
    from torii_dynamodb.models.passwords import PasswordCredentials
    from torii_dynamodb.models.sessions import Session, SignedIn
    from torii_dynamodb.models.tokens import EmailCodePurpose, NewToken, PendingEmailChange, Token, VerifiedToken
    from torii_dynamodb.models.users import User

__all__ = [
    "EMAIL_VERIFICATION",
    "MAGIC_LINK",
    "PASSWORD_RESET",
    "UNSET",
    "AttemptKind",
    "AttemptResult",
    "CeremonyKind",
    "EmailCodePurpose",
    "Factor",
    "FactorKind",
    "FailedAttempt",
    "Health",
    "Listing",
    "LockoutPolicy",
    "LockoutStatus",
    "Metadata",
    "MetadataValue",
    "NewFactor",
    "NewOAuthAccount",
    "NewPasskey",
    "NewPasskeyChallenge",
    "NewSession",
    "NewToken",
    "NewUser",
    "OAuthAccount",
    "Page",
    "Passkey",
    "PasskeyChallenge",
    "PasswordCredentials",
    "PendingEmailChange",
    "PkceVerifier",
    "Session",
    "SignedIn",
    "Token",
    "Unset",
    "User",
    "VerifiedToken",
]

_HOMES = {
    "EMAIL_VERIFICATION": "common",
    "MAGIC_LINK": "common",
    "PASSWORD_RESET": "common",
    "UNSET": "common",
    "AttemptKind": "attempts",
    "AttemptResult": "attempts",
    "CeremonyKind": "passkeys",
    "EmailCodePurpose": "tokens",
    "Factor": "factors",
    "FactorKind": "factors",
    "FailedAttempt": "attempts",
    "Health": "health",
    "Listing": "common",
    "LockoutPolicy": "attempts",
    "LockoutStatus": "attempts",
    "Metadata": "common",
    "MetadataValue": "common",
    "NewFactor": "factors",
    "NewOAuthAccount": "oauth",
    "NewPasskey": "passkeys",
    "NewPasskeyChallenge": "passkeys",
    "NewSession": "new",
    "NewToken": "tokens",
    "NewUser": "new",
    "OAuthAccount": "oauth",
    "Page": "pages",
    "Passkey": "passkeys",
    "PasskeyChallenge": "passkeys",
    "PasswordCredentials": "passwords",
    "PendingEmailChange": "tokens",
    "PkceVerifier": "oauth",
    "Session": "sessions",
    "SignedIn": "sessions",
    "Token": "tokens",
    "Unset": "common",
    "User": "users",
    "VerifiedToken": "tokens",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
