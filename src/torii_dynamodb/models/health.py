"""The result of a health check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Health"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The result of a health check.

    Args:
        healthy: Whether every table could be read.
        latency: How long the check took, in seconds.
        tables: For each table ``"ok"``, or what was wrong.
        cache: ``"ok"``, or what was wrong with the cache, which does not make the storage unhealthy: checks do without
            it. ``None`` if there is none.
    """

    healthy: bool
    latency: float
    tables: Mapping[str, str]
    cache: str | None = None
