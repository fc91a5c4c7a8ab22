"""Reads that are requested at the same moment share a request. Written by hand on both sides.

While few reads are in flight, each is sent at once, by its thread. Beyond that, a thread collects: it lets the threads
that wait for the interpreter run first, deals what they request into batches (``_wire/batches.py`` decides how), and
has each sent by one of its threads. So the busier the interpreter is, the fewer requests a read costs, and nothing
waits for a timer, nor for a response while connections are free.

What remains (keys that DynamoDB did not process, the members of a batch that it refused) goes back to the threads, each
of which handles its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from torii_dynamodb._sync.primitives import Future, sleep, start_anew_after_fork
from torii_dynamodb._wire.batches import ReadBatch, ReadUnit, depart, goes_alone
from torii_dynamodb._wire.errors import copy_error
from torii_dynamodb.errors import Unavailable

__all__ = ["ReadMerger"]

Send = Callable[[str, dict[str, Any]], dict[str, Any]]


class ReadMerger:
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
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Forget the waiting threads and the requests in flight: after a fork, they belong to the parent."""
        self._lock = threading.Lock()
        self._waiting: deque[ReadUnit] = deque()
        self._flying = 0
        self._collecting = False

    def read(self, unit: ReadUnit) -> None:
        """Request a unit once, together with others. Afterwards its ``result`` is set, or the caller asks again.

        Raises:
            Unavailable: If there was no response.
            ToriiError: If it was refused when requested by itself.
        """
        collects = False
        with self._lock:
            alone = goes_alone(self._flying, self._limit) and not self._waiting
            if alone:
                self._flying += 1
            else:
                unit.done = Future[list[ReadUnit] | None]()
                self._waiting.append(unit)
                if not self._collecting and self._flying < self._limit:
                    collects = self._collecting = True
        if alone:
            self._fly([unit])
            return
        try:
            if collects:
                self._collect()
            batch: list[ReadUnit] | None = unit.done.result()
        except BaseException:
            self._leave(unit)
            raise
        if batch is not None:  # this thread sends it
            self._fly(batch)

    def _collect(self) -> None:
        try:
            sleep(0)
        finally:
            with self._lock:
                self._collecting = False
                self._depart()

    def _depart(self) -> None:
        batches = depart(self._waiting, self._limit - self._flying)
        self._flying += len(batches)
        for batch in batches:
            batch[0].done.set_result(batch)

    def _land(self) -> None:
        with self._lock:
            self._flying -= 1
            if self._waiting and not self._collecting:
                self._depart()

    def _leave(self, unit: ReadUnit) -> None:
        """Give up, after an interrupt: nobody else may depend on this thread."""
        with self._lock:
            if unit in self._waiting:
                self._waiting.remove(unit)
                return
            told = unit.done.wait(0) and not unit.done.failed()
        batch: list[ReadUnit] | None = unit.done.result() if told else None
        if batch is not None:
            for other in batch[1:]:  # each asks again, by itself
                other.done.set_result(None)
            self._land()

    def _fly(self, units: list[ReadUnit]) -> None:
        others = units[1:]
        error: Exception | None = None
        try:
            batch = ReadBatch(units, self._consistent)
            batch.absorb(self._send("BatchGetItem", batch.payload))
        except Unavailable as unavailable:
            error = unavailable
            raise
        except Exception:
            if not others:
                raise
        finally:
            # Whatever happened: without an error and without a result, each asks again, by itself.
            self._land()
            for unit in others:
                if error is None:
                    unit.done.set_result(None)
                else:
                    unit.done.set_exception(copy_error(error))
