"""Memory: of checks that wait."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.harness import stage
from benchmarks.harness.contestants import BY_KEY, Worker
from benchmarks.harness.figures import ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, shown

TITLE = "Memory"
ENVIRONMENTS = ("ours", "floor", "aiodynamo")

_WAITING = ("ours_async", "ours_async_alone", "floor", "aiodynamo")
_WAITERS = 10_000
_NOTE = """How much the process grows while 10,000 session checks wait at the same moment, per check, compared with as
many bare aiohttp POSTs. An asyncio task is part of each.
"""


def measure(bench: Bench) -> dict[str, Any]:
    """Measure the bytes per waiter while many session checks wait at once, each time in a new process."""
    with stage.contestants(bench, _WAITING) as (endpoint, workers):
        found: dict[str, list[float]] = {key: [] for key in workers}
        for number in range(bench.rounds(5)):
            for key in turns(list(workers), number):
                worker = Worker(BY_KEY[key], bench.log)
                try:
                    worker.open(endpoint)
                    worker.adopt(workers[key].tokens)
                    found[key].append(round(worker.tell("memory", waiters=_WAITERS)["bytes"] / _WAITERS, 1))
                finally:
                    worker.stop()
    return {"waiting": found}


def report(found: Mapping[str, Any]) -> Report:
    """Compare with bare POSTs."""
    waiting = found["waiting"]
    rows = [
        (
            BY_KEY[key].label,
            shown(ratio(one, waiting["floor"])) if "floor" in waiting else "",
            f"{median(one):,.0f}",
        )
        for key, one in sorted(waiting.items(), key=lambda pair: median(pair[1]))
    ]
    head = ("", "compared with a bare POST", "bytes each")
    return Report(tables=[Table(title="Waiting checks", note=_NOTE, head=head, rows=rows)])
