"""What differs between the twins of the kit: how fixtures, test classes and concurrency are spelt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, TypeVar

import pytest
import pytest_asyncio

from torii_dynamodb._async.contract import AsyncStorage

__all__ = ["Call", "OpenStorage", "fixture", "together", "twin"]

T = TypeVar("T")

Call: TypeAlias = Callable[[], Awaitable[T]]
"""Something to be called beside others."""

OpenStorage: TypeAlias = AbstractAsyncContextManager[AsyncStorage]
"""What opens a storage and closes it."""

fixture = pytest_asyncio.fixture
"""Marks a fixture of the kit; works in pytest-asyncio's strict mode too."""

twin = pytest.mark.asyncio
"""Marks a class of tests as this twin's."""


async def together(calls: Sequence[Call[T]]) -> list[T | BaseException]:
    """Run all calls at the same time.

    Returns:
        What each returned or raised, in the order of the calls.
    """
    return list(await asyncio.gather(*(call() for call in calls), return_exceptions=True))
