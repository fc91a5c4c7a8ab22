"""The geometry of bar charts, which the template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from torii_dynamodb.languages import gettext, number

__all__ = ["Bar", "Chart", "bar_chart"]

WIDTH, HEIGHT = 600.0, 120.0
"""The size of the drawing, which is scaled to its place on the page."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, or a part of one."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Args:
        id: Its name on the page.
        title: What it shows.
        bars: The bars.
        top: The number at its top edge.
        begins: When the first bar begins.
        totals: For each series, its name, style and sum.
        rows: The chart as a table: for each bar that is not empty, when it begins and its numbers.
    """

    id: str
    title: str
    bars: tuple[Bar, ...]
    top: str
    begins: datetime
    totals: tuple[tuple[str, str, str], ...]
    rows: tuple[tuple[datetime, tuple[str, ...]], ...]

    @property
    def summary(self) -> str:
        """The chart in words, for people who cannot see it."""
        parts = ", ".join(f"{name}: {total}" for name, _, total in self.totals)
        return gettext(
            "%(title)s. Totals: %(totals)s. The table below has the numbers.", title=self.title, totals=parts
        )


def bar_chart(id: str, title: str, series: Sequence[tuple[str, str, Sequence[tuple[datetime, float]]]]) -> Chart:  # noqa: A002
    """Return a bar chart with stacked series.

    Args:
        id: Its name on the page.
        title: What it shows.
        series: For each, its name, style, and counts; all at the same times.
    """
    times = [when for when, _ in series[0][2]]
    stacks = [[counts[place][1] for _, _, counts in series] for place in range(len(times))]
    top = _round_up(max((sum(stack) for stack in stacks), default=0))
    step = WIDTH / max(len(times), 1)
    bars: list[Bar] = []
    for place, stack in enumerate(stacks):
        below = HEIGHT
        for (_, kind, _), amount in zip(series, stack, strict=True):
            if amount:
                height = amount / top * HEIGHT
                below -= height
                bars.append(
                    Bar(
                        round(place * step + step * 0.12, 2),
                        round(below, 2),
                        round(step * 0.76, 2),
                        round(height, 2),
                        kind,
                    )
                )
    return Chart(
        id=id,
        title=title,
        bars=tuple(bars),
        top=number(top),
        begins=times[0],
        totals=tuple((name, kind, number(sum(amount for _, amount in counts))) for name, kind, counts in series),
        rows=tuple(
            (when, tuple(number(amount) for amount in stack))
            for when, stack in zip(times, stacks, strict=True)
            if any(stack)
        ),
    )


def _round_up(most: float) -> float:
    """The next round number, for the top edge of a chart."""
    if most <= 1:
        return 1
    size = 10.0 ** math.floor(math.log10(most))
    return next(size * factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if size * factor >= most)
