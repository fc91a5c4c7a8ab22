"""Tables: the requests that create them, and how existing ones differ from the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torii_dynamodb._core.attributes import Item
from torii_dynamodb.config import OUR_ATTRIBUTES, TableName
from torii_dynamodb.schema import SCHEMA, IndexSchema, TableSchema

__all__ = [
    "NOBODY",
    "create_request",
    "differences",
    "is_active",
    "is_going",
    "key_difference",
    "key_schema",
    "keys_of",
    "probe_key",
    "ttl_difference",
    "ttl_is_off",
    "ttl_request",
]


# The types of the library's attributes that are not text.
_NUMBERS = frozenset(
    {"epoch", "kept_expires_at", "last_step", "schema_version", "session_epoch", "sign_count", "version"}
)
_OTHERS = frozenset(
    {"amr", "backed_up", "backup_eligible", "codes", "disconnected", "factors", "identities", "metadata", "profile"}
    | {"public_key", "sealed_flow", "secret", "tokens", "transports", "tries"}
)


def create_request(schema: TableSchema, name: str) -> dict[str, Any]:
    """Return the body of ``CreateTable``: on demand, with all indexes."""
    body: dict[str, Any] = {
        "TableName": name,
        "KeySchema": key_schema(schema),
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": kind} for attribute, kind in schema.attributes.items()
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
    if schema.indexes:
        body["GlobalSecondaryIndexes"] = [
            {"IndexName": index.name, "KeySchema": key_schema(index), "Projection": {"ProjectionType": "ALL"}}
            for index in schema.indexes
        ]
    return body


def key_schema(schema: TableSchema | IndexSchema) -> list[dict[str, str]]:
    """Return a table's or an index's keys in DynamoDB's format."""
    keys = [{"AttributeName": schema.hash_key.name, "KeyType": "HASH"}]
    if schema.range_key is not None:
        keys.append({"AttributeName": schema.range_key.name, "KeyType": "RANGE"})
    return keys


def ttl_request(name: str, attribute: str) -> dict[str, Any]:
    """Return the body of ``UpdateTimeToLive``."""
    return {"TableName": name, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": attribute}}


def is_active(description: Mapping[str, Any]) -> bool:
    """Return whether a described table and all its indexes can be used."""
    indexes: list[Mapping[str, Any]] = description.get("GlobalSecondaryIndexes") or []
    return description.get("TableStatus") in ("ACTIVE", "UPDATING") and all(
        index.get("IndexStatus", "ACTIVE") in ("ACTIVE", "UPDATING") for index in indexes
    )


def is_going(description: Mapping[str, Any]) -> bool:
    """Return whether a described table is being deleted: it will not come back, and its name is not free yet."""
    return description.get("TableStatus") == "DELETING"


def key_difference(description: Mapping[str, Any], schema: TableSchema, name: str) -> str | None:
    """Return how the key of a described table differs from the schema's, in a sentence; ``None`` if it does not."""
    types = {
        attribute["AttributeName"]: attribute["AttributeType"] for attribute in description["AttributeDefinitions"]
    }
    found, expected = _keys(description["KeySchema"], types), _expected(schema)
    return None if found == expected else f"table {name}: key found: {found}; expected: {expected}"


def differences(description: Mapping[str, Any], schema: TableSchema, name: str) -> list[str]:
    """Return how a described table differs from the schema: one sentence each, with table, found and expected.

    Indexes that the schema does not mention are ignored, unless DynamoDB would refuse the library's items because of
    them: an index of a shared table may have a key that the library's items have with another type.
    """
    types = {
        attribute["AttributeName"]: attribute["AttributeType"] for attribute in description["AttributeDefinitions"]
    }
    wrong = [one for one in [key_difference(description, schema, name)] if one is not None]
    described: list[Mapping[str, Any]] = description.get("GlobalSecondaryIndexes") or []
    indexes = {index["IndexName"]: index for index in described}
    for index in schema.indexes:
        if index.name not in indexes:
            shown = ", ".join(sorted(indexes)) or "none"
            wrong.append(f"table {name}: index found: {shown}; expected: {index.name} on {_expected(index)}")
            continue
        found, expected = _keys(indexes[index.name]["KeySchema"], types), _expected(index)
        if found != expected:
            wrong.append(f"table {name}, index {index.name}: key found: {found}; expected: {expected}")
        projection = indexes[index.name].get("Projection", {}).get("ProjectionType")
        if projection != "ALL":
            wrong.append(f"table {name}, index {index.name}: projection found: {projection}; expected: ALL")
    if schema.table == "table":
        local: list[Mapping[str, Any]] = description.get("LocalSecondaryIndexes") or []
        keys = [
            (str(one["IndexName"]), str(key["AttributeName"]))
            for one in (*described, *local)
            for key in one["KeySchema"]
        ]
        for index_name, key in keys:
            if key not in OUR_ATTRIBUTES and key != schema.ttl:
                continue
            ours = (
                "a number"
                if key in _NUMBERS or key == schema.ttl
                else "neither text nor a number"
                if key in _OTHERS
                else "text"
            )
            theirs = {"N": "a number", "S": "text"}.get(types.get(key, ""), "bytes")
            if ours != theirs:
                wrong.append(
                    f"table {name}, index {index_name}: its key {key} is {theirs}; in the library's items it is "
                    f"{ours}, so DynamoDB would refuse them"
                )
    return wrong


def ttl_is_off(described: Mapping[str, Any]) -> bool:
    """Return whether TTL is off for a table."""
    return described.get("TimeToLiveStatus") in (None, "DISABLED", "DISABLING")


def ttl_difference(described: Mapping[str, Any], attribute: str, name: str) -> str | None:
    """Return what is wrong with a table's TTL, in a sentence; ``None`` if nothing is."""
    found = None if ttl_is_off(described) else described.get("AttributeName")
    if found == attribute:
        return None
    return f"table {name}: TTL attribute found: {found or 'none'}; expected: {attribute}"


NOBODY = "#health"
"""A key that no item has."""


def probe_key(table: TableName) -> Item:
    """Return a key that no item has, to test whether a table can be read."""
    schema = SCHEMA[table]
    keys = [schema.hash_key] + ([schema.range_key] if schema.range_key else [])
    return {key.name: {"S": NOBODY} for key in keys}


def keys_of(schema: TableSchema) -> str:
    """Return the keys that a table must have, its indexes included, for messages."""
    indexes = "".join(f"; index {index.name} on {_expected(index)}" for index in schema.indexes)
    return f"key expected: {_expected(schema)}{indexes}"


def _keys(keys: list[Mapping[str, str]], types: Mapping[str, str]) -> str:
    ordered = sorted(keys, key=lambda key: key["KeyType"])
    return ", ".join(f"{key['AttributeName']} ({types.get(key['AttributeName'], '?')})" for key in ordered)


def _expected(schema: TableSchema | IndexSchema) -> str:
    keys = [schema.hash_key] + ([schema.range_key] if schema.range_key else [])
    return ", ".join(f"{key.name} ({key.type})" for key in keys)
