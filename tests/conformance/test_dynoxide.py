"""The storages on DynamoDB keep the contract on Dynoxide, including races."""

from __future__ import annotations

import pytest
from tests.conformance.on_dynamodb import BlockingOnDynamoDb, OnDynamoDb

from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing import conformance
from torii_dynamodb.testing.clock import FakeClock


class OnDynoxide(OnDynamoDb):
    """Each test has its own tables."""

    @pytest.fixture(autouse=True)
    def _engine(self, dynoxide: LocalEngine, table_prefix: str) -> None:
        self.engine, self.prefix = dynoxide, table_prefix

    def config(self, clock: FakeClock) -> DynamoDbConfig:
        return self.engine.config(table_prefix=self.prefix, clock=clock, on_call=self.count)


class TestDynoxide(OnDynoxide, conformance.StorageConformance):
    """The whole kit over the asynchronous storage."""


class TestBlockingDynoxide(BlockingOnDynamoDb, OnDynoxide, conformance.StorageConformance):
    """The whole kit over the blocking storage."""
