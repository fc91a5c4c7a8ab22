"""Which tenants there are, and deleting one with everything that belongs to it.

There is no register of tenants: a tenant exists while there are items whose keys begin with its name. Both functions
therefore read tables from beginning to end, of which only keys are returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.layout import placer
from torii_dynamodb._rules import validation
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.caching import clearing
from torii_dynamodb.admin.control import Control
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer, scan
from torii_dynamodb.config import TABLES, DynamoDbConfig, StoredTable, TableName
from torii_dynamodb.schema import schema_of

__all__ = ["TenantDeletion", "TenantItems", "count_tenant", "delete_tenant", "list_tenants"]

_FIRST: Final[tuple[TableName, ...]] = ("users",)
_PEOPLE: Final[tuple[TableName, ...]] = ("users", "identities")
# Several batches at a time, yet few enough that the rate is kept.
_CHUNK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantItems:
    """What is stored of a tenant.

    Args:
        tenant: The tenant's name.
        items: The number of items by table, of the tables that were read.
    """

    tenant: str
    items: dict[TableName, int]

    @property
    def users(self) -> int:
        """The number of its users."""
        return self.items.get("users", 0)

    @property
    def total(self) -> int:
        """The number of all its items that were counted."""
        return sum(self.items.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantDeletion:
    """The result of a deletion.

    Args:
        tenant: The tenant's name.
        deleted: The number of items that this run deleted, by table.
        passes: How often the tables were read.
        empty: Whether the last pass found nothing. If not, something still writes for the tenant: stop that, and run
            it again.
    """

    tenant: str
    deleted: dict[TableName, int]
    passes: int
    empty: bool


def list_tenants(
    config: DynamoDbConfig,
    client: Client,
    *,
    every_table: bool = False,
    rate: Pacer | None = None,
    report: Report = silent,
) -> tuple[TenantItems, ...]:
    """Return the tenants that have items, by name.

    Cost: reads the tables users and identities, or the single table, once.

    Args:
        config: Where the tables are.
        client: The client.
        every_table: Read the other tables, too, so that a tenant of which only sessions, tokens or attempts are left
            is found. A single table is always read as a whole.
        rate: Limits the reads, in capacity units a second.
        report: Receives the progress.

    Raises:
        ConfigurationError: A table is missing.
    """
    tables = TABLES if every_table or config.layout == "single" else _PEOPLE
    found: dict[str, dict[TableName, int]] = {}
    for page in _Reader(config, client, rate, report).pages(tables, consistent=False):
        for table, tenant, _ in page:
            counts = found.setdefault(tenant, dict.fromkeys(tables, 0))
            counts[table] += 1
    return tuple(TenantItems(tenant=tenant, items=found[tenant]) for tenant in sorted(found))


def count_tenant(
    config: DynamoDbConfig, client: Client, tenant: str, *, rate: Pacer | None = None, report: Report = silent
) -> TenantItems:
    """Return how much is stored of a tenant: what :func:`delete_tenant` would delete.

    Cost: reads all tables once.

    Args:
        config: Where the tables are.
        client: The client.
        tenant: The tenant.
        rate: Limits the reads, in capacity units a second.
        report: Receives the progress.

    Raises:
        ValidationError: It is not a tenant's name.
        ConfigurationError: A table is missing.
    """
    counts: dict[TableName, int] = dict.fromkeys(TABLES, 0)
    for page in _Reader(config, client, rate, report, tenant).pages(TABLES, consistent=False):
        for table, _, _ in page:
            counts[table] += 1
    return TenantItems(tenant=tenant, items=counts)


def delete_tenant(
    config: DynamoDbConfig,
    client: Client,
    tenant: str,
    *,
    most_passes: int = 10,
    rate: Pacer | None = None,
    cache: Cache | None = None,
    report: Report = silent,
) -> TenantDeletion:
    """Delete everything that is stored of a tenant, and nothing else. It cannot be undone, except from a backup.

    The users are deleted first: from then on none of their sessions, links and keys is valid. Then follows the rest,
    and then the tables are read until a pass finds nothing. After an interruption, run it again.

    Stop routing requests to the tenant before: whoever signs up after the last pass has read their part of the table
    is a new user.

    Cost: reads the users twice and the other tables twice, a single table three times, and writes each item once. Not
    atomic.

    Args:
        config: Where the tables are.
        client: The client.
        tenant: The tenant.
        most_passes: Give up after so many passes over the tables, if something is written again and again.
        rate: Limits reads and writes, in capacity units a second; a deletion counts as one unit and one for each index.
        cache: The application's cache of session checks. What is stored of the tenant is removed from it.
        report: Receives the progress.

    Raises:
        ValidationError: It is not a tenant's name.
        ConfigurationError: A table is missing.
        Unavailable: Some items could not be deleted. Run it again.
        CacheUnavailable: The cache cannot be reached.
    """
    reader = _Reader(config, client, rate, report, tenant)
    with clearing(cache, config, tenant):
        return _delete_all(reader, tenant, most_passes, report)


def _delete_all(reader: _Reader, tenant: str, most_passes: int, report: Report) -> TenantDeletion:
    deleted: dict[TableName, int] = dict.fromkeys(TABLES, 0)
    rest: tuple[TableName, ...] = tuple(table for table in TABLES if table not in _FIRST)
    for number, tables in enumerate((_FIRST, rest, *(TABLES for _ in range(most_passes))), 1):
        before = sum(deleted.values())
        for page in reader.pages(tables, consistent=True):
            reader.delete(page)
            for table, _, _ in page:
                deleted[table] += 1
            if page:
                report(Progress(task="delete", done=sum(deleted.values())))
        if tables == TABLES and sum(deleted.values()) == before:
            return TenantDeletion(tenant=tenant, deleted=deleted, passes=number, empty=True)
    return TenantDeletion(tenant=tenant, deleted=deleted, passes=most_passes + 2, empty=False)


_Found = tuple[TableName, str, tuple[StoredTable, Item]]
"""An item's table, its tenant, and its key on DynamoDB."""


class _Reader:
    """Reads the keys of tenants' items, and deletes them.

    It uses the tables as DynamoDB stores them, so that a single table is read once for all kinds of items.
    """

    def __init__(
        self,
        config: DynamoDbConfig,
        client: Client,
        rate: Pacer | None,
        report: Report,
        tenant: str | None = None,
    ) -> None:
        self._config = config
        self._client = client
        self._rate = rate or Pacer(None)
        self._report = report
        self._tenant = None if tenant is None else validation.tenant(tenant)
        self._place: Callable[[str, Item], Any] = placer(config)
        self._schema = schema_of(config)
        self._sizes = {
            table: described.get("ItemCount") or None
            for table, described in Control(client).require_tables(config).items()
        }

    def pages(self, wanted: Sequence[TableName], *, consistent: bool) -> Iterator[list[_Found]]:
        """Yield what was found on each page; in a single table, only the ``wanted`` kinds of items."""
        own = "@" if self._tenant is None else f"@{self._tenant}#"
        single = self._config.layout == "single"
        tables: Sequence[StoredTable] = self._config.tables if single else wanted
        for stored in tables:
            name, keys = self._config.table_name(stored), self._keys(stored)
            parameters: dict[str, Any] = {
                "FilterExpression": "begins_with(#key0, :own)",
                "ProjectionExpression": ", ".join(f"#key{index}" for index in range(len(keys))),
                "ExpressionAttributeNames": {f"#key{index}": key for index, key in enumerate(keys)},
                "ExpressionAttributeValues": {":own": {"S": f"{self._config.key_prefix}{own}" if single else own}},
            }
            read = 0
            for page in scan(self._client, name, rate=self._rate, consistent=consistent, **parameters):
                read += page.scanned
                self._report(Progress(task=f"read {name}", done=read, total=self._sizes[stored]))
                yield [one for item in page.items if (one := self._found(stored, name, item, wanted)) is not None]

    def delete(self, found: Sequence[_Found]) -> None:
        """Delete items."""
        for start in range(0, len(found), _CHUNK):
            places = [place for _, _, place in found[start : start + _CHUNK]]
            self._rate.wait()
            self._client.batch_write(
                [(self._config.table_name(stored), {"DeleteRequest": {"Key": key}}) for stored, key in places]
            )
            self._rate.spend(sum(1 + len(self._schema[stored].indexes) for stored, _ in places))

    def _keys(self, stored: StoredTable) -> list[str]:
        schema = self._schema[stored]
        return [key.name for key in (schema.hash_key, schema.range_key) if key is not None]

    def _found(self, stored: StoredTable, name: str, item: Item, wanted: Sequence[TableName]) -> _Found | None:
        placed = self._place(name, item)
        if placed is None:
            return None
        table, tenant, _ = placed
        if table not in wanted or tenant is None or self._tenant not in (None, tenant):
            return None
        return table, tenant, (stored, item)
