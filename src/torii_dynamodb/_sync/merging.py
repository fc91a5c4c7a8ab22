"""Reads that wait at the same moment share a request. Written by hand on both sides.

While a few ``BatchGetItem`` are in flight, further reads are collected and go with the next one, so the busier a
process is, the fewer requests a read costs. Nothing waits for a timer: an idle client sends at once.

A thread that finds a free place leads: it collects the waiting reads, sends once, distributes the results, and passes
the place on to the first thread that arrived meanwhile. What remains (keys that DynamoDB did not process, the members
of a batch that it refused) goes back to the threads, each of which handles its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from torii_dynamodb._sync.primitives import Future, start_anew_after_fork
from torii_dynamodb._wire.batches import ReadBatch, ReadUnit, take_units
from torii_dynamodb._wire.errors import copy_error
from torii_dynamodb.errors import Unavailable

__all__ = ["ReadMerger"]

# More at once mean less waiting behind a slow one, but smaller batches.
IN_FLIGHT = 3

Send = Callable[[str, dict[str, Any]], dict[str, Any]]


class ReadMerger:
    """Merges the reads of one consistency mode.

    Args:
        send: Sends a request, with retries.
        consistent: Whether the reads are strongly consistent.
    """

    def __init__(self, send: Send, consistent: bool) -> None:
        self._send = send
        self._consistent = consistent
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Forget the waiting threads and the requests in flight: after a fork, they belong to the parent."""
        self._lock = threading.Lock()
        self._waiting: deque[ReadUnit] = deque()
        self._flying = 0

    def read(self, unit: ReadUnit) -> None:
        """Request a unit once, together with others. Afterwards its ``result`` is set, or the caller asks again.

        Raises:
            Unavailable: If there was no response.
            ToriiError: If it was asked alone and refused.
        """
        # None: done; a list: your turn to lead, with these.
        unit.done = Future[list[ReadUnit] | None]()
        others: list[ReadUnit] | None = None
        with self._lock:
            if self._flying < IN_FLIGHT:
                self._flying += 1
                others = take_units(self._waiting, first=unit)[1:]
            else:
                self._waiting.append(unit)
        if others is None:
            others = self._wait(unit)
        if others is None:
            return
        try:
            self._ask(unit, others)
        finally:
            self._pass_on()

    def _wait(self, unit: ReadUnit) -> list[ReadUnit] | None:
        done: Future[list[ReadUnit] | None] = unit.done
        try:
            return done.result()
        except BaseException:
            with self._lock:
                try:
                    self._waiting.remove(unit)
                    raise
                except ValueError:
                    pass
            # Already collected, or just told to lead because of an interrupt that came in between.
            if done.wait(0) and not done.failed():
                others = done.result()
                if others is not None:
                    for other in others:
                        other.done.set_result(None)
                    self._pass_on()
            raise

    def _pass_on(self) -> None:
        with self._lock:
            if not self._waiting:
                self._flying -= 1
                return
            following, *others = take_units(self._waiting)
        following.done.set_result(others)

    def _ask(self, leader: ReadUnit, others: list[ReadUnit]) -> None:
        error: Exception | None = None
        try:
            batch = ReadBatch([leader, *others], self._consistent)
            batch.absorb(self._send("BatchGetItem", batch.payload))
        except Unavailable as unavailable:
            error = unavailable
        except Exception as refused:
            if not others:
                raise
            del refused
        except BaseException:
            for unit in others:  # the leader was interrupted; the others ask again, each on its own
                unit.done.set_result(None)
            raise
        for unit in others:
            if error is None:
                unit.done.set_result(None)
            else:
                unit.done.set_exception(copy_error(error))
        if error is not None:
            raise error
