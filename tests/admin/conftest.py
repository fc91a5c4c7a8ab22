"""What the tests of the control plane share: engines and opened clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from torii_dynamodb._sync.client import Client
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine


@pytest.fixture
def layout() -> str:
    """Five tables; a test that is parametrised with ``layout`` gets the other one, too."""
    return "tables"


@pytest.fixture
def on_dynoxide(dynoxide: LocalEngine, table_prefix: str, layout: str) -> DynamoDbConfig:
    """The test's own prefix on Dynoxide, without tables."""
    return dynoxide.config(table_prefix=table_prefix, layout=layout)


@pytest.fixture
def on_moto(moto_engine: LocalEngine, table_prefix: str, layout: str) -> DynamoDbConfig:
    """The test's own prefix on moto, without tables. One connection: moto is not safe under concurrency."""
    return moto_engine.config(table_prefix=table_prefix, layout=layout, max_connections=1)


@pytest.fixture
def dynoxide_client(on_dynoxide: DynamoDbConfig) -> Iterator[Client]:
    """A client for Dynoxide."""
    client = Client(on_dynoxide)
    yield client
    client.close()


@pytest.fixture
def moto_client(on_moto: DynamoDbConfig) -> Iterator[Client]:
    """A client for moto."""
    client = Client(on_moto)
    yield client
    client.close()
