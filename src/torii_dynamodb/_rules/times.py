"""How times are stored: fixed-width UTC text, which sorts as time, and epoch seconds for DynamoDB's TTL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["epoch_millis", "epoch_seconds", "from_epoch_seconds", "from_text", "to_text"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(moment: datetime) -> str:
    """Format as ``2026-11-22T15:04:05.123456Z``: always 27 characters, so text sorts like time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"


def from_text(text: str) -> datetime:
    """Invert :func:`to_text`. Raises ``ValueError`` for anything else."""
    if len(text) != 27 or text[26] != "Z" or text[10] != "T":
        raise ValueError("not of the form 2026-11-22T15:04:05.123456Z")
    return datetime.fromisoformat(text)


def epoch_seconds(moment: datetime) -> int:
    """Return whole seconds since 1970, rounded down: the unit of DynamoDB's TTL."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def epoch_millis(moment: datetime) -> int:
    """Return whole milliseconds since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_epoch_seconds(seconds: int) -> datetime:
    """Invert :func:`epoch_seconds`, to whole seconds. Raises ``OverflowError`` for years that have no date."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OSError, ValueError) as error:
        raise OverflowError(f"{seconds} seconds since 1970 are no date") from error
