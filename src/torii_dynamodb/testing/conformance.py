"""The conformance kit: prove that a storage keeps the contract, in a few lines.

::

    from torii_dynamodb.testing import conformance

    class TestMine(conformance.AsyncStorageConformance):
        def make_storage(self, clock):
            return my_storage(clock=clock)              # an (async) context manager that opens an empty storage

        async def raw(self, storage):
            return {"users": [...], "identities": [...], "sessions": [...], "tokens": [...], "login_attempts": [...]}

``AsyncX`` tests an asynchronous storage (with pytest-asyncio), ``X`` a blocking one. There is one class a Protocol
(``AsyncUserConformance``, ...), ``AsyncSequentialConformance`` for all that make one call at a time, and
``AsyncStorageConformance`` for these and the races. What a storage cannot do, it leaves out of ``capabilities``; see
:class:`AsyncConformance`. Each test says in its docstring what it claims, and by :func:`clause` which clauses of the
contract it proves; ``docs/contract.md`` lists both. Needs pytest, and pytest-asyncio for the asynchronous half.
"""

from __future__ import annotations

import sys

import pytest

# Before the first import of them: else a failed assert of theirs tells no values.
_MODULES = ["torii_dynamodb.testing._async.conformance", "torii_dynamodb.testing._sync.conformance"]
pytest.register_assert_rewrite(*(name for name in _MODULES if name not in sys.modules))

from torii_dynamodb.testing._async.conformance.bad_input import AsyncBadInputConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.lockout import AsyncLockoutConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.oauth import AsyncOAuthConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.passkeys import AsyncPasskeyConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.passwords import AsyncPasswordConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.races import AsyncRaceConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.sessions import AsyncSessionConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.suite import (  # noqa: E402
    AsyncSequentialConformance,
    AsyncStorageConformance,
)
from torii_dynamodb.testing._async.conformance.support import (  # noqa: E402
    AsyncConformance,
    Dump,
    broken_invariants,
    check_invariants,
    check_no_secret,
    clause,
)
from torii_dynamodb.testing._async.conformance.tokens import AsyncTokenConformance  # noqa: E402
from torii_dynamodb.testing._async.conformance.users import AsyncUserConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.bad_input import BadInputConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.lockout import LockoutConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.oauth import OAuthConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.passkeys import PasskeyConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.passwords import PasswordConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.races import RaceConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.sessions import SessionConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.suite import (  # noqa: E402
    SequentialConformance,
    StorageConformance,
)
from torii_dynamodb.testing._sync.conformance.support import Conformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.tokens import TokenConformance  # noqa: E402
from torii_dynamodb.testing._sync.conformance.users import UserConformance  # noqa: E402

__all__ = [
    "AsyncBadInputConformance",
    "AsyncConformance",
    "AsyncLockoutConformance",
    "AsyncOAuthConformance",
    "AsyncPasskeyConformance",
    "AsyncPasswordConformance",
    "AsyncRaceConformance",
    "AsyncSequentialConformance",
    "AsyncSessionConformance",
    "AsyncStorageConformance",
    "AsyncTokenConformance",
    "AsyncUserConformance",
    "BadInputConformance",
    "Conformance",
    "Dump",
    "LockoutConformance",
    "OAuthConformance",
    "PasskeyConformance",
    "PasswordConformance",
    "RaceConformance",
    "SequentialConformance",
    "SessionConformance",
    "StorageConformance",
    "TokenConformance",
    "UserConformance",
    "broken_invariants",
    "check_invariants",
    "check_no_secret",
    "clause",
]
