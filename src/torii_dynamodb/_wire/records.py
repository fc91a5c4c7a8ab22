"""The record of each call to AWS, from its request and its response. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torii_dynamodb._wire.facts import READS
from torii_dynamodb._wire.json import list_of, object_of

if TYPE_CHECKING:
    from torii_dynamodb._calls import CallRecord, TableCapacity

__all__ = ["count_items", "make_record", "read_capacity", "tables_of"]


def tables_of(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tables that a request touches, each once, in the order of the request."""
    name = payload.get("TableName")
    if isinstance(name, str):
        return (name,)
    requests = object_of(payload.get("RequestItems"))
    if requests:
        return tuple(requests)
    actions = (object_of(action) for action in list_of(payload.get("TransactItems")))
    named = (object_of(part).get("TableName") for action in actions for part in action.values())
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str)))


def read_capacity(operation: str, answer: Mapping[str, Any]) -> tuple[TableCapacity, ...]:
    """Return the capacity that a response reports, by table."""
    given = answer.get("ConsumedCapacity")
    if not given:
        return ()
    reads = operation in READS
    return tuple(_table_capacity(object_of(table), reads) for table in list_of(given) or [given])


def _table_capacity(given: Mapping[str, Any], reads: bool) -> TableCapacity:
    from torii_dynamodb._calls import TableCapacity

    read = given.get("ReadCapacityUnits")
    write = given.get("WriteCapacityUnits")
    if read is None and write is None:
        units = float(given.get("CapacityUnits") or 0.0)
        read, write = (units, 0.0) if reads else (0.0, units)
    indexes: dict[str, float] = {}
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        for name, used in object_of(given.get(kind)).items():
            indexes[name] = float(object_of(used).get("CapacityUnits") or 0.0)
    return TableCapacity(
        table=str(given.get("TableName", "")),
        read_units=float(read or 0.0),
        write_units=float(write or 0.0),
        indexes=MappingProxyType(indexes),
    )


def count_items(answer: Mapping[str, Any]) -> int:
    """Return how many items a response contains."""
    if "Item" in answer or "Attributes" in answer:
        return 1
    if "Items" in answer:
        return len(list_of(answer["Items"]))
    responses = answer.get("Responses")
    in_batch = sum(len(list_of(items)) for items in object_of(responses).values())
    return in_batch + sum(1 for response in list_of(responses) if object_of(response).get("Item"))


def make_record(
    *,
    operation: str,
    payload: Mapping[str, Any],
    attempts: int,
    retries: int,
    throttles: int,
    latency: float,
    answer: Mapping[str, Any] | None,
    request_id: str | None,
    error: str | None,
    quota_exhausted: bool = False,
) -> CallRecord:
    """Return the record of a finished call, from its request and its response (``None`` if it failed)."""
    from torii_dynamodb._calls import CallRecord  # here: without a hook, a start does not pay for it

    capacity = read_capacity(operation, answer) if answer is not None else ()
    return CallRecord(
        operation=operation,
        tables=tables_of(payload),
        attempts=attempts,
        retries=retries,
        throttles=throttles,
        quota_exhausted=quota_exhausted,
        latency=latency,
        read_units=sum((table.read_units for table in capacity), 0.0),
        write_units=sum((table.write_units for table in capacity), 0.0),
        capacity=capacity,
        items=count_items(answer) if answer is not None else 0,
        request_id=request_id,
        error=error,
    )
