"""The storages on DynamoDB keep the contract on Dynoxide, including races."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar

import pytest
from tests.conformance.on_dynamodb import LONG, BlockingOnDynamoDb, OnDynamoDb
from tests.valkey_server import ValkeyServer

from torii_dynamodb import AsyncDynamoDbHandle, AsyncDynamoDbStorage, DynamoDbHandle, DynamoDbStorage
from torii_dynamodb.cache import AsyncValkeyCache, ValkeyCache
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing import conformance
from torii_dynamodb.testing.clock import FakeClock


class OnDynoxide(OnDynamoDb):
    """Each test has its own tables."""

    @pytest.fixture(autouse=True)
    def _engine(self, dynoxide_of_class: LocalEngine, table_prefix: str) -> None:
        self.engine, self.prefix = dynoxide_of_class, table_prefix

    options: ClassVar[dict[str, Any]] = {}

    def config(self, clock: FakeClock) -> DynamoDbConfig:
        return self.engine.config(table_prefix=self.prefix, clock=clock, on_call=self.count, **self.options)


class TestDynoxide(OnDynoxide, conformance.StorageConformance):
    """The whole kit over the asynchronous storage."""


class TestBlockingDynoxide(BlockingOnDynamoDb, OnDynoxide, conformance.StorageConformance):
    """The whole kit over the blocking storage."""


class Again(OnDynoxide):
    """The same requests with other keys, so fewer cases and rounds run again."""

    every_case: ClassVar[bool] = False
    race_rounds: ClassVar[int] = 20 if LONG else 3


class InASingleTable(Again):
    """Each test has its own table, with names of key attributes as in a table that others made."""

    options: ClassVar[dict[str, Any]] = {
        "layout": "single",
        "partition_key": "PK",
        "sort_key": "SK",
        "ttl_attribute": "ttl",
    }


class TestSingleTable(InASingleTable, conformance.StorageConformance):
    """The whole kit over one table."""


class TestBlockingTenantInASingleTable(BlockingOnDynamoDb, InASingleTable, conformance.StorageConformance):
    """The whole kit over the items of a tenant in one table, blocking."""

    @contextmanager
    def make_storage(self, clock: FakeClock) -> Generator[DynamoDbHandle]:
        with DynamoDbStorage.open(self.config(clock)) as storage:
            yield storage.tenant("acme")


if LONG:

    class TestTenant(Again, conformance.StorageConformance):
        """The whole kit over the items of a tenant in the five tables."""

        @asynccontextmanager
        async def make_storage(self, clock: FakeClock) -> AsyncGenerator[AsyncDynamoDbHandle]:
            async with AsyncDynamoDbStorage.open(self.config(clock)) as storage:
                yield storage.tenant("acme")

    class TestTenantInASingleTable(InASingleTable, TestTenant):
        """The whole kit over the items of a tenant in one table."""

    class TestBlockingSingleTable(BlockingOnDynamoDb, InASingleTable, conformance.StorageConformance):
        """The whole kit over one table, blocking."""

    class TestCached(Again, conformance.StorageConformance):
        """The whole kit over a storage whose session checks are answered by a cache."""

        @pytest.fixture(autouse=True)
        def _cache(self, valkey: ValkeyServer) -> None:
            self.url = valkey.url

        @asynccontextmanager
        async def make_storage(self, clock: FakeClock) -> AsyncGenerator[AsyncDynamoDbHandle]:
            cache = AsyncValkeyCache(self.url, secret="s" * 32, clock=clock, timeout=5, connect_timeout=5)
            async with AsyncDynamoDbStorage.open(self.config(clock), cache=cache) as storage:
                yield storage

    class TestBlockingCachedTenantInASingleTable(BlockingOnDynamoDb, InASingleTable, conformance.StorageConformance):
        """The whole kit over a tenant in one table, blocking, with a cache."""

        @pytest.fixture(autouse=True)
        def _cache(self, valkey: ValkeyServer) -> None:
            self.url = valkey.url

        @contextmanager
        def make_storage(self, clock: FakeClock) -> Generator[DynamoDbHandle]:
            cache = ValkeyCache(self.url, secret="s" * 32, clock=clock, timeout=5, connect_timeout=5)
            with DynamoDbStorage.open(self.config(clock), cache=cache) as storage:
                yield storage.tenant("acme")
