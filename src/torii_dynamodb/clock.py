"""Time and randomness: the only place that takes either from the machine.

Both are plain callables, so a test can pass its own (``testing.FakeClock``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "RandomBytes", "system_clock", "system_random", "system_seconds"]

Clock = Callable[[], datetime]
"""Returns the current time, aware and in UTC."""

RandomBytes = Callable[[int], bytes]
"""Returns that many bytes, unpredictable to an attacker."""

system_random: RandomBytes = os.urandom

system_seconds: Callable[[], float] = time.time
"""Returns the machine's time in seconds; cheaper, for what is asked at every request."""


def system_clock() -> datetime:
    """Return the machine's time, in UTC."""
    return datetime.now(UTC)
