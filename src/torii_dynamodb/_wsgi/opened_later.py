"""A blocking storage that is opened at its first use: applications are imported before a server forks."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import Any

from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.primitives import Future, start_anew_after_fork
from torii_dynamodb._sync.storage.handle import DynamoDbHandle, DynamoDbStorage
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["OpenedLater"]


class OpenedLater:
    """A proxy of the handle that opens it at the first call.

    Args:
        config: The configuration.
        cache: Answers session checks.
    """

    tenant_name: str | None = None

    def __init__(self, config: DynamoDbConfig, cache: Cache | None) -> None:
        self.config = config
        self._cache = cache
        self._opened: DynamoDbHandle | None = None
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Make a new lock: after a fork, a thread of the parent may hold the old one, or be opening the handle."""
        self._lock = Lock()
        self._opening: Future[DynamoDbHandle] | None = None

    def handle(self) -> DynamoDbHandle:
        """The handle. Concurrent calls open it once, and fail together: one after the other would wait for too long."""
        if self._opened is not None:
            return self._opened
        with self._lock:
            if self._opened is not None:
                return self._opened
            first, opening = self._opening is None, self._opening or Future()
            self._opening = opening
        if first:
            try:
                self._opened = opened = DynamoDbStorage().initialize(self.config, cache=self._cache)
                opening.set_result(opened)
            except BaseException as error:
                opening.set_exception(error)
                raise
            finally:
                self._opening = None
        return opening.result()

    def close(self) -> None:
        """Close the handle, if there is one. The next use opens another."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(DynamoDbHandle, name):
            raise AttributeError(name)
        if self._opened is None:
            return partial(self._call, name)
        return getattr(self._opened, name)

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.handle(), name)(*args, **kwargs)
