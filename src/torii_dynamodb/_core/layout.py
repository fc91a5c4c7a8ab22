"""Where items are stored: which table, under which key, and back.

The rest of the library describes requests in one way: five tables, with the keys of :mod:`torii_dynamodb.schema`.
That is how they are sent with ``layout="tables"`` and no tenant. Otherwise a :class:`Layout` translates each request
before it is sent and each item after it is read; nothing else knows how items of a single table or of a tenant are
stored.

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

The keys of a tenant begin with ``torii@<tenant>#`` instead of ``torii#`` and, in several tables, with ``@<tenant>#``.
No other key begins with ``@``, so neither a tenant nor a user can choose a name that leads to another's keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.schema import USER_SESSIONS_INDEX

__all__ = ["Layout", "Placed", "SingleTable", "TenantTables", "layout_of", "placer"]

Body = dict[str, Any]
Placed = tuple[TableName, str | None, Item]
"""A stored item's table, its tenant (``None`` outside of any), and the item as the rest of the library knows it."""

_TENANT = re.compile(r"@([a-z0-9-]{1,63})#")

# A colon occurs in no table's name, so a marked name is never mistaken for one of the caller's own tables.
_MARKED: Mapping[str, TableName] = {f":{table}": table for table in TABLES}


class Layout:
    """Translates requests and items. Requests that name other tables pass unchanged.

    Args:
        prefix: What every partition key of ours begins with.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

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
        return body if table is None else self._body(table, body)

    def place(self, table: str, key: Item) -> tuple[str, Item]:
        """Translate a key, for a ``BatchGetItem``."""
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
        """Translate the items of a response to a request for one table."""
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

    def _body(self, table: TableName, body: Body) -> Body:
        translated = {**body, "TableName": self.table(table)}
        if "Key" in body:
            translated["Key"] = self.key(table, body["Key"])
        if "Item" in body:
            translated["Item"] = self.item(table, body["Item"])
        return translated

    def _action(self, action: Mapping[str, Body]) -> Mapping[str, Body]:
        ((kind, body),) = action.items()
        table = _MARKED.get(body["TableName"])
        return action if table is None else {kind: self._body(table, body)}


class SingleTable(Layout):
    """All items in one table, which may contain others' items, too.

    Args:
        config: The configuration, with the names of the table and its attributes.
        tenant: The tenant; ``None`` for what belongs to none.
    """

    def __init__(self, config: DynamoDbConfig, tenant: str | None) -> None:
        super().__init__(f"{config.key_prefix}#" if tenant is None else f"{config.key_prefix}@{tenant}#")
        self._name = config.table_name("table")
        self._partition, self._sort, self._ttl = config.partition_key, config.sort_key, config.ttl_attribute
        self._names = {"id": self._partition, "subject": self._partition, "attempt": self._sort}
        if self._ttl != "expires_at":
            self._names["expires_at"] = self._ttl

    def table(self, table: TableName) -> str:
        return self._name

    def key(self, table: TableName, key: Item) -> Item:
        prefix = self.prefix
        match table:
            case "users":
                partition, sort = f"{prefix}user#{key['id']['S']}", "user"
            case "sessions":
                partition, sort = f"{prefix}user#{key['user_id']['S']}", f"session#{key['id']['S']}"
            case "identities":
                partition, sort = f"{prefix}identity#{key['id']['S']}", "identity"
            case "tokens":
                partition, sort = f"{prefix}token#{key['id']['S']}", "token"
            case _:
                partition, sort = f"{prefix}attempt#{key['subject']['S']}", key["attempt"]["S"]
        return {self._partition: {"S": partition}, self._sort: {"S": sort}}

    def item(self, table: TableName, item: Item) -> Item:
        translated = dict(item)
        for name in ("subject", "attempt") if table == "login_attempts" else ("id",):
            del translated[name]
        if "expires_at" in translated:
            translated[self._ttl] = translated.pop("expires_at")
        translated.update(self.key(table, item))
        return translated

    def stored(self, table: TableName, item: Item) -> Item | None:
        found = self.identify(item)
        return found[1] if found is not None and found[0] == table else None

    def identify(self, item: Item) -> tuple[TableName, Item] | None:
        """Return which of our items one is, translated; ``None`` for one that is not ours, or another tenant's."""
        rest = dict(item)
        partition, sort = rest.pop(self._partition, {}).get("S"), rest.pop(self._sort, {}).get("S")
        if not isinstance(partition, str) or not isinstance(sort, str) or not partition.startswith(self.prefix):
            return None
        if self._ttl != "expires_at" and self._ttl in rest:
            rest["expires_at"] = rest.pop(self._ttl)
        kind, _, name = partition[len(self.prefix) :].partition("#")
        if not name:
            return None
        match kind, sort:
            case "user", "user":
                return "users", {"id": {"S": name}, **rest}
            case "user", _ if sort.startswith("session#"):
                return "sessions", {"id": {"S": sort[len("session#") :]}, **rest}
            case "identity", "identity":
                return "identities", {"id": {"S": name}, **rest}
            case "token", "token":
                return "tokens", {"id": {"S": name}, **rest}
            case "attempt", _:
                return "login_attempts", {"subject": {"S": name}, "attempt": {"S": sort}, **rest}
            case _:
                return None

    def users_scan(self) -> Body:
        """Return the ``Scan`` for users only. It reads the whole table, because a filter applies after reading."""
        return {
            "TableName": self._name,
            "FilterExpression": "begins_with(#pk, :users) AND #sk = :user",
            "ExpressionAttributeNames": {"#pk": self._partition, "#sk": self._sort},
            "ExpressionAttributeValues": {":users": {"S": f"{self.prefix}user#"}, ":user": {"S": "user"}},
        }

    def _body(self, table: TableName, body: Body) -> Body:
        if body.get("IndexName") == USER_SESSIONS_INDEX:
            return self._sessions_query(body)
        translated = super()._body(table, body)
        if "ExpressionAttributeNames" in body:
            names = self._names
            translated["ExpressionAttributeNames"] = {
                alias: names.get(name, name) for alias, name in body["ExpressionAttributeNames"].items()
            }
        if "KeyConditionExpression" in body:
            values = dict(body["ExpressionAttributeValues"])
            values[":subject"] = {"S": f"{self.prefix}attempt#{values[':subject']['S']}"}
            translated["ExpressionAttributeValues"] = values
        return translated

    def _sessions_query(self, body: Body) -> Body:
        values: dict[str, Attribute] = body["ExpressionAttributeValues"]
        query: Body = {
            "TableName": self._name,
            "KeyConditionExpression": "#pk = :pk AND begins_with(#sk, :sessions)",
            "ExpressionAttributeNames": {"#pk": self._partition, "#sk": self._sort},
            "ExpressionAttributeValues": {
                ":pk": {"S": f"{self.prefix}user#{values[':user_id']['S']}"},
                ":sessions": {"S": "session#"},
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


# The key attributes of tables and indexes, which must begin with the tenant.
_OWN: Mapping[TableName, tuple[str, ...]] = {
    "users": ("id", "email"),
    "sessions": ("id", "user_id"),
    "identities": ("id",),
    "tokens": ("id",),
    "login_attempts": ("subject",),
}


class TenantTables(Layout):
    """The items of one tenant, in the tables of all.

    Args:
        config: The configuration.
        tenant: The tenant.
    """

    def __init__(self, config: DynamoDbConfig, tenant: str) -> None:
        super().__init__(f"@{tenant}#")
        self._tables = {table: config.table_name(table) for table in TABLES}

    def table(self, table: TableName) -> str:
        return self._tables[table]

    def key(self, table: TableName, key: Item) -> Item:
        if table == "login_attempts":
            return {"subject": self._own(key["subject"]), "attempt": key["attempt"]}
        return {"id": self._own(key["id"])}

    def item(self, table: TableName, item: Item) -> Item:
        return {**item, **{name: self._own(item[name]) for name in _OWN[table] if name in item}}

    def stored(self, table: TableName, item: Item) -> Item | None:
        translated = dict(item)
        for name in _OWN[table]:
            value = item.get(name, {}).get("S")
            if isinstance(value, str) and value.startswith(self.prefix):
                translated[name] = {"S": value[len(self.prefix) :]}
            elif name in ("id", "subject"):
                return None
        return translated

    def users_scan(self) -> Body:
        """Return the ``Scan`` for this tenant's users. It reads the users of all."""
        return {
            "TableName": self._tables["users"],
            "FilterExpression": "begins_with(#id, :tenant)",
            "ExpressionAttributeNames": {"#id": "id"},
            "ExpressionAttributeValues": {":tenant": {"S": self.prefix}},
        }

    def _own(self, value: Attribute) -> Attribute:
        return {"S": f"{self.prefix}{value['S']}"}

    def _body(self, table: TableName, body: Body) -> Body:
        translated = super()._body(table, body)
        values: Mapping[str, Attribute] | None = body.get("ExpressionAttributeValues")
        if values:
            # In expressions, the value of an attribute has its name (see _core/expressions.py).
            own = {f":{name}" for name in _OWN[table] if f":{name}" in values}
            if own:
                translated["ExpressionAttributeValues"] = {
                    name: self._own(value) if name in own else value for name, value in values.items()
                }
        return translated


def layout_of(config: DynamoDbConfig, tenant: str | None = None) -> SingleTable | TenantTables | None:
    """Return the layout of a configuration and a tenant; ``None`` if requests need no translation."""
    if config.layout == "single":
        return SingleTable(config, tenant)
    return None if tenant is None else TenantTables(config, tenant)


def placer(config: DynamoDbConfig) -> Callable[[str, Item], Placed | None]:
    """Return the function that tells what an item of a table is, whoever's it is: ``(table's name, item)``.

    It returns ``None`` for what is not ours: other tables, other items of a shared table.
    """
    if config.layout == "tables":
        tables: dict[str, TableName] = {config.table_name(table): table for table in TABLES}

        def in_tables(name: str, item: Item) -> Placed | None:
            table = tables.get(name)
            if table is None:
                return None
            key = item.get("subject" if table == "login_attempts" else "id", {}).get("S")
            found = _TENANT.match(key) if isinstance(key, str) else None
            if found is None:
                return table, None, item
            stored = tenant_tables(found[1]).stored(table, item)
            return None if stored is None else (table, found[1], stored)

        @lru_cache(maxsize=1024)
        def tenant_tables(tenant: str) -> TenantTables:
            return TenantTables(config, tenant)

        return in_tables

    begins = re.compile(re.escape(config.key_prefix) + r"(?:@([a-z0-9-]{1,63}))?#")

    @lru_cache(maxsize=1024)
    def single(tenant: str | None) -> SingleTable:
        return SingleTable(config, tenant)

    def in_single(name: str, item: Item) -> Placed | None:
        partition = item.get(config.partition_key, {}).get("S") if name == config.table_name("table") else None
        found = begins.match(partition) if isinstance(partition, str) else None
        if found is None:
            return None
        stored = single(found[1]).identify(item)
        return None if stored is None else (stored[0], found[1], stored[1])

    return in_single
