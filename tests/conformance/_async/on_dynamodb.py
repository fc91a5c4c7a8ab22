"""What the instantiations over DynamoDB share: how its storage is opened, and its tables read past it."""

from __future__ import annotations

import os
from base64 import b64decode
from contextlib import AbstractAsyncContextManager
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from torii_dynamodb import CallRecord
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.testing import conformance
from torii_dynamodb.testing.clock import FakeClock

ASYNC = iscoroutinefunction(AsyncClient.call)
LONG = bool(os.environ.get("TORII_LONG"))


def plain(attribute: dict[str, Any]) -> Any:
    """An attribute as a Python value. Not the library's decoder: this is evidence against it."""
    ((tag, value),) = attribute.items()
    match tag:
        case "N":
            return int(value)
        case "B":
            return b64decode(value)
        case "SS":
            return frozenset(value)
        case "NULL":
            return None
        case "L":
            return [plain(inner) for inner in value]
        case "M":
            return {key: plain(inner) for key, inner in value.items()}
        case _:
            return value


class AsyncOnDynamoDb:
    """Hooks of the kit, over DynamoDB."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"raw", "isolated", "large", "many", "races", "ttl"})

    # The blocking twin is the same code, raced by threads, which take their time: fewer rounds and cases of the same.
    race_rounds: ClassVar[int] = 20 if LONG else 8 if ASYNC else 3
    every_case: ClassVar[bool] = ASYNC
    requests = 0

    def config(self, clock: FakeClock) -> DynamoDbConfig:
        """Where the storage under test is."""
        raise NotImplementedError

    def make_storage(self, clock: FakeClock) -> AbstractAsyncContextManager[AsyncDynamoDbHandle]:
        return AsyncDynamoDbStorage.open(self.config(clock))

    def count(self, record: CallRecord) -> None:
        """Count a request, as the configuration's ``on_call``."""
        self.requests += record.attempts

    def count_requests(self, storage: AsyncDynamoDbHandle) -> int | None:
        return self.requests

    async def raw(self, storage: AsyncDynamoDbHandle) -> conformance.Dump:
        client = AsyncClient(storage.config)
        try:
            return {table: await self._scan(client, storage.config.table_name(table)) for table in TABLES}
        finally:
            await client.aclose()

    async def _scan(self, client: AsyncClient, table: str) -> list[dict[str, Any]]:
        payload: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        items: list[dict[str, Any]] = []
        while True:
            answer = await client.call("Scan", payload)
            items += [{name: plain(value) for name, value in item.items()} for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return items
            payload["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
