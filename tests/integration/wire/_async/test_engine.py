"""The client on a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from torii_dynamodb import errors
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.primitives import gather
from torii_dynamodb._calls import CallRecord
from torii_dynamodb._wire.errors import ConditionFailed, TransactionCanceled
from torii_dynamodb.local.engines import LocalEngine

NEW = "attribute_not_exists(id)"


class Tables:
    """Two tables for this test, and a client."""

    def __init__(self, client: AsyncClient, prefix: str, records: list[CallRecord]) -> None:
        self.client = client
        self.users = f"{prefix}_users"
        self.attempts = f"{prefix}_attempts"
        self.records = records

    async def create(self) -> None:
        """Create them; Dynoxide has them at once."""
        for name, keys in ((self.users, ["id"]), (self.attempts, ["subject", "attempt"])):
            await self.client.call(
                "CreateTable",
                {
                    "TableName": name,
                    "KeySchema": [
                        {"AttributeName": key, "KeyType": "RANGE" if position else "HASH"}
                        for position, key in enumerate(keys)
                    ],
                    "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
                    "BillingMode": "PAY_PER_REQUEST",
                },
            )


@pytest.fixture
async def tables(dynoxide: LocalEngine, table_prefix: str) -> AsyncIterator[Tables]:
    """Fresh tables."""
    records: list[CallRecord] = []
    client = AsyncClient(dynoxide.config(on_call=records.append))
    made = Tables(client, table_prefix, records)
    await made.create()
    yield made
    await client.aclose()


def user(number: int) -> dict[str, Any]:
    """An item."""
    return {"id": {"S": f"usr_{number}"}, "name": {"S": "Ada"}}


async def test_conditions_and_transactions(tables: Tables) -> None:
    """A failed condition brings the item, a cancelled transaction its reasons, as the engine really tells them."""
    put = {"TableName": tables.users, "Item": user(1), "ConditionExpression": NEW}
    await tables.client.call("PutItem", put)
    with pytest.raises(ConditionFailed) as failed:
        await tables.client.call("PutItem", {**put, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"})
    assert failed.value.item == user(1)
    with pytest.raises(TransactionCanceled) as cancelled:
        await tables.client.call(
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": tables.users, "Item": user(2)}}, {"Put": put}]},
        )
    assert [reason.code for reason in cancelled.value.reasons] == ["None", "ConditionalCheckFailed"]


async def test_a_missing_table_is_named(tables: Tables) -> None:
    """The engine's refusal becomes the mistake that it is."""
    with pytest.raises(errors.ConfigurationError, match="torii_nowhere"):
        await tables.client.call("GetItem", {"TableName": "torii_nowhere", "Key": {"id": {"S": "1"}}})


async def test_capacity_is_reported(tables: Tables) -> None:
    """A strong read of a small item costs one unit."""
    await tables.client.call("PutItem", {"TableName": tables.users, "Item": user(1)})
    await tables.client.call(
        "GetItem", {"TableName": tables.users, "Key": {"id": {"S": "usr_1"}}, "ConsistentRead": True}
    )
    write, read = tables.records[-2:]
    assert (write.operation, write.write_units, write.read_units) == ("PutItem", 1.0, 0.0)
    assert (read.operation, read.read_units, read.items, read.attempts) == ("GetItem", 1.0, 1, 1)
    assert read.request_id


async def test_reads_of_many_callers_are_merged_and_told_apart(tables: Tables) -> None:
    """200 callers at once, two tables, each gets its own two items, in far fewer requests."""
    attempts = [
        (tables.attempts, {"PutRequest": {"Item": {"subject": {"S": f"usr_{n}"}, "attempt": {"S": "#register"}}}})
        for n in range(0, 200, 3)
    ]
    await tables.client.batch_write(
        [(tables.users, {"PutRequest": {"Item": user(n)}}) for n in range(0, 200, 2)] + attempts
    )
    before = len(tables.records)

    def reader(number: int) -> Callable[[], Any]:
        keys = [
            (tables.users, {"id": {"S": f"usr_{number}"}}),
            (tables.attempts, {"attempt": {"S": "#register"}, "subject": {"S": f"usr_{number}"}}),
        ]
        return lambda: tables.client.batch_get(keys, consistent=bool(number % 5))

    answers = await gather(*(reader(number) for number in range(200)), limit=64)
    for number, (first, second) in enumerate(answers):
        assert first == (user(number) if number % 2 == 0 else None)
        assert (second is not None) is (number % 3 == 0)
        assert second is None or second["subject"] == {"S": f"usr_{number}"}
    assert len(tables.records) - before < 150


async def test_large_answers_come_whole(tables: Tables) -> None:
    """More than the 16 MB of one answer: what DynamoDB leaves over is asked for again."""
    big = "x" * 390_000
    items = [(tables.users, {"PutRequest": {"Item": {**user(n), "big": {"S": big}}}}) for n in range(50)]
    await tables.client.batch_write(items)
    answers = await tables.client.batch_get(
        [(tables.users, {"id": {"S": f"usr_{n}"}}) for n in range(50)], consistent=True
    )
    assert all(answer is not None and answer["big"] == {"S": big} for answer in answers)
