# Generated from src/torii_dynamodb/testing/_async/conformance/suite.py by tools/unasync.py. Do not edit.

"""The whole kit in one class."""

from __future__ import annotations

from torii_dynamodb.testing._sync.conformance.bad_input import BadInputConformance
from torii_dynamodb.testing._sync.conformance.lockout import LockoutConformance
from torii_dynamodb.testing._sync.conformance.oauth import OAuthConformance
from torii_dynamodb.testing._sync.conformance.passkeys import PasskeyConformance
from torii_dynamodb.testing._sync.conformance.passwords import PasswordConformance
from torii_dynamodb.testing._sync.conformance.races import RaceConformance
from torii_dynamodb.testing._sync.conformance.sessions import SessionConformance
from torii_dynamodb.testing._sync.conformance.tokens import TokenConformance
from torii_dynamodb.testing._sync.conformance.users import UserConformance

__all__ = ["SequentialConformance", "StorageConformance"]


class SequentialConformance(
    UserConformance,
    SessionConformance,
    PasswordConformance,
    OAuthConformance,
    PasskeyConformance,
    TokenConformance,
    LockoutConformance,
    BadInputConformance,
):
    """All tests that make one call at a time."""


class StorageConformance(SequentialConformance, RaceConformance):
    """All tests."""
