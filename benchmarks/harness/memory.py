"""Memory: of a process that checks sessions, and of checks that wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.harness import stage
from benchmarks.harness.contestants import BY_KEY, Worker
from benchmarks.harness.figures import ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, at_most, digits, shown

TITLE = "Memory"
ENVIRONMENTS = ("ours", "floor", "aiodynamo", "aiobotocore", "boto3")

_RESIDENT = ("ours_async", "ours_sync", "aiodynamo", "aiobotocore", "boto3")
_SESSIONS = 40  # of each of the 256 users
_WAITING = ("ours_async", "ours_async_alone", "floor", "aiodynamo")
_WAITERS = 10_000

_RESIDENT_NOTE = """The resident size of a process after it imported what it needs, and after it checked 10,000 sessions
once, 16 at a time. The second is compared with boto3 by hand. The frame of the benchmark, Python included, takes the
same in all.
"""
_WAITING_NOTE = """How much the process grows while 10,000 session checks wait at the same moment, per check, compared
with as many bare aiohttp POSTs. An asyncio task is part of each.
"""


def measure(bench: Bench) -> dict[str, Any]:
    """Measure each in new processes."""
    with stage.contestants(bench, (*_RESIDENT, *_WAITING), sessions=4 if bench.quick else _SESSIONS) as (
        endpoint,
        seeded,
    ):
        bench.say("  resident size")
        resident: dict[str, Any] = {key: {"imported": [], "checked": []} for key in _RESIDENT if key in seeded}
        for number in range(bench.rounds(3)):
            for key in turns(list(resident), number):
                with fresh(bench, key) as worker:
                    resident[key]["imported"].append(megabytes(worker))
                    worker.open(endpoint)
                    worker.adopt(seeded[key].tokens)
                    tokens = len(seeded[key].tokens)
                    worker.tell("run", flow="check", concurrency=16, operations=tokens)
                    resident[key]["checked"].append(megabytes(worker))
        bench.say("  waiting checks")
        waiting: dict[str, list[float]] = {key: [] for key in _WAITING if key in seeded}
        for number in range(bench.rounds(5)):
            for key in turns(list(waiting), number):
                with fresh(bench, key) as worker:
                    worker.open(endpoint)
                    worker.adopt(seeded[key].tokens)
                    waiting[key].append(round(worker.tell("memory", waiters=_WAITERS)["bytes"] / _WAITERS, 1))
    return {"resident": resident, "waiting": waiting}


@contextmanager
def fresh(bench: Bench, key: str) -> Iterator[Worker]:
    """Start a contestant's process."""
    worker = Worker(BY_KEY[key], bench.log)
    try:
        yield worker
    finally:
        worker.stop()


def megabytes(worker: Worker) -> float:
    """Return a process's resident size."""
    size: int = worker.tell("resident")["bytes"]
    return round(size / 1e6, 2)


def report(found: Mapping[str, Any]) -> Report:
    """Compare resident sizes with boto3, and waiting checks with bare POSTs."""
    resident, waiting = found["resident"], found["waiting"]
    base = resident.get("boto3")
    targets = [
        at_most(
            f"resident size with 10,000 sessions checked, {key[5:]}: against boto3 by hand",
            1.0,
            ratio(resident[key]["checked"], base["checked"]) if base and key in resident else None,
            first=True,
        )
        for key in ("ours_async", "ours_sync")
    ]
    sizes = [
        (
            BY_KEY[key].label,
            digits(median(one["imported"])),
            digits(median(one["checked"])),
            shown(ratio(one["checked"], base["checked"])) if base else "",
        )
        for key, one in sorted(resident.items(), key=lambda pair: median(pair[1]["checked"]))
    ]
    each = [
        (
            BY_KEY[key].label,
            shown(ratio(one, waiting["floor"])) if "floor" in waiting else "",
            f"{median(one):,.0f}",
        )
        for key, one in sorted(waiting.items(), key=lambda pair: median(pair[1]))
    ]
    return Report(
        targets=targets,
        tables=[
            Table(
                title="Resident size",
                note=_RESIDENT_NOTE,
                head=("", "imported, MB", "10,000 sessions checked, MB", "against boto3"),
                rows=sizes,
            ),
            Table(
                title="Waiting checks",
                note=_WAITING_NOTE,
                head=("", "compared with a bare POST", "bytes each"),
                rows=each,
            ),
        ],
    )
