"""The benchmarks, side by side: ``make bench``, or ``python benchmarks/run.py --help``.

Results go to ``benchmarks/results/latest.json``; ``docs/benchmarks.md`` and its charts are made from them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import environments, layouts, measure, stage
from benchmarks.harness.contestants import CONTESTANTS, ROOT, Contestant, Worker, versions
from benchmarks.harness.report import write
from benchmarks.harness.targets import judge
from torii_dynamodb.local import DYNOXIDE_VERSION, start_engine

RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
PARTS = ("flows", "cold", "imports", "memory", "sizes", "layouts")


def main() -> None:
    options = _options()
    if options.report:
        result = json.loads(RESULTS.read_text(encoding="utf-8"))
        result["targets"] = judge(result)
        _show(result)
        if not options.no_docs:
            _keep(result)
        return
    # Layouts are measured in this process, without contestants.
    taking_part = [one for one in CONTESTANTS if one.key not in options.without and options.parts != ["layouts"]]
    environments.prepare({one.environment for one in taking_part})
    plan = measure.Plan(
        window=options.window or (0.08 if options.quick else 0.25),
        rounds=options.rounds or (2 if options.quick else 5),
        check_rounds=options.rounds or (3 if options.quick else 9),
        spawns=options.spawns or (3 if options.quick else 11),
        flows=tuple(options.flows) if options.flows else measure.FLOWS,
        concurrency=tuple(options.concurrency) if options.concurrency else measure.CONCURRENCY,
    )
    result = _measure(options, plan, taking_part)
    result["targets"] = judge(result)
    _show(result)
    partial = (
        options.quick or options.flows or options.without or options.concurrency or set(options.parts) != set(PARTS)
    )
    if options.update:
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        if options.parts != ["layouts"]:  # which say themselves when they were measured
            result["meta"] = kept.get("meta", {}) | result["meta"]
        elif "meta" in kept:
            del result["meta"]
        result = kept | result
        result["targets"] = judge(result)
        _keep(result)
    elif options.out or partial:
        out = Path(options.out or ROOT / ".bench" / "quick.json")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"\nThis is only a part: it was written to {out}, and the documentation is unchanged.")
    else:
        _keep(result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmarks: ratios from one run, interleaved, on one engine.")
    parser.add_argument("--quick", action="store_true", help="a few short rounds, to try the harness")
    parser.add_argument(
        "--million", action="store_true", help="also a session check among 1,000,000 users (fills 2 GB once)"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured")
    parser.add_argument("--flows", nargs="+", choices=measure.FLOWS, help="these flows only")
    parser.add_argument("--concurrency", nargs="+", type=int, help="these only")
    parser.add_argument("--without", nargs="+", default=[], help="contestants to leave out, by key")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--spawns", type=int)
    parser.add_argument("--window", type=float, help="seconds per contestant's turn")
    parser.add_argument("--out", help="write the results to this file instead")
    parser.add_argument("--update", action="store_true", help="keep the other parts of the results as they are")
    parser.add_argument("--report", action="store_true", help="only make the page from the existing results")
    parser.add_argument("--no-docs", action="store_true", help="with --report: only print")
    return parser.parse_args()


def _measure(options: argparse.Namespace, plan: measure.Plan, taking_part: list[Contestant]) -> dict[str, Any]:
    log = Path(tempfile.gettempdir()) / f"torii-bench-{os.getpid()}.log"
    result: dict[str, Any] = {"meta": _meta(plan)}
    began = time.monotonic()
    with ExitStack() as stack:
        engine = stack.enter_context(start_engine("dynoxide"))
        stage.make_tables(engine, taking_part)
        workers: dict[str, Worker] = {}
        for one in taking_part:
            if not one.script:
                continue
            worker = workers[one.key] = Worker(one, log)
            stack.callback(worker.stop)
            worker.open(engine.endpoint_url)
            if one.kind == "floor":
                worker.adopt(workers["ours_async"].tokens)
            else:
                worker.seed()
        print("All are ready.", flush=True)
        if "flows" in options.parts:
            result["flows"] = measure.flows(workers, plan, _say)
        if "cold" in options.parts:
            _say("Cold starts ...")
            result["cold"] = measure.cold_starts(engine.endpoint_url, taking_part, workers, plan)
        if "memory" in options.parts:
            _say("Memory ...")
            result["memory"] = measure.memory(engine.endpoint_url, workers, log, 10_000, 2 if options.quick else 5)
    if "imports" in options.parts:
        _say("Imports ...")
        result["imports"] = measure.imports(plan)
    if "sizes" in options.parts:
        _say("Cost against size ...")
        with ExitStack() as stack:
            wanted = [1_000, 100_000] + ([1_000_000] if options.million else [])
            engines = {}
            for size in wanted:
                engine = stack.enter_context(stage.filled_engine(size, _say))
                engines[size] = (engine.endpoint_url, stage.token_of)
            result["sizes"] = measure.sizes(engines, log, 3 if options.quick else 11, 1_000)
    if "layouts" in options.parts:
        _say("Layouts and tenants ...")
        with start_engine("dynoxide") as engine:
            rounds = options.rounds or (3 if options.quick else 15)
            result["layouts"] = layouts.measure(engine, rounds=rounds, window=plan.window, say=_say)
    result["meta"]["minutes"] = round((time.monotonic() - began) / 60, 1)
    return result


def _meta(plan: measure.Plan) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "engine": f"Dynoxide {DYNOXIDE_VERSION}, in memory, a process of its own",
        "window_seconds": plan.window,
        "rounds": plan.rounds,
        "check_rounds": plan.check_rounds,
        "spawns": plan.spawns,
        "versions": versions(),
    }


def _show(result: dict[str, Any]) -> None:
    print()
    for one in result["targets"]:
        mark = "met    " if one["met"] else "NOT met" if one["met"] is not None else "unknown"
        print(f"{mark}  {one['what']}: {one['figure']} (target: {one['aim']})")


def _keep(result: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, separators=(",", ":")).replace('},{"flow"', '},\n{"flow"') + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    for path in write(result, ROOT / "docs"):
        print(f"written: {path.relative_to(ROOT)}")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
