"""A storage that is opened at its first use, so that routers can be created before there is an event loop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Protocol, cast

from torii_dynamodb._async.cache import AsyncCache, AsyncGuardedCache
from torii_dynamodb._async.contract import AsyncStorage
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb._core.cache import CacheCounts
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.checking import check_kind
from torii_dynamodb._rules.on_lambda import on_lambda
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["LazyStorage", "close_storage", "dynamodb", "open_storage"]

Loop = asyncio.AbstractEventLoop


class _OpenedLater:
    """A proxy of the handle that opens it at the first call.

    Connections belong to an event loop, so each loop gets its own handle: an adapter or a test client may run every
    request in a new loop. The tables are created or verified once in the process, however often it is opened. All
    handles know what one of them found out about the cache.
    """

    tenant_name: str | None = None

    def __init__(self, config: DynamoDbConfig, cache: AsyncCache | None) -> None:
        self.config = config
        self._cache = None if cache is None else AsyncGuardedCache(cache)
        self._handles: dict[Loop, asyncio.Task[AsyncDynamoDbHandle]] = {}

    async def handle(self) -> AsyncDynamoDbHandle:
        """This event loop's handle. Concurrent calls open it once; after a failure the next call tries again."""
        loop = asyncio.get_running_loop()
        opening = self._handles.get(loop)
        if opening is None:
            for ended in [other for other in list(self._handles) if other.is_closed()]:
                self._handles.pop(ended, None)
            opening = self._handles[loop] = loop.create_task(self._open())
            opening.add_done_callback(lambda done: self._forget_failure(loop, done))
        # A cancelled caller does not cancel the others.
        return opening.result() if opening.done() else await asyncio.shield(opening)

    @property
    def cache_counts(self) -> CacheCounts | None:
        """What session checks found in the cache so far, in all event loops; ``None`` without a cache."""
        return None if self._cache is None else self._cache.counts

    def tenant(self, name: str) -> _TenantOpenedLater:
        """The storage of one tenant, which opens this one at its first call, and shares its connections."""
        return _TenantOpenedLater(self, validation.tenant(name))

    async def _open(self) -> AsyncDynamoDbHandle:
        handle = await AsyncDynamoDbStorage().initialize(self.config, cache=self._cache)
        self.config = replace(self.config, create_tables=False)
        return handle

    def _forget_failure(self, loop: Loop, opening: asyncio.Task[AsyncDynamoDbHandle]) -> None:
        if opening.cancelled() or opening.exception() is not None:
            self._handles.pop(loop, None)

    async def close(self) -> None:
        """Close this event loop's handle, if it has one. The next use opens another."""
        opening = self._handles.pop(asyncio.get_running_loop(), None)
        if opening is not None:
            await (await opening).close()

    async def settle(self) -> None:
        """Wait for the background work of this event loop's handle, and leave it open."""
        opening = self._handles.get(asyncio.get_running_loop())
        if opening is not None:
            await (await opening).settle()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(AsyncDynamoDbHandle, name):
            raise AttributeError(name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await getattr(await self.handle(), name)(*args, **kwargs)

        return call


class _TenantOpenedLater(_OpenedLater):
    """A tenant's part of a storage that is opened later.

    Closing it closes the whole, which opens again at its next use: an application may have only tenants' parts.
    """

    def __init__(self, whole: _OpenedLater, tenant: str) -> None:
        self.config = whole.config
        self.tenant_name = self._tenant = tenant
        self._whole = whole
        self._cache = whole._cache

    async def handle(self) -> AsyncDynamoDbHandle:
        return (await self._whole.handle()).tenant(self._tenant)

    def tenant(self, name: str) -> _TenantOpenedLater:
        return self._whole.tenant(name)

    async def close(self) -> None:
        await self._whole.close()

    async def settle(self) -> None:
        await self._whole.settle()


class LazyStorage(AsyncStorage, Protocol):
    """A storage that is opened at its first use: see :func:`dynamodb`.

    Attributes:
        tenant_name: The tenant whose storage it is; ``None`` outside of any.
    """

    tenant_name: str | None

    @property
    def cache_counts(self) -> CacheCounts | None:
        """What session checks found in the cache so far, in this process; ``None`` without a cache."""
        ...

    def tenant(self, name: str) -> LazyStorage:
        """Return the storage of one tenant: see :meth:`AsyncDynamoDbHandle.tenant`. They share connections.

        Raises:
            ValidationError: It is not a tenant's name.
        """
        ...


def dynamodb(config: DynamoDbConfig, *, cache: AsyncCache | None = None) -> LazyStorage:
    """Return a DynamoDB storage that is opened when the application starts, or otherwise at its first use.

    So ``AsyncTorii(dynamodb(DynamoDbConfig(...)))`` works at the top of a module, where nothing can be awaited. The
    tables are created or verified once in the process (``create_tables``), not each time it is opened. An application
    whose lifespan the server runs closes it when it ends.

    Args:
        config: The configuration.
        cache: Answers session checks (:mod:`torii_dynamodb.cache`).
    """
    check_kind("config", config, "torii_dynamodb.config.DynamoDbConfig", "DynamoDbConfig(...)")
    return cast("LazyStorage", _OpenedLater(config, cache))


async def open_storage(storage: object) -> None:
    """Open a storage made by :func:`dynamodb`, so that problems are reported at startup."""
    if isinstance(storage, _OpenedLater):
        await storage.handle()


async def close_storage(storage: object) -> None:
    """Close a storage made by :func:`dynamodb`. Any other is closed by whoever opened it."""
    if not isinstance(storage, _OpenedLater):
        return
    if on_lambda():
        # Adapters such as Mangum end the application after each invocation, but the process stays for the next one,
        # which should find its connections open. Background work must finish before the process is frozen.
        await storage.settle()
    else:
        await storage.close()
