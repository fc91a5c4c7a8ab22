# Generated from tests/faults/_async/test_cache.py by tools/unasync.py. Do not edit.

"""Checks, refreshes and revocations while the cache has a fault: what the caller gets, and what other hosts see.

``near`` reaches the cache through a proxy and has the fault, ``far`` reaches it directly, and ``late`` does so a
``max_age`` later. The outcomes make docs/fault-matrix.md.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.faults import record
from tests.faults._sync.primitives import CACHE_OPERATIONS, CACHE_TROUBLES
from tests.faults.cache_catalogue import OPERATIONS, PASSWORD, TROUBLES, Bench, Trouble
from tests.faults.cache_proxy import CacheProxy
from tests.valkey_server import ValkeyServer

import torii_dynamodb._sync.cache as cache_module
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import monotonic
from torii_dynamodb._sync.storage.handle import DynamoDbHandle, DynamoDbStorage
from torii_dynamodb._sync.tables import Tables
from torii_dynamodb._sync.valkey import ValkeyCache
from torii_dynamodb.clock import Clock
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import CacheUnavailable
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewSession, NewUser, Session
from torii_dynamodb.testing.clock import FakeClock

SECRET = "a secret of the tests, which is long enough"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g"
LONG = bool(os.environ.get("TORII_LONG"))
# A busy machine needs more than the default of 0.05 seconds, where nothing is meant to hang.
TIMEOUT, SHORT_TIMEOUT, PATIENCE = 2.0, 0.15, 1.0 if LONG else 0.1
SLACK = 10.0


@dataclass
class World:
    """The hosts, and what they share."""

    bench: Bench
    config: DynamoDbConfig
    clock: FakeClock
    far: DynamoDbHandle
    late: DynamoDbHandle
    requests: list[str]

    def near(self, trouble: Trouble) -> Any:
        """Open the host that has the fault."""
        if trouble.without:
            return DynamoDbStorage.open(self.config)
        clock = lambda: self.clock() + trouble.clock  # noqa: E731
        timeout = SHORT_TIMEOUT if trouble.hangs else TIMEOUT
        cache = ValkeyCache(self.bench.proxy.url, secret=SECRET, clock=clock, timeout=timeout, connect_timeout=timeout)
        return DynamoDbStorage.open(replace(self.config, clock=clock, on_call=self.called), cache=cache)

    def called(self, call: Any) -> None:
        """Note a call to DynamoDB."""
        self.requests.append(call.operation)
        if self.bench.hang_after_dynamodb:
            self.bench.proxy.mode = "hang"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A server of its own behind a proxy."""
    with ValkeyServer() as server, CacheProxy(server.port) as proxy, server.client() as client:
        yield Bench(server, proxy, client)


@pytest.fixture(scope="module")
def prefix(dynoxide: LocalEngine) -> str:
    """Tables for all cases."""
    prefix = f"t{uuid.uuid4().hex[:16]}"
    with closing(Client(dynoxide.config(table_prefix=prefix))) as client:
        Tables(client, client.config).ensure()
    return prefix


@pytest.fixture
def world(bench: Bench, dynoxide: LocalEngine, prefix: str) -> Iterator[World]:
    """Hosts that share tables and a cache."""
    clock = FakeClock()
    # A password that is not needed does no harm, so this works whether one is needed or not.
    url = f"valkey://default:{PASSWORD}@127.0.0.1:{bench.server.port}"
    config = dynoxide.config(table_prefix=prefix, clock=clock, session_cleanup="off", create_tables=False)
    late = lambda: clock() + timedelta(seconds=60)  # noqa: E731

    def host(time: Clock) -> Any:
        cache = ValkeyCache(url, secret=SECRET, clock=time, timeout=5, connect_timeout=5)
        return DynamoDbStorage.open(replace(config, clock=time), cache=cache)

    with host(clock) as far, host(late) as later:
        yield World(bench, config, clock, far, later, [])


ACTIONS: dict[str, Callable[[DynamoDbHandle, Session], object]] = {
    "check, stored": lambda s, session: s.get_signed_in(session.token),
    "check, not stored": lambda s, session: s.get_signed_in(session.token),
    "refresh": lambda s, session: s.refresh_session(session.token, expires_at=session.expires_at + timedelta(days=1)),
    "sign-out": lambda s, session: s.delete_session(session.token),
    "sign-out everywhere": lambda s, session: s.delete_sessions_for_user(session.user_id),
    "password": lambda s, session: s.set_password_hash(session.user_id, HASH),
    "deletion": lambda s, session: s.delete_user(session.user_id),
}


def passes(storage: DynamoDbHandle, session: Session) -> bool:
    """Check a session."""
    return storage.get_signed_in(session.token) is not None


def end_pause(storage: DynamoDbHandle) -> None:
    """Let the next check ask the cache again, as after a few seconds."""
    storage.delete_session_by_id("nobody", "0" * 64)


class Cell:
    """One operation under one fault."""

    def __init__(self, world: World, trouble: Trouble, operation: str, number: int) -> None:
        self.world, self.trouble, self.operation, self.number = world, trouble, operation, number

    def run(self) -> str:
        """Return how it ended."""
        world, bench, trouble = self.world, self.world.bench, self.trouble
        user = world.far.create_user(NewUser(email=f"{uuid.uuid4().hex}@example.com"), password_hash=HASH)
        ends = world.clock() + timedelta(days=1)
        session = world.far.create_session(NewSession(user_id=user.id, expires_at=ends))
        if self.operation != "check, not stored":
            assert passes(world.far, session)
        before = bench.entries()
        with world.near(trouble) as near:
            near.health_check()  # so that there is a connection
            bench.proxy.pause = SHORT_TIMEOUT if trouble.hangs else SHORT_TIMEOUT / 3
            trouble.begin(bench)
            try:
                outcome = self._outcome(near, session, before)
            finally:
                bench.hang_after_dynamodb = False
                bench.undo.close()
                bench.proxy.reset()
            if self.operation.startswith("check") or self.operation == "refresh":
                assert passes(near, session)
                return outcome
            # Once it is over, the operation can be repeated, and then it holds everywhere. The host's next check does
            # the same.
            if self.number % 2 or "ended within" in outcome:
                self._act(near, session)
            elif near.cache_counts is not None:
                end_pause(near)
            assert not passes(near, session)
            if outcome.startswith("CacheUnavailable"):
                assert not passes(world.far, session)
            return outcome

    def _act(self, storage: DynamoDbHandle, session: Session) -> object:
        return ACTIONS[self.operation](storage, session)

    def _outcome(self, near: DynamoDbHandle, session: Session, before: dict[bytes, tuple[bytes, int]]) -> str:
        world, trouble = self.world, self.trouble
        world.requests.clear()
        started, error, found = monotonic(), None, None
        try:
            found = self._act(near, session)
        except CacheUnavailable as raised:
            error = raised
        waited = monotonic() - started
        read = "BatchGetItem" in world.requests
        trouble.after(world.bench, before)
        limit = 2 * (SHORT_TIMEOUT if trouble.hangs else TIMEOUT)
        if self.operation.startswith("check"):
            assert error is None, "a check must not fail because of the cache"
            assert found is not None, "a valid session was refused"
            assert waited < 3 * limit + SLACK
            counts = near.cache_counts
            assert counts is None or counts.failures <= 1, "a check waited for more than one failure"
            return "from DynamoDB" if read or trouble.without else "from the cache"
        if self.operation == "refresh":
            assert error is None, "a refresh must not fail because of the cache"
            assert waited < limit + SLACK
            return "done"
        assert waited < PATIENCE + limit + SLACK
        assert not passes(world.late, session), "an ended session passed after max_age"
        elsewhere = passes(world.far, session)
        if not trouble.without and "puts old" not in trouble.title:
            assert not passes(near, session), "an ended session passed at the host that ended it"
        if error is not None:
            assert "DynamoDB has the result" in str(error)
            return "CacheUnavailable, other hosts within max_age" if elsewhere else "CacheUnavailable, ended everywhere"
        return "ended within max_age" if elsewhere else "ended everywhere"


@pytest.mark.parametrize("name", CACHE_TROUBLES)
def test_no_fault_of_the_cache_is_an_outage(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks are answered, revocations hold or say what does not, and nothing is wrong for longer than ``max_age``."""
    monkeypatch.setattr(cache_module, "PATIENCE", PATIENCE)
    cells = [Cell(world, TROUBLES[name], one, number) for number, one in enumerate(OPERATIONS)]
    outcomes = {cell.operation: cell.run() for cell in cells if cell.operation in CACHE_OPERATIONS}
    if len(outcomes) == len(OPERATIONS):
        record.compare_cache(name, outcomes)
