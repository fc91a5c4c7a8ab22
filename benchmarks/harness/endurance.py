"""A million session checks in one process: whether it grows. It takes minutes, so a run does it only if told to."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.harness import stage
from benchmarks.harness.contestants import BY_KEY
from benchmarks.harness.memory import fresh, megabytes
from benchmarks.harness.parts import Bench, Report, Table, Target, digits

TITLE = "A million checks"
ENVIRONMENTS = ("ours",)

_CHUNK = 20_000
_NOTE = """The resident size of one process, in MB, after so many session checks, 16 at once.
"""


def measure(bench: Bench) -> dict[str, dict[str, float]]:
    """Return the resident size after more and more checks, by number of checks."""
    checks = 40_000 if bench.quick else 1_000_000
    found: dict[str, dict[str, float]] = {}
    with stage.contestants(bench, ("ours_async", "ours_sync")) as (endpoint, seeded):
        for key in ("ours_async", "ours_sync"):
            with fresh(bench, key) as worker:
                worker.open(endpoint)
                worker.adopt(seeded[key].tokens)
                sizes = found[key] = {}
                for done in range(_CHUNK, checks + _CHUNK, _CHUNK):
                    worker.tell("run", flow="check", concurrency=16, operations=_CHUNK)
                    if done == _CHUNK or done % (checks // 5) == 0:
                        sizes[str(done)] = megabytes(worker)
                        bench.say(f"  {key}: {done:,} checks, {sizes[str(done)]:g} MB")
    return found


def report(found: Mapping[str, Mapping[str, float]]) -> Report:
    """Tell how much a process grew after the first checks."""
    targets, rows = [], []
    for key, sizes in found.items():
        counts = list(sizes)
        grown = sizes[counts[-1]] - sizes[counts[1]]  # by then, every thread and buffer has been there
        what = f"growth from {int(counts[1]):,} to {int(counts[-1]):,} session checks, {key[5:]}"
        figure = f"{grown:.1f} MB of {sizes[counts[-1]]:.1f}"
        targets.append(Target(what=what, aim="≤ 1 MB", figure=figure, met=grown <= 1, first=True))
        rows.append((BY_KEY[key].label, *(digits(size) for size in sizes.values())))
    head = ("", *(f"{int(count):,}" for count in next(iter(found.values()))))
    return Report(targets=targets, tables=[Table(title="Resident size over time", note=_NOTE, head=head, rows=rows)])
