"""Stored items as the five tables contain them, whatever the layout, for work on whole tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.layout import SingleTable, layout_of
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.laid_out import LaidOutClient
from torii_dynamodb.admin.scanning import Pacer, key_of, scan
from torii_dynamodb.config import DynamoDbConfig, TableName

__all__ = ["Items"]


class Items:
    """Names, keys and a client for requests about stored items.

    Without a tenant, it sees the items of all: a tenant's keys begin with ``@<tenant>#``.

    Args:
        config: Where the tables are.
        client: The client.
        tenant: Only this tenant's items, whose keys are then the tenant's own.
    """

    def __init__(self, config: DynamoDbConfig, client: Client, tenant: str | None = None) -> None:
        self._config = config
        self._plain = client
        self._layout = layout_of(config, tenant)
        self.client: Client | LaidOutClient = client if self._layout is None else LaidOutClient(client, self._layout)
        self.plain = self._layout is None
        self._tenants: dict[str, Items] = {}

    def name(self, table: TableName) -> str:
        """The name of a table in requests."""
        return self._config.table_name(table) if self._layout is None else self._layout.name(table)

    def key_of(self, table: TableName, item: Item) -> Item:
        """An item's key in requests."""
        if table == "sessions" and self._layout is not None:
            return {"id": item["id"], "user_id": item["user_id"]}
        return key_of(table, item)

    def pages(self, *, rate: Pacer, segment: int = 0, segments: int = 1) -> Iterator[list[tuple[TableName, Item]]]:
        """All items of all tenants with their tables, page by page, strongly consistent. A single table is read once.

        Args:
            rate: Limits the reads.
            segment: Which segment of each table.
            segments: The number of segments.
        """
        single = SingleTable(self._config) if self._config.layout == "single" else None
        filtered: dict[str, Any] = {} if single is None else single.whole()
        for table in self._config.tables:
            name = self._config.table_name(table)
            for page in scan(self._plain, name, rate=rate, segment=segment, segments=segments, **filtered):
                if single is None:
                    yield [(cast("TableName", table), item) for item in page.items]
                else:
                    yield [found for item in page.items if (found := single.scanned(item)) is not None]

    def are_shared(self, *, rate: Pacer) -> bool:
        """Whether a single table contains items that are not the library's. It reads until it finds one."""
        return self._has_others(rate)

    def have_ttl(self) -> bool:
        """Whether others' items in a single table have the TTL attribute. It reads until it finds one."""
        return self._has_others(Pacer(None), FilterExpression="attribute_exists(#ttl)")

    def _has_others(self, rate: Pacer, **filtered: str) -> bool:
        if self._config.layout != "single":
            return False
        single = SingleTable(self._config)
        parameters: dict[str, Any] = {**single.keys_only(), **filtered}
        if filtered:
            parameters["ExpressionAttributeNames"]["#ttl"] = self._config.ttl_attribute
        pages = scan(self._plain, self._config.table_name("table"), rate=rate, **parameters)
        return any(single.identify(item) is None for page in pages for item in page.items)

    def of(self, tenant: str | None) -> Items:
        """The items of one tenant; all for ``None``."""
        if tenant is None:
            return self
        if tenant not in self._tenants:
            self._tenants[tenant] = Items(self._config, self._plain, tenant)
        return self._tenants[tenant]
