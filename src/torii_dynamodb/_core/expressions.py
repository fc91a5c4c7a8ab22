"""Requests with expressions, in one style: every attribute is written ``#name``, every value ``:name``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from torii_dynamodb._core.attributes import Attribute, Item

__all__ = ["check", "delete", "names_in", "put", "register", "transaction", "update"]

_NAME = re.compile(r"#(\w+)")


@lru_cache(maxsize=256)
def names_in(*expressions: str) -> Mapping[str, str]:
    """``ExpressionAttributeNames`` for the ``#names`` that stand in the expressions."""
    return {f"#{name}": name for expression in expressions for name in _NAME.findall(expression)}


def put(
    table: str, item: Item, condition: str | None = None, values: Mapping[str, Attribute] | None = None
) -> dict[str, Any]:
    """The body of a ``PutItem``, or of a ``Put`` in a transaction."""
    return {"TableName": table, "Item": item} | _conditional(condition, values)


def delete(
    table: str, key: Item, condition: str | None = None, values: Mapping[str, Attribute] | None = None
) -> dict[str, Any]:
    """The body of a ``DeleteItem``, or of a ``Delete`` in a transaction."""
    return {"TableName": table, "Key": key} | _conditional(condition, values)


def check(table: str, key: Item, condition: str, values: Mapping[str, Attribute] | None = None) -> dict[str, Any]:
    """The body of a ``ConditionCheck`` in a transaction."""
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
    """The body of an ``UpdateItem``, or of an ``Update`` in a transaction.

    Args:
        table: The table's name.
        key: The item's key.
        expression: The update expression.
        condition: Never left out: an update without one creates what it does not find.
        values: What the ``:names`` stand for.
        returns: Whether the item is returned as it is afterwards (not in a transaction).
        names: What ``#names`` stand for that are not attribute names themselves.
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


def transaction(*items: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The body of a ``TransactWriteItems``: ``{"Put": ...}``, ``{"Update": ...}``, ..."""
    return {"TransactItems": list(items)}


def register(name: str, size: int, me: str) -> tuple[Sequence[str], str]:
    """A shift register of ``size`` attributes: what is written last stands in ``{name}1``, older ones move up.

    Returns:
        The assignments of an update expression, and the condition that ``:me`` is not in it yet, by which a retry
        recognises itself although others wrote in between. Needs the values ``:me`` and ``:none``.
    """
    cells = [f"#{name}{index}" for index in range(1, size + 1)]
    shifts = [f"{cells[0]} = {me}"]
    shifts += [f"{newer} = if_not_exists({older}, :none)" for older, newer in pairwise(cells)]
    return shifts, f"NOT ({me} IN ({', '.join(cells)}))"


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
