"""Build requests with expressions, in one style: every attribute is ``#name``, every value ``:name``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from torii_dynamodb._core.attributes import Attribute, Item

__all__ = [
    "NOT_TAKEN",
    "OWNED",
    "Register",
    "check",
    "delete",
    "names_in",
    "put",
    "query",
    "register",
    "transaction",
    "unchanged",
    "update",
]

NOT_TAKEN = "attribute_not_exists(#id)"
"""The condition that no item has the key yet."""

OWNED = "attribute_exists(#id) AND #user_id = :user_id"
"""The condition that the item exists and is the user's, whose id is ``:user_id``."""


_NAME = re.compile(r"#(\w+)")


@lru_cache(maxsize=256)
def names_in(*expressions: str) -> Mapping[str, str]:
    """Return ``ExpressionAttributeNames`` for the ``#names`` in the expressions."""
    return {f"#{name}": name for expression in expressions for name in _NAME.findall(expression)}


def put(
    table: str, item: Item, condition: str | None = None, values: Mapping[str, Attribute] | None = None
) -> dict[str, Any]:
    """Return the body of a ``PutItem``, or of a ``Put`` in a transaction."""
    return {"TableName": table, "Item": item} | _conditional(condition, values)


def delete(
    table: str, key: Item, condition: str | None = None, values: Mapping[str, Attribute] | None = None
) -> dict[str, Any]:
    """Return the body of a ``DeleteItem``, or of a ``Delete`` in a transaction."""
    return {"TableName": table, "Key": key} | _conditional(condition, values)


def check(table: str, key: Item, condition: str, values: Mapping[str, Attribute] | None = None) -> dict[str, Any]:
    """Return the body of a ``ConditionCheck`` in a transaction."""
    return {"TableName": table, "Key": key} | _conditional(condition, values)


def update(
    table: str,
    key: Item,
    expression: str,
    condition: str,
    values: Mapping[str, Attribute] | None,
    *,
    returns: bool = False,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the body of an ``UpdateItem``, or of an ``Update`` in a transaction.

    Args:
        table: The table's name.
        key: The item's key.
        expression: The update expression.
        condition: Required: an update without one creates the item if it is missing.
        values: The values of the ``:names``.
        returns: Whether to return the item as it is afterwards (not in a transaction).
        names: The attributes of ``#names`` that are not attribute names themselves.
    """
    body: dict[str, Any] = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {**names_in(expression, condition), **(names or {})},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        body["ExpressionAttributeValues"] = dict(values)
    if returns:
        body["ReturnValues"] = "ALL_NEW"
    return body


def query(
    table: str, condition: str, values: Mapping[str, Attribute], *, index: str | None = None, consistent: bool = False
) -> dict[str, Any]:
    """Return the body of a ``Query``, for its first page."""
    body: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": dict(names_in(condition)),
        "ExpressionAttributeValues": dict(values),
        "ConsistentRead": consistent,
    }
    if index is not None:
        body["IndexName"] = index
    return body


def transaction(*items: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the body of a ``TransactWriteItems``: ``{"Put": ...}``, ``{"Update": ...}``, ..."""
    return {"TransactItems": list(items)}


@dataclass(frozen=True, slots=True)
class Register:
    """A shift register's part of an update.

    Args:
        assignments: For the ``SET`` of the update expression.
        not_in_it: The condition that the new value is not in the register yet, by which a retry recognises itself even
            if others wrote in between.
        values: The values that both need.
    """

    assignments: str
    not_in_it: str
    values: dict[str, Attribute]


def register(name: str, size: int, newest: str, empty: str) -> Register:
    """Shift a value into the attributes ``{name}1``, ``{name}2``, ...: the newest is first, the oldest is dropped.

    Args:
        name: The prefix of the attribute names.
        size: The number of attributes.
        newest: The new value.
        empty: The value of attributes that have none yet.
    """
    cells = [f"#{name}{index}" for index in range(1, size + 1)]
    shifts = [f"{cells[0]} = :newest"]
    shifts += [f"{after} = if_not_exists({before}, :empty)" for before, after in pairwise(cells)]
    values: dict[str, Attribute] = {":newest": {"S": newest}}
    if size > 1:
        values[":empty"] = {"S": empty}
    return Register(", ".join(shifts), f"NOT (:newest IN ({', '.join(cells)}))", values)


def unchanged(item: Item, names: Sequence[str]) -> tuple[str, dict[str, Attribute]]:
    """Return the condition that attributes are as they were read, missing ones included, and its values."""
    conditions: list[str] = []
    values: dict[str, Attribute] = {}
    for name in names:
        if name in item:
            conditions.append(f"#{name} = :{name}")
            values[f":{name}"] = item[name]
        else:
            conditions.append(f"attribute_not_exists(#{name})")
    return " AND ".join(conditions), values


def _conditional(condition: str | None, values: Mapping[str, Attribute] | None) -> dict[str, Any]:
    if condition is None:
        return {}
    body: dict[str, Any] = {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": dict(names_in(condition)),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if values:
        body["ExpressionAttributeValues"] = dict(values)
    return body
