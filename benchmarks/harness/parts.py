"""What a part of the benchmarks is.

A part is a module of this package, listed in ``run.PARTS``. It has

- ``TITLE``, its heading on the page,
- ``ENVIRONMENTS``, the folders below ``.bench`` whose packages it needs (``benchmarks/requirements/<folder>.txt``),
- ``measure(bench)``, which measures and returns what the results file keeps (JSON),
- ``report(found)``, which makes a :class:`Report` of that, without measuring again.

It opens what it needs, such as an engine, and closes it. If it fails, the run goes on with the other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.figures import Spread

__all__ = ["Bench", "Report", "Table", "Target", "at_least", "at_most", "digits", "shown", "table"]

STEADY = 0.15
"""How far from the median the quartiles of a figure may be that the page shows without a mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """How much is measured.

    Args:
        quick: Whether the run only tries the parts.
        log: The file for the errors of other processes.
        say: Reports progress.
        without: Contestants to leave out, by key.
        only_rounds: How many rounds, if the command line says so.
    """

    quick: bool
    log: Path
    say: Callable[[str], None]
    without: frozenset[str] = frozenset()
    only_rounds: int | None = None

    @property
    def window(self) -> float:
        """Seconds of one contestant's turn."""
        return 0.08 if self.quick else 0.25

    def rounds(self, full: int) -> int:
        """Return how many rounds to measure: two in a quick run."""
        return self.only_rounds or (2 if self.quick else full)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure that matters, and what it should be.

    Args:
        what: What was measured, against what.
        aim: What it should be; empty if it is only told.
        figure: What it is.
        met: Whether it is what it should be; ``None`` if that is not known.
        first: Whether it belongs into the table at the top of the page.
    """

    what: str
    aim: str
    figure: str
    met: bool | None
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the page.

    Args:
        title: Its heading.
        head: The columns.
        rows: The rows.
        note: What to know in order to read it, in Markdown.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a part says on the pages.

    Args:
        intro: What was measured, and how, in Markdown.
        targets: Its targets.
        tables: Its tables.
        charts: Its charts, as SVG, by the name of their files without suffix.
        summary: What another page shows of it, in Markdown.
    """

    intro: str = ""
    targets: Sequence[Target] = ()
    tables: Sequence[Table] = ()
    charts: Mapping[str, str | None] = field(default_factory=dict)
    summary: str = ""


def at_most(what: str, aim: float, found: Spread | None, *, first: bool = False) -> Target:
    """Return a target that is met if the median is at most the aim."""
    met = None if found is None else found.median <= aim
    return Target(what=what, aim=f"≤ {aim:g}", figure=_figure(found), met=met, first=first)


def at_least(what: str, aim: float, found: Spread | None, *, first: bool = False) -> Target:
    """Return a target that is met if the median is at least the aim."""
    met = None if found is None else found.median >= aim
    return Target(what=what, aim=f"≥ {aim:g}", figure=_figure(found), met=met, first=first)


def _figure(found: Spread | None) -> str:
    return "not measured" if found is None else shown(found)


def shown(found: Spread) -> str:
    """Format a figure with its quartiles, and mark it if they are too far away for it to be taken at its word."""
    mark = "" if found.is_steady(STEADY) else " †"
    return f"{digits(found.median)} ({digits(found.low)} to {digits(found.high)}){mark}"


def digits(value: float) -> str:
    """Format a number with two or three significant digits."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
