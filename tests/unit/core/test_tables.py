"""How a table differs from what is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from torii_dynamodb._core import tables
from torii_dynamodb.config import OUR_ATTRIBUTES, DynamoDbConfig
from torii_dynamodb.schema import SCHEMA, schema_of

SINGLE = schema_of(DynamoDbConfig(layout="single", table="app", ttl_attribute="ttl"))["table"]
WRITTEN = Path(__file__).parents[2] / "integration" / "storage" / "written.json"


def described(kind: str, attribute: str, type_: str) -> dict[str, Any]:
    """Return the description of an application's table with an index."""
    names = {"pk": "S", "sk": "S", attribute: type_}
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    return {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": one} for name, one in names.items()],
        "KeySchema": keys,
        kind: [{"IndexName": "theirs", "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}]}],
    }


@pytest.mark.parametrize("kind", ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"])
@pytest.mark.parametrize(
    ("attribute", "type_", "says"),
    [
        ("created_at", "N", "created_at is a number; in the library's items it is text"),
        ("version", "S", "version is text; in the library's items it is a number"),
        ("ttl", "S", "ttl is text; in the library's items it is a number"),
        ("metadata", "S", "metadata is text; in the library's items it is neither text nor a number"),
        ("email", "B", "email is bytes; in the library's items it is text"),
        ("email", "S", None),
        ("ttl", "N", None),
        ("GSI1PK", "N", None),
    ],
)
def test_an_index_that_would_refuse_our_items_is_a_difference(
    kind: str, attribute: str, type_: str, says: str | None
) -> None:
    """In a shared table, an item whose attribute has another type than an index's key cannot be written."""
    wrong = tables.differences(described(kind, attribute, type_), SINGLE, "app")
    assert len(wrong) == (says is not None)
    assert says is None or says in wrong[0]
    own = {**described(kind, attribute, type_), "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
    own["AttributeDefinitions"] = [*own["AttributeDefinitions"], {"AttributeName": "id", "AttributeType": "S"}]
    assert tables.differences(own, SCHEMA["tokens"], "torii_tokens") == []


def test_the_types_are_those_that_are_stored() -> None:
    """What is known about types agrees with one item of everything."""
    found: dict[str, set[str]] = {}

    def look(given: Any) -> None:
        for part in given.values() if isinstance(given, dict) else given:
            if not isinstance(part, dict | list):
                continue
            if isinstance(part, dict) and all(isinstance(one, dict) and len(one) == 1 for one in part.values()):
                for name, value in part.items():
                    found.setdefault(name, set()).update(value)
            look(part)

    look(json.loads(WRITTEN.read_text(encoding="utf-8")))
    known = {name: kinds for name, kinds in found.items() if name in OUR_ATTRIBUTES}
    assert len(known) > 35
    for name, kinds in known.items():
        expected = {"N"} if name in tables._NUMBERS else kinds - {"N", "S"} if name in tables._OTHERS else {"S"}
        assert kinds == expected, name
