"""Processes that check sessions while another one ends them. Started by ``test_race.py``."""

from __future__ import annotations

import asyncio
import multiprocessing
from ctypes import c_char, c_double, c_int
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from time import monotonic
from typing import Any

from torii_dynamodb import AsyncDynamoDbStorage
from torii_dynamodb.cache import AsyncValkeyCache
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["Board", "Checkers"]

_TOKEN_SIZE = 200
SECRET = "a secret of the tests, which is long enough"


class Board:
    """What the processes share: the present session, and when it was ended."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        # Without locks: a process that is frozen while it holds one would stop the others. A token that is read while
        # it is being written is not a valid one.
        self.token: Any = context.Array(c_char, _TOKEN_SIZE, lock=False)
        # On Linux and macOS, the monotonic clock is one for all processes. 0: not yet.
        self.ended_at: Any = context.Value(c_double, 0.0, lock=False)
        self.passed: Synchronized[int] = context.Value(c_int, 0)
        self.hits: Synchronized[int] = context.Value(c_int, 0)
        self.wrong: Synchronized[int] = context.Value(c_int, 0)
        self.stopped: Synchronized[int] = context.Value(c_int, 0)
        self.ready: Synchronized[int] = context.Value(c_int, 0)


@dataclass
class Settings:
    """What a process needs to open the storage."""

    config: dict[str, Any]
    url: str


def check(board: Board, settings: Settings) -> None:
    """Check the present session again and again, until told to stop."""
    asyncio.run(_check(board, settings))


async def _check(board: Board, settings: Settings) -> None:
    cache = AsyncValkeyCache(settings.url, secret=SECRET, timeout=5, connect_timeout=5)
    async with AsyncDynamoDbStorage.open(DynamoDbConfig(**settings.config), cache=cache) as storage:

        async def check_on() -> None:
            while not board.stopped.value:
                token: bytes = board.token.value
                began = monotonic()
                if await storage.get_signed_in(token.decode("ascii", "replace")) is None:
                    continue
                with board.passed.get_lock():
                    board.passed.value += 1
                ended_at = board.ended_at.value
                # The next session is only announced once this one's end is noted, so it is this one's.
                if ended_at and began > ended_at and board.token.value == token:
                    with board.wrong.get_lock():
                        board.wrong.value += 1

        with board.ready.get_lock():
            board.ready.value += 1
        await asyncio.gather(*(check_on() for _ in range(3)))
        assert storage.cache_counts is not None
        with board.hits.get_lock():
            board.hits.value += storage.cache_counts.hits


class Checkers:
    """Checking processes.

    Args:
        settings: How they open the storage.
        count: How many.
    """

    def __init__(self, settings: Settings, count: int) -> None:
        self.board = Board()
        context = multiprocessing.get_context("spawn")
        self.processes = [context.Process(target=check, args=(self.board, settings)) for _ in range(count)]

    def __enter__(self) -> Checkers:
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.board.stopped.value = 1
        for process in self.processes:
            process.join(30)
            process.kill()
