# Generated from src/torii_dynamodb/_async/services/events.py by tools/unasync.py. Do not edit.

"""Subscribing to events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from torii_dynamodb._sync.primitives import outcome

if TYPE_CHECKING:
    from torii_dynamodb.events import Event

__all__ = ["Events"]

_log = logging.getLogger("torii_dynamodb")

E = TypeVar("E", bound="Event")


class Events:
    """Handlers, and the kinds of events that they subscribe to.

    Handlers are called one after the other, in the order of subscription, after the change is stored and before the
    call that made it returns. So keep them short, and put long work into your own queue. An exception in a handler is
    logged and not propagated, neither to the caller nor to other handlers.

    Args:
        tenant: The tenant that the events name.
    """

    def __init__(self, *, tenant: str | None = None) -> None:
        self._tenant = tenant
        self._handlers: list[tuple[Callable[[Any], object], tuple[type[Event], ...]]] = []

    def subscribe(self, handler: Callable[[E], object], *kinds: type[E]) -> Callable[[], None]:
        """Call a handler with every event of these kinds and their subclasses; without kinds, with every event.

        Returns:
            A function that ends the subscription.
        """
        entry = (handler, kinds)
        self._handlers.append(entry)

        def unsubscribe() -> None:
            if entry in self._handlers:
                self._handlers.remove(entry)

        return unsubscribe

    def on(self, *kinds: type[E]) -> Callable[[Callable[[E], object]], Callable[[E], object]]:
        """The same as a decorator: ``@torii.events.on(UserSignedIn)``."""

        def decorate(handler: Callable[[E], object]) -> Callable[[E], object]:
            self.subscribe(handler, *kinds)
            return handler

        return decorate

    def emit(self, event: Event) -> None:
        """Call all subscribed handlers with the event, which then names the tenant. Their exceptions are not raised."""
        if self._tenant is not None:
            event = replace(event, tenant=self._tenant)
        for handler, kinds in tuple(self._handlers):
            if kinds and not isinstance(event, kinds):
                continue
            try:
                result: Any = handler(event)
                outcome(result)
            except Exception as error:  # noqa: BLE001 - a handler may raise anything; the sign-in goes on
                _log.exception(
                    "a handler of the event %s failed: %s: %s",
                    event.name,
                    getattr(handler, "__qualname__", type(handler).__name__),
                    type(error).__name__,
                )
