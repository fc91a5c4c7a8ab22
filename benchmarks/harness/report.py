"""The page ``docs/benchmarks.md`` and its charts, from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness.chart import Bar, bars
from benchmarks.harness.contestants import BY_KEY
from benchmarks.harness.figures import Spread, ratio
from benchmarks.harness.layouts import FLOWS as LAYOUT_FLOWS
from benchmarks.harness.targets import LABELS, PYTHON_PEERS, Cells, digits, shown

_INTRO = """# Benchmarks

Run `make bench`. It needs Node.js (for the local engine and one peer), puts every contestant into its own environment
below `.bench/`, measures, and writes this page. `make bench BENCH_ARGS=--quick` is a short run of a few minutes;
`make bench BENCH_ARGS=--million` adds a million users; the raw figures are in
[`benchmarks/results/latest.json`](../benchmarks/results/latest.json).

**How to read it.** Every figure is a ratio of things measured in turns, in the same run, on the same engine, because
absolute times on a shared machine say little. CPU, throughput and latency are in units of *one bare aiohttp POST*,
measured in the same round at the same concurrency: it sends the request of a session check and reads the response,
without signing or interpreting anything. Lower is better for CPU and latency, higher for throughput. The quartiles of
the rounds are in brackets. Differences of less than about 15 % mean nothing. CPU is the client process's user and
system time (`getrusage`).

**What is compared.** "By hand" is the code that one would write with that client for the same flow and the same tables:
the same conditional transactions, strongly consistent reads, tokens stored as hashes, retries enabled. Its session
check reads the session, then the user, because the tokens of most applications do not contain the user's id; the
variant with one `BatchGetItem` is listed separately. Password hashing is the same for all and is left out: a hasher
that does nothing replaces it, called in a thread if the library is asynchronous. `fastapi-users-db-dynamodb` and
`@auth/dynamodb-adapter` are called through the methods that their frameworks call; they check less (no unique address,
plain tokens), so they do less work. All sides delete the rows of ended sessions within the measured call, unless the
line says otherwise.
"""

_MEMORY = """How much the process grows while 10,000 session checks wait at the same moment, per check, compared
with as many bare aiohttp POSTs. An asyncio task is part of each.
"""

_LAYOUTS = """One process calls the blocking API, one call at a time, in turns. Each variant has tables of its own:
without tenants, with one, and with 1,000 that all have users. Password hashing is left out. Requests and units are
exact.
"""

_TENANTS = """From the same run: the flows of one tenant, with 999 others in the same tables, compared with those of the
only tenant.
"""


def write(result: Mapping[str, Any], docs: Path) -> list[Path]:
    """Write the page and its charts; return what was written."""
    assets = docs / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    cells = Cells(result.get("flows", []))
    written = []
    charts = {
        "benchmarks-check.svg": _check_chart(cells),
        "benchmarks-flows.svg": _flows_chart(cells),
        "benchmarks-cold-start.svg": _cold_chart(result.get("cold", {})),
    }
    for name, drawn in charts.items():
        if drawn:
            (assets / name).write_text(drawn, encoding="utf-8")
            written.append(assets / name)
    page = docs / "benchmarks.md"
    page.write_text(render(result), encoding="utf-8")
    return [page, *written]


def render(result: Mapping[str, Any]) -> str:
    """Return the page's text."""
    cells = Cells(result.get("flows", []))
    parts = [
        _INTRO,
        _measured(result["meta"]),
        "## Targets\n",
        table(
            ("", "target", "measured", ""),
            [
                (one["what"], one["aim"], one["figure"], {True: "met", False: "**not met**", None: ""}[one["met"]])
                for one in result["targets"]
            ],
        ),
    ]
    if cells.flows:
        parts += [
            "## Session check\n",
            "![Session check: client CPU of each library](assets/benchmarks-check.svg)\n",
            "![Each flow: our CPU against the best Python peer's](assets/benchmarks-flows.svg)\n",
        ]
    for flow in cells.flows:
        parts.append(f"{'##' if flow != 'check' else '###'} {LABELS[flow][0].upper()}{LABELS[flow][1:]}\n")
        parts.append(_flow_table(cells, flow))
    if "cold" in result:
        parts += [
            "## Cold start\n",
            "From the start of the process to the response to its first session check, compared with boto3 by hand.\n",
            "![Cold start of each library](assets/benchmarks-cold-start.svg)\n",
            table(
                ("", "time", "CPU"),
                [
                    (
                        BY_KEY[key].label,
                        shown(ratio(found["ms"], result["cold"]["boto3"]["ms"])),
                        shown(ratio(found["cpu_ms"], result["cold"]["boto3"]["cpu_ms"])),
                    )
                    for key, found in _sorted_by(result["cold"], lambda one: median(one["ms"]))
                ],
            ),
        ]
    if "imports" in result:
        parts += [
            "## Import\n",
            "The names that a program needs, compared with `import boto3`.\n",
            table(
                ("", "time"),
                [
                    (
                        BY_KEY[key].label if key != "floor" else "aiohttp",
                        shown(ratio(found, result["imports"]["boto3"])),
                    )
                    for key, found in _sorted_by(result["imports"], median)
                ],
            ),
        ]
    if "memory" in result:
        parts += [
            "## Memory of waiting checks\n",
            _MEMORY,
            table(
                ("", "compared with a bare POST", "bytes each"),
                [
                    (
                        BY_KEY[key].label,
                        shown(ratio(found, result["memory"]["floor"])) if "floor" in result["memory"] else "",
                        f"{median(found):,.0f}",
                    )
                    for key, found in _sorted_by(result["memory"], median)
                ],
            ),
        ]
    if "sizes" in result:
        parts += [
            "## Cost by number of users\n",
            "One session check at a time, each for a different user, engine on a file; compared with 1,000 users.\n",
            table(
                ("users", "p50", "client CPU"),
                [
                    (
                        f"{int(size):,}",
                        shown(ratio(found["p50_ms"], result["sizes"]["1000"]["p50_ms"])),
                        shown(ratio(found["cpu_us"], result["sizes"]["1000"]["cpu_us"])),
                    )
                    for size, found in result["sizes"].items()
                ],
            ),
        ]
    if "layouts" in result:
        parts += _layouts(result["layouts"])
    versions = "; ".join(f"{name} {version}" for name, version in result["meta"]["versions"].items())
    parts += ["## Versions\n", f"{versions}.\n"]
    return "\n".join(parts)


def _layouts(found: Mapping[str, Any]) -> list[str]:
    rows, tenants = [], []
    for flow, one in found["flows"].items():
        label, tables, single = LAYOUT_FLOWS[flow], one["tables"], one["single"]
        requests = " / ".join(dict.fromkeys(str(each["requests"]) for each in (tables, single)))
        others = ("tables_tenant", "single", "single_tenant")
        cpu = [shown(ratio(one[name]["cpu_us"], tables["cpu_us"])) for name in others]
        p50 = shown(ratio(single["p50_ms"], tables["p50_ms"]))
        rows.append((label, requests, _units(tables), _units(single), *cpu, p50))
        many = [
            shown(ratio(one[f"{layout}_tenants"][figure], one[f"{layout}_tenant"][figure]))
            for layout in ("tables", "single")
            for figure in ("cpu_us", "p50_ms")
        ]
        tenants.append((label, *many))
    begun, ended = found["load"]
    when = f"Measured on {found['date']}: {found['rounds']} rounds; load average {begun:g} before, {ended:g} afterwards"
    head = [
        "",
        "requests",
        "units, five tables",
        "units, single table",
        "CPU, five tables, tenant",
        "CPU, single table",
    ]
    head += ["CPU, single table, tenant", "p50, single table"]
    return [
        "## Five tables, a single table, tenants\n",
        _LAYOUTS,
        f"{when}. CPU and p50 are compared with five tables without tenants.\n",
        table(head, rows),
        "### A tenant among 1,000\n",
        _TENANTS,
        table(("", "CPU, five tables", "p50, five tables", "CPU, single table", "p50, single table"), tenants),
    ]


def _units(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{found[kind]:g} {kind}" for kind in ("read", "write") if found[kind])


def _measured(meta: Mapping[str, Any]) -> str:
    rounds = f"{meta['check_rounds']} rounds of the session check, {meta['rounds']} of the other flows"
    where = f"{meta['machine']}; engine: {meta['engine']}"
    return f"Measured on {meta['date']}: {where}; {rounds}, {meta['spawns']} process starts.\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; a bar within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _sorted_by(found: Mapping[str, Any], key: Any) -> list[tuple[str, Any]]:
    return sorted(found.items(), key=lambda pair: key(pair[1]))


def _flow_table(cells: Cells, flow: str) -> str:
    at = cells.at(flow)
    middle = 16 if 16 in at else at[0]

    def cpu(key: str) -> float:
        found = cells.ratio(flow, middle, key, "floor")
        return found.median if found is not None else 0.0

    head = ["", *(f"CPU at {one}" for one in at), *(f"throughput at {one}" for one in at)]
    head += [f"p50, p99 at {one}" for one in at]
    rows = []
    for key in sorted(cells.contestants(flow), key=cpu):
        label = BY_KEY[key].label
        row = [f"**{label}**" if BY_KEY[key].kind == "ours" else label]
        row += [_spread(cells.ratio(flow, one, key, "floor")) for one in at]
        row += [_middle(cells.ratio(flow, one, key, "floor", "per_second")) for one in at]
        for one in at:
            halves = (cells.ratio(flow, one, key, "floor", "p50_ms"), cells.ratio(flow, one, key, "floor", "p99_ms"))
            row.append(", ".join(_middle(half) for half in halves))
        rows.append(row)
    return table(head, rows)


def _spread(found: Spread | None) -> str:
    return "" if found is None else shown(found)


def _middle(found: Spread | None) -> str:
    return "" if found is None else digits(found.median)


def _check_chart(cells: Cells) -> str | None:
    concurrency = 16
    entries = []
    for key in cells.contestants("check"):
        found = cells.ratio("check", concurrency, key, "floor")
        if found is not None:
            one = BY_KEY[key]
            kind = {"ours": "ours", "floor": "floor"}.get(one.kind, "peer")
            entries.append(Bar(one.label, found.median, found.low, found.high, f"{digits(found.median)} ×", kind))
    if not entries:
        return None
    return bars(
        "Session check: client CPU, 16 at once",
        "In units of one bare aiohttp POST, measured in the same rounds. Shorter is better.",
        "×",
        sorted(entries, key=lambda bar: bar.value),
    )


def _flows_chart(cells: Cells) -> str | None:
    entries = []
    for flow in cells.flows:
        at = cells.at(flow)
        best = cells.best_peer(flow, 16 if 16 in at else at[0], "ours_async", PYTHON_PEERS)
        if best is not None:
            peer, found = best
            text = f"{digits(found.median)} × {peer}"
            entries.append(Bar(_short(LABELS[flow]), found.median, found.low, found.high, text, "ours"))
    if not entries:
        return None
    return bars(
        "Each flow: our CPU against the best Python peer's, async, 16 at once",
        "1 (dashed) is the peer that needs least. Shorter is better.",
        "×",
        entries,
        aim=1.0,
    )


def _short(label: str) -> str:
    return label.replace(", rows deleted", "").replace(", strongly consistent", "")


def _cold_chart(cold: Mapping[str, Any]) -> str | None:
    if "boto3" not in cold:
        return None
    entries = []
    for key, found in _sorted_by(cold, lambda one: median(one["ms"])):
        one = ratio(found["ms"], cold["boto3"]["ms"])
        kind = {"ours": "ours", "floor": "floor"}.get(BY_KEY[key].kind, "peer")
        entries.append(Bar(BY_KEY[key].label, one.median, one.low, one.high, f"{digits(one.median)} ×", kind))
    return bars(
        "Cold start: from the process' start to its first session check",
        "Compared with boto3 by hand, started in turns. Shorter is better; the dashed line is the target.",
        "×",
        entries,
        aim=0.5,
    )
