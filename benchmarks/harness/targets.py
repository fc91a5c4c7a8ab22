"""The targets, and whether they are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.figures import Spread, ratio

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
    "sign_out_everywhere_10000": "sign out everywhere, 10,000 sessions, rows deleted",
    "sign_out_everywhere_returns": "sign out everywhere, until it returns",
    "link_oauth": "link an OAuth account",
    "delete_user": "delete a user",
}

PYTHON_PEERS = ("aiodynamo", "aiobotocore", "boto3", "pynamodb", "fastapi_users")
_ASYNC_PEERS = ("aiodynamo", "aiobotocore", "fastapi_users")
_OTHER_FLOWS = tuple(flow for flow in LABELS if flow not in ("check", "check_batch", "sign_out_everywhere_returns"))

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


def judge(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each target with its measurement; ``met`` is ``None`` if it was not measured."""
    cells = Cells(result.get("flows", []))
    told = [
        _at_most("session check, reads not merged, 16 at once: CPU against one bare aiohttp POST", 1.5,
                 cells.ratio("check", 16, "ours_async_alone", "floor")),
        _at_most("session check, sync, 16 threads: CPU against boto3 by hand", 0.3,
                 cells.ratio("check", 16, "ours_sync", "boto3")),
        _at_most("the same, reads not merged", 0.3, cells.ratio("check", 16, "ours_sync_alone", "boto3")),
        _at_most("session check, sync, 1 thread: CPU against boto3 by hand", 0.3,
                 cells.ratio("check", 1, "ours_sync", "boto3")),
        _at_most("session check, merged, 64 at once: CPU against one bare aiohttp POST", 0.4,
                 cells.ratio("check", 64, "ours_async", "floor")),
        _at_least("session check, merged, 64 at once: throughput against aiodynamo by hand", 4.0,
                  cells.ratio("check", 64, "ours_async", "aiodynamo", "per_second")),
    ]  # fmt: skip
    for flow in _OTHER_FLOWS:
        for concurrency in cells.at(flow):
            best = cells.best_peer(flow, concurrency, "ours_async", PYTHON_PEERS)
            if best is not None:
                peer, found = best
                told.append(_at_most(f"{LABELS[flow]}, {concurrency} at once: CPU against {peer}", 1.0, found))
            sync = cells.best_peer(flow, concurrency, "ours_sync", ("boto3", "pynamodb"))
            if sync is not None:
                peer, found = sync
                told.append(_at_most(f"{LABELS[flow]}, sync, {concurrency} at once: CPU against {peer}", 1.0, found))
    told += [
        _at_most(f"cold start, {key[5:]}: time against boto3 by hand", 0.5, _cold(result, key, "boto3"))
        for key in ("ours_async", "ours_sync")
    ]
    sizes = result.get("sizes", {})
    for size in ("100000", "1000000"):
        found_sizes = (
            ratio(sizes[size]["p50_ms"], sizes["1000"]["p50_ms"]) if size in sizes and "1000" in sizes else None
        )
        if found_sizes is not None or size == "1000000":
            told.append(_at_most(f"session check among {int(size):,} users: p50 against 1,000", 1.15, found_sizes))
    return told + _tenants(result.get("layouts", {}).get("flows", {}))


def _tenants(flows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the targets for a tenant among 1,000, compared with the only one."""
    told = []
    for layout, label in (("tables", "five tables"), ("single", "a single table")):
        pairs = {flow: (one[f"{layout}_tenants"], one[f"{layout}_tenant"]) for flow, one in flows.items()}
        if not pairs:
            continue
        differ = [
            flow
            for flow, (many, alone) in pairs.items()
            if any(many[kind] != alone[kind] for kind in ("requests", "read", "write"))
        ]
        told.append(
            {
                "what": f"a tenant among 1,000 in {label}: requests and units against the only tenant's",
                "aim": "equal",
                "figure": f"differ in {', '.join(differ)}" if differ else f"equal in all {len(pairs)} flows",
                "met": not differ,
            }
        )
        many, alone = pairs["check"]
        found = ratio(many["cpu_us"], alone["cpu_us"])
        told.append(_at_most(f"a tenant among 1,000 in {label}: CPU of a session check", 1.15, found))
    return told


def _cold(result: Mapping[str, Any], mine: str, theirs: str) -> Spread | None:
    cold = result.get("cold", {})
    return ratio(cold[mine]["ms"], cold[theirs]["ms"]) if mine in cold and theirs in cold else None


def _at_most(what: str, aim: float, found: Spread | None) -> dict[str, Any]:
    return _told(what, f"≤ {aim:g}" if aim != 1.0 else "< 1", found, None if found is None else found.median <= aim)


def _at_least(what: str, aim: float, found: Spread | None) -> dict[str, Any]:
    return _told(what, f"≥ {aim:g}", found, None if found is None else found.median >= aim)


def _told(what: str, aim: str, found: Spread | None, met: bool | None) -> dict[str, Any]:
    return {"what": what, "aim": aim, "figure": "not measured" if found is None else shown(found), "met": met}


def shown(found: Spread) -> str:
    """Format a ratio with its quartiles."""
    return f"{digits(found.median)} ({digits(found.low)} to {digits(found.high)})"


def digits(value: float) -> str:
    """Format a number with two or three significant digits."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"
