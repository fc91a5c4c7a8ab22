"""Where items are stored: which table, under which key, and back.

The rest of the library describes requests in one way: five tables, with the keys of :mod:`torii_dynamodb.schema`.
That is how they are sent with ``layout="tables"`` and no tenant. Otherwise a :class:`Layout` translates each request
before it is sent and each item after it is read; nothing else knows how items of a single table or of a tenant are
stored.

The keys of a tenant begin with ``@<tenant>#`` (:class:`TenantTables`). No other key begins with ``@``, so neither a
tenant nor a user can choose a name that leads to another's keys.

A single table (``layout="single"``) has no index: a session is in the partition of its user, which its token names.

==============  ================================  =====================
What            Partition key                     Sort key
==============  ================================  =====================
User            ``torii#user#<user id>``          ``user``
Session         ``torii#user#<user id>``          ``session#<digest>``
Identity        ``torii#identity#<identity>``     ``identity``
One-time item   ``torii#token#<token's key>``     ``token``
Attempts        ``torii#attempt#<subject>``       ``#register``, or the attempt's id
==============  ================================  =====================

A tenant's partition keys begin with ``torii@<tenant>#`` instead of ``torii#``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.schema import USER_SESSIONS_INDEX

__all__ = [
    "FiveTables",
    "Layout",
    "Placed",
    "SingleTable",
    "TenantTables",
    "by_tenant",
    "layout_of",
    "locator",
    "placer",
]

Body = dict[str, Any]
Placed = tuple[TableName, str | None, Item]
"""A stored item's table, its tenant (``None`` outside of any), and the item as the rest of the library knows it."""

_TENANT = re.compile(r"@([a-z0-9-]{1,63})#")

# A colon occurs in no table's name, so a marked name is never mistaken for one of the caller's own tables.
_MARKED: Mapping[str, TableName] = {f":{table}": table for table in TABLES}


class Layout:
    """Translates requests and items. Requests that name other tables pass unchanged.

    Attributes:
        shared: Whether a table also contains items that a request for its own does not want.
    """

    shared = True

    def name(self, table: TableName) -> str:
        """Return the name that requests to be translated use for a table."""
        return f":{table}"

    def session_key(self, user_id: str, session_id: str) -> Item:
        """Return a session's key, to be translated."""
        return {"id": {"S": session_id}, "user_id": {"S": user_id}}

    def request(self, operation: str, body: Body) -> Body:
        """Translate the body of a request."""
        if operation == "TransactWriteItems":
            return {**body, "TransactItems": [self._action(action) for action in body["TransactItems"]]}
        table = _MARKED.get(body.get("TableName", ""))
        if table is None:
            return body
        return self.scan(table, body) if operation == "Scan" else self.body(table, body)

    def place(self, table: str, key: Item) -> tuple[str, Item]:
        """Translate a table's name and a key."""
        found = _MARKED.get(table)
        return (table, key) if found is None else (self.table(found), self.key(found, key))

    def write(self, table: str, request: Body) -> tuple[str, Body]:
        """Translate a request of a ``BatchWriteItem``."""
        found = _MARKED.get(table)
        if found is None:
            return table, request
        if "PutRequest" in request:
            return self.table(found), {"PutRequest": {"Item": self.item(found, request["PutRequest"]["Item"])}}
        return self.table(found), {"DeleteRequest": {"Key": self.key(found, request["DeleteRequest"]["Key"])}}

    def read(self, table: str | None, item: Item | None) -> Item | None:
        """Translate an item that was read back; ``None`` for one that is not ours."""
        found = _MARKED.get(table or "")
        return item if item is None or found is None else self.stored(found, item)

    def answer(self, body: Body, answer: Body) -> Body:
        """Translate the items of a response to a request for one table. Where a page ended is not translated."""
        table = _MARKED.get(body.get("TableName", ""))
        if table is None:
            return answer
        translated = dict(answer)
        for name in ("Item", "Attributes"):
            if name in answer:
                item = self.stored(table, answer[name])
                if item is None:
                    del translated[name]
                else:
                    translated[name] = item
        if "Items" in answer:
            stored = (self.stored(table, item) for item in answer["Items"])
            translated["Items"] = [item for item in stored if item is not None]
        return translated

    def table(self, table: TableName) -> str:
        """Return a table's name on DynamoDB."""
        raise NotImplementedError

    def key(self, table: TableName, key: Item) -> Item:
        """Translate a key."""
        raise NotImplementedError

    def item(self, table: TableName, item: Item) -> Item:
        """Translate an item to be written."""
        raise NotImplementedError

    def stored(self, table: TableName, item: Item) -> Item | None:
        """Translate an item that was read; ``None`` for one that is not ours."""
        raise NotImplementedError

    def body(self, table: TableName, body: Body) -> Body:
        """Translate a request for one table that is not a ``Scan``."""
        translated = {**body, "TableName": self.table(table)}
        if "Key" in body:
            translated["Key"] = self.key(table, body["Key"])
        if "Item" in body:
            translated["Item"] = self.item(table, body["Item"])
        return translated

    def scan(self, table: TableName, body: Body) -> Body:
        """Translate a ``Scan`` of a table. An ``ExclusiveStartKey`` must be translated already."""
        raise NotImplementedError

    def _action(self, action: Mapping[str, Body]) -> Mapping[str, Body]:
        ((kind, body),) = action.items()
        table = _MARKED.get(body["TableName"])
        return action if table is None else {kind: self.body(table, body)}


class FiveTables(Layout):
    """The five tables themselves. It only lets requests name the user of a session, which no key of theirs contains."""

    shared = False

    def __init__(self, config: DynamoDbConfig) -> None:
        self._tables = {table: config.table_name(table) for table in TABLES}

    def table(self, table: TableName) -> str:
        return self._tables[table]

    def key(self, table: TableName, key: Item) -> Item:
        return {"id": key["id"]} if table == "sessions" else key

    def item(self, table: TableName, item: Item) -> Item:
        return item

    def stored(self, table: TableName, item: Item) -> Item | None:
        return item

    def scan(self, table: TableName, body: Body) -> Body:
        return self.body(table, body)


class SingleTable(Layout):
    """All items in one table, which may contain others' items, too.

    Args:
        config: The configuration, with the names of the table and its attributes.
        tenant: Only this tenant's items. Without one, those of all: tenants' keys begin with ``@<tenant>#``.
    """

    def __init__(self, config: DynamoDbConfig, tenant: str | None = None) -> None:
        self._name = config.table_name("table")
        self._prefix = config.key_prefix
        self._own = "" if tenant is None else f"@{tenant}#"
        self._lead = self._prefix + (self._own or "#")
        self._partition, self._sort, self._ttl = config.partition_key, config.sort_key, config.ttl_attribute
        self._names = {"id": self._partition, "subject": self._partition, "attempt": self._sort}
        if self._ttl != "expires_at":
            self._names["expires_at"] = self._ttl

    def table(self, table: TableName) -> str:
        return self._name

    def key(self, table: TableName, key: Item) -> Item:
        match table:
            case "users":
                partition, sort = self._partition_of("user", key["id"]), "user"
            case "sessions":
                partition = self._partition_of("user", key["user_id"])
                sort = f"session#{key['id']['S'].rpartition('#')[2]}"
            case "identities":
                partition, sort = self._partition_of("identity", key["id"]), "identity"
            case "tokens":
                partition, sort = self._partition_of("token", key["id"]), "token"
            case _:
                partition, sort = self._partition_of("attempt", key["subject"]), key["attempt"]["S"]
        return {self._partition: {"S": partition}, self._sort: {"S": sort}}

    def item(self, table: TableName, item: Item) -> Item:
        translated = dict(item)
        for name in ("subject", "attempt") if table == "login_attempts" else ("id",):
            del translated[name]
        if "expires_at" in translated:
            translated[self._ttl] = translated.pop("expires_at")
        if self._own:
            _prefix_values(translated, self._own, _OWN[table][1:])
        translated.update(self.key(table, item))
        return translated

    def stored(self, table: TableName, item: Item) -> Item | None:
        found = self.scanned(item)
        return found[1] if found is not None and found[0] == table else None

    def scanned(self, item: Item) -> tuple[TableName, Item] | None:
        """Identify an item that was read.

        Raises:
            ConfigurationError: The item lacks a key that every item of the table would have. A table with other keys
                than those configured would otherwise look empty.
        """
        for option, name in (("partition_key", self._partition), ("sort_key", self._sort)):
            if name not in item:
                raise ConfigurationError(
                    f"table {self._name}: {option}: {name!r} is no key of this table; correct {option}, or table. "
                    "Compare them with: torii-dynamodb tables plan"
                )
        return self.identify(item)

    def identify(self, item: Item) -> tuple[TableName, Item] | None:
        """Return which of our items one is, translated; ``None`` for one that is not ours."""
        partition, sort = item.get(self._partition, {}).get("S"), item.get(self._sort, {}).get("S")
        if not isinstance(partition, str) or not isinstance(sort, str):
            return None
        prefix, _, rest = partition.partition("#")
        kind, _, name = rest.partition("#")
        if not name:
            return None
        others = ""
        if not partition.startswith(self._lead):
            others = f"{prefix.removeprefix(self._prefix)}#"
            if self._own or not prefix.startswith(self._prefix) or not _TENANT.fullmatch(others):
                return None
        found = dict(item)
        del found[self._partition], found[self._sort]
        if self._ttl != "expires_at" and self._ttl in found:
            found["expires_at"] = found.pop(self._ttl)
        if kind == "attempt":
            found["subject"], found["attempt"] = {"S": others + name}, {"S": sort}
            return "login_attempts", found
        if kind == "user" and sort.startswith("session#"):
            found["id"], found["user_id"] = {"S": others + sort[len("session#") :]}, {"S": others + name}
            return "sessions", found
        table = _ALONE.get((kind, sort))
        if table is None:
            return None
        found["id"] = {"S": others + name}
        email = found.get("email", {}).get("S") if self._own and table == "users" else None
        if isinstance(email, str):
            found["email"] = {"S": email.removeprefix(self._own)}
        return table, found

    def body(self, table: TableName, body: Body) -> Body:
        if body.get("IndexName") == USER_SESSIONS_INDEX:
            return self._sessions_query(body)
        translated = super().body(table, body)
        if "ExpressionAttributeNames" in body:
            names = self._names
            translated["ExpressionAttributeNames"] = {
                alias: names.get(name, name) for alias, name in body["ExpressionAttributeNames"].items()
            }
        if "KeyConditionExpression" in body:
            values = dict(body["ExpressionAttributeValues"])
            values[":subject"] = {"S": self._partition_of("attempt", values[":subject"])}
            translated["ExpressionAttributeValues"] = values
        elif self._own and "ExpressionAttributeValues" in body:
            values = translated["ExpressionAttributeValues"] = dict(body["ExpressionAttributeValues"])
            _prefix_values(values, self._own, _OWN_VALUES[table][1:])
        return translated

    def scan(self, table: TableName, body: Body) -> Body:
        """Filter one kind of item out of the whole table, which is read, because a filter applies afterwards."""
        sort, ours = _SORTS[table]
        condition = f"(begins_with(#pk, :pk) AND {ours}) OR {_KEYLESS}"
        values: Item = {":pk": {"S": self._prefix + self._own}}
        if sort is not None:
            values[":sk"] = {"S": sort}
        return {
            **body,
            "TableName": self._name,
            "FilterExpression": condition,
            "ExpressionAttributeNames": {"#pk": self._partition, "#sk": self._sort},
            "ExpressionAttributeValues": values,
        }

    def whole(self) -> Body:
        """Return the parameters of a ``Scan`` for all kinds of our items; others' are rarely among them."""
        return {
            "FilterExpression": f"begins_with(#pk, :pk) OR {_KEYLESS}",
            "ExpressionAttributeNames": {"#pk": self._partition, "#sk": self._sort},
            "ExpressionAttributeValues": {":pk": {"S": self._prefix}},
        }

    def keys_only(self) -> Body:
        """Return the parameters of a ``Scan`` that returns the keys of all items, others' included."""
        names = {"#pk": self._partition, "#sk": self._sort}
        return {"ProjectionExpression": "#pk, #sk", "ExpressionAttributeNames": names}

    def _partition_of(self, kind: str, value: Attribute) -> str:
        text: str = value["S"]
        if self._own or not text.startswith("@"):
            return f"{self._lead}{kind}#{text}"
        tenant, _, rest = text.partition("#")
        return f"{self._prefix}{tenant}#{kind}#{rest}"

    def _sessions_query(self, body: Body) -> Body:
        values: dict[str, Attribute] = body["ExpressionAttributeValues"]
        query: Body = {
            "TableName": self._name,
            "KeyConditionExpression": "#pk = :pk AND begins_with(#sk, :sk)",
            "ExpressionAttributeNames": {"#pk": self._partition, "#sk": self._sort},
            "ExpressionAttributeValues": {
                ":pk": {"S": self._partition_of("user", values[":user_id"])},
                ":sk": {"S": "session#"},
            },
            "ConsistentRead": True,
        }
        if ":after" in values:
            query["FilterExpression"] = "#expires_at > :after"
            query["ExpressionAttributeNames"]["#expires_at"] = self._ttl
            query["ExpressionAttributeValues"][":after"] = values[":after"]
        if "ExclusiveStartKey" in body:
            query["ExclusiveStartKey"] = body["ExclusiveStartKey"]
        return query


# What the sort keys of each kind are, for the filter of a scan.
_SORTS: Mapping[TableName, tuple[str | None, str]] = {
    "users": ("user", "#sk = :sk"),
    "sessions": ("session#", "begins_with(#sk, :sk)"),
    "identities": ("identity", "#sk = :sk"),
    "tokens": ("token", "#sk = :sk"),
    "login_attempts": ("#attempt#", "contains(#pk, :sk)"),
}

# Every item of a table has its keys, so this finds items only if others are configured.
_KEYLESS = "attribute_not_exists(#pk) OR attribute_not_exists(#sk)"

# The kind and the sort key of items whose partition key is their id.
_ALONE: Mapping[tuple[str, str], TableName] = {
    ("user", "user"): "users",
    ("identity", "identity"): "identities",
    ("token", "token"): "tokens",
}

# The key attributes of tables and indexes, which must begin with the tenant.
_OWN: Mapping[TableName, tuple[str, ...]] = {
    "users": ("id", "email"),
    "sessions": ("id", "user_id"),
    "identities": ("id",),
    "tokens": ("id",),
    "login_attempts": ("subject",),
}

# In expressions, the value of an attribute has its name (see _core/expressions.py).
_OWN_VALUES: Mapping[TableName, tuple[str, ...]] = {
    table: tuple(f":{name}" for name in names) for table, names in _OWN.items()
}


class TenantTables(Layout):
    """The items of one tenant, in the five tables of all.

    Args:
        config: The configuration.
        tenant: The tenant.
    """

    def __init__(self, config: DynamoDbConfig, tenant: str) -> None:
        self._tenant = f"@{tenant}#"
        self._tables = {table: config.table_name(table) for table in TABLES}

    def table(self, table: TableName) -> str:
        return self._tables[table]

    def key(self, table: TableName, key: Item) -> Item:
        own = dict(key)
        _prefix_values(own, self._tenant, _OWN[table])
        own.pop("user_id", None)
        return own

    def item(self, table: TableName, item: Item) -> Item:
        own = dict(item)
        _prefix_values(own, self._tenant, _OWN[table])
        return own

    def stored(self, table: TableName, item: Item) -> Item | None:
        return without_tenant(table, item, self._tenant)

    def body(self, table: TableName, body: Body) -> Body:
        translated = super().body(table, body)
        if "ExpressionAttributeValues" in body:
            values = translated["ExpressionAttributeValues"] = dict(body["ExpressionAttributeValues"])
            _prefix_values(values, self._tenant, _OWN_VALUES[table])
        return translated

    def scan(self, table: TableName, body: Body) -> Body:
        return {
            **body,
            "TableName": self._tables[table],
            "FilterExpression": "begins_with(#key, :tenant)",
            "ExpressionAttributeNames": {"#key": _OWN[table][0]},
            "ExpressionAttributeValues": {":tenant": {"S": self._tenant}},
        }


def _prefix_values(item: Item, prefix: str, names: Sequence[str]) -> None:
    for name in names:
        value = item.get(name)
        if value is not None and "S" in value:  # of the caller's own transaction it may be anything
            item[name] = {"S": prefix + value["S"]}


def without_tenant(table: TableName, item: Item, tenant: str) -> Item | None:
    """Return an item without ``@tenant#`` before its keys; ``None`` for one that is not that tenant's."""
    stripped = dict(item)
    for name in _OWN[table]:
        value = item.get(name, {}).get("S")
        if isinstance(value, str) and value.startswith(tenant):
            stripped[name] = {"S": value[len(tenant) :]}
        elif name == _OWN[table][0]:
            return None
    return stripped


def by_tenant(table: TableName, items: Sequence[Item]) -> dict[str | None, list[Item]]:
    """Return the items of each tenant, without the tenant before their keys."""
    found: dict[str | None, list[Item]] = {}
    for item in items:
        tenant, own = _owner(table, item)
        found.setdefault(tenant, []).append(own)
    return found


def _owner(table: TableName, item: Item) -> tuple[str | None, Item]:
    key = item.get(_OWN[table][0], {}).get("S")
    tenant = _TENANT.match(key) if isinstance(key, str) else None
    own = None if tenant is None else without_tenant(table, item, tenant[0])
    return (None, item) if tenant is None or own is None else (tenant[1], own)


def layout_of(config: DynamoDbConfig, tenant: str | None = None) -> Layout | None:
    """Return the layout of a configuration and a tenant; ``None`` if requests need no translation."""
    if config.layout == "single":
        return SingleTable(config, tenant)
    return None if tenant is None else TenantTables(config, tenant)


def locator(config: DynamoDbConfig, tenant: str | None) -> Callable[[str, Item], Placed | None]:
    """Return a function that identifies an item of a request before translation: ``(table's name, item or key)``.

    A name that is not translated is that of a table on DynamoDB, in which the item may be anyone's: see :func:`placer`.
    """
    place = placer(config)

    def locate(name: str, item: Item) -> Placed | None:
        table = _MARKED.get(name)
        return place(name, item) if table is None else (table, tenant, item)

    return locate


def placer(config: DynamoDbConfig) -> Callable[[str, Item], Placed | None]:
    """Return a function that identifies a stored item of any tenant: ``(table's name, item)``.

    It returns ``None`` for what is not ours: other tables, other items of a shared table.
    """
    single = SingleTable(config) if config.layout == "single" else None
    tables: dict[str, TableName] = {config.table_name(table): table for table in TABLES}

    def place(name: str, item: Item) -> Placed | None:
        if name not in tables:
            return None
        table = tables[name]
        if single is not None:
            found = single.identify(item)
            if found is None:
                return None
            table, item = found
        return table, *_owner(table, item)

    return place
