"""The differences between the asynchronous and the blocking tests: cases at once, and the faults used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tests.faults.cache_catalogue import OPERATIONS
from tests.faults.cache_catalogue import TROUBLES as OF_CACHE
from tests.faults.catalogue import TROUBLES

__all__ = ["CACHE_OPERATIONS", "CACHE_TROUBLES", "MET", "WORLDS", "in_worlds", "is_met", "together"]

T = TypeVar("T")
W = TypeVar("W")

MET = tuple(TROUBLES)
"""The faults used here: all."""

CACHE_OPERATIONS = OPERATIONS
"""What is done under the faults of the cache: everything."""

CACHE_TROUBLES = tuple(OF_CACHE)
"""The faults of the cache used here: all."""

WORLDS = 6
"""How many cases run at once, each on its own tables: a time-out is mostly waiting."""


def is_met(method: str, case: str) -> bool:
    """Return whether a case of an operation runs here: all do."""
    return True


async def in_worlds(worlds: list[W], cases: Sequence[Callable[[W], Awaitable[T]]]) -> list[T]:
    """Run each case in one of the worlds, one at a time per world; return the results in the order of the cases."""
    free: asyncio.Queue[W] = asyncio.Queue()
    for world in worlds:
        free.put_nowait(world)

    async def run(case: Callable[[W], Awaitable[T]]) -> T:
        world = await free.get()
        try:
            return await case(world)
        finally:
            free.put_nowait(world)

    outcomes = await asyncio.gather(*(run(case) for case in cases), return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of {len(cases)} cases", errors)
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


async def together(*calls: Callable[[], Awaitable[T]]) -> list[T | BaseException]:
    """Run calls at the same time; return what each returned or raised."""
    return list(await asyncio.gather(*(call() for call in calls), return_exceptions=True))
