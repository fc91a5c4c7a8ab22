"""Time and randomness that a test controls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import shake_256
from threading import Lock

__all__ = ["FakeClock", "FakeRandom"]


class FakeClock:
    """A clock that stands still until it is moved. Use it wherever a ``clock`` is expected.

    Args:
        start: The first moment, with a time zone; ``None``: 2026-01-01, midnight, UTC.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = Lock()
        self._now = _aware(datetime(2026, 1, 1, tzinfo=UTC) if start is None else start)

    def __call__(self) -> datetime:
        """Return the present moment, in UTC."""
        with self._lock:
            return self._now

    def advance(self, by: timedelta | float) -> datetime:
        """Move the clock by a duration or a number of seconds; a negative one moves it back.

        Returns:
            The new moment.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        with self._lock:
            self._now += step
            return self._now

    def set(self, moment: datetime) -> None:
        """Move the clock to a moment. Raises ``ValueError`` for one without a time zone."""
        aware = _aware(moment)
        with self._lock:
            self._now = aware

    def __repr__(self) -> str:
        return f"FakeClock({self().isoformat()})"


class FakeRandom:
    """Bytes that look random but are the same in every run: for reproducible tests only, never for secrets.

    Args:
        seed: Different seeds give different bytes.
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock = Lock()
        self._seed = seed
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        """Return that many bytes, different on every call."""
        with self._lock:
            self._calls += 1
            call = self._calls
        return shake_256(f"{self._seed}/{call}".encode()).digest(count)

    def __repr__(self) -> str:
        return f"FakeRandom(seed={self._seed})"


def _aware(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("give an aware datetime, for example datetime(2026, 1, 1, tzinfo=UTC)")
    return moment.astimezone(UTC)
