"""Medians, spreads and ratios. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the quartiles around it."""

    median: float
    low: float
    high: float

    def is_steady(self, share: float) -> bool:
        """Tell whether both quartiles are within that share of the median."""
        return max(self.high - self.median, self.median - self.low) <= share * self.median


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values lies, interpolated between neighbours."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles."""
    return Spread(median(values), quantile(values, 0.25), quantile(values, 0.75))


def ratios(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratios round by round: a busy moment affects both sides of a round."""
    if len(mine) != len(theirs):
        raise ValueError(f"{len(mine)} rounds beside {len(theirs)}")
    return [one / other for one, other in zip(mine, theirs, strict=True)]


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return the spread of the rounds' ratios."""
    return spread(ratios(mine, theirs))


def operations_for(seconds: float, each: float, concurrency: int, most: int) -> int:
    """Return how many operations fill a window, as a multiple of the concurrency: each lane does the same number."""
    wanted = min(max(seconds / max(each, 1e-9), 1), most)
    return max(round(wanted / concurrency), 1) * concurrency


def turns(names: Sequence[str], round_number: int) -> list[str]:
    """Return the order of a round: each contestant goes first in turn, and every second round is reversed."""
    if not names:
        return []
    start = round_number % len(names)
    order = [*names[start:], *names[:start]]
    return order if round_number % 2 == 0 else order[::-1]
