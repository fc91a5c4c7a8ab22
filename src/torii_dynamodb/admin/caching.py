"""The cache of session checks, for what changes whole tables."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from torii_dynamodb._core.cache import CacheKeys
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["clear_cache", "clearing"]


def clear_cache(cache: Cache, config: DynamoDbConfig, tenant: str | None = None) -> None:
    """Remove everything of the tables from a cache of session checks: checks then read DynamoDB.

    Use it after something has written to the tables without the cache, such as another program.

    Args:
        cache: The cache. Its secret is not needed: any will do.
        config: Where the tables are.
        tenant: Remove only what is of this tenant.

    Raises:
        CacheUnavailable: The cache cannot be reached.
    """
    keys = CacheKeys(config)
    cache.clear(keys.every if tenant is None else keys.of(tenant))


@contextmanager
def clearing(cache: Cache | None, config: DynamoDbConfig, tenant: str | None = None) -> Generator[None]:
    """Clear the cache, if there is one, when what runs inside has ended, also if it failed.

    It is also cleared before: if it cannot be reached, nothing is begun.

    Raises:
        CacheUnavailable: The cache cannot be reached.
    """
    if cache is None:
        yield
        return
    clear_cache(cache, config, tenant)
    try:
        yield
    finally:
        clear_cache(cache, config, tenant)
