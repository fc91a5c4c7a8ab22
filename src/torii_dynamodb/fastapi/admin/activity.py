"""Counts of the services' events and the storage's calls in this process, kept in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Literal

from torii_dynamodb.admin.capacity import CapacityMeter
from torii_dynamodb.clock import Clock, system_clock
from torii_dynamodb.events import SignInFailed, UserSignedIn

if TYPE_CHECKING:
    from torii_dynamodb._async.services.events import AsyncEvents
    from torii_dynamodb._calls import CallRecord

__all__ = ["Activity", "Series"]

Series = Literal["sign_ins", "failures", "lockouts", "read_units", "write_units"]

_MINUTE = timedelta(minutes=1)


class Activity:
    """Counts sign-ins, failures, lockouts and consumed capacity per minute, for a day.

    It covers one process and ends with it: a quick look, not a record. For a whole fleet, use the spans, metrics and
    logs of ``torii_dynamodb.otel``::

        activity = Activity()
        torii = AsyncTorii(dynamodb(DynamoDbConfig(on_call=activity.on_call)), ...)
        activity.watch(torii.events)

    Args:
        clock: The time.
        keep: How long counts are kept.
    """

    def __init__(self, *, clock: Clock = system_clock, keep: timedelta = timedelta(days=1)) -> None:
        self._clock = clock
        self._keep = keep // _MINUTE
        self._minutes: dict[int, dict[Series, float]] = {}
        self._lock = Lock()
        self.since = clock()
        self.meter = CapacityMeter()

    def watch(self, events: AsyncEvents) -> Callable[[], None]:
        """Count sign-ins, failures and lockouts. Returns a function that stops it."""
        ends = (events.subscribe(self._on_sign_in, UserSignedIn), events.subscribe(self._on_failure, SignInFailed))

        def end() -> None:
            for one in ends:
                one()

        return end

    async def _on_sign_in(self, _: UserSignedIn) -> None:
        self._add("sign_ins", 1)

    async def _on_failure(self, event: SignInFailed) -> None:
        self._add("failures" if event.reason == "credentials" else "lockouts", 1)

    def on_call(self, record: CallRecord) -> None:
        """Count the capacity that a call consumed: for ``DynamoDbConfig(on_call=...)``."""
        self.meter(record)
        if record.read_units:
            self._add("read_units", record.read_units)
        if record.write_units:
            self._add("write_units", record.write_units)

    def _add(self, series: Series, amount: float) -> None:
        minute = _minute_of(self._clock())
        with self._lock:
            counts = self._minutes.get(minute)
            if counts is None:
                counts = self._minutes[minute] = defaultdict(float)
                for old in [known for known in self._minutes if known <= minute - self._keep]:
                    del self._minutes[old]
            counts[series] += amount

    def counts(self, series: Series, *, bars: int, minutes: int) -> list[tuple[datetime, float]]:
        """The last ``bars`` spans of ``minutes`` each, oldest first: when each begins, and its count."""
        now = self._clock()
        # Spans begin at round times, so that bars do not change from one view to the next.
        newest = _minute_of(now) // minutes
        with self._lock:
            found: list[tuple[datetime, float]] = []
            for span in range(newest - bars + 1, newest + 1):
                first = span * minutes
                total = sum(
                    self._minutes[minute].get(series, 0)
                    for minute in range(first, first + minutes)
                    if minute in self._minutes
                )
                found.append((datetime.fromtimestamp(first * 60, tz=now.tzinfo), total))
        return found


def _minute_of(when: datetime) -> int:
    return int(when.timestamp()) // 60
