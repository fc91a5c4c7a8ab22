"""What ``on_call`` receives for each call to AWS: for logs, traces, budget tests and the cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["CallRecord", "TableCapacity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCapacity:
    """What one call consumed of one table.

    Args:
        table: The table's full name.
        read_units: Read units, including those of indexes.
        write_units: Write units, including those of indexes.
        indexes: The part of them that each secondary index consumed, by name.
    """

    table: str
    read_units: float
    write_units: float
    indexes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call to AWS, with all its attempts. Contains no key and no item.

    Args:
        operation: DynamoDB's name, for example ``"GetItem"``.
        tables: The full names of its tables, in the order of the request.
        attempts: How many requests were sent.
        retries: How many of them were retries under the retry policy. A resend over a new connection, with new
            credentials or a corrected clock, counts only as an attempt.
        throttles: How many responses reported throttling.
        quota_exhausted: Whether the call failed because the retry quota was used up.
        latency: Seconds from start to end, including pauses.
        read_units: Read units consumed, as the last response reports them.
        write_units: Write units consumed, as the last response reports them.
        capacity: The same, by table.
        items: How many items were returned.
        request_id: The AWS request id of the last response, if there was one.
        error: ``None`` for success, otherwise DynamoDB's error code or the transport error (``"TimedOut"``, ...).
    """

    operation: str
    tables: tuple[str, ...]
    attempts: int
    retries: int = 0
    throttles: int = 0
    quota_exhausted: bool = False
    latency: float
    read_units: float = 0.0
    write_units: float = 0.0
    capacity: tuple[TableCapacity, ...] = ()
    items: int = 0
    request_id: str | None = None
    error: str | None = None
