"""The flows of authentication, at several concurrencies, beside the same flows with other clients."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness import stage
from benchmarks.harness.chart import Bar, bars
from benchmarks.harness.contestants import BY_KEY, CONTESTANTS, Worker
from benchmarks.harness.figures import Spread, operations_for, ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, Target, at_least, at_most, digits, shown

TITLE = "Flows"
ENVIRONMENTS = tuple(dict.fromkeys(one.environment for one in CONTESTANTS if one.script))

CONCURRENCY = (1, 16, 64)
_OFTEN = ("check", "register")
"""The flows that are measured at each concurrency; the others are at 16."""

FLOOR = "floor"

LABELS = {
    "check": "session check",
    "check_batch": "session check by one BatchGetItem, by hand",
    "register": "register",
    "sign_in": "sign in",
    "sign_in_lockout": "sign in, attempts counted",
    "user_by_email": "user by e-mail, strongly consistent",
    "user_by_email_eventual": "user by e-mail, by the index",
    "sign_out": "sign out",
    "sign_out_everywhere_10": "sign out everywhere, 10 sessions, rows deleted",
    "sign_out_everywhere_returns": "sign out everywhere, until it returns",
    "link_oauth": "link an OAuth account",
    "delete_user": "delete a user",
}

FLOWS = tuple(LABELS)

PYTHON_PEERS = ("aiodynamo", "aiobotocore", "boto3", "pynamodb", "fastapi_users")
_OTHER_FLOWS = tuple(flow for flow in LABELS if flow not in ("check", "check_batch", "sign_out_everywhere_returns"))

# Each operation of these needs much work by the engine before it is measured.
_MOST = {"sign_out_everywhere_10": 96, "sign_out_everywhere_returns": 256, "link_oauth": 512, "delete_user": 512}

_INTRO = """CPU, throughput and latency are in units of *one bare aiohttp POST*, measured in the same round at the same
concurrency: it sends the request of a session check and reads the response, without signing or interpreting anything.
Lower is better for CPU and latency, higher for throughput.

"By hand" is the code that one would write with that client for the same flow and the same tables: the same conditional
transactions, strongly consistent reads, tokens stored as hashes, retries enabled. Its session check reads the session,
then the user, because the tokens of most applications do not contain the user's id; the variant with one `BatchGetItem`
is listed separately. Password hashing is the same for all and is left out: a hasher that does nothing replaces it,
called in a thread if the library is asynchronous. `fastapi-users-db-dynamodb` and `@auth/dynamodb-adapter` are called
through the methods that their frameworks call; they check less (no unique address, plain tokens), so they do less work.
All sides delete the rows of ended sessions within the measured call, unless the line says otherwise.
"""


def measure(bench: Bench) -> list[dict[str, Any]]:
    """Measure every flow at every concurrency: one entry per contestant, with one figure per round."""
    found: list[dict[str, Any]] = []
    with stage.contestants(bench, [one.key for one in CONTESTANTS if one.script]) as (_, workers):
        for flow in FLOWS:
            taking_part = [key for key, worker in workers.items() if flow in worker.flows]
            for concurrency in CONCURRENCY if flow in _OFTEN else (16,):
                began = time.monotonic()
                found += _cell(workers, bench, flow, concurrency, taking_part)
                bench.say(f"  {LABELS[flow]} at {concurrency}: {time.monotonic() - began:.0f} s")
    return found


def _cell(
    workers: Mapping[str, Worker], bench: Bench, flow: str, concurrency: int, taking_part: list[str]
) -> list[dict[str, Any]]:
    names = [*taking_part] if FLOOR in taking_part else [*taking_part, FLOOR]
    flow_of = {key: "check" if key == FLOOR else flow for key in names}
    sizes = {}
    for key in names:
        # Warms up the connections, and shows how many operations fill the window.
        first = max(concurrency, 16)
        tried = workers[key].tell("run", flow=flow_of[key], concurrency=concurrency, operations=first)
        most = _MOST.get(flow_of[key], 6000)
        sizes[key] = operations_for(bench.window, 1 / tried["per_second"], concurrency, most)
    rounds: dict[str, list[dict[str, Any]]] = {key: [] for key in names}
    for number in range(bench.rounds(7 if flow == "check" else 5)):
        for key in turns(names, number):
            rounds[key].append(
                workers[key].tell("run", flow=flow_of[key], concurrency=concurrency, operations=sizes[key])
            )
    return [
        {
            "flow": flow,
            "concurrency": concurrency,
            "contestant": key,
            "operations": sizes[key],
            **{figure: [one[figure] for one in rounds[key]] for figure in ("cpu_us", "per_second", "p50_ms", "p99_ms")},
        }
        for key in names
    ]


Cell = Mapping[str, Any]


class Cells:
    """The measured flows, by flow, concurrency and contestant."""

    def __init__(self, flows: Sequence[Cell]) -> None:
        self._by_key = {(one["flow"], one["concurrency"], one["contestant"]): one for one in flows}
        self.flows = list(dict.fromkeys(one["flow"] for one in flows))

    def get(self, flow: str, concurrency: int, contestant: str) -> Cell | None:
        return self._by_key.get((flow, concurrency, contestant))

    def at(self, flow: str) -> list[int]:
        return sorted({concurrency for name, concurrency, _ in self._by_key if name == flow})

    def contestants(self, flow: str) -> list[str]:
        return list(dict.fromkeys(who for name, _, who in self._by_key if name == flow))

    def ratio(self, flow: str, concurrency: int, mine: str, theirs: str, figure: str = "cpu_us") -> Spread | None:
        one, other = self.get(flow, concurrency, mine), self.get(flow, concurrency, theirs)
        return None if one is None or other is None else ratio(one[figure], other[figure])

    def best_peer(self, flow: str, concurrency: int, mine: str, peers: Sequence[str]) -> tuple[str, Spread] | None:
        """Return the best peer, and what we use relative to it."""
        found = [(peer, self.ratio(flow, concurrency, mine, peer)) for peer in peers]
        there = [(peer, one) for peer, one in found if one is not None]
        return max(there, key=lambda pair: pair[1].median) if there else None


def report(found: Sequence[Cell]) -> Report:
    """Tell the session check's targets, and of the other flows the one that is least ahead of its best peer."""
    cells = Cells(found)
    targets = [
        at_most("session check, merged, 64 at once: CPU against one bare aiohttp POST", 0.4,
                cells.ratio("check", 64, "ours_async", FLOOR), first=True),
        at_most("session check, 1 at once: CPU against one bare aiohttp POST", 0.65,
                cells.ratio("check", 1, "ours_async", FLOOR), first=True),
        at_most("session check, reads not merged, 16 at once: CPU against one bare aiohttp POST", 1.5,
                cells.ratio("check", 16, "ours_async_alone", FLOOR)),
        at_least("session check, merged, 64 at once: throughput against aiodynamo by hand", 4.0,
                 cells.ratio("check", 64, "ours_async", "aiodynamo", "per_second"), first=True),
        at_most("session check, sync, 16 threads: CPU against boto3 by hand", 0.3,
                cells.ratio("check", 16, "ours_sync", "boto3"), first=True),
        at_most("session check, sync, 16 threads, reads not merged: CPU against boto3 by hand", 0.3,
                cells.ratio("check", 16, "ours_sync_alone", "boto3")),
        at_most("session check, sync, 1 thread: CPU against boto3 by hand", 0.3,
                cells.ratio("check", 1, "ours_sync", "boto3")),
        at_most("register, sync, 64 threads: CPU against one bare aiohttp POST", 1.2,
                cells.ratio("register", 64, "ours_sync", FLOOR)),
        _least_ahead(cells, "ours_async", PYTHON_PEERS, "async"),
        _least_ahead(cells, "ours_sync", ("boto3", "pynamodb"), "sync"),
    ]  # fmt: skip
    tables = [
        Table(title=LABELS[flow][0].upper() + LABELS[flow][1:], **_flow_table(cells, flow)) for flow in cells.flows
    ]
    charts = {"benchmarks-check": _check_chart(cells), "benchmarks-flows": _flows_chart(cells)}
    return Report(intro=_INTRO, targets=targets, tables=tables, charts=charts)


def _least_ahead(cells: Cells, mine: str, peers: Sequence[str], label: str) -> Target:
    """Return the target of all other flows: less CPU than the peer that needs least, in every one."""
    worst: tuple[str, Spread] | None = None
    count = 0
    for flow in _OTHER_FLOWS:
        for concurrency in cells.at(flow):
            best = cells.best_peer(flow, concurrency, mine, peers)
            if best is None:
                continue
            count += 1
            if worst is None or best[1].median > worst[1].median:
                worst = f"{LABELS[flow]}, {concurrency} at once, against {BY_KEY[best[0]].label}", best[1]
    what = f"every other flow, {label}: CPU against the Python peer that needs least"
    if worst is None:
        return Target(what=what, aim="< 1", figure="not measured", met=None)
    figure = f"{shown(worst[1])} in the worst of {count} ({worst[0]})"
    return Target(what=what, aim="< 1", figure=figure, met=worst[1].median < 1, first=True)


def _flow_table(cells: Cells, flow: str) -> dict[str, Any]:
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
    return {"head": head, "rows": rows}


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
