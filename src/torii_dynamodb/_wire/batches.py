"""Batches of reads: which keys go into one ``BatchGetItem``, and which result belongs to whom. Pure.

A *unit* is what one caller waits for: up to 100 keys. A *batch* is one request: one unit, or several that share it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from torii_dynamodb.errors import Unavailable

__all__ = ["ALONE", "BATCH_KEYS", "MAX_KEYS", "MAX_WRITES", "Key", "ReadBatch", "ReadUnit", "depart", "goes_alone"]

# DynamoDB API Reference, BatchGetItem: at most 100 keys; BatchWriteItem: at most 25 requests.
MAX_KEYS = 100
MAX_WRITES = 25
# Measured at round trips of 0 to 10 ms and up to 256 callers: see docs/decisions.md, "Merged reads".
ALONE = 4
BATCH_KEYS = 32

Item = dict[str, Any]
Key = tuple[str, Item]
"""A table's full name, and the key of an item in it."""

KeyId = tuple[Any, ...]


def key_id(table: str, key: Item) -> KeyId:
    """The identity of a key: equal exactly for keys that name the same item in the same way."""
    if len(key) == 1:
        ((name, value),) = key.items()
        ((kind, raw),) = value.items()
        return (table, name, kind, raw if kind != "N" else Decimal(raw).normalize())
    return _composite_id(table, sorted(key), key)


def _composite_id(table: str, names: Sequence[str], item: Item) -> KeyId:
    parts: list[Any] = [table]
    for name in names:
        ((kind, raw),) = item[name].items()
        parts += (name, kind, raw if kind != "N" else Decimal(raw).normalize())
    return tuple(parts)


class ReadUnit:
    """One caller's read, of at most 100 keys.

    Attributes:
        result: The items, aligned with the keys, ``None`` for missing ones; ``None`` while it is not complete.
        missing: The keys without a result so far.
        throttled: Whether DynamoDB left keys of it unprocessed the last time.
        done: What the caller waits for while others ask; used by the merger.
    """

    __slots__ = ("_found", "done", "ids", "missing", "result", "throttled")

    def __init__(self, keys: Sequence[Key]) -> None:
        ids = [key_id(table, key) for table, key in keys]
        self.ids = ids
        self.missing: dict[KeyId, Key] = dict(zip(ids, keys, strict=True))
        self.result: list[Item | None] | None = None
        self.throttled = False
        self.done: Any = None
        self._found: dict[KeyId, Item] | None = None

    def settle(self, found: dict[KeyId, Item], left: dict[KeyId, Key]) -> None:
        """Take the items that a batch found; ``left`` are its unprocessed keys."""
        if self._found is not None:
            self._found.update((key, found[key]) for key in self.missing if key in found)
            found = self._found
        if left:
            missing = {key: left[key] for key in self.missing if key in left}
            if missing:
                if self._found is None:
                    self._found = {key: found[key] for key in self.missing if key in found}
                self.missing = missing
                self.throttled = True
                return
        self.missing = {}
        self.result = [found.get(key) for key in self.ids]


class ReadBatch:
    """One ``BatchGetItem``, for one or more units.

    Args:
        units: The units whose keys it reads: together at most 100 different ones.
        consistent: Whether the read is strongly consistent.

    Attributes:
        payload: The request.
    """

    __slots__ = ("_keys", "_shapes", "_units", "payload")

    def __init__(self, units: Sequence[ReadUnit], consistent: bool) -> None:
        self._units = units
        if len(units) == 1:
            self._keys = units[0].missing
        else:
            keys: dict[KeyId, Key] = {}
            for unit in units:
                keys.update(unit.missing)
            self._keys = keys
        tables: dict[str, dict[str, Any]] = {}
        # The names of the key attributes, by table, for matching the response. Callers may (wrongly) disagree.
        shapes: dict[str, list[tuple[str, ...]]] = {}
        for table, key in self._keys.values():
            request = tables.get(table)
            if request is None:
                tables[table] = {"Keys": [key], "ConsistentRead": consistent}
                shapes[table] = [tuple(key)]
            else:
                request["Keys"].append(key)
                shape = tuple(key)
                if shape != shapes[table][0] and shape not in shapes[table]:
                    shapes[table].append(shape)
        self._shapes = shapes
        self.payload: dict[str, Any] = {"RequestItems": tables}

    def absorb(self, answer: dict[str, Any]) -> int:
        """Give every unit its part of the response; return how many keys DynamoDB processed (found or not)."""
        found: dict[KeyId, Item] = {}
        unprocessed = answer.get("UnprocessedKeys")
        if "Responses" not in answer and not unprocessed:
            raise Unavailable("BatchGetItem: a response without content", attempts=1)
        responses: dict[str, list[Item]] = answer.get("Responses") or {}
        for table, items in responses.items():
            for shape in self._shapes.get(table, ()):
                if len(shape) == 1:
                    name = shape[0]
                    for item in items:
                        value = item.get(name)
                        if value is not None:
                            ((kind, raw),) = value.items()
                            found[(table, name, kind, raw if kind != "N" else Decimal(raw).normalize())] = item
                else:
                    names = sorted(shape)
                    for item in items:
                        with suppress(KeyError):
                            found[_composite_id(table, names, item)] = item
        left: dict[KeyId, Key] = {}
        if unprocessed:
            for table, request in unprocessed.items():
                for key in request["Keys"]:
                    left[key_id(table, key)] = (table, key)
        for unit in self._units:
            unit.settle(found, left)
        return len(self._keys) - len(left)


def goes_alone(in_flight: int, limit: int) -> bool:
    """Return whether a read is sent at once, by itself: while few are in flight, merging saves next to nothing.

    Args:
        in_flight: How many requests are in flight.
        limit: How many may be.
    """
    return in_flight < min(ALONE, limit)


def depart(waiting: deque[ReadUnit], free: int) -> list[list[ReadUnit]]:
    """Take what waits, first come, first served, and deal it evenly into as few batches as are quick to answer.

    ``BatchGetItem`` is as slow as its slowest key, so a batch has at most about ``BATCH_KEYS`` keys: one slow partition
    delays few callers, and a response is read while others are on their way. Only if connections are scarce do batches
    grow, up to ``MAX_KEYS``; what does not fit stays in the queue.

    Args:
        waiting: The queue.
        free: How many more requests may be in flight.
    """
    keys = sum(len(unit.missing) for unit in waiting)
    count = min(free, -(-keys // BATCH_KEYS))
    share = -(-keys // count) if count > 0 else 0
    batches: list[list[ReadUnit]] = []
    while waiting and len(batches) < free:
        batches.append(_take(waiting, share, min(max(share, BATCH_KEYS), MAX_KEYS)))
    return batches


def _take(waiting: deque[ReadUnit], share: int, most: int) -> list[ReadUnit]:
    taken = [waiting.popleft()]
    keys = set(taken[0].missing)
    while waiting and len(keys) < share:
        missing = waiting[0].missing
        if len(keys) + len(missing) > most and len(keys.union(missing)) > most:
            break
        keys.update(missing)
        taken.append(waiting.popleft())
    return taken
