"""The benchmarks, side by side: ``make bench``, or ``python benchmarks/run.py --help``.

Results go to ``benchmarks/results/latest.json``; the pages and charts below ``docs/`` are made from them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import cache, cold, endurance, environments, flows, growth, layouts, memory, round_trips, routes
from benchmarks.harness.contestants import BENCH, BY_KEY, ROOT, versions
from benchmarks.harness.pages import reports_of, write
from benchmarks.harness.parts import Bench
from torii_dynamodb.local import DYNOXIDE_VERSION

RESULTS = ROOT / "benchmarks" / "results" / "latest.json"

PARTS: Mapping[str, ModuleType] = {
    "flows": flows,
    "round_trips": round_trips,
    "routes": routes,
    "cache": cache,
    "cold": cold,
    "memory": memory,
    "endurance": endurance,
    "growth": growth,
    "layouts": layouts,
}
"""The parts, in the order of the page."""

ON_DEMAND = ("endurance",)
"""Parts that are measured only if they are named, or in a quick run: they take minutes, and what they find is the same
on a busy machine."""


def main() -> int:
    options = _options()
    logging.getLogger("torii_dynamodb").setLevel(logging.ERROR)  # each part creates tables, which the log would tell
    docs, file = (BENCH / "docs", BENCH / "quick.json") if options.quick else (ROOT / "docs", RESULTS)
    if options.quick:
        file.unlink(missing_ok=True)
    failed = [] if options.report else _measure(options, file)
    results = _read(file)
    for path in write(PARTS, results, docs):
        print(f"written: {path.relative_to(ROOT)}")
    _show(results)
    if options.quick:
        print("\nA quick run only tries the benchmarks: its figures say little, and the documentation is unchanged.")
    for name in failed:
        print(f"\nFAILED: {name}; what was measured of it before is unchanged")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmarks: ratios from one run, interleaved, on one engine.")
    parser.add_argument("--quick", action="store_true", help="a few short rounds, to try everything")
    parser.add_argument("--parts", type=_names(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--without", type=_names(BY_KEY), default=(), help="contestants to leave out, by key")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--report", action="store_true", help="only make the pages from the existing results")
    return parser.parse_args()


def _names(known: Mapping[str, Any]) -> Any:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return found

    return names


def _measure(options: argparse.Namespace, file: Path) -> list[str]:
    """Measure the parts, and add each to the results at once. Return the names of those that failed."""
    bench = Bench(
        quick=options.quick,
        log=Path(tempfile.gettempdir()) / f"torii-bench-{os.getpid()}.log",
        say=lambda text: print(text, flush=True),
        without=frozenset(options.without),
        only_rounds=options.rounds,
    )
    failed = []
    for name in options.parts or [name for name in PARTS if options.quick or name not in ON_DEMAND]:
        part = PARTS[name]
        bench.say(f"{part.TITLE} ...")
        began, load = time.monotonic(), os.getloadavg()[0]
        try:
            environments.prepare(set(part.ENVIRONMENTS) - _environments_of(bench.without))
            measured = part.measure(bench)
        except Exception:  # noqa: BLE001 - the other parts are measured all the same
            traceback.print_exc()
            failed.append(name)
            continue
        minutes = round((time.monotonic() - began) / 60, 1)
        results = _read(file)
        results["versions"] = results.get("versions", {}) | versions()
        results["engine"] = f"Dynoxide {DYNOXIDE_VERSION}, in memory, a process of its own"
        results.setdefault("parts", {})[name] = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "load": round(load, 1),
            "minutes": minutes,
            "found": measured,
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_as_text(results), encoding="utf-8")
        bench.say(f"{part.TITLE}: {minutes:g} minutes\n")
    return failed


def _read(file: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"engine": ""}
    return results


def _environments_of(without: Collection[str]) -> set[str]:
    """Return the environments that only contestants use that are left out."""
    used = {one.environment for one in BY_KEY.values() if one.key not in without}
    return {one.environment for one in BY_KEY.values()} - used


def _as_text(results: Mapping[str, Any]) -> str:
    text = json.dumps(results, separators=(",", ":"), ensure_ascii=False)
    return text.replace('},{"flow"', '},\n{"flow"').replace('},"', '},\n"') + "\n"


def _show(results: Mapping[str, Any]) -> None:
    for name, report in reports_of(PARTS, results).items():
        print(f"\n{PARTS[name].TITLE}")
        for one in report.targets:
            mark = {True: "met    ", False: "NOT met", None: "       "}[one.met]
            print(f"  {mark}  {one.what}: {one.figure}" + (f" (target: {one.aim})" if one.aim else ""))


if __name__ == "__main__":
    sys.exit(main())
