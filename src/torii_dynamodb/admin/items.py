"""Stored items as the five tables contain them, whatever the layout, for work on whole tables."""

from __future__ import annotations

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.layout import layout_of
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.laid_out import LaidOutClient
from torii_dynamodb.admin.scanning import key_of
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

    def of(self, tenant: str | None) -> Items:
        """The items of one tenant; all for ``None``."""
        if tenant is None:
            return self
        if tenant not in self._tenants:
            self._tenants[tenant] = Items(self._config, self._plain, tenant)
        return self._tenants[tenant]
