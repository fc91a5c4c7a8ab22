"""Time and randomness: the only place where either is taken from the machine.

Both are plain callables, so that a test hands in its own (``testing.FakeClock``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "RandomBytes", "system_clock", "system_random"]

Clock = Callable[[], datetime]
"""Returns the present moment, aware and in UTC."""

RandomBytes = Callable[[int], bytes]
"""Returns that many bytes, unpredictable to an attacker."""

system_random: RandomBytes = os.urandom


def system_clock() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)
