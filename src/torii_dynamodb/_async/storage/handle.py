"""The handle: the whole contract on DynamoDB, and the plugin that opens it (RFC 0008)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from torii_dynamodb import _core, models
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.primitives import BLOCKING, Background, gather, monotonic
from torii_dynamodb._async.storage.attempts import AsyncAttempts
from torii_dynamodb._async.storage.factors import AsyncFactors
from torii_dynamodb._async.storage.oauth import AsyncOAuth
from torii_dynamodb._async.storage.passkeys import AsyncPasskeys
from torii_dynamodb._async.storage.passwords import AsyncPasswords
from torii_dynamodb._async.storage.sessions import AsyncSessions
from torii_dynamodb._async.storage.tokens import AsyncTokens
from torii_dynamodb._async.storage.users import AsyncUsers
from torii_dynamodb._rules import validation
from torii_dynamodb._wire.errors import TransactionCanceled
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError, ToriiError, TransactionFailed

if TYPE_CHECKING:
    from torii_dynamodb._async.cache import AsyncCache, AsyncGuardedCache
    from torii_dynamodb._core.cache import CacheCounts
    from torii_dynamodb._core.transactions import TransactionBuilder
    from torii_dynamodb.models import Health

__all__ = ["AsyncDynamoDbHandle", "AsyncDynamoDbStorage"]

_CACHE = "a cache, for example AsyncValkeyCache(url, secret=secret)"


class AsyncDynamoDbHandle(
    AsyncUsers, AsyncSessions, AsyncPasswords, AsyncTokens, AsyncOAuth, AsyncPasskeys, AsyncFactors, AsyncAttempts
):
    """Every storage operation, on DynamoDB. :meth:`AsyncDynamoDbStorage.initialize` and ``open`` return one.

    One handle serves a whole program: share it between tasks, and close it at the end.
    """

    def tenant(self, name: str) -> AsyncDynamoDbHandle:
        """Return the storage of one tenant: the same operations on items of its own, in the same table or tables.

        An address belongs to one user in each tenant, and sessions, links, codes and challenges of one tenant are not
        valid in another. It makes no request, and shares this handle's connections, which only this handle closes.

        Args:
            name: The tenant: 1 to 63 of a-z, 0-9 and ``-``. It need not exist.

        Raises:
            ValidationError: It is not a tenant's name.
        """
        client, local = self._clients
        return AsyncDynamoDbHandle(
            client,
            self.config,
            local=local,
            tenant=validation.tenant(name),
            background=self._background,
            cache=self._cache,
        )

    @property
    def cache_counts(self) -> CacheCounts | None:
        """What session checks found in the cache so far, tenants' included; ``None`` without a cache."""
        return None if self._cache is None else self._cache.counts

    async def transact_write(
        self, build: Callable[[TransactionBuilder], object], *, allow_torii_tables: bool = False
    ) -> None:
        """Write items in your own tables, and create users with them, all or none (RFC 0008).

        Args:
            build: Adds the writes to the builder that it is given.
            allow_torii_tables: Whether it may also put, update and delete rows of the library's own tables. Nothing
                checks such a row; one that the library cannot read raises :class:`CorruptItem` when it is read.

        Raises:
            TransactionFailed: A condition failed; says which.
            ValidationError: Nothing was added, an item appears twice, there are more than 100 items, or one is in a
                table of the library's own.
        """
        builder = _core.transactions.TransactionBuilder(
            self.config, allow_torii_tables=allow_torii_tables, layout=self._layout
        )
        build(builder)
        try:
            await self._client.call("TransactWriteItems", builder.payload())
        except TransactionCanceled as error:
            reasons = [reason.code for reason in error.reasons]
            raise TransactionFailed(
                f"the transaction was refused and nothing was written: {', '.join(reasons) or error}",
                reasons=reasons,
                request_id=error.request_id,
            ) from error.strip()

    async def health_check(self) -> Health:
        """Check whether every table can be read. Errors of DynamoDB and the network are in the result, not raised.

        It reads one key that does not exist from each table, at the same time: 5 read units, 1 with a single table.
        """
        started = monotonic()
        probed: tuple[TableName, ...] = TABLES if self.config.layout == "tables" else ("users",)
        said = await gather(*(partial(self._probe, table) for table in probed))
        return models.Health(
            healthy=not any(said),
            latency=monotonic() - started,
            tables={table: message or "ok" for table, message in zip(self.config.tables, said, strict=True)},
            cache=None if self._cache is None else await self._cache.problem() or "ok",
        )

    async def _probe(self, table: TableName) -> str:
        name = self.config.table_name(table) if self._layout is None else self._layout.name(table)
        key = (
            self._session_key(_core.tables.NOBODY, _core.tables.NOBODY)
            if table == "sessions"
            else _core.tables.probe_key(table)
        )
        try:
            await self._get(name, key, consistent=True)
        except ToriiError as error:
            return f"{error.code}: {error}"
        return ""

    async def cleanup(self) -> int:
        """Remove what has expired (RFC 0002). Always returns 0: DynamoDB's TTL does it."""
        return await self.cleanup_expired_sessions() + await self.cleanup_expired_tokens()

    async def settle(self) -> None:
        """Wait for background work, such as removing the rows of ended sessions. The handle stays open."""
        await self._background.wait()

    async def close(self) -> None:
        """Wait for background work, then close the connections. A tenant's handle closes nothing: they are shared."""
        if self.tenant_name is not None:
            return
        client, local = self._clients
        try:
            await self._background.aclose()
        finally:
            # Even if waiting was cancelled: connections must not outlive their handle.
            try:
                await client.aclose()
            finally:
                try:
                    if local is not None:
                        await local.aclose()
                finally:
                    if self._cache is not None:
                        await self._cache.aclose()

    async def __aenter__(self) -> AsyncDynamoDbHandle:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class AsyncDynamoDbStorage:
    """The plugin (RFC 0002, ``StoragePlugin``): opens a handle from a configuration."""

    def __init__(self) -> None:
        self._handle: AsyncDynamoDbHandle | None = None

    async def initialize(
        self, config: DynamoDbConfig, *, cache: AsyncCache | AsyncGuardedCache | None = None
    ) -> AsyncDynamoDbHandle:
        """Connect to DynamoDB, create or verify the tables, and return the handle.

        With ``create_tables`` (the default), missing tables are created with on-demand billing, indexes and TTL, and
        existing ones are verified; it returns once all can be used. Without it, nothing is requested.

        Args:
            config: The configuration.
            cache: Answers session checks (:mod:`torii_dynamodb.cache`). It is closed with the handle. Several handles
                that are to share what they count and find out about it get the same ``AsyncGuardedCache``.

        Raises:
            ConfigurationError: An existing table has another key, index or TTL attribute; there is no region or there
                are no credentials; this storage is initialised already; or there is a cache and a ``home_region``.
            AccessDenied: The credentials may not describe or create tables.
        """
        validation.instance(config, "config", DynamoDbConfig)
        if self._handle is not None:
            raise ConfigurationError("the storage is initialised already; close it first, or create another")
        guarded: AsyncGuardedCache | None = None
        if cache is not None:
            from torii_dynamodb._async.cache import AsyncGuardedCache
            from torii_dynamodb._rules.checking import check_methods, check_twin

            guarded = cache if isinstance(cache, AsyncGuardedCache) else AsyncGuardedCache(cache)
            check_methods("cache", guarded.cache, ["get", "lease", "fill", "forget", "clear"], _CACHE)
            check_twin("cache", guarded.cache, "get", blocking=BLOCKING, wanted=_CACHE)
            if config.home_region is not None:
                raise ConfigurationError(
                    "cache: it cannot be used with home_region: a session that is ended in one Region stays in the "
                    "caches of the others"
                )
        client = AsyncClient(config.at_home())
        try:
            if config.create_tables:
                from torii_dynamodb._async.tables import AsyncTables

                await AsyncTables(client, config).ensure()
        except BaseException:
            await client.aclose()
            raise
        local = AsyncClient(config) if config.home_region is not None else None
        self._handle = AsyncDynamoDbHandle(client, config, local=local, background=Background(), cache=guarded)
        return self._handle

    async def health_check(self) -> Health:
        """Call :meth:`AsyncDynamoDbHandle.health_check`."""
        return await self._opened().health_check()

    async def cleanup(self) -> int:
        """Call :meth:`AsyncDynamoDbHandle.cleanup`."""
        return await self._opened().cleanup()

    async def close(self) -> None:
        """Close the handle, if there is one."""
        if self._handle is not None:
            await self._handle.close()
            self._handle = None

    def _opened(self) -> AsyncDynamoDbHandle:
        if self._handle is None:
            raise ConfigurationError("the storage is not initialised; call initialize(config) first")
        return self._handle

    @staticmethod
    @asynccontextmanager
    async def open(config: DynamoDbConfig, *, cache: AsyncCache | None = None) -> AsyncGenerator[AsyncDynamoDbHandle]:
        """Open a handle for a ``with`` block and close it at the end. See :meth:`initialize`."""
        handle = await AsyncDynamoDbStorage().initialize(config, cache=cache)
        try:
            yield handle
        finally:
            await handle.close()
