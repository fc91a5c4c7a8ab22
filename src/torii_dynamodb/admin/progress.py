"""How long-running work reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Report", "silent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a task.

    Args:
        task: What is being done, for people; the same text throughout a task.
        done: How much is done.
        total: How much there is; DynamoDB's own counts are some hours old. ``None``: unknown.
        unit: What is counted.
    """

    task: str
    done: int
    total: int | None = None
    unit: str = "items"


Report = Callable[[Progress], None]
"""Called repeatedly; must not block. May be called from several threads, but only one at a time."""


def silent(progress: Progress) -> None:
    """Report nothing."""
