"""The demo's measurements: the requests, units and times of each operation."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from rich.table import Table

from torii_dynamodb import CallRecord
from torii_dynamodb.cli.support import make_table, spent
from torii_dynamodb.errors import ValidationError

__all__ = ["Figures", "Ledger"]

T = TypeVar("T")

# The operation to which calls belong; tasks that an operation starts inherit it.
_operation: ContextVar[str | None] = ContextVar("operation", default=None)


@dataclass(slots=True)
class Figures:
    """The figures of one operation.

    Attributes:
        seconds: The durations.
        requests: Requests sent, including retries.
        retries: How many of them were retries.
        read_units: Read units consumed.
        write_units: Write units consumed, including those of the indexes.
    """

    seconds: list[float] = field(default_factory=list[float])
    requests: int = 0
    retries: int = 0
    read_units: float = 0.0
    write_units: float = 0.0

    @property
    def count(self) -> int:
        """How often it ran."""
        return len(self.seconds)

    def percentile(self, percent: float) -> float:
        """A percentile of the durations in seconds (nearest rank); 0 if there are none."""
        ranked = sorted(self.seconds)
        return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)] if ranked else 0.0


class Ledger:
    """Figures by operation, in the order of their first run."""

    def __init__(self) -> None:
        self.figures: dict[str, Figures] = {}

    def on_call(self, record: CallRecord) -> None:
        """Add a call to the operation that made it; calls outside operations are ignored."""
        operation = _operation.get()
        if operation is None:
            return
        figures = self.figures.setdefault(operation, Figures())
        figures.requests += record.attempts
        figures.retries += record.retries
        figures.read_units += record.read_units
        figures.write_units += record.write_units

    async def measure(self, operation: str, call: Awaitable[T]) -> T:
        """Await a call as part of an operation. A refused one counts; one with invalid arguments does not."""
        token = _operation.set(operation)
        started = perf_counter()
        counts = True
        try:
            return await call
        except ValidationError:
            counts = False
            raise
        finally:
            if counts:
                self.figures.setdefault(operation, Figures()).seconds.append(perf_counter() - started)
            _operation.reset(token)

    def table(self, *, with_units: bool) -> Table:
        """The figures as a table of less than 80 columns."""
        columns = ["operation", "count", "requests", "read u.", "write u.", "p50", "p99"]
        table = make_table(*columns, right=columns[1:])
        for operation, figures in self.figures.items():
            table.add_row(operation, f"{figures.count:,}", *self._each(figures, with_units=with_units))
        return table

    def _each(self, figures: Figures, *, with_units: bool) -> list[str]:
        count = max(figures.count, 1)
        consumed = (figures.read_units, figures.write_units)
        shown = [f"{value / count:.2f}" if with_units else "-" for value in consumed]
        return [f"{figures.requests / count:.2f}", *shown, _time(figures.percentile(50)), _time(figures.percentile(99))]

    def totals(self, *, with_units: bool) -> str:
        """The totals, in one sentence."""
        every = self.figures.values()
        requests, retries = sum(one.requests for one in every), sum(one.retries for one in every)
        told = f"In total: {requests:,} requests ({retries:,} of them retries)"
        if with_units:
            reads, writes = sum(one.read_units for one in every), sum(one.write_units for one in every)
            told += f", {spent(reads, 'read')}, {spent(writes, 'write')}"
        return f"{told}."

    def facts(self, *, with_units: bool) -> list[dict[str, Any]]:
        """The figures for JSON: sums, and times in seconds."""
        return [
            {
                "operation": operation,
                "count": figures.count,
                "requests": figures.requests,
                "retries": figures.retries,
                "read_units": figures.read_units if with_units else None,
                "write_units": figures.write_units if with_units else None,
                "p50": round(figures.percentile(50), 6),
                "p99": round(figures.percentile(99), 6),
            }
            for operation, figures in self.figures.items()
        ]


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
