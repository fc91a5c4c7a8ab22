"""Another writer: a blocking handle that bypasses the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torii_dynamodb._sync.storage.handle import DynamoDbHandle, DynamoDbStorage


@contextmanager
def other_writer(world: Any) -> Iterator[DynamoDbHandle]:
    """Return a handle on the same tables, directly on the engine."""
    with DynamoDbStorage.open(world.config(endpoint_url=world.engine.endpoint_url)) as storage:
        yield storage
