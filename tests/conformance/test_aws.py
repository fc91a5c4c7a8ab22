"""The storage keeps the contract on AWS; runs only if TORII_TEST_AWS names a region.

All tests share one set of tables, deleted afterwards. The clock starts at the current time, because DynamoDB's TTL goes
by its own. A run costs a few cents.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from tests.conformance.on_dynamodb import BlockingOnDynamoDb, OnDynamoDb

from torii_dynamodb._sync.client import Client
from torii_dynamodb.config import TABLES, DynamoDbConfig
from torii_dynamodb.testing import conformance
from torii_dynamodb.testing.clock import FakeClock

REGION = os.environ.get("TORII_TEST_AWS", "")
PREFIX = f"torii-test-{uuid.uuid4().hex[:12]}"

_made: set[str] = set()

if not REGION:
    pytest.skip("TORII_TEST_AWS names no region", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def _delete_tables() -> Iterator[None]:
    yield
    if not _made:
        return
    config = DynamoDbConfig(region=REGION, table_prefix=PREFIX)
    client = Client(config)
    for table in TABLES:
        client.call("DeleteTable", {"TableName": config.table_name(table)})
    client.close()


class OnAws(OnDynamoDb):
    """All tests share one set of tables."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"raw", "large", "races", "ttl"})
    race_rounds = 3
    every_case: ClassVar[bool] = True
    start: ClassVar[datetime | None] = datetime.now(UTC)

    def config(self, clock: FakeClock) -> DynamoDbConfig:
        first = PREFIX not in _made
        _made.add(PREFIX)
        return DynamoDbConfig(
            region=REGION, table_prefix=PREFIX, clock=clock, on_call=self.count, create_tables=first, deadline=120
        )


@pytest.mark.aws
@pytest.mark.timeout(1200)
class TestAws(OnAws, conformance.StorageConformance):
    """The whole kit over the asynchronous storage, with few rounds of each race."""


@pytest.mark.aws
@pytest.mark.timeout(1200)
class TestBlockingAws(OnAws, BlockingOnDynamoDb, conformance.StorageConformance):
    """The whole kit over the blocking storage."""
