"""What differs between the twins of the kit: how fixtures, test classes and concurrency are spelt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeAlias, TypeVar

import pytest

from torii_dynamodb._sync.contract import Storage

__all__ = ["Call", "OpenStorage", "fixture", "together", "twin"]

T = TypeVar("T")

THREADS = 16

Call: TypeAlias = Callable[[], T]
"""Something to be called beside others."""

OpenStorage: TypeAlias = AbstractContextManager[Storage]
"""What opens a storage and closes it."""

fixture = pytest.fixture
"""Marks a fixture of the kit."""

C = TypeVar("C")


def twin(tests: type[C]) -> type[C]:
    """Marks a class of tests as this twin's: plain pytest needs nothing."""
    return tests


def together(calls: Sequence[Call[T]]) -> list[T | BaseException]:
    """Run all calls at the same time, on 16 threads.

    Returns:
        What each returned or raised, in the order of the calls.
    """

    def outcome(call: Call[T]) -> T | BaseException:
        try:
            return call()
        except BaseException as error:  # noqa: BLE001 - it is the outcome, and the caller looks at it
            return error

    with ThreadPoolExecutor(min(THREADS, max(1, len(calls)))) as pool:
        return list(pool.map(outcome, calls))
