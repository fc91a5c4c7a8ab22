"""A circuit breaker: what failed is left alone for a while, longer each time."""

from __future__ import annotations

__all__ = ["CircuitBreaker"]

_LEAST, _MOST = 0.25, 5.0


class CircuitBreaker:
    """Open after a failure; then one attempt is allowed at a time, at growing intervals, until one succeeds.

    Times are in seconds, of any clock that does not go backwards.
    """

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the last attempt failed."""
        return self._pause > 0

    def allows(self, now: float) -> bool:
        """Whether to make an attempt. The caller must say how it ended."""
        if not self._pause:
            return True
        if now < self._until:
            return False
        # This attempt is the only one until then, even if nobody says how it ended.
        self._pause = min(2 * self._pause, _MOST)
        self._until = now + self._pause
        return True

    def failed(self, now: float) -> None:
        """Note a failure. Those of attempts that began together count as one."""
        if not self._pause:
            self._pause = _LEAST
            self._until = now + _LEAST

    def succeeded(self) -> None:
        """Note a success."""
        self._pause = 0.0
