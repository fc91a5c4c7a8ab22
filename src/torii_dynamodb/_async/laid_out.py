"""A client whose requests and items a layout translates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._core.layout import Layout
from torii_dynamodb._wire.batches import Key
from torii_dynamodb._wire.errors import CancellationReason, ConditionFailed, TransactionCanceled

__all__ = ["AsyncLaidOutClient"]


class AsyncLaidOutClient:
    """Calls DynamoDB with the requests of the five tables, wherever their items are stored.

    Args:
        client: The client that sends. It may be shared.
        layout: Where items are stored.
    """

    def __init__(self, client: AsyncClient, layout: Layout) -> None:
        self._client = client
        self._layout = layout

    async def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """See :meth:`AsyncClient.call`."""
        layout = self._layout
        try:
            answer = await self._client.call(operation, layout.request(operation, payload))
        except ConditionFailed as refused:
            refused.item = layout.read(payload.get("TableName"), refused.item)
            raise
        except TransactionCanceled as refused:
            tables = [body["TableName"] for action in payload["TransactItems"] for body in action.values()]
            refused.reasons = tuple(
                CancellationReason(reason.code, reason.message, layout.read(table, reason.item))
                for table, reason in zip(tables, refused.reasons, strict=False)
            )
            raise
        return layout.answer(payload, answer)

    async def batch_get(self, keys: Sequence[Key], *, consistent: bool) -> list[dict[str, Any] | None]:
        """See :meth:`AsyncClient.batch_get`."""
        layout = self._layout
        items = await self._client.batch_get([layout.place(table, key) for table, key in keys], consistent=consistent)
        return [layout.read(table, item) for (table, _), item in zip(keys, items, strict=True)]

    async def batch_write(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """See :meth:`AsyncClient.batch_write`."""
        await self._client.batch_write([self._layout.write(table, request) for table, request in requests])

    @property
    def where(self) -> str:
        """See :attr:`AsyncClient.where`."""
        return self._client.where

    async def aclose(self) -> None:
        """See :meth:`AsyncClient.aclose`."""
        await self._client.aclose()
