"""The pages ``docs/benchmarks.md`` and ``docs/benchmarks/details.md`` and their charts, from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.harness.parts import Report, Target, table

_INTRO = """# Benchmarks

What matters first; [the details](benchmarks/details.md) have every figure. Each is a ratio of things that were measured
in turns, in the same run, on the same engine, because absolute times on a shared machine say little. The quartiles of
the rounds are in brackets. Where one is more than 15 % away from the median, the figure is marked with †: take it as
an order of magnitude. CPU is the client process's user and system time.
"""

_MISSED = """## What stands in the way of the aims that are not met

- **One caller, 0.65 of a bare POST.** A check takes about 340,000 instructions. More than half of them do not depend
  on how it is sent: about 110,000 build the user and the session, 55,000 sign the request (HMAC-SHA-256 in Python's
  `hashlib`), 23,000 parse and hash the token. Models filled by slot, and other ways of hashing, gained nothing.
- **Registering with 64 threads.** There is no contention: the CPU of a registration grows by 15 % from 1 to 64 threads
  (274, 289, 315 µs at 1, 16, 64), while that of the bare asynchronous POST, by which it is divided, halves.
- **Routes.** Almost all of what a signed-in route adds is user time of one exchange with DynamoDB: at one connection
  the bare route takes 176 µs in user and 26 µs in system mode, the route with `current_user` 498 and 54. The
  dependencies take about 20 µs of it, the web layer 6 to 15. The check takes 34 µs (asynchronous) or 108 µs (blocking)
  repeated by itself, and twice that inside a request, between the framework's code. A cache answers it without the
  exchange ([a cache](cache.md)).
- **Cold start.** Of the 84 ms that imports take (asynchronous), 24 ms are the library's own modules; the rest are
  Python's: `asyncio`, `ssl`, `logging` and what they load. A [test](../tests/integration/test_cold_start.py) lists
  what is loaded.
- **Merged reads** need about half of the CPU of unmerged ones at 64, and not less, because most of a check's work does
  not depend on how it is sent (above). With one and four callers both sides send the same requests, so what differs
  there is the measurement. Where 1 % of the responses are late, the p99 falls before or behind them by chance: with
  one caller its ratio runs from 0.6 to 8.7.
"""

_RUN = """## Run it yourself

`make bench` needs Linux, Node.js (for the local engine and one peer) and Redis or Valkey. It puts every contestant into
an environment of its own below `.bench/`, measures for about fifteen minutes, and writes these pages.
`make bench BENCH_ARGS=--quick` tries everything in a few minutes, and `make bench BENCH_ARGS='--parts cold,memory'`
measures some parts and leaves the others as they are. The raw figures are in
[`benchmarks/results/latest.json`](../benchmarks/results/latest.json).
"""

_DETAILS = """# Benchmarks in detail

[How to read the figures, and what matters first](../benchmarks.md).
"""

_BEGIN, _END = "<!-- figures: made by the benchmarks -->\n", "\n<!-- figures end -->"

_FIRST_CHARTS = ("benchmarks-check", "benchmarks-cold-start")


def write(parts: Mapping[str, ModuleType], results: Mapping[str, Any], docs: Path) -> list[Path]:
    """Write the pages and their charts; return what was written."""
    reports = reports_of(parts, results)
    files = {
        "benchmarks.md": front(parts, reports, results),
        "benchmarks/details.md": details(parts, reports, results),
    }
    for report in reports.values():
        files |= {f"assets/{name}.svg": drawn for name, drawn in report.charts.items() if drawn}
    rfc = docs / "rfc-0008.md"
    if rfc.exists() and "cache" in reports:
        files["rfc-0008.md"] = with_figures(rfc.read_text(encoding="utf-8"), reports["cache"].summary)
    for name, text in files.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [docs / name for name in files]


def reports_of(parts: Mapping[str, ModuleType], results: Mapping[str, Any]) -> dict[str, Report]:
    """Return the report of each part that the results have figures of, by name."""
    reports: dict[str, Report] = {}
    for name, part in parts.items():
        if name in results.get("parts", {}):
            try:
                reports[name] = part.report(results["parts"][name]["found"])
            except (KeyError, TypeError) as error:
                print(f"{name}: not on the pages, because it was measured by another version of its part ({error!r})")
    return reports


def with_figures(page: str, figures: str) -> str:
    """Return a page with other figures between its marks."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"the page has no {_BEGIN} and {_END}")
    return f"{before}{begin}\n{figures}{end}{after}"


def front(parts: Mapping[str, ModuleType], reports: Mapping[str, Report], results: Mapping[str, Any]) -> str:
    """Return the short page."""
    lines = [_INTRO]
    first = [(name, one) for name, report in reports.items() for one in report.targets if one.first]
    where = {name: f"[{parts[name].TITLE}](benchmarks/details.md#{anchor(parts[name].TITLE)})" for name in reports}
    rows = [(where[name], *_row(one)) for name, one in first]
    lines.append(table(("", "", "target", "measured", ""), rows))
    for report in reports.values():
        lines += [_chart(name, "assets") for name, drawn in report.charts.items() if drawn and name in _FIRST_CHARTS]
    runs = [results["parts"][name] for name in reports]
    if runs:
        dates, loads = sorted(one["date"] for one in runs), sorted(one["load"] for one in runs)
        machines = " and ".join(sorted({one["machine"] for one in runs}))
        lines.append(
            f"Measured {_span(dates)} on {machines}; engine: {results['engine']}; load average before each part "
            f"{_span([f'{one:g}' for one in loads])}.\n"
        )
    return "\n".join([*lines, _MISSED, _RUN])


def details(parts: Mapping[str, ModuleType], reports: Mapping[str, Report], results: Mapping[str, Any]) -> str:
    """Return the page with everything."""
    lines = [_DETAILS]
    for name, report in reports.items():
        lines.append(f"## {parts[name].TITLE}\n")
        if report.intro:
            lines.append(report.intro)
        one = results["parts"][name]
        lines.append(f"Measured on {one['date']}, load average {one['load']:g} before.\n")
        if report.targets:
            lines.append(table(("", "target", "measured", ""), [_row(target) for target in report.targets]))
        lines += [_chart(chart, "../assets") for chart, drawn in report.charts.items() if drawn]
        for shown in report.tables:
            lines.append(f"### {shown.title}\n")
            if shown.note:
                lines.append(shown.note.rstrip("\n") + "\n")
            lines.append(table(shown.head, shown.rows))
    versions = "; ".join(f"{name} {version}" for name, version in results.get("versions", {}).items())
    return "\n".join([*lines, "## Versions\n", f"{versions}.\n"])


def _span(ordered: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys((ordered[0], ordered[-1])))


def _row(one: Target) -> tuple[str, str, str, str]:
    met = {True: "met", False: "**not met**", None: ""}[one.met]
    return one.what, one.aim, one.figure, met


def _chart(name: str, folder: str) -> str:
    words = name.replace("benchmarks-", "").replace("-", " ")
    return f"![Chart: {words}]({folder}/{name}.svg)\n"


def anchor(title: str) -> str:
    """Return the anchor of a heading, as GitHub and MkDocs make it."""
    return "-".join("".join(one for one in title.lower() if one.isalnum() or one in " -").split())
