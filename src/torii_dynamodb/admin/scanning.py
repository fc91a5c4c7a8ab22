"""Reading whole tables: page by page, in parallel segments, at a chosen rate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic as machine_monotonic
from time import sleep as machine_sleep
from typing import Any

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._rules.token_bucket import TokenBucket
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.laid_out import LaidOutClient
from torii_dynamodb._wire.json import object_of
from torii_dynamodb.admin.control import NotOffered
from torii_dynamodb.config import TableName
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.schema import SCHEMA

__all__ = ["Pacer", "ScanPage", "divides", "key_of", "scan"]


class Pacer:
    """Keeps threads together below a number of capacity units a second.

    The cost of a request is known only afterwards, so it is charged then, and the next request waits.

    Args:
        per_second: Units a second; ``None``: no limit.
        monotonic: A monotonic clock, in seconds.
        pause: Sleeps for a number of seconds.
    """

    def __init__(
        self,
        per_second: float | None,
        *,
        monotonic: Callable[[], float] = machine_monotonic,
        pause: Callable[[float], object] = machine_sleep,
    ) -> None:
        if per_second is not None and not per_second > 0:
            raise ValidationError("rate", f"{per_second!r}: give a number of capacity units a second above 0")
        self._bucket = None if per_second is None else TokenBucket(per_second, burst=0)
        self._monotonic = monotonic
        self._pause = pause
        self._lock = threading.Lock()
        self.spent = 0.0

    def wait(self) -> None:
        """Wait until the units already spent are paid off."""
        if self._bucket is None:
            return
        with self._lock:
            left = self._bucket.wait(self._monotonic())
        if left:
            self._pause(left)

    def spend(self, units: float) -> None:
        """Charge what a request has cost."""
        with self._lock:
            self.spent += units
            if self._bucket is not None:
                self._bucket.take(units)


@dataclass(frozen=True, slots=True)
class ScanPage:
    """A page of a scan.

    Args:
        items: Its items.
        scanned: How many items DynamoDB read.
        next_key: Where the next page begins; ``None`` after the last page.
    """

    items: list[Item] = field(repr=False)
    scanned: int
    next_key: Item | None


def scan(
    client: Client | LaidOutClient,
    table_name: str,
    *,
    rate: Pacer,
    segment: int = 0,
    segments: int = 1,
    start: Item | None = None,
    consistent: bool = True,
    **parameters: Any,
) -> Iterator[ScanPage]:
    """The pages of one segment of a table, one request each.

    Args:
        client: The client.
        table_name: The table's full name.
        rate: Limits the reads.
        segment: Which segment.
        segments: The number of segments.
        start: The ``next_key`` of the last page that was read.
        consistent: Whether the reads are strong.
        parameters: Other parameters of ``Scan``.

    Raises:
        NotOffered: The endpoint returns the same page over and over.
    """
    payload: dict[str, Any] = {"TableName": table_name, "ConsistentRead": consistent, **parameters}
    payload["ReturnConsumedCapacity"] = "TOTAL"
    if segments > 1:
        payload |= {"Segment": segment, "TotalSegments": segments}
    while True:
        if start is not None:
            payload["ExclusiveStartKey"] = start
        rate.wait()
        answer = client.call("Scan", payload)
        rate.spend(float(object_of(answer.get("ConsumedCapacity")).get("CapacityUnits", 0.0)))
        before, start = start, answer.get("LastEvaluatedKey")
        if start is not None and start == before:
            raise NotOffered(
                f"Scan on {table_name}: {client.where} returns the same page again (it ignores ExclusiveStartKey)",
                aws_code="ExclusiveStartKey",
            )
        items: list[Item] = answer.get("Items") or []
        yield ScanPage(items, int(answer.get("ScannedCount", len(items))), start)
        if start is None:
            return


def key_of(table: TableName, item: Item) -> Item:
    """An item's primary key.

    Raises:
        KeyError: It has no such key, so it is not an item of the table.
    """
    schema = SCHEMA[table]
    keys = [schema.hash_key] + ([schema.range_key] if schema.range_key is not None else [])
    return {key.name: item[key.name] for key in keys}


def divides(client: Client | LaidOutClient, name: str, table: TableName, segments: int, *, rate: Pacer) -> bool | None:
    """Whether the endpoint divides a scan into segments: some emulators ignore ``Segment`` and return everything.

    It takes two requests for one item each: the first and the last segment begin with the same item if not divided.

    Args:
        client: The client.
        name: The table's name in requests.
        table: Which table.
        segments: The number of segments.
        rate: Limits the reads.

    Returns:
        ``None`` if it cannot be told, because one of the two segments is empty.
    """
    if segments == 1:
        return True
    first, last = (
        next(scan(client, name, rate=rate, segment=segment, segments=segments, Limit=1)).items
        for segment in (0, segments - 1)
    )
    # Compared by key: the item may change between the two requests.
    return key_of(table, first[0]) != key_of(table, last[0]) if first and last else None
