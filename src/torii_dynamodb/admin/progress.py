"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Report", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a task is.

    Args:
        task: What is done, for people; the same text for the same task.
        done: How much of it.
        total: How much there is, as far as known; DynamoDB's own counts are some hours old. ``None``: unknown.
        unit: What is counted.
    """

    task: str
    done: int
    total: int | None = None
    unit: str = "items"


Report = Callable[[Progress], None]
"""Called again and again; must not block. May be called from several threads, one at a time."""


def silent(progress: Progress) -> None:
    """Tells nobody."""
