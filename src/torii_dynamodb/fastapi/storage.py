"""A storage that is opened when the application starts, so that routers can be made before there is an event loop."""

from __future__ import annotations

from typing import Any, cast

from torii_dynamodb._async.contract import AsyncStorage
from torii_dynamodb._async.storage.handle import AsyncDynamoDbHandle, AsyncDynamoDbStorage
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError

__all__ = ["dynamodb"]


class _OpenedLater:
    """Stands in for the handle until it is opened; passes everything on."""

    def __init__(self, config: DynamoDbConfig) -> None:
        self._config = config
        self._handle: AsyncDynamoDbHandle | None = None

    async def open(self) -> None:
        """Open the handle, in the event loop that is to use it."""
        if self._handle is None:
            self._handle = await AsyncDynamoDbStorage().initialize(self._config)

    async def close(self) -> None:
        """Close it. It can be opened again."""
        handle, self._handle = self._handle, None
        if handle is not None:
            await handle.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._handle is None:
            raise ConfigurationError(
                "the storage is not open: include the router in an application, and let the server run its lifespan"
            )
        return getattr(self._handle, name)


def dynamodb(config: DynamoDbConfig) -> AsyncStorage:
    """The storage on DynamoDB, opened when an application that includes the router starts.

    ``AsyncTorii(dynamodb(DynamoDbConfig(...)))`` can stand at the top of a module, where nothing can be awaited.
    """
    return cast("AsyncStorage", _OpenedLater(config))


async def open_storage(storage: object) -> None:
    """Open it, if it is one of ours."""
    if isinstance(storage, _OpenedLater):
        await storage.open()


async def close_storage(storage: object) -> None:
    """Close it, if it is one of ours: what somebody else opened they close."""
    if isinstance(storage, _OpenedLater):
        await storage.close()
