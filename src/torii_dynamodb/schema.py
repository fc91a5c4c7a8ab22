"""The tables, declared once.

Creation, verification, templates, IAM policies, autoscaling and the cost model all read this module; nothing else
repeats a key, an index or a TTL attribute.

With ``layout="single"`` there is one table instead: see :func:`schema_of`.

``users`` and ``sessions`` have the names of RFC 0008. The other three contain what RFC 0002 needs in addition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from torii_dynamodb.config import EMAIL_INDEX, SCHEMA_VERSION, USER_SESSIONS_INDEX, DynamoDbConfig, StoredTable

__all__ = [
    "EMAIL_INDEX",
    "SCHEMA",
    "SCHEMA_VERSION",
    "USER_SESSIONS_INDEX",
    "IndexSchema",
    "Key",
    "TableSchema",
    "schema_of",
]

AttributeType = Literal["S", "N", "B"]


@dataclass(frozen=True, slots=True)
class Key:
    """A key attribute: its name and type."""

    name: str
    type: AttributeType


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSchema:
    """A global secondary index. All attributes are projected.

    Args:
        name: The index's name.
        hash_key: The partition key.
        range_key: The sort key, if it has one.
    """

    name: str
    hash_key: Key
    range_key: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """A table.

    Args:
        table: Its name without the prefix; ``"table"`` for a single table.
        hash_key: The partition key.
        range_key: The sort key, if it has one.
        indexes: Its global secondary indexes.
        ttl: The attribute, in epoch seconds, after which DynamoDB deletes an item; ``None`` if items do not expire.
    """

    table: StoredTable
    hash_key: Key
    range_key: Key | None = None
    indexes: tuple[IndexSchema, ...] = ()
    ttl: str | None = None

    @property
    def attributes(self) -> dict[str, AttributeType]:
        """Return all key attributes of the table and its indexes, with their types."""
        keys = [self.hash_key, self.range_key]
        for index in self.indexes:
            keys += [index.hash_key, index.range_key]
        return {key.name: key.type for key in keys if key is not None}


SCHEMA: Final[Mapping[StoredTable, TableSchema]] = MappingProxyType(
    {
        "users": TableSchema(
            table="users",
            hash_key=Key("id", "S"),
            indexes=(IndexSchema(name=EMAIL_INDEX, hash_key=Key("email", "S")),),
        ),
        "sessions": TableSchema(
            table="sessions",
            hash_key=Key("id", "S"),
            indexes=(
                IndexSchema(name=USER_SESSIONS_INDEX, hash_key=Key("user_id", "S"), range_key=Key("expires_at", "N")),
            ),
            ttl="expires_at",
        ),
        "identities": TableSchema(table="identities", hash_key=Key("id", "S")),
        "tokens": TableSchema(table="tokens", hash_key=Key("id", "S"), ttl="expires_at"),
        "login_attempts": TableSchema(
            table="login_attempts", hash_key=Key("subject", "S"), range_key=Key("attempt", "S"), ttl="expires_at"
        ),
    }
)


def schema_of(config: DynamoDbConfig) -> Mapping[StoredTable, TableSchema]:
    """Return the tables of a configuration: :data:`SCHEMA`, or a single table without indexes."""
    if config.layout == "tables":
        return SCHEMA
    single = TableSchema(
        table="table",
        hash_key=Key(config.partition_key, "S"),
        range_key=Key(config.sort_key, "S"),
        ttl=config.ttl_attribute,
    )
    return {"table": single}
