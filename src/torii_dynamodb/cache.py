"""The cache of session checks, in Valkey or Redis (extra ``cache``). See docs/cache.md.

Pass one when opening a storage::

    from torii_dynamodb.cache import AsyncValkeyCache

    cache = AsyncValkeyCache("valkeys://cache.example.com", secret=secret)
    async with AsyncDynamoDbStorage.open(config, cache=cache) as storage:
        ...
"""

from __future__ import annotations

from torii_dynamodb._async.valkey import AsyncValkeyCache
from torii_dynamodb._core.cache import CacheCounts, Lease
from torii_dynamodb._sync.valkey import ValkeyCache

__all__ = ["AsyncValkeyCache", "CacheCounts", "Lease", "ValkeyCache"]
