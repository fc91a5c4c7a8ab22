"""Creating and verifying the tables."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.primitives import gather, monotonic, sleep
from torii_dynamodb._core import tables
from torii_dynamodb._wire.errors import ServiceError
from torii_dynamodb._wire.failures import is_not_offered
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError, RequestRejected, Unavailable
from torii_dynamodb.schema import TableSchema, schema_of

__all__ = ["AsyncTables"]

_log = logging.getLogger("torii_dynamodb.tables")

# A table without indexes takes AWS a few seconds; the API reference promises nothing.
_WAIT = 300.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_NO_TTL_YET = (
    "TTL is off, and this table was not created here: others' items may have the attribute %s, too, and would be "
    "deleted. `torii-dynamodb tables ensure` turns it on if none of them has it"
)
_NO_TTL = "the endpoint does not offer TTL; expired items are refused, but stay in the table"


class AsyncTables:
    """The tables on DynamoDB's control plane."""

    def __init__(self, client: AsyncClient, config: DynamoDbConfig) -> None:
        self._client = client
        self._config = config

    async def ensure(self) -> list[StoredTable]:
        """Create missing tables, wait until all are active, enable TTL, and verify existing tables.

        Safe to run from many processes at once. TTL of a single table is enabled only by the call that creates it.

        Returns:
            The tables that this call created.

        Raises:
            ConfigurationError: An existing table has another key, index or TTL attribute.
            Unavailable: A table did not become active within five minutes.
        """
        schemas = schema_of(self._config)
        created = await gather(*(partial(self._ensure_table, schema) for schema in schemas.values()))
        new: list[StoredTable] = [table for table, is_new in zip(schemas, created, strict=True) if is_new]
        if new:
            # Tables cost money and outlive the program, so it is always logged.
            names = ", ".join(self._config.table_name(table) for table in new)
            _log.warning("created the tables %s, billed on demand; create_tables=False leaves that to you", names)
        return new

    async def describe(self, table: StoredTable) -> dict[str, Any] | None:
        """Return ``DescribeTable``'s description; ``None`` if there is no such table."""
        name = self._config.table_name(table)
        try:
            answer = await self._control("DescribeTable", {"TableName": name})
        except ServiceError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise self._rejected("DescribeTable", name, error) from error
        found: dict[str, Any] = answer["Table"]
        return found

    async def time_to_live(self, table: StoredTable) -> dict[str, Any] | None:
        """Return ``DescribeTimeToLive``'s description; ``None`` if the endpoint does not offer it."""
        name = self._config.table_name(table)
        try:
            answer = await self._control("DescribeTimeToLive", {"TableName": name})
        except ServiceError as error:
            if is_not_offered(error.code, error.status):
                return None
            raise self._rejected("DescribeTimeToLive", name, error) from error
        found: dict[str, Any] = answer["TimeToLiveDescription"]
        return found

    async def delete(self) -> list[StoredTable]:
        """Delete all tables and everything in them, and wait until they are gone.

        Returns:
            The tables that existed.
        """
        every = self._config.tables
        deleted = await gather(*(partial(self._delete_table, table) for table in every))
        return [table for table, was in zip(every, deleted, strict=True) if was]

    async def _ensure_table(self, schema: TableSchema) -> bool:
        name = self._config.table_name(schema.table)
        created, active = False, None
        while active is None:
            found = await self.describe(schema.table)
            if found is not None and tables.is_going(found):
                # Its name is not free before it is gone.
                await self._gone(schema.table)
                found = None
            if found is None:
                created = await self._create(schema, name) or created
            active = await self._active(schema.table)
        wrong = tables.differences(active, schema, name)
        if wrong:
            raise ConfigurationError("; ".join(wrong))
        if schema.ttl is not None:
            await self._ensure_ttl(schema, name, schema.ttl, created=created)
        return created

    async def _create(self, schema: TableSchema, name: str) -> bool:
        try:
            await self._control("CreateTable", tables.create_request(schema, name))
        except ServiceError as error:
            # Another process created or deleted it first.
            if error.code == "ResourceInUseException":
                return False
            raise self._rejected("CreateTable", name, error) from error
        return True

    async def _active(self, table: StoredTable) -> dict[str, Any] | None:
        """Wait until a table can be used; ``None`` if it is being deleted."""
        started, pause = monotonic(), _FIRST_PAUSE
        while True:
            found = await self.describe(table)
            if found is not None and tables.is_going(found):
                return None
            if found is not None and tables.is_active(found):
                return found
            if monotonic() - started > _WAIT:
                name = self._config.table_name(table)
                raise Unavailable(f"{name} is not active after {_WAIT:.0f} seconds", attempts=1)
            await sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _ensure_ttl(self, schema: TableSchema, name: str, attribute: str, *, created: bool) -> None:
        described = await self.time_to_live(schema.table)
        if described is None:
            _log.warning("%s: %s", name, _NO_TTL)
            return
        if tables.ttl_is_off(described):
            if schema.table == "table" and not created:
                _log.warning("%s: " + _NO_TTL_YET, name, attribute)
                return
            try:
                await self._control("UpdateTimeToLive", tables.ttl_request(name, attribute))
            except ServiceError as error:
                if is_not_offered(error.code, error.status):
                    _log.warning("%s: %s", name, _NO_TTL)
                    return
                # Another process was first, and DynamoDB accepts one change per hour.
                described = await self.time_to_live(schema.table)
                if described is None or tables.ttl_is_off(described):
                    raise self._rejected("UpdateTimeToLive", name, error) from error
            else:
                return
        wrong = tables.ttl_difference(described, attribute, name)
        if wrong:
            raise ConfigurationError(wrong)

    async def _delete_table(self, table: StoredTable) -> bool:
        name = self._config.table_name(table)
        try:
            await self._control("DeleteTable", {"TableName": name})
        except ServiceError as error:
            if error.code == "ResourceNotFoundException":
                return False
            if error.code != "ResourceInUseException":
                raise self._rejected("DeleteTable", name, error) from error
        await self._gone(table)
        return True

    async def _gone(self, table: StoredTable) -> None:
        started, pause = monotonic(), _FIRST_PAUSE
        while await self.describe(table) is not None:
            if monotonic() - started > _WAIT:
                name = self._config.table_name(table)
                raise Unavailable(f"{name} is not gone after {_WAIT:.0f} seconds", attempts=1)
            await sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _control(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Make a control-plane call, and wait if DynamoDB refuses because of too many table changes at once."""
        started, pause = monotonic(), 0.5
        while True:
            try:
                return await self._client.call(operation, payload)
            except ServiceError as error:
                if error.code != "LimitExceededException" or monotonic() - started > _WAIT:
                    raise
            await sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE * 2)

    def _rejected(self, operation: str, table: str, error: ServiceError) -> RequestRejected:
        return RequestRejected(
            f"{operation} on {table}: {error.code}: {error.message}", aws_code=error.code, request_id=error.request_id
        )
