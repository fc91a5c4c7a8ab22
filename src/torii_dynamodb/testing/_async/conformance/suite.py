"""The whole kit in one class."""

from __future__ import annotations

from torii_dynamodb.testing._async.conformance.bad_input import AsyncBadInputConformance
from torii_dynamodb.testing._async.conformance.lockout import AsyncLockoutConformance
from torii_dynamodb.testing._async.conformance.oauth import AsyncOAuthConformance
from torii_dynamodb.testing._async.conformance.passkeys import AsyncPasskeyConformance
from torii_dynamodb.testing._async.conformance.passwords import AsyncPasswordConformance
from torii_dynamodb.testing._async.conformance.races import AsyncRaceConformance
from torii_dynamodb.testing._async.conformance.sessions import AsyncSessionConformance
from torii_dynamodb.testing._async.conformance.tokens import AsyncTokenConformance
from torii_dynamodb.testing._async.conformance.users import AsyncUserConformance

__all__ = ["AsyncSequentialConformance", "AsyncStorageConformance"]


class AsyncSequentialConformance(
    AsyncUserConformance,
    AsyncSessionConformance,
    AsyncPasswordConformance,
    AsyncOAuthConformance,
    AsyncPasskeyConformance,
    AsyncTokenConformance,
    AsyncLockoutConformance,
    AsyncBadInputConformance,
):
    """All tests that make one call at a time."""


class AsyncStorageConformance(AsyncSequentialConformance, AsyncRaceConformance):
    """All tests."""
