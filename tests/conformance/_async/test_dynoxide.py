"""The storage on DynamoDB keeps the contract, races included: on Dynoxide."""

from __future__ import annotations

import pytest
from tests.conformance._async.on_dynamodb import AsyncOnDynamoDb

from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing import conformance
from torii_dynamodb.testing.clock import FakeClock


class TestDynoxide(AsyncOnDynamoDb, conformance.AsyncStorageConformance):
    """The whole kit; each test has tables of its own."""

    @pytest.fixture(autouse=True)
    def _engine(self, dynoxide: LocalEngine, table_prefix: str) -> None:
        self.engine, self.prefix = dynoxide, table_prefix

    def config(self, clock: FakeClock) -> DynamoDbConfig:
        return self.engine.config(table_prefix=self.prefix, clock=clock, on_call=self.count)
