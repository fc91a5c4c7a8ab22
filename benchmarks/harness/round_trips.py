"""Session checks at real round trips: merged reads beside unmerged ones, with a delay between client and engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from benchmarks.harness import stage
from benchmarks.harness.contestants import BY_KEY, Worker
from benchmarks.harness.delay import Delay
from benchmarks.harness.figures import Spread, operations_for, ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, Target, at_least, at_most, digits

TITLE = "Merged reads at real round trips"
ENVIRONMENTS = ("ours",)

TWINS = {"ours_async": "async", "ours_sync": "sync"}
CONCURRENCY = (1, 4, 8, 16, 64, 256)
ROUND_TRIPS = (0, 1, 4, 10)
TAILS = ((0.0, 0.0), (0.01, 40.0))
_FIGURES = ("cpu_us", "per_second", "p50_ms", "p99_ms")

_INTRO = """A proxy delays each response by the round trip; with a tail, it delays one in a hundred by 40 ms instead.
Each figure compares merged reads with unmerged ones in the same round: 1 is equal; lower is better for p50, p99 and
CPU, higher for throughput. The p99 with a tail of one in a hundred is on the edge of the tail, and varies accordingly.
"""

Point = Mapping[str, Any]


def measure(bench: Bench) -> list[dict[str, Any]]:
    """Measure the session check in both twins, merged and not: one entry per point, with one figure per round."""
    found: list[dict[str, Any]] = []
    trips = ((0, TAILS[0]), (4, TAILS[1])) if bench.quick else [(trip, tail) for trip in ROUND_TRIPS for tail in TAILS]
    keys = [key for twin in TWINS for key in (twin, f"{twin}_alone")]
    with stage.contestants(bench, keys) as (endpoint, seeded):
        for trip, tail in trips:
            with ExitStack() as stack:
                workers = seeded
                if trip or tail[0]:
                    slow = stack.enter_context(Delay(urlsplit(endpoint).port or 80, trip, tail))
                    workers = {key: _behind(slow, seeded[key], bench, stack) for key in keys}
                for concurrency in (16, 64) if bench.quick else CONCURRENCY:
                    cell = _cell(workers, keys, bench, concurrency)
                    found += [{"trip": trip, "tail": tail[0], "concurrency": concurrency, **one} for one in cell]
            bench.say(f"  {trip} ms{', with a tail' if tail[0] else ''}")
    return found


def _behind(slow: Delay, seeded: Worker, bench: Bench, stack: ExitStack) -> Worker:
    worker = Worker(seeded.contestant, bench.log)
    stack.callback(worker.stop)
    worker.open(slow.endpoint_url)
    worker.adopt(seeded.tokens)
    return worker


def _cell(workers: Mapping[str, Worker], keys: Sequence[str], bench: Bench, concurrency: int) -> list[dict[str, Any]]:
    rounds: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    sizes: dict[str, int] = {}
    for key in keys:
        tried = workers[key].tell("run", flow="check", concurrency=concurrency, operations=max(concurrency * 4, 32))
        sizes[key] = operations_for(bench.window, 1 / tried["per_second"], concurrency, 20_000)
    for number in range(bench.rounds(4)):
        for key in turns(keys, number):
            rounds[key].append(workers[key].tell("run", flow="check", concurrency=concurrency, operations=sizes[key]))
    return [{"client": key, **{name: [one[name] for one in rounds[key]] for name in _FIGURES}} for key in keys]


def report(found: Sequence[Point]) -> Report:
    """Compare merged reads with unmerged ones at each point."""
    by_key = {(one["client"], one["trip"], one["tail"], one["concurrency"]): one for one in found}
    targets: list[Target] = []
    tables: list[Table] = []
    for twin, name in TWINS.items():
        points = {key[1:]: one for key, one in by_key.items() if key[0] == twin}
        compared = {
            point: {figure: ratio(one[figure], by_key[f"{twin}_alone", *point][figure]) for figure in _FIGURES}
            for point, one in points.items()
        }
        targets += _targets(name, compared)
        tables.append(_table(twin, compared))
    return Report(intro=_INTRO, targets=targets, tables=tables)


def _targets(name: str, compared: Mapping[tuple[Any, ...], Mapping[str, Spread]]) -> list[Target]:
    def worst(figure: str, points: Sequence[tuple[Any, ...]], *, lowest: bool = False) -> Spread | None:
        values = sorted((compared[point][figure] for point in points), key=lambda one: one.median)
        return None if not values else values[0 if lowest else -1]

    every = list(compared)
    bound = [point for point in every if point[0] <= 1 and point[2] >= 64]
    at_64 = [point for point in every if point[2] == 64]
    what = f"merged reads against unmerged, {name}"
    return [
        at_most(f"{what}: p50 at the worst point", 1.1, worst("p50_ms", every), first=True),
        at_most(f"{what}: p99 at the worst point", 1.1, worst("p99_ms", every), first=True),
        at_least(f"{what}: throughput, 64 and more at once, up to 1 ms", 1.5, worst("per_second", bound, lowest=True)),
        at_most(f"{what}: CPU, 64 at once", 0.5, worst("cpu_us", at_64)),
    ]


def _table(twin: str, compared: Mapping[tuple[Any, ...], Mapping[str, Spread]]) -> Table:
    trips = list(dict.fromkeys(point[:2] for point in compared))
    concurrency = list(dict.fromkeys(point[2] for point in compared))
    rows: list[list[str]] = []
    for trip, tail in trips:
        cells: list[str] = []
        for callers in concurrency:
            one = compared.get((trip, tail, callers))
            cells.append("" if one is None else " · ".join(digits(one[name].median) for name in _ORDER))
        rows.append([f"{trip} ms{', tail' if tail else ''}", *cells])
    return Table(
        title=BY_KEY[twin].label,
        note="p50 · p99 · throughput · CPU of merged reads, compared with unmerged ones.\n",
        head=("round trip", *(f"{callers} at once" for callers in concurrency)),
        rows=rows,
    )


_ORDER = ("p50_ms", "p99_ms", "per_second", "cpu_us")
