"""Typed reading of stored items.

Other programs may write to the same tables, so an item that cannot be read raises
:class:`~torii_dynamodb.errors.CorruptItem` and never another exception.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from torii_dynamodb._core.attributes import Item, decode
from torii_dynamodb._rules.times import from_epoch_seconds, from_text
from torii_dynamodb.errors import CorruptItem
from torii_dynamodb.models import Listing

__all__ = [
    "binary",
    "expires_at",
    "flag",
    "integer",
    "listing",
    "metadata",
    "moment",
    "optional_moment",
    "optional_text",
    "reader",
    "string_set",
    "text",
    "text_list",
]

_log = logging.getLogger("torii_dynamodb")

Model = TypeVar("Model")
P = ParamSpec("P")

_STRINGS = {str}


class _Unreadable(Exception):
    """An attribute that cannot be read. :func:`reader` turns it into CorruptItem."""

    def __init__(self, attribute: str, reason: str) -> None:
        super().__init__(attribute, reason)
        self.attribute = attribute
        self.reason = reason


def reader(
    table: str,
) -> Callable[[Callable[Concatenate[Item, P], Model]], Callable[Concatenate[Item, P], Model]]:
    """Make a function that reads an item raise CorruptItem, naming the table, for what it cannot read."""

    def decorate(read: Callable[Concatenate[Item, P], Model]) -> Callable[Concatenate[Item, P], Model]:
        @wraps(read)
        def checked(item: Item, /, *args: P.args, **kwargs: P.kwargs) -> Model:
            try:
                return read(item, *args, **kwargs)
            except _Unreadable as error:
                raise CorruptItem(table, error.attribute, error.reason, _key(item)) from None

        return checked

    return decorate


def listing(items: Iterable[Item], read: Callable[[Item], Model]) -> Listing[Model]:
    """Return everything that can be read, and what cannot, which is logged."""
    found: list[Model] = []
    corrupt: list[CorruptItem] = []
    for item in items:
        try:
            found.append(read(item))
        except CorruptItem as error:
            corrupt.append(error)
    if corrupt:
        _log.warning("a listing leaves out %d stored items; the first: %s", len(corrupt), corrupt[0])
    return Listing(found, corrupt)


def _key(item: Item) -> str | None:
    key = item.get("id") or item.get("subject")
    value = key.get("S") if isinstance(key, dict) else None
    return value if isinstance(value, str) else None


def text(item: Item, name: str) -> str:
    """Read a required string."""
    try:
        value = item[name]["S"]
    except (KeyError, TypeError):
        raise _Unreadable(name, "a string is expected") from None
    if value.__class__ is not str:
        raise _Unreadable(name, "a string is expected")
    return value


def optional_text(item: Item, name: str) -> str | None:
    """Read a string; ``None`` if it is missing."""
    if name not in item:
        return None
    return text(item, name)


def integer(item: Item, name: str) -> int:
    """Read a required whole number."""
    try:
        return int(item[name]["N"])
    except (KeyError, TypeError, ValueError):
        raise _Unreadable(name, "a whole number is expected") from None


def flag(item: Item, name: str) -> bool:
    """Read a boolean; ``False`` if it is missing."""
    if name not in item:
        return False
    try:
        return bool(item[name]["BOOL"])
    except (KeyError, TypeError):
        raise _Unreadable(name, "a boolean is expected") from None


def optional_flag(item: Item, name: str) -> bool | None:
    """Read a boolean; ``None`` if it is missing."""
    return flag(item, name) if name in item else None


def binary(item: Item, name: str) -> bytes:
    """Read required bytes."""
    try:
        return b64decode(item[name]["B"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise _Unreadable(name, "bytes are expected") from None


def moment(item: Item, name: str) -> datetime:
    """Read a time stored as text."""
    try:
        return from_text(text(item, name))
    except ValueError:
        raise _Unreadable(name, "a time such as 2026-11-22T15:04:05.123456Z is expected") from None


def optional_moment(item: Item, name: str) -> datetime | None:
    """Read a time stored as text; ``None`` if it is missing."""
    return moment(item, name) if name in item else None


def expires_at(item: Item) -> datetime:
    """Read the time from which the item is no longer valid, stored in epoch seconds."""
    try:
        return from_epoch_seconds(integer(item, "expires_at"))
    except OverflowError:
        raise _Unreadable("expires_at", "seconds since 1970 are expected") from None


def string_set(item: Item, name: str) -> frozenset[str]:
    """Read a set of strings; empty if it is missing (DynamoDB stores no empty sets)."""
    if name not in item:
        return frozenset()
    try:
        values: list[Any] = item[name]["SS"]
        found = frozenset(values)
    except (KeyError, TypeError):
        raise _Unreadable(name, "a string set is expected") from None
    if values.__class__ is not list or set(map(type, values)) != _STRINGS:
        raise _Unreadable(name, "a string set is expected")
    return found


def text_list(item: Item, name: str) -> list[str]:
    """Read a list of strings; empty if it is missing."""
    if name not in item:
        return []
    try:
        return [text({name: value}, name) for value in item[name]["L"]]
    except (KeyError, TypeError):
        raise _Unreadable(name, "a list of strings is expected") from None


def metadata(item: Item, name: str = "metadata") -> dict[str, Any]:
    """Read a map that :func:`~torii_dynamodb._core.attributes.encode_map` wrote; empty if it is missing."""
    if name not in item:
        return {}
    try:
        value = decode(item[name])
    # Whatever the nested values are, the result is the same: the map cannot be read.
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _Unreadable(name, "a map is expected, encoded as docs/metadata.md says")
    return cast("dict[str, Any]", value)
