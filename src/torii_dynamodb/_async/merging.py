"""Reads that wait at the same moment share a request. Written by hand on both sides.

While a few ``BatchGetItem`` are in flight, further reads are collected and go with the next one, so the busier a
process is, the fewer requests a read costs. Nothing waits for a timer: an idle client sends at once.

Each batch is sent once, by a task that belongs to no caller, so that a cancelled caller does not affect others. What
remains (keys that DynamoDB did not process, the members of a batch that it refused) goes back to the callers, each of
which handles its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from torii_dynamodb._wire.batches import ReadBatch, ReadUnit, take_units
from torii_dynamodb._wire.errors import copy_error
from torii_dynamodb.errors import Unavailable

__all__ = ["AsyncReadMerger"]

# More at once mean less waiting behind a slow one, but smaller batches.
IN_FLIGHT = 3

Send = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class AsyncReadMerger:
    """Merges the reads of one consistency mode.

    Args:
        send: Sends a request, with retries.
        consistent: Whether the reads are strongly consistent.
    """

    def __init__(self, send: Send, consistent: bool) -> None:
        self._send = send
        self._consistent = consistent
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[ReadUnit] = deque()
        self._flying = 0
        self._starting = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, unit: ReadUnit) -> None:
        """Request a unit once, together with others. Afterwards its ``result`` is set, or the caller asks again.

        Raises:
            Unavailable: If there was no response.
            ToriiError: If it was refused when requested by itself.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A loop that was shut down may have cancelled our tasks before they began.
            self._loop = loop
            self._waiting.clear()
            self._tasks.clear()
            self._flying = 0
            self._starting = False
        unit.done = loop.create_future()
        self._waiting.append(unit)
        if not self._starting and self._flying < IN_FLIGHT:
            self._start(loop)
        try:
            await unit.done
        except asyncio.CancelledError:
            with suppress(ValueError):  # not there: it is in flight; its keys are read in vain
                self._waiting.remove(unit)
            raise

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        # The task starts in the loop's next round, so further requests in this round go with it.
        self._starting = True
        self._flying += 1
        task = loop.create_task(self._fly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fly(self) -> None:
        self._starting = False
        try:
            while self._waiting:
                units = take_units(self._waiting)
                if self._waiting and not self._starting and self._flying < IN_FLIGHT:
                    self._start(asyncio.get_running_loop())
                await self._ask(units)
        finally:
            self._flying -= 1

    async def _ask(self, units: list[ReadUnit]) -> None:
        error: Exception | None = None
        try:
            batch = ReadBatch(units, self._consistent)
            batch.absorb(await self._send("BatchGetItem", batch.payload))
        except Unavailable as unavailable:
            error = unavailable
        except Exception as refused:  # noqa: BLE001 - each caller of the batch asks again and gets its own
            if len(units) == 1:
                error = refused
        except BaseException:
            for unit in units:
                unit.done.cancel()
            raise
        for unit in units:
            if not unit.done.done():
                if error is None:
                    unit.done.set_result(None)
                else:
                    unit.done.set_exception(copy_error(error))
