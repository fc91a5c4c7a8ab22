"""Open the storages on DynamoDB, asynchronous and blocking, and read their tables directly."""

from __future__ import annotations

import os
from base64 import b64decode
from contextlib import AbstractAsyncContextManager, AbstractContextManager, closing
from typing import Any, ClassVar

from torii_dynamodb import AsyncDynamoDbHandle, AsyncDynamoDbStorage, CallRecord, DynamoDbHandle, DynamoDbStorage
from torii_dynamodb._core.layout import placer
from torii_dynamodb._sync.client import Client
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.testing import conformance
from torii_dynamodb.testing.clock import FakeClock

LONG = bool(os.environ.get("TORII_LONG"))


def plain(attribute: dict[str, Any]) -> Any:
    """Decode an attribute, independently of the library's decoder, which is under test."""
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


class OnDynamoDb:
    """The kit's hooks for DynamoDB."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"raw", "isolated", "large", "many", "races", "ttl"})
    race_rounds: ClassVar[int] = 20 if LONG else 8
    requests = 0

    def config(self, clock: FakeClock) -> DynamoDbConfig:
        """Return the configuration of the storage under test."""
        raise NotImplementedError

    def make_storage(
        self, clock: FakeClock
    ) -> AbstractAsyncContextManager[AsyncDynamoDbHandle] | AbstractContextManager[DynamoDbHandle]:
        return AsyncDynamoDbStorage.open(self.config(clock))

    def count(self, record: CallRecord) -> None:
        """Count the requests of a call (``on_call``)."""
        self.requests += record.attempts

    def count_requests(self, storage: AsyncDynamoDbHandle | DynamoDbHandle) -> int | None:
        return self.requests

    def raw(self, storage: AsyncDynamoDbHandle | DynamoDbHandle) -> conformance.Dump:
        """Return every stored item, by table. An item that is not the storage's own tenant's fails the test."""
        place, dump = placer(storage.config), {str(table): list[dict[str, Any]]() for table in TABLES}
        with closing(Client(storage.config)) as client:
            for name in map(storage.config.table_name, storage.config.tables):
                for item in self._scan(client, name):
                    placed = place(name, item)
                    assert placed is not None, f"not ours: {item}"
                    table, tenant, ours = placed
                    assert tenant == storage.tenant_name, f"another tenant's: {item}"
                    dump[table].append({attribute: plain(value) for attribute, value in ours.items()})
        return dump

    def _scan(self, client: Client, table: str) -> list[dict[str, Any]]:
        payload: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        items: list[dict[str, Any]] = []
        while True:
            answer = client.call("Scan", payload)
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return items
            payload["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


class BlockingOnDynamoDb(OnDynamoDb):
    """The blocking storage: the same code, but threads are slower, so there are fewer rounds and cases."""

    race_rounds = 20 if LONG else 3
    every_case: ClassVar[bool] = False

    def make_storage(self, clock: FakeClock) -> AbstractContextManager[DynamoDbHandle]:
        return DynamoDbStorage.open(self.config(clock))
