"""Event handlers: their interface, a registry that makes one from functions, and the handling of a record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar

from torii_dynamodb._sync.primitives import outcome
from torii_dynamodb.admin.streams.decode import decode
from torii_dynamodb.admin.streams.events import StreamEvent
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.errors import CorruptItem

__all__ = ["EventHandler", "Handlers", "OnCorrupt", "handle_record"]

_log = logging.getLogger("torii_dynamodb")

E = TypeVar("E", bound=StreamEvent)

OnCorrupt = Literal["fail", "skip"]
"""What happens to a record that cannot be read: it counts as failed, or it is logged and skipped."""


class EventHandler(Protocol):
    """Receives events."""

    def handle(self, event: StreamEvent, /) -> object:
        """Handle an event. Raise an exception to have it delivered again.

        Delivery is at least once: an event may come again, with the same ``id``. Events of one item come in order.
        """
        ...


class Handlers:
    """A handler made of functions for types of events.

    ::

        handlers = Handlers()

        @handlers.on(StreamUserCreated)
        def welcome(event: StreamUserCreated) -> None: ...
    """

    def __init__(self) -> None:
        self._calls: list[tuple[type[StreamEvent], Callable[[Any], object]]] = []

    def on(self, kind: type[E]) -> Callable[[Callable[[E], object]], Callable[[E], object]]:
        """Call a function for each event of a class; ``StreamEvent`` stands for every event."""

        def register(call: Callable[[E], object]) -> Callable[[E], object]:
            self._calls.append((kind, call))
            return call

        return register

    def handle(self, event: StreamEvent, /) -> None:
        """Call every function registered for the event's class, in order of registration, up to the first error."""
        for kind, call in self._calls:
            if isinstance(event, kind):
                outcome(call(event))


def handle_record(
    record: Mapping[str, Any],
    table: StoredTable,
    config: DynamoDbConfig,
    handle: Callable[[StreamEvent], object],
    on_corrupt: OnCorrupt,
) -> int:
    """Decode a record and pass its events to a handler.

    Returns:
        The number of its events.

    Raises:
        CorruptItem: The record cannot be read, and ``on_corrupt`` is ``"fail"``.
        Exception: Whatever the handler raised.
    """
    try:
        events = decode(record, table, config)
    except CorruptItem as error:
        if on_corrupt == "fail":
            raise
        _log.warning("skipped a record of the stream of %s: %s", table, error)
        return 0
    for event in events:
        outcome(handle(event))
    return len(events)
