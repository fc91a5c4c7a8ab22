"""Reads that are requested at the same moment share a request. Written by hand on both sides.

While few reads are in flight, each is sent at once, by its caller. Beyond that, what is requested in one round of the
event loop is dealt into batches (``_wire/batches.py`` decides how) and sent at the end of the round. So the busier the
loop is, the fewer requests a read costs, and nothing waits for a timer, nor for a response while connections are free.

A batch is sent once, by a task that belongs to no caller, so that a cancelled caller does not affect others. What
remains (keys that DynamoDB did not process, the members of a batch that it refused) goes back to the callers, each of
which handles its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from torii_dynamodb._wire.batches import ReadBatch, ReadUnit, depart, goes_alone
from torii_dynamodb._wire.errors import copy_error
from torii_dynamodb.errors import Unavailable

__all__ = ["AsyncReadMerger"]

Send = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class AsyncReadMerger:
    """Merges the reads of one consistency mode.

    Args:
        send: Sends a request, with retries.
        consistent: Whether the reads are strongly consistent.
        limit: How many requests may be in flight.
    """

    def __init__(self, send: Send, consistent: bool, limit: int) -> None:
        self._send = send
        self._consistent = consistent
        self._limit = limit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[ReadUnit] = deque()
        self._flying = 0
        self._departing = False
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
            self._departing = False
        if goes_alone(self._flying, self._limit) and not self._waiting:
            self._flying += 1
            try:
                batch = ReadBatch((unit,), self._consistent)
                batch.absorb(await self._send("BatchGetItem", batch.payload))
            finally:
                self._land(loop)
            return
        unit.done = loop.create_future()
        self._waiting.append(unit)
        self._call_departure(loop)
        try:
            await unit.done
        except asyncio.CancelledError:
            with suppress(ValueError):  # not there: it is in flight; its keys are read in vain
                self._waiting.remove(unit)
            raise

    def _call_departure(self, loop: asyncio.AbstractEventLoop) -> None:
        # The task starts in the loop's next round, so further requests of this round go with it.
        if not self._departing and self._flying < self._limit:
            self._departing = True
            self._spawn(loop, self._depart(loop))

    async def _depart(self, loop: asyncio.AbstractEventLoop) -> None:
        self._departing = False
        batches = depart(self._waiting, self._limit - self._flying)
        self._flying += len(batches)
        for units in batches[1:]:
            self._spawn(loop, self._fly(loop, units))
        for units in batches[:1]:
            await self._fly(loop, units)

    def _spawn(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _land(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is self._loop:
            self._flying -= 1
            if self._waiting:
                self._call_departure(loop)

    async def _fly(self, loop: asyncio.AbstractEventLoop, units: list[ReadUnit]) -> None:
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
        finally:
            self._land(loop)
        for unit in units:
            if not unit.done.done():
                if error is None:
                    unit.done.set_result(None)
                else:
                    unit.done.set_exception(copy_error(error))
