"""Ready handlers of events that publish them to Amazon SNS and EventBridge.

``torii.events.subscribe(SnsPublisher(topic_arn), UserCreated)``. ``docs/publishers.md`` has the schema.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb._async.publishers import AsyncEventBridgePublisher, AsyncSnsPublisher
    from torii_dynamodb._sync.publishers import EventBridgePublisher, SnsPublisher

__all__ = ["AsyncEventBridgePublisher", "AsyncSnsPublisher", "EventBridgePublisher", "SnsPublisher"]


def __getattr__(name: str) -> Any:
    # Loaded when first used: a blocking program does not pay for asyncio.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    side = "_async" if name.startswith("Async") else "_sync"
    value = getattr(import_module(f"torii_dynamodb.{side}.publishers"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
