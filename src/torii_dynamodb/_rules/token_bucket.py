"""A token bucket that may go into debt, because costs are often known only afterwards."""

from __future__ import annotations

__all__ = ["TokenBucket"]


class TokenBucket:
    """Fills at a steady rate, up to a burst. The caller brings the time and does the waiting.

    Args:
        rate: Tokens per second.
        burst: How many it can hold; it starts full. With 0, no tokens are saved up.
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, *, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Return the seconds until the bucket is out of debt; 0 if tokens may be taken now."""
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        return 0.0 if self._left > 0 or self._left == self._burst else -self._left / self._rate + 1e-3

    def take(self, tokens: float) -> None:
        """Take tokens, even more than there are."""
        self._left -= tokens
