"""Checks of arguments that the storage on DynamoDB makes while it builds requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from torii_dynamodb._rules import times, validation
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import Metadata, MetadataValue

__all__ = ["consistent", "limit", "own", "seconds", "to_come"]


def own(value: Metadata) -> dict[str, MetadataValue]:
    """Return a copy that shares nothing with the original."""
    return {key: _own(inner) for key, inner in value.items()}


def _own(value: MetadataValue) -> MetadataValue:
    if isinstance(value, Mapping):
        return own(value)
    if isinstance(value, list):
        return [_own(inner) for inner in value]
    return value


def seconds(value: object, field: str = "expires_at") -> datetime:
    """Return a moment in whole seconds, rounded down, as DynamoDB's TTL counts."""
    return times.from_epoch_seconds(times.epoch_seconds(validation.moment(value, field)))


def to_come(value: object, now: datetime) -> datetime:
    """Return an expiry in whole seconds; it must be later than ``now``."""
    if validation.moment(value, "expires_at") <= now:
        raise ValidationError("expires_at", "has passed; give a moment in the future")
    return seconds(value)


def consistent(value: object) -> None:
    """Check ``consistent``, which changes nothing here: all reads are strongly consistent."""
    if value is not None:
        validation.flag(value, "consistent")


def limit(value: object) -> int:
    """Return the largest number of results: 1 to 1,000."""
    return validation.integer(value, "limit", least=1, most=1000)
