"""The cache of session checks: what a check, a revocation and a miss cost with it, and how many reads it saves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, cycle, islice
from statistics import median
from typing import Any

from redis import Redis

from benchmarks.contestants.lanes import run_async, run_threads
from benchmarks.harness import stage
from benchmarks.harness.contestants import BETTER_AUTH, Worker
from benchmarks.harness.delay import Delay
from benchmarks.harness.figures import operations_for, ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, Target, at_most, digits, shown, table
from torii_dynamodb import AsyncDynamoDbStorage, DynamoDbConfig, DynamoDbStorage, NewSession, NewUser
from torii_dynamodb._core.cache import Lease, lease_mark
from torii_dynamodb.cache import AsyncValkeyCache, ValkeyCache
from torii_dynamodb.local import start_engine
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import Session, User
from torii_dynamodb.testing import FakeClock

TITLE = "Cache"
ENVIRONMENTS = (BETTER_AUTH.environment,)

DATABASE_MS = 4.0
CACHE_MS = 0.3
CONCURRENCY = (1, 16, 64)
WAYS = ("off", "cold", "warm")
"""A check without a cache, one that finds nothing in it, and one that does."""

_TWINS = ("async", "sync")
_SESSIONS = 256
_SECRET = b"s" * 32
# The server is never slow here, but the machine may be: a check must not read DynamoDB instead.
_PATIENCE = 5.0
_FIGURES = ("cpu_us", "p50_ms", "p99_ms")
# Not what a script does within the server.
_OURS, _THEIRS = ("mget", "eval", "evalsha"), ("get", "set", "del")
_REVOCATIONS = {"sign_out": "sign out", "everywhere": "sign out everywhere, until it returns"}

_SHARES = (0.5, 0.9, 0.99)
_MAX_AGE = timedelta(seconds=60)
_PEOPLE = 200

_INTRO = f"""A proxy delays each response of DynamoDB's engine by {DATABASE_MS:g} ms, and each one of Redis by
{CACHE_MS:g} ms. *Warm*: the cache has the session and its user. *Cold*: it has nothing, so the check reads DynamoDB and
stores what it found. *Off*: there is no cache. All share one engine, in turns. The sessions of better-auth are in Redis
only ("secondary storage", through ioredis), behind the same proxy, so it has no colder check. With 16 and 64 at once,
one process is busy all the time, and what a caller waits for is mostly its turn.
"""

_SAVED = f"""A simulation of {_PEOPLE} people who are signed in, with `max_age` of {_MAX_AGE.seconds} seconds. Their
requests arrive at random (Poisson); how many somebody sends follows Zipf's law: the second sends half as many as the
first, the third a third. The library reads and fills a cache in memory, by the clock of the simulation, and the units
are those that the engine reports. A request costs as many whatever the number of people, if each sends as many.
"""

_REVOKED = """One after another. *Added* is the difference of the medians, in round trips to the cache: in what one
`MGET` takes, in the same round. Requests are counted by the server.
"""


def measure(bench: Bench) -> dict[str, Any]:
    """Measure checks, revocations and hit rates."""
    with ExitStack() as stack:
        engine = stack.enter_context(start_engine("dynoxide"))
        port = stack.enter_context(stage.valkey())
        database = stack.enter_context(Delay(engine.port, DATABASE_MS))
        cache = stack.enter_context(Delay(port, CACHE_MS))
        config = engine.config(table_prefix="cache", session_cleanup="off")
        tokens = [session.token or "" for _, session in _people(config, _SESSIONS)]
        slow = replace(config, endpoint_url=database.endpoint_url)
        url = f"redis://127.0.0.1:{cache.port}"
        client = stack.enter_context(Redis(port=port))
        found: dict[str, Any] = {}
        for twin in _TWINS:
            bench.say(f"  checks, {twin}")
            with _World(twin, slow, url) as world:
                found[twin] = _checks(bench, world, tokens, client)
                bench.say(f"  revocations, {twin}")
                found[twin] |= _revocations(bench, world, config, client)
        if BETTER_AUTH.key not in bench.without:
            bench.say(f"  {BETTER_AUTH.label}")
            found[BETTER_AUTH.key] = _peer(bench, url, slow, tokens, client)
    bench.say("  hit rates")
    with start_engine("dynoxide") as engine:
        found["saved"] = [_saved(engine, share, *((500, 2) if bench.quick else (10_000, 4))) for share in _SHARES]
    return found


class _World:
    """Storages with and without a cache, asynchronous or blocking, behind the same calls."""

    def __init__(self, twin: str, config: DynamoDbConfig, url: str) -> None:
        self._loop = asyncio.new_event_loop() if twin == "async" else None
        options: dict[str, Any] = {"secret": _SECRET, "max_age": timedelta(hours=1), "timeout": _PATIENCE}
        if twin == "async":
            self.cache: Any = AsyncValkeyCache(url, **options)
            self._opened: list[Any] = [
                AsyncDynamoDbStorage.open(config),
                AsyncDynamoDbStorage.open(config, cache=self.cache),
            ]
            self.off: Any
            self.on: Any
            self.off, self.on = (self._do(one.__aenter__()) for one in self._opened)
        else:
            self.cache = ValkeyCache(url, **options)
            self._opened = [DynamoDbStorage.open(config), DynamoDbStorage.open(config, cache=self.cache)]
            self.off, self.on = (one.__enter__() for one in self._opened)

    def run(self, call: Callable[[Any], Any], arguments: Sequence[Any], concurrency: int) -> dict[str, float]:
        if self._loop is None:
            return run_threads(call, arguments, concurrency)
        return self._loop.run_until_complete(run_async(call, arguments, concurrency))

    def _do(self, call: Any) -> Any:
        return call if self._loop is None else self._loop.run_until_complete(call)

    def __enter__(self) -> _World:
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is None:
            for one in self._opened:
                one.__exit__(None, None, None)
        else:
            for one in self._opened:
                self._do(one.__aexit__(None, None, None))
            self._loop.close()


def _people(config: DynamoDbConfig, number: int, sessions: int = 1) -> list[tuple[User, Session]]:
    """Create users with sessions, over a connection without delay."""
    made = []
    with DynamoDbStorage.open(config) as storage:
        for _ in range(number):
            email = f"bench-{random.getrandbits(64):x}@example.com"
            user = storage.create_user(NewUser(email=email, name="Ada Lovelace"))
            new = NewSession(
                user_id=user.id,
                expires_at=config.clock() + timedelta(days=14),
                user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0",
                ip_address="203.0.113.7",
            )
            made += [(user, storage.create_session(new, user=user)) for _ in range(sessions)]
    return made


def _checks(bench: Bench, world: _World, tokens: list[str], client: Redis) -> dict[str, Any]:
    """Return, by concurrency and way, the figures of each round."""

    def turn(way: str, operations: int, concurrency: int) -> dict[str, float]:
        storage = world.off if way == "off" else world.on
        if way == "cold":
            client.flushall()
            operations = min(operations, len(tokens))
        took = world.run(storage.get_signed_in, list(islice(cycle(tokens), operations)), concurrency)
        if way == "cold":
            world.run(world.on.get_signed_in, tokens, 64)
        return took

    found = {"checks": _in_turns(bench, WAYS, turn, tried=16, rounds=11)}
    counts = world.on.cache_counts
    if counts.fallbacks:
        raise RuntimeError(f"{counts.fallbacks} checks did without the cache")
    return found


def _in_turns(
    bench: Bench,
    names: Sequence[str],
    turn: Callable[[str, int, int], Mapping[str, float]],
    *,
    tried: int,
    rounds: int,
) -> dict[str, Any]:
    """Return the figures of each round, by concurrency and name. The first `tried` checks tell how many fill a turn."""
    found: dict[str, Any] = {}
    for concurrency in CONCURRENCY:
        sizes = {}
        for name in names:
            took = turn(name, max(concurrency, tried), concurrency)
            sizes[name] = operations_for(2 * bench.window, 1 / took["per_second"], concurrency, 4000)
        figures: dict[str, Any] = {name: {figure: [] for figure in _FIGURES} for name in names}
        for number in range(bench.rounds(rounds)):
            for name in turns(names, number):
                took = turn(name, sizes[name], concurrency)
                for figure in _FIGURES:
                    figures[name][figure].append(took[figure])
        found[str(concurrency)] = figures
    return found


def _revocations(bench: Bench, world: _World, config: DynamoDbConfig, client: Redis) -> dict[str, Any]:
    """Return, by way to revoke, the latency without and with the cache, of an `MGET`, and the requests to the cache."""
    operations = 8 if bench.quick else 32
    found: dict[str, Any] = {}
    for name in _REVOCATIONS:
        rounds: dict[str, Any] = {"off": [], "on": [], "get": []}
        requests = 0
        for number in range(bench.rounds(9)):
            for way in turns(("off", "on", "get"), number):
                if way == "get":
                    keys = [["torii:nothing"]] * operations
                    rounds[way].append(world.run(world.cache.get, keys, 1)["p50_ms"])
                    continue
                storage = world.on if way == "on" else world.off
                people = _people(config, operations)
                call = storage.delete_session if name == "sign_out" else storage.delete_sessions_for_user
                arguments = [session.token if name == "sign_out" else user.id for user, session in people]
                before = _requests(client, *_OURS)
                rounds[way].append(world.run(call, arguments, 1)["p50_ms"])
                if way == "on":
                    requests = (_requests(client, *_OURS) - before) // operations
        found[name] = rounds | {"requests": requests}
    return {"revocations": found}


def _requests(client: Redis, *commands: str) -> int:
    stats: Any = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in commands)


def _peer(bench: Bench, url: str, slow: DynamoDbConfig, tokens: list[str], client: Redis) -> dict[str, Any]:
    """Return better-auth's figures, and those of our warm checks in the same rounds."""
    found: dict[str, Any] = {}
    worker = Worker(BETTER_AUTH, bench.log)
    try:
        worker.open(url)
        worker.seed()
        with _World("async", slow, url) as world:
            world.run(world.on.get_signed_in, tokens, 64)

            def turn(who: str, operations: int, concurrency: int) -> dict[str, Any]:
                if who == BETTER_AUTH.key:
                    return worker.tell("run", flow="check", concurrency=concurrency, operations=operations)
                return world.run(world.on.get_signed_in, list(islice(cycle(tokens), operations)), concurrency)

            found["checks"] = _in_turns(bench, ("ours", BETTER_AUTH.key), turn, tried=32, rounds=9)
        found["requests"] = {}
        for flow in ("check", "sign_out"):
            # Signing up, which a sign-out needs, makes requests, too: the difference of one more of both is counted.
            before = _requests(client, *_THEIRS)
            worker.tell("run", flow=flow, concurrency=1, operations=8)
            found["requests"][flow] = _requests(client, *_THEIRS) - before
        before = _requests(client, *_THEIRS)
        worker.tell("run", flow="sign_up", concurrency=1, operations=8)
        found["requests"]["sign_out"] -= _requests(client, *_THEIRS) - before
        found["requests"] = {flow: total / 8 for flow, total in found["requests"].items()}
    finally:
        worker.stop()
    return found


class _ClockedCache:
    """A cache in memory whose entries expire by a clock that is moved. Its methods are those of ``contract.Cache``."""

    max_age = _MAX_AGE

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._held: dict[str, tuple[datetime, bytes]] = {}

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        earliest = self._clock() - self.max_age
        found = [self._held.get(key) for key in keys]
        return [None if held is None or held[0] <= earliest else held[1] for held in found]

    def lease(self, keys: Sequence[str]) -> Lease:
        return Lease(tuple(keys), lease_mark(b"one"), self._clock())

    def fill(self, lease: Lease, values: Mapping[str, bytes]) -> None:
        self._held |= {key: (lease.taken_at, value) for key, value in values.items()}

    def forget(self, keys: Sequence[str], *, undecided: bool = False) -> None:
        for key in keys:
            self._held.pop(key, None)

    def clear(self, prefix: str) -> None:
        self._held.clear()

    def close(self) -> None:
        pass


def requests_for(share: float, weights: Sequence[float], age: float) -> float:
    """Return how many requests a second make that share of checks find an entry.

    With ``r`` requests a second, an entry answers all that arrive while it lives: on average ``r * age`` for each one
    that made it.

    Args:
        share: The share of checks that find an entry.
        weights: Each person's share of the requests.
        age: For how many seconds an entry is used.
    """

    def hits(rate: float) -> float:
        return sum(one * (one * rate * age) / (1 + one * rate * age) for one in weights)

    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if hits(middle) < share else (low, middle)
    return high


def _saved(engine: LocalEngine, share: float, wanted: int, ages: int) -> dict[str, float]:
    """Send that many requests or more, for some times ``max_age``. Those of the first fill the cache."""
    chance = random.Random(8)
    clock, units = FakeClock(datetime.now(UTC)), [0.0]

    def count(call: Any) -> None:
        units[0] += call.read_units

    config = engine.config(table_prefix=f"saved{share:g}".replace(".", "_"), clock=clock, on_call=count)
    tokens = [session.token for _, session in _people(config, _PEOPLE)]
    weights = [1 / rank for rank in range(1, _PEOPLE + 1)]
    total = sum(weights)
    rate = requests_for(share, [one / total for one in weights], _MAX_AGE.total_seconds())
    edges = list(accumulate(weights))
    with DynamoDbStorage.open(config, cache=_ClockedCache(clock)) as storage:
        began, checks, hits = clock(), 0, 0
        counts = storage.cache_counts
        assert counts is not None
        while checks < wanted or clock() - began < ages * _MAX_AGE:
            if clock() - began < _MAX_AGE:
                units[0], checks, hits = 0.0, 0, counts.hits
            token = chance.choices(tokens, cum_weights=edges)[0]
            assert storage.get_signed_in(token or "") is not None
            checks += 1
            clock.advance(chance.expovariate(rate))
        hits = counts.hits - hits
    return {"requests_per_person_and_minute": rate * 60 / _PEOPLE, "hits": hits / checks, "units": units[0] / checks}


def summary(found: Mapping[str, Any]) -> str:
    """Return the figures that docs/rfc-0008.md answers the question of the hybrid with, as a table in Markdown."""
    rows: list[list[str]] = []
    for way, label in (("warm", "in the cache"), ("cold", "not in the cache")):
        for figure, name in (("p50_ms", "p50"), ("cpu_us", "CPU")):
            cells = []
            for twin in _TWINS:
                one = found[twin]["checks"]["1"]
                times = digits(ratio(one[way][figure], one["off"][figure]).median) + " ×"
                if figure == "p50_ms":
                    times += f" ({digits(median(one[way][figure]))} instead of {digits(median(one['off'][figure]))} ms)"
                cells.append(times)
            rows.append([f"check, {label}: {name}", *cells])
    for name, label in _REVOCATIONS.items():
        cells = []
        for twin in _TWINS:
            one = found[twin]["revocations"][name]
            cells.append(f"{digits(median(one['on']))} instead of {digits(median(one['off']))} ms")
        rows.append([f"{label}: p50", *cells])
    for one in found["saved"]:
        minute = digits(one["requests_per_person_and_minute"])
        saved = f"{one['units']:.2f} instead of 2"
        rows.append([f"read units a check, at {minute} requests a person and minute", saved, saved])
    peer = found.get(BETTER_AUTH.key)
    if peer is not None:
        both = peer["checks"]["1"]
        compared = [ratio(both["ours"][figure], both[BETTER_AUTH.key][figure]).median for figure in _FIGURES[:2]]
        shown_peer = f"p50 {digits(compared[1])} ×, CPU {digits(compared[0])} ×"
        rows.append(["check in the cache, against better-auth with its sessions in Redis", shown_peer, ""])
    return table(("compared with no cache", "async", "sync"), rows)


def report(found: Mapping[str, Any]) -> Report:
    """Compare warm and cold checks with those without a cache, and a revocation's added time with a round trip."""
    targets: list[Target] = []
    checks, revoked = [], []
    for twin in _TWINS:
        for concurrency, ways in found[twin]["checks"].items():
            at = f"{twin}, {concurrency} at once"
            warm, off = ways["warm"], ways["off"]
            first = concurrency in ("1", "64")
            if concurrency == "1":  # with many, what a caller waits for is the interpreter
                targets.append(at_most(f"warm check, {at}: p50 against off", 0.25,
                                       ratio(warm["p50_ms"], off["p50_ms"]), first=True))  # fmt: skip
            targets.append(
                at_most(f"warm check, {at}: CPU against off", 1.2, ratio(warm["cpu_us"], off["cpu_us"]), first=first)
            )
            for way in WAYS:
                one = ways[way]
                cells = [f"{digits(median(one['p50_ms']))}, {digits(median(one['p99_ms']))}"]
                cells += [shown(ratio(one[figure], off[figure])) for figure in _FIGURES[1:] + _FIGURES[:1]]
                checks.append((at, way, *cells))
        for name, one in found[twin]["revocations"].items():
            added = [(on - off) / get for on, off, get in zip(one["on"], one["off"], one["get"], strict=True)]
            met = one["requests"] == 1
            what = f"{_REVOCATIONS[name]}, {twin}: round trips to the cache"
            targets.append(Target(what=what, aim="≤ 1", figure=f"{one['requests']}", met=met, first=True))
            times = [digits(median(one[way])) for way in ("off", "on", "get")]
            revoked.append((f"{_REVOCATIONS[name]}, {twin}", *times, digits(median(added)), str(one["requests"])))
    head = ("", "cache", "p50, p99 in ms", "p50 against off", "p99 against off", "CPU against off")
    tables = [
        Table(title="A check", head=head, rows=checks),
        Table(
            title="A revocation",
            note=_REVOKED,
            head=("", "off, ms", "with the cache, ms", "`MGET`, ms", "added", "requests to the cache"),
            rows=revoked,
        ),
        Table(
            title="Read units saved",
            note=_SAVED,
            head=("requests a person and minute", "answered by the cache", "read units a check", "saved"),
            rows=[
                (
                    digits(one["requests_per_person_and_minute"]),
                    f"{one['hits']:.1%}",
                    f"{one['units']:.3f}",
                    f"{1 - one['units'] / 2:.1%}",
                )
                for one in found["saved"]
            ],
        ),
    ]
    peer = found.get(BETTER_AUTH.key)
    if peer is not None:
        rows = []
        for concurrency, both in peer["checks"].items():
            ours, theirs = both["ours"], both[BETTER_AUTH.key]
            compared = [shown(ratio(ours[figure], theirs[figure])) for figure in ("p50_ms", "p99_ms", "cpu_us")]
            rows.append((f"{concurrency} at once", *compared))
        note = (
            f"Our warm check, asynchronous, against a session check of {BETTER_AUTH.label}. Our check makes 1 request "
            f"to the cache, and a sign-out 1; those of better-auth make {peer['requests']['check']:g} and "
            f"{peer['requests']['sign_out']:g}.\n"
        )
        tables.append(Table(title="Beside better-auth", note=note, head=("", "p50", "p99", "CPU"), rows=rows))
    return Report(intro=_INTRO, targets=targets, tables=tables, summary=summary(found))
