"""Your own atomic write (RFC 0008, ``transact_write``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import users
from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb._core.layout import Layout
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._rules import validation
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.errors import ValidationError

if TYPE_CHECKING:
    from torii_dynamodb.models import NewUser, User

__all__ = ["MAX_ITEMS", "TransactionBuilder"]

# TransactWriteItems, API reference: up to 100 actions, 4 MB together.
MAX_ITEMS = 100

_TABLE = re.compile(r"(?:arn:[a-z0-9-]+:dynamodb:[a-z0-9-]+:[0-9]+:table/)?([A-Za-z0-9_.-]{3,255})")

Plain = Mapping[str, Any]


class TransactionBuilder:
    """Collects the writes of one transaction: all are applied, or none.

    Tables are given by their full names, so your own tables and the library's can both take part
    (``config.table_name("users")``). Keys and items are plain Python values: ``int`` and ``Decimal`` are numbers, a
    ``frozenset`` of text is a string set, and a ``float`` is refused, because DynamoDB's numbers are decimal.

    The library's tables are for the library's own writes: a row that it cannot read makes later reads fail. ``check``
    and ``create_user`` may name them; ``put``, ``update`` and ``delete`` only with ``allow_torii_tables``. In five
    tables, the storage of a tenant adds the tenant to their keys. In a single table, keys are given as they are stored:
    a user's is ``{"pk": "torii#user#<user id>", "sk": "user"}`` with the default names, a tenant's begins with
    ``torii@<tenant>#``.

    In expressions, write ``#name`` for every attribute (filled in for you) and ``:value`` for every value.
    """

    def __init__(
        self, config: DynamoDbConfig, *, allow_torii_tables: bool = False, layout: Layout | None = None
    ) -> None:
        self._config = config
        self._allow_ours = validation.flag(allow_torii_tables, "allow_torii_tables")
        self._ours = frozenset(config.table_name(table) for table in config.tables)
        self._name = config.table_name if layout is None else layout.name
        # Of the tables with keys that a tenant is added to. A single table may contain the caller's own items.
        shared = layout is None or config.layout == "single"
        self._named = {} if shared else {config.table_name(table): self._name(table) for table in TABLES}
        self._actions: list[dict[str, Any]] = []
        self._keys: set[tuple[str, str]] = set()

    def put(
        self, table: str, item: Plain, *, condition: str | None = None, values: Plain | None = None
    ) -> TransactionBuilder:
        """Put an item, if the condition holds."""
        encoded = _encode(item, "item")
        check_item_size(encoded, f"the item for {table}")
        if condition is not None:
            _expression(condition, "condition")
        return self._add("Put", table, None, ex.put(table, encoded, condition, _values(values)), item=encoded)

    def update(
        self, table: str, key: Plain, expression: str, *, condition: str, values: Plain | None = None
    ) -> TransactionBuilder:
        """Update an item. The condition is required: without one, an update creates the item if it is missing."""
        encoded = _encode(key, "key")
        _expression(expression, "expression")
        _expression(condition, "condition")
        return self._add("Update", table, encoded, ex.update(table, encoded, expression, condition, _values(values)))

    def delete(
        self, table: str, key: Plain, *, condition: str | None = None, values: Plain | None = None
    ) -> TransactionBuilder:
        """Delete an item, if the condition holds."""
        encoded = _encode(key, "key")
        if condition is not None:
            _expression(condition, "condition")
        return self._add("Delete", table, encoded, ex.delete(table, encoded, condition, _values(values)))

    def check(self, table: str, key: Plain, *, condition: str, values: Plain | None = None) -> TransactionBuilder:
        """Write nothing, but fail the whole transaction unless the condition holds."""
        encoded = _encode(key, "key")
        _expression(condition, "condition")
        return self._add("ConditionCheck", table, encoded, ex.check(table, encoded, condition, _values(values)))

    def create_user(self, new_user: NewUser, *, password_hash: str | None = None) -> User:
        """Create a user in the same transaction, as the storage's ``create_user`` does.

        Returns:
            The user as it will be stored if the transaction is applied.
        """
        user = users.new_user_model(new_user, password_hash, self._config.clock(), self._config.random)
        for action in users.creation(self._name("users"), self._name("identities"), user, password_hash):
            body = action["Put"]
            self._add("Put", body["TableName"], {"id": body["Item"]["id"]}, body, ours=True)
        return user

    def payload(self) -> dict[str, Any]:
        """Return the body of the ``TransactWriteItems``. Raises ValidationError if it is empty."""
        if not self._actions:
            raise ValidationError("builder", "added nothing to the transaction")
        return ex.transaction(*self._actions)

    def _add(
        self,
        kind: str,
        table: str,
        key: Item | None,
        body: dict[str, Any],
        *,
        item: Item | None = None,
        ours: bool = False,
    ) -> TransactionBuilder:
        name = table if ours else _table_name(table)
        if kind != "ConditionCheck" and not (ours or self._allow_ours) and self._is_ours(name, key or item or {}):
            whose = "with this key, the item in" if self._config.layout == "single" else "every row of"
            raise ValidationError(
                "table",
                f"{whose} {name} is the library's own, and it must be able to read it; use its operations, "
                "or transact_write(..., allow_torii_tables=True) if you know how they are stored",
            )
        if self._config.layout == "single" and not ours and name in self._ours:
            names = {self._config.partition_key, self._config.sort_key}
            if not names <= (key or item or {}).keys():
                raise ValidationError("key", f"keys of {name} are {' and '.join(sorted(names))}: give both")
        if len(self._actions) == MAX_ITEMS:
            raise ValidationError("builder", f"a transaction takes at most {MAX_ITEMS} writes")
        if key is not None:
            mark = (self._named.get(name, name), orjson.dumps(key, option=orjson.OPT_SORT_KEYS).decode())
            if mark in self._keys:
                raise ValidationError("key", f"one item of {name} appears twice in the transaction")
            self._keys.add(mark)
        self._actions.append({kind: {**body, "TableName": self._named.get(name, body["TableName"])}})
        return self

    def _is_ours(self, name: str, key: Item) -> bool:
        """Whether an item is the library's. A single table may contain the application's items, too."""
        if name not in self._ours or self._config.layout == "tables":
            return name in self._ours
        partition = key.get(self._config.partition_key, {}).get("S")
        return not isinstance(partition, str) or partition.startswith(
            (f"{self._config.key_prefix}#", f"{self._config.key_prefix}@")
        )


def _table_name(table: object) -> str:
    """Return the name of a table that is given by its name or its ARN (API reference, ``TableName``)."""
    found = _TABLE.fullmatch(table) if isinstance(table, str) else None
    if found is None:
        raise ValidationError("table", "give the table's full name, or its ARN")
    return found.group(1)


def _encode(values: Plain, field: str) -> Item:
    if not isinstance(values, Mapping) or not values:
        raise ValidationError(field, "give a mapping of attribute names to values")
    return {_name(name, field): _attribute(value, f"{field}.{name}") for name, value in values.items()}


def _name(name: object, field: str) -> str:
    return validation.text(name, f"{field}: an attribute's name", most=65_535, lines=True)


def _expression(text: object, field: str) -> str:
    return validation.text(text, field, most=4096, lines=True)


def _values(values: Plain | None) -> dict[str, Attribute] | None:
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise ValidationError("values", "give a mapping of names to values")
    return {
        f":{_name(name, 'values').lstrip(':')}": _attribute(value, f"values.{name}") for name, value in values.items()
    }


def _attribute(value: object, field: str) -> Attribute:
    try:
        return av.encode_plain(value)
    except (TypeError, ValueError) as error:
        raise ValidationError(field, str(error)) from None
