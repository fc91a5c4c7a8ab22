"""The whole kit in one class."""

from __future__ import annotations

from torii_dynamodb.testing._async.conformance.passwords import AsyncPasswordConformance
from torii_dynamodb.testing._async.conformance.sessions import AsyncSessionConformance
from torii_dynamodb.testing._async.conformance.users import AsyncUserConformance

__all__ = ["AsyncSequentialConformance", "AsyncStorageConformance"]


class AsyncSequentialConformance(
    AsyncUserConformance,
    AsyncSessionConformance,
    AsyncPasswordConformance,
):
    """All tests that make one call at a time."""


class AsyncStorageConformance(AsyncSequentialConformance):
    """All tests."""
