"""Authentication you own, on DynamoDB.

The storage (``AsyncDynamoDbStorage``, ``DynamoDbStorage``), the services on top of it (``AsyncTorii``, ``Torii``), and
their models. Everything here is loaded when first used: a blocking program does not pay for asyncio, nor a session
check for password hashing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb._async.services import AsyncTorii
    from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
    from torii_dynamodb._calls import CallRecord
    from torii_dynamodb._core.transactions import TransactionBuilder
    from torii_dynamodb._rules.signing_in import Browser
    from torii_dynamodb._sync.services import Torii
    from torii_dynamodb._sync.storage.handle import DynamoDbHandle, DynamoDbStorage
    from torii_dynamodb.config import Credentials, DynamoDbConfig, RateLimit
    from torii_dynamodb.errors import ToriiError
    from torii_dynamodb.models import (
        EMAIL_VERIFICATION,
        MAGIC_LINK,
        PASSWORD_RESET,
        UNSET,
        AttemptResult,
        Factor,
        FailedAttempt,
        Health,
        Listing,
        LockoutPolicy,
        LockoutStatus,
        NewFactor,
        NewOAuthAccount,
        NewPasskey,
        NewPasskeyChallenge,
        NewSession,
        NewToken,
        NewUser,
        OAuthAccount,
        Page,
        Passkey,
        PasskeyChallenge,
        PasswordCredentials,
        PendingEmailChange,
        PkceVerifier,
        Session,
        SignedIn,
        Token,
        User,
        VerifiedToken,
    )
    from torii_dynamodb.second_factor import SecondFactorChallenge, SignInResult

__all__ = [
    "EMAIL_VERIFICATION",
    "MAGIC_LINK",
    "PASSWORD_RESET",
    "UNSET",
    "AsyncDynamoDbHandle",
    "AsyncDynamoDbStorage",
    "AsyncTorii",
    "AttemptResult",
    "Browser",
    "CallRecord",
    "Credentials",
    "DynamoDbConfig",
    "DynamoDbHandle",
    "DynamoDbStorage",
    "Factor",
    "FailedAttempt",
    "Health",
    "Listing",
    "LockoutPolicy",
    "LockoutStatus",
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
    "RateLimit",
    "SecondFactorChallenge",
    "Session",
    "SignInResult",
    "SignedIn",
    "Token",
    "Torii",
    "ToriiError",
    "TransactionBuilder",
    "User",
    "VerifiedToken",
    "__version__",
]

__version__ = "0.1.0"

_HOMES = {
    "AsyncTorii": "_async.services",
    "AsyncDynamoDbHandle": "_async.storage.handle",
    "AsyncDynamoDbStorage": "_async.storage.handle",
    "TransactionBuilder": "_core.transactions",
    "Browser": "_rules.signing_in",
    "Torii": "_sync.services",
    "DynamoDbHandle": "_sync.storage.handle",
    "DynamoDbStorage": "_sync.storage.handle",
    "CallRecord": "_calls",
    "Credentials": "config",
    "DynamoDbConfig": "config",
    "RateLimit": "config",
    "ToriiError": "errors",
    "SecondFactorChallenge": "second_factor",
    "SignInResult": "second_factor",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'models')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
