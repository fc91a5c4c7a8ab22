"""The benchmarks' pages, charts and verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from benchmarks.harness import cold, flows, layouts, round_trips, routes
from benchmarks.harness.chart import Bar, bars, grid
from benchmarks.harness.contestants import ROOT
from benchmarks.harness.figures import Spread
from benchmarks.harness.pages import anchor, write
from benchmarks.harness.parts import Target, digits, shown, table
from benchmarks.run import PARTS, RESULTS

SVG = "{http://www.w3.org/2000/svg}"


def cell(contestant: str, cpu: float, *, flow: str = "check", concurrency: int = 16) -> dict[str, Any]:
    """Return a cell with two equal rounds, on a machine that is half as fast in the second."""
    return {
        "flow": flow,
        "concurrency": concurrency,
        "contestant": contestant,
        "operations": 100,
        "cpu_us": [cpu, cpu * 2],
        "per_second": [1e6 / cpu, 5e5 / cpu],
        "p50_ms": [cpu / 100, cpu / 50],
        "p99_ms": [cpu / 50, cpu / 25],
    }


def results(**parts: Any) -> dict[str, Any]:
    """Return the results of some parts."""
    run = {"date": "2026-01-01", "machine": "a machine", "load": 0.5, "minutes": 1}
    found = {name: run | {"found": found} for name, found in parts.items()}
    return {"versions": {"python": "3.11"}, "engine": "an engine", "parts": found}


CELLS = [
    *(cell("ours_async_alone", 120), cell("ours_async", 60), cell("floor", 100), cell("boto3", 2000)),
    *(cell("ours_sync", 500), cell("aiodynamo", 400)),
]
STARTS = {"ours_async": {"ms": [10, 20], "cpu_ms": [8, 9]}, "boto3": {"ms": [40, 80], "cpu_ms": [30, 31]}}
COLD = {"starts": STARTS, "imports": {"boto3": [20, 30], "floor": [10, 15]}}


def targets(part: ModuleType, found: Any) -> dict[str, Target]:
    """Return a part's targets by what they are about."""
    return {one.what: one for one in part.report(found).targets}


def test_aims_are_judged_by_the_median_of_the_rounds_ratios() -> None:
    """The page distinguishes met, not met and not measured."""
    told = targets(flows, CELLS)
    unmerged = told["session check, reads not merged, 16 at once: CPU against one bare aiohttp POST"]
    assert unmerged.met is True
    assert unmerged.figure.startswith("1.20 ")
    assert told["session check, sync, 16 threads: CPU against boto3 by hand"].met is True
    assert told["session check, merged, 64 at once: CPU against one bare aiohttp POST"].met is None
    assert targets(cold, COLD)["cold start, async: time to the first session check against boto3 by hand"].met is True


def test_a_flow_is_ahead_only_if_it_is_ahead_of_every_peer() -> None:
    """The peer that needs the least is the one to beat, not the first; the flow that is least ahead is told."""
    found = [cell("ours_async", 90, flow="register"), cell("boto3", 900, flow="register")]
    found += [cell("aiodynamo", 80, flow="register"), cell("floor", 50, flow="register")]
    found += [cell("ours_async", 10, flow="sign_in"), cell("boto3", 900, flow="sign_in")]
    one = targets(flows, found)["every other flow, async: CPU against the Python peer that needs least"]
    assert one.met is False
    assert "in the worst of 2 (register, 16 at once, against aiodynamo by hand)" in one.figure


def test_a_route_is_compared_with_the_bare_route_of_its_framework() -> None:
    """A framework that is slow by itself makes our route look neither better nor worse."""
    used = {"bare": 100, "ours": 160, "bare_flask": 200, "ours_flask": 360, "bare_django": 300, "ours_django": 600}
    told = targets(routes, {"cpu_us": {key: {"1": [cpu], "32": [cpu]} for key, cpu in used.items()}})
    found = {what: (one.figure.partition(" ")[0], one.met) for what, one in told.items() if "at 1 connection:" in what}
    assert found == {
        "route with `current_user`, at 1 connection: the server's CPU against a bare route": ("1.60", True),
        "`ToriiMiddleware`, at 1 connection: the server's CPU against a bare route": ("not", None),
        "Flask, at 1 connection: the server's CPU against a bare route": ("1.80", True),
        "Django, at 1 connection: the server's CPU against a bare route": ("2.00", False),
    }


def test_a_contestant_without_the_flow_is_not_judged() -> None:
    """A missing measurement is None, never zero."""
    cells = flows.Cells([cell("ours_async", 90)])
    assert cells.ratio("check", 16, "ours_async", "boto3") is None
    assert cells.best_peer("check", 16, "ours_async", ("boto3",)) is None


def test_the_pages_hold_ratios_in_units_of_the_floor(tmp_path: Path) -> None:
    """The pages and the charts are written; the slower second round affects no figure."""
    written = write(PARTS, results(flows=CELLS, cold=COLD), tmp_path)
    front = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    page = (tmp_path / "benchmarks" / "details.md").read_text(encoding="utf-8")
    assert {path.name for path in written} >= {"benchmarks.md", "benchmarks-check.svg", "benchmarks-cold-start.svg"}
    assert "| **torii-dynamodb, async** | 0.60 (0.60 to 0.60) |" in page
    assert "| boto3 by hand | 20.0 (20.0 to 20.0) |" in page
    assert "[Cold start](benchmarks/details.md#cold-start) | cold start, async" in front
    for path in written:
        if path.suffix == ".svg":
            assert f"../{path.relative_to(tmp_path).as_posix()}" in page


def test_the_pages_in_the_documentation_are_made_from_the_results(tmp_path: Path) -> None:
    """Nobody edits them by hand, and every part can still read what it measured."""
    measured = json.loads(RESULTS.read_text(encoding="utf-8"))
    for path in write(PARTS, measured, tmp_path):
        name = path.relative_to(tmp_path)
        made = path.read_text(encoding="utf-8")
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run: python benchmarks/run.py --report"


def test_pages_without_some_parts_are_made_from_the_rest(tmp_path: Path) -> None:
    """Parts that were not measured leave no headings."""
    write(PARTS, results(cold=COLD), tmp_path)
    page = (tmp_path / "benchmarks" / "details.md").read_text(encoding="utf-8")
    assert "## Flows" not in page
    assert "## Cold start" in page


def test_a_figure_whose_rounds_differ_is_marked() -> None:
    """The mark is for a quartile that is more than 15 % away from the median."""
    assert shown(Spread(1.0, 0.86, 1.14)) == "1.00 (0.86 to 1.14)"
    assert shown(Spread(1.0, 0.84, 1.0)) == "1.00 (0.84 to 1.00) †"
    assert shown(Spread(1.0, 1.0, 1.16)) == "1.00 (1.00 to 1.16) †"


def test_an_anchor_is_the_heading_as_sites_make_it() -> None:
    """The front page links to the headings of the other."""
    assert anchor("Five tables, a single table, tenants") == "five-tables-a-single-table-tenants"


def variants(**cpu: float) -> dict[str, Any]:
    """Return a flow's figures in every variant, on a machine that is half as fast in the second round."""
    figures = dict.fromkeys(layouts.VARIANTS, 100.0) | cpu
    return {
        name: {
            "requests": 1,
            "read": 1.5,
            "write": 2 if name.startswith("tables") else 1,
            "cpu_us": [one, one * 2],
            "p50_ms": [one, one * 2],
        }
        for name, one in figures.items()
    }


def test_layouts_are_compared_with_five_tables_and_1000_tenants_with_one() -> None:
    """Units stand beside ratios of CPU."""
    found = layouts.report({"check": variants(single=120.0, single_tenant=150.0, single_tenants=300.0)})
    one, two = "1.00 (1.00 to 1.00)", "2.00 (2.00 to 2.00)"
    more = (one, "1.20 (1.20 to 1.20)", "1.50 (1.50 to 1.50)")
    both, among = found.tables
    assert both.rows[0][:7] == ("session check", "1", "1.5 read, 2 write", "1.5 read, 1 write", *more)
    assert among.rows == [("session check", one, one, two, two)]


def test_a_flow_that_costs_more_among_1000_tenants_misses_its_target() -> None:
    """Units must be equal; CPU may differ by what means nothing."""
    check = variants(tables_tenants=114.0, single_tenants=130.0)
    check["single_tenants"]["read"] = 2
    assert [one.met for one in targets(layouts, {"check": check}).values()] == [True, True, False, False]


def test_a_chart_is_well_formed_and_says_in_words_what_it_shows() -> None:
    """Screen readers get every figure; names are escaped; both colour schemes are there."""
    drawn = bars(
        "A <chart>",
        "a note",
        "×",
        [Bar("one & two", 2.0, 1.5, 2.5, "2.0 ×", "ours"), Bar("three", 4.0, 3.0, 5.0, "4.0 ×", "peer")],
        aim=1.0,
    )
    root = ET.fromstring(drawn)
    description = root.findtext(f"{SVG}desc") or ""
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "A <chart>"
    assert "one & two: 2.0 ×" in description
    assert "three: 4.0 ×" in description
    assert "prefers-color-scheme: dark" in drawn
    widths = [float(rect.get("width") or 0) for rect in root.iter(f"{SVG}rect")]
    assert widths[0] * 2 == pytest.approx(widths[1], abs=0.2)


def test_a_chart_without_bars_is_refused() -> None:
    """An empty chart would look like a measurement."""
    with pytest.raises(ValueError, match="needs bars"):
        bars("t", "n", "×", [])


@pytest.mark.parametrize("longest", [0.04, 0.9, 1.0, 3.7, 8.0, 22.4, 100.0, 12_345.0])
def test_the_grid_begins_at_zero_and_has_a_handful_of_round_lines(longest: float) -> None:
    """At any scale there are some grid lines, but not too many."""
    marks = grid(longest)
    assert marks[0] == 0
    assert 2 <= len(marks) <= 9
    assert marks[-1] <= longest * 1.0001


def test_digits_are_as_many_as_mean_something() -> None:
    """A ratio has two or three digits."""
    assert [digits(value) for value in (0.456, 9.94, 9.96, 99.6, 1234.5)] == ["0.46", "9.94", "10.0", "100", "1234"]


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    """Markdown's column separator is escaped."""
    assert table(("a",), [("b|c",)]).splitlines()[-1] == "| b\\|c |"


def test_merged_reads_are_judged_at_their_worst_point() -> None:
    """Latency counts everywhere, throughput and CPU only where merging should save something."""

    def point(client: str, concurrency: int, p50: float, cpu: float) -> dict[str, Any]:
        figures = {"p50_ms": p50, "p99_ms": p50 * 2, "per_second": 1e3 / cpu, "cpu_us": cpu}
        return {"client": client, "trip": 1, "tail": 0.0, "concurrency": concurrency} | {
            name: [one, one * 2] for name, one in figures.items()
        }

    found = [point("ours_async_alone", 16, 10, 100), point("ours_async", 16, 12, 100)]
    found += [point("ours_async_alone", 64, 10, 100), point("ours_async", 64, 5, 40)]
    told = [(one.figure[:4], one.met) for one in round_trips.report(found).targets]
    assert told[:4] == [("1.20", False), ("1.20", False), ("2.50", True), ("0.40", True)]
    assert {met for _, met in told[4:]} == {None}
