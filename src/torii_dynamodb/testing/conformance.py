"""The conformance kit: prove that a storage keeps the contract, in a few lines.

::

    from torii_dynamodb.testing import conformance

    class TestMine(conformance.StorageConformance):
        def make_storage(self, clock):
            return my_storage(clock=clock)              # a context manager that opens an empty storage

        def raw(self, storage):
            return {"users": [...], "identities": [...], "sessions": [...], "tokens": [...], "login_attempts": [...]}

The storage may be asynchronous (an asynchronous context manager opens it) or blocking (its calls run in threads). There
is one class per Protocol (``UserConformance``, ...), ``SequentialConformance`` for all that make one call at a time and
``StorageConformance`` for these and the races. Leave what the storage cannot do out of ``capabilities``; see
:class:`Conformance`. Each test states its claim in its docstring and the clauses of the contract that it proves by
:func:`clause`; ``docs/contract.md`` lists both. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

import sys

import pytest

# Before their first import, so that a failed assert in them shows its values.
if "torii_dynamodb.testing._conformance" not in sys.modules:
    pytest.register_assert_rewrite("torii_dynamodb.testing._conformance")

from torii_dynamodb.testing._conformance.bad_input import BadInputConformance
from torii_dynamodb.testing._conformance.base import Conformance, clause
from torii_dynamodb.testing._conformance.factors import SecondFactorConformance
from torii_dynamodb.testing._conformance.importing import ImportConformance
from torii_dynamodb.testing._conformance.invariants import (
    Dump,
    broken_invariants,
    check_invariants,
    check_no_secret,
)
from torii_dynamodb.testing._conformance.lockout import LockoutConformance
from torii_dynamodb.testing._conformance.oauth import OAuthConformance
from torii_dynamodb.testing._conformance.passkeys import PasskeyConformance
from torii_dynamodb.testing._conformance.passwords import PasswordConformance
from torii_dynamodb.testing._conformance.races_identities import IdentityRaceConformance
from torii_dynamodb.testing._conformance.races_secrets import SecretRaceConformance
from torii_dynamodb.testing._conformance.sessions import SessionConformance
from torii_dynamodb.testing._conformance.tokens import TokenConformance
from torii_dynamodb.testing._conformance.users import UserConformance

__all__ = [
    "BadInputConformance",
    "Conformance",
    "Dump",
    "ImportConformance",
    "LockoutConformance",
    "OAuthConformance",
    "PasskeyConformance",
    "PasswordConformance",
    "RaceConformance",
    "SecondFactorConformance",
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


class RaceConformance(IdentityRaceConformance, SecretRaceConformance):
    """Many callers at the same time. Skipped, with a reason, where ``"races"`` is not declared."""


class SequentialConformance(
    UserConformance,
    ImportConformance,
    SessionConformance,
    PasswordConformance,
    OAuthConformance,
    PasskeyConformance,
    TokenConformance,
    SecondFactorConformance,
    LockoutConformance,
    BadInputConformance,
):
    """All tests that make one call at a time."""


class StorageConformance(SequentialConformance, RaceConformance):
    """All tests."""
