"""What you can implement yourself: the storage, the transport to DynamoDB, the AWS credentials, the cache.

The storage Protocols are also the reference for what each method of a storage does, raises and costs; each comes in two
forms, asynchronous and blocking. `torii_dynamodb.testing.conformance` tests a storage against them.

Other Protocols live beside what implements them: :mod:`torii_dynamodb.mail` (mailers),
:mod:`torii_dynamodb.secret_box` and :mod:`torii_dynamodb.compromised`.
"""

from __future__ import annotations

from torii_dynamodb._async.cache import AsyncCache
from torii_dynamodb._async.contract import (
    AsyncBruteForceStorage,
    AsyncEmailPasswordStorage,
    AsyncOAuthStorage,
    AsyncPasskeyStorage,
    AsyncSecondFactorStorage,
    AsyncSessionStorage,
    AsyncStorage,
    AsyncTokenStorage,
    AsyncUserStorage,
)
from torii_dynamodb._messages import AsyncTransport, Transport
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.contract import (
    BruteForceStorage,
    EmailPasswordStorage,
    OAuthStorage,
    PasskeyStorage,
    SecondFactorStorage,
    SessionStorage,
    Storage,
    TokenStorage,
    UserStorage,
)
from torii_dynamodb.config import CredentialsSource

__all__ = [
    "AsyncBruteForceStorage",
    "AsyncCache",
    "AsyncEmailPasswordStorage",
    "AsyncOAuthStorage",
    "AsyncPasskeyStorage",
    "AsyncSecondFactorStorage",
    "AsyncSessionStorage",
    "AsyncStorage",
    "AsyncTokenStorage",
    "AsyncTransport",
    "AsyncUserStorage",
    "BruteForceStorage",
    "Cache",
    "CredentialsSource",
    "EmailPasswordStorage",
    "OAuthStorage",
    "PasskeyStorage",
    "SecondFactorStorage",
    "SessionStorage",
    "Storage",
    "TokenStorage",
    "Transport",
    "UserStorage",
]
