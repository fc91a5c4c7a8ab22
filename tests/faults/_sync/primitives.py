"""What differs between the twins of these tests: how many cases run at once, and which faults are met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["CACHE_OPERATIONS", "CACHE_TROUBLES", "MET", "WORLDS", "in_worlds", "is_met", "together"]

T = TypeVar("T")
W = TypeVar("W")

MET = ("F1", "F4", "F9", "F11", "F18", "F26")
"""The faults that this twin meets: those in which its own transport has a part. What both share meets all there."""

CACHE_OPERATIONS = ("check, stored", "check, not stored", "sign-out everywhere")
"""What is done under the faults of the cache."""

CACHE_TROUBLES = ("C1", "C4", "C6", "C7", "C8", "C13")
"""The faults of the cache in which this twin's own connections and time limits have a part."""

WORLDS = 1
"""How many cases run at once, each on tables of its own."""


def is_met(method: str, case: str) -> bool:
    """Whether this twin meets a case of an operation: the plain case of each write."""
    return not case and not method.startswith(("get_", "list_", "check_", "batch_"))


def in_worlds(worlds: list[W], cases: Sequence[Callable[[W], T]]) -> list[T]:
    """Run each case in the world; the results in the order of the cases."""
    return [case(worlds[0]) for case in cases]


def together(*calls: Callable[[], T]) -> list[T | BaseException]:
    """Run calls at the same time; what each returned or raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(call) for call in calls]
    return [done.exception() or done.result() for done in running]
