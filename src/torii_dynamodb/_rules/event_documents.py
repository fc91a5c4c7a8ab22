"""Events as JSON documents."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, cast

from torii_dynamodb._rules.times import to_text

__all__ = ["document_of"]


def document_of(event: Any) -> dict[str, Any]:
    """Return an event's fields for JSON: times as text, durations in seconds, sets as sorted lists.

    ``tenant`` is there only if there is one.
    """
    told = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
    if event.tenant is None:
        del told["tenant"]
    return told


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    return value
