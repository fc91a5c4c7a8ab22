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

    def as_json(self) -> list[float]:
        return [round(self.median, 4), round(self.low, 4), round(self.high, 4)]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies, interpolated between neighbours."""
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
    """Round by round: what was measured at the same time is compared, so that a busy moment strikes both."""
    if len(mine) != len(theirs):
        raise ValueError(f"{len(mine)} rounds beside {len(theirs)}")
    return [one / other for one, other in zip(mine, theirs, strict=True)]


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The spread of the rounds' ratios."""
    return spread(ratios(mine, theirs))


def operations_for(seconds: float, each: float, concurrency: int, most: int) -> int:
    """How many operations fill a window, as a multiple of the concurrency: each lane does the same number."""
    wanted = min(max(seconds / max(each, 1e-9), 1), most)
    return max(round(wanted / concurrency), 1) * concurrency


def turns(names: Sequence[str], round_number: int) -> list[str]:
    """The order of a round: everybody begins once, and each second round goes the other way about."""
    if not names:
        return []
    start = round_number % len(names)
    order = [*names[start:], *names[:start]]
    return order if round_number % 2 == 0 else order[::-1]
