"""Both layouts and tenants, side by side: the units, requests, CPU and latency of each flow, in one process."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, cycle, islice
from statistics import median
from typing import Any

from pyotp.totp import TOTP

from benchmarks.harness.figures import operations_for, ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, Target, at_most, shown
from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, NewOAuthAccount, NewSession, NewToken, NewUser, Torii
from torii_dynamodb.local import start_engine
from torii_dynamodb.models import Session, User
from torii_dynamodb.second_factor import SecondFactorChallenge
from torii_dynamodb.testing import FakeClock

TITLE = "Five tables, a single table, tenants"
ENVIRONMENTS = ()

VARIANTS: Mapping[str, tuple[str, int]] = {
    "tables": ("tables", 0),
    "tables_tenant": ("tables", 1),
    "tables_tenants": ("tables", 1_000),
    "single": ("single", 0),
    "single_tenant": ("single", 1),
    "single_tenants": ("single", 1_000),
}
"""By name, the layout, and how many tenants have users in its tables; with any, one of them is measured."""

FLOWS: Mapping[str, str] = {
    "register": "register",
    "sign_in": "sign in, attempts counted",
    "check": "session check",
    "refresh": "refresh a session",
    "sign_out": "sign out",
    "list_sessions": "list 5 sessions",
    "sign_out_everywhere": "sign out everywhere, until it returns",
    "oauth_sign_in": "sign in with OAuth",
    "token": "issue and use a one-time token",
    "second_factor": "sign in with a second factor",
}

_INTRO = """One process calls the blocking API, one call at a time, in turns. Each variant has tables of its own:
without tenants, with one, and with 1,000 that all have users. Password hashing is left out. Requests and units are
exact; CPU and p50 are compared with five tables without tenants.
"""

_TENANTS = "The flows of one tenant, with 999 others in the same tables, compared with those of the only tenant.\n"

_PASSWORD = "correct horse battery staple"
_USERS = 16
_SESSIONS = 5
_MOST = 400

Call = Callable[[], object]


class _Hasher:
    """Hashes nothing: a hash costs the same everywhere."""

    def hash(self, password: str) -> str:
        return f"$plain$0000000000${password.encode().hex()}"

    def verify(self, password_hash: str, password: str) -> bool:
        return password_hash == self.hash(password)

    def needs_rehash(self, password_hash: str) -> bool:
        return False


class _World:
    """A handle, and the people whom its flows need. The methods with the names of flows return calls to be measured."""

    def __init__(self, config: DynamoDbConfig, tenants: int) -> None:
        self._clock = FakeClock(datetime.now(UTC))
        self._opened = DynamoDbStorage().initialize(replace(config, clock=self._clock))
        self._storage = self._opened.tenant("tenant-0") if tenants else self._opened
        self._torii = Torii(self._storage, hasher=_Hasher(), secret=b"s" * 32, clock=self._clock)
        self._later = (self._clock() + timedelta(days=14, seconds=number) for number in count())
        self._users = [self._new_user() for _ in range(_USERS)]
        self._tokens = [self._new_session(user) for user in self._users for _ in range(_SESSIONS)]
        for user in self._users:
            self._storage.link_oauth_account(user.id, NewOAuthAccount(provider="example", subject=user.id))
        self._careful = self._new_user()
        enrolment = self._torii.second_factor.begin_enrolment(self._careful)
        self._app = TOTP(enrolment.secret)
        self._torii.second_factor.complete_enrolment(self._careful, enrolment.token, self._app.at(self._clock()))

    def close(self) -> None:
        self._opened.close()

    def register(self, operations: int) -> list[Call]:
        return [partial(self._torii.password.register, _email(), _PASSWORD, name="Ada") for _ in range(operations)]

    def sign_in(self, operations: int) -> list[Call]:
        return [partial(self._torii.password.authenticate, user.email, _PASSWORD) for user in self._some(operations)]

    def check(self, operations: int) -> list[Call]:
        return [partial(self._storage.get_signed_in, token) for token in islice(cycle(self._tokens), operations)]

    def refresh(self, operations: int) -> list[Call]:
        tokens = islice(cycle(self._tokens), operations)
        return [partial(self._storage.refresh_session, token, expires_at=next(self._later)) for token in tokens]

    def sign_out(self, operations: int) -> list[Call]:
        tokens = [self._new_session(user) for user in self._some(operations)]
        return [partial(self._storage.delete_session, token) for token in tokens]

    def list_sessions(self, operations: int) -> list[Call]:
        user = self._new_user()
        for _ in range(_SESSIONS):
            self._new_session(user)
        return [partial(self._storage.list_sessions_for_user, user.id)] * operations

    def sign_out_everywhere(self, operations: int) -> list[Call]:
        user = self._new_user()
        return [partial(self._storage.delete_sessions_for_user, user.id)] * operations

    def oauth_sign_in(self, operations: int) -> list[Call]:
        return [partial(self._sign_in_with_oauth, user.id) for user in self._some(operations)]

    def token(self, operations: int) -> list[Call]:
        return [partial(self._use_token, user.id) for user in self._some(operations)]

    def second_factor(self, operations: int) -> list[Call]:
        return [self._sign_in_twice] * operations

    def _some(self, number: int) -> Sequence[User]:
        return list(islice(cycle(self._users), number))

    def _new_user(self) -> User:
        return self._torii.password.register(_email(), _PASSWORD, name="Ada")

    def _new_session(self, user: User) -> str:
        new = NewSession(user_id=user.id, expires_at=next(self._later))
        return str(self._storage.create_session(new, user=user).token)

    def _sign_in_with_oauth(self, subject: str) -> Session:
        user = self._storage.get_user_by_provider_and_subject("example", subject)
        assert user is not None
        return self._storage.create_session(NewSession(user_id=user.id, expires_at=next(self._later)), user=user)

    def _use_token(self, user_id: str) -> object:
        new = NewToken(purpose="magic_link", user_id=user_id, expires_at=next(self._later))
        return self._storage.verify_token(str(self._storage.create_token(new).token), purpose="magic_link")

    def _sign_in_twice(self) -> object:
        self._clock.advance(60)  # a code is used only once
        challenge = self._torii.password.authenticate(self._careful.email, _PASSWORD)
        assert isinstance(challenge, SecondFactorChallenge)
        return self._torii.second_factor.complete(challenge.token, self._app.at(self._clock()))


def measure(bench: Bench) -> dict[str, Any]:
    """Measure every flow in every variant.

    Returns:
        By flow and variant, exact requests and units of one run, and CPU in microseconds and median latency in
        milliseconds, one figure a round.
    """
    found: dict[str, dict[str, Any]] = {flow: {} for flow in FLOWS}
    with ExitStack() as stack:
        engine = stack.enter_context(start_engine("dynoxide"))
        worlds: dict[str, _World] = {}
        for name, (layout, tenants) in VARIANTS.items():
            config = engine.config(table_prefix=name, layout=layout, session_cleanup="off")
            _fill(config, tenants)
            for flow, units in _units(config, tenants).items():
                found[flow][name] = units | {"cpu_us": [], "p50_ms": []}
            worlds[name] = _World(config, tenants)
            stack.callback(worlds[name].close)
        for flow, variants in found.items():
            bench.say(f"  {FLOWS[flow]}")
            tried = {name: _run(worlds[name], flow, _USERS)[2] for name in VARIANTS}
            operations = operations_for(bench.window, median(tried.values()) / _USERS, 1, _MOST)
            for number in range(bench.rounds(7)):
                for name in turns(list(VARIANTS), number):
                    cpu, middle, _ = _run(worlds[name], flow, operations)
                    variants[name]["cpu_us"].append(round(cpu / operations * 1e6, 2))
                    variants[name]["p50_ms"].append(round(middle * 1e3, 4))
    return found


def _fill(config: DynamoDbConfig, tenants: int) -> None:
    """Make a user with a session for each tenant."""
    with DynamoDbStorage.open(config) as storage:
        for number in range(tenants):
            tenant = storage.tenant(f"tenant-{number}")
            user = tenant.create_user(NewUser(email="ada@example.com", name="Ada"))
            tenant.create_session(
                NewSession(user_id=user.id, expires_at=config.clock() + timedelta(days=14)), user=user
            )


def _units(config: DynamoDbConfig, tenants: int) -> dict[str, dict[str, float]]:
    """Return the requests and units of one run of each flow."""
    calls: list[Any] = []
    world = _World(replace(config, on_call=calls.append), tenants)
    counted = {}
    for flow in FLOWS:
        [call] = getattr(world, flow)(1)
        calls.clear()
        call()
        counted[flow] = {
            "requests": len(calls),
            "read": sum(one.read_units for one in calls),
            "write": sum(one.write_units for one in calls),
        }
    world.close()
    return counted


def _run(world: _World, flow: str, operations: int) -> tuple[float, float, float]:
    """Return the seconds of CPU, the median latency and the whole time."""
    calls: list[Call] = getattr(world, flow)(operations)
    latencies = []
    clock = time.perf_counter
    cpu, began = time.process_time(), clock()
    for call in calls:
        before = clock()
        call()
        latencies.append(clock() - before)
    return time.process_time() - cpu, median(latencies), clock() - began


def _email() -> str:
    return f"bench-{uuid.uuid4().hex}@example.com"


def report(found: Mapping[str, Mapping[str, Any]]) -> Report:
    """Compare all with five tables without tenants, and a tenant among 1,000 with the only one."""
    rows, tenants = [], []
    for flow, one in found.items():
        label, tables, single = FLOWS[flow], one["tables"], one["single"]
        requests = " / ".join(dict.fromkeys(str(each["requests"]) for each in (tables, single)))
        others = ("tables_tenant", "single", "single_tenant")
        cpu = [shown(ratio(one[name]["cpu_us"], tables["cpu_us"])) for name in others]
        p50 = shown(ratio(single["p50_ms"], tables["p50_ms"]))
        rows.append((label, requests, _as_units(tables), _as_units(single), *cpu, p50))
        many = [
            shown(ratio(one[f"{layout}_tenants"][figure], one[f"{layout}_tenant"][figure]))
            for layout in ("tables", "single")
            for figure in ("cpu_us", "p50_ms")
        ]
        tenants.append((label, *many))
    head = (
        "",
        "requests",
        "units, five tables",
        "units, single table",
        "CPU, five tables, tenant",
        "CPU, single table",
        "CPU, single table, tenant",
        "p50, single table",
    )
    among = ("", "CPU, five tables", "p50, five tables", "CPU, single table", "p50, single table")
    return Report(
        intro=_INTRO,
        targets=_tenants(found),
        tables=[
            Table(title="Layouts", head=head, rows=rows),
            Table(title="A tenant among 1,000", note=_TENANTS, head=among, rows=tenants),
        ],
    )


def _tenants(flows: Mapping[str, Mapping[str, Any]]) -> list[Target]:
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
            Target(
                what=f"a tenant among 1,000 in {label}: requests and units against the only tenant's",
                aim="equal",
                figure=f"differ in {', '.join(differ)}" if differ else f"equal in all {len(pairs)} flows",
                met=not differ,
            )
        )
        many, alone = pairs["check"]
        found = ratio(many["cpu_us"], alone["cpu_us"])
        told.append(at_most(f"a tenant among 1,000 in {label}: CPU of a session check", 1.15, found))
    return told


def _as_units(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{found[kind]:g} {kind}" for kind in ("read", "write") if found[kind])
