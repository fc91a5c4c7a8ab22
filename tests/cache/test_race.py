"""Revocations against checks, in several processes, on Valkey and Dynoxide."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from tests.cache.racing import SECRET, Checkers, Settings
from tests.valkey_server import ValkeyServer

from torii_dynamodb import DynamoDbHandle, DynamoDbStorage, NewSession, NewUser
from torii_dynamodb.cache import ValkeyCache
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import Session, User

ROUNDS = 10_000 if os.environ.get("TORII_LONG") else 30


def end(storage: DynamoDbHandle, user: User, session: Session, kind: int) -> None:
    """End a session in one of several ways."""
    match kind % 4:
        case 0:
            storage.delete_session(session.token)
        case 1:
            storage.delete_sessions_for_user(user.id)
        case 2:
            storage.set_locked_at(user.id, storage.config.clock())
        case _:
            assert storage.delete_session_by_id(user.id, session.id)


@contextmanager
def losing(valkey: ValkeyServer, user: User) -> Iterator[None]:
    """Let the cache lose the user's keys all the time, so that checks are always about to store something."""
    stopped = Event()

    def lose() -> None:
        with valkey.client() as client:
            while not stopped.wait(0.002):
                for key in client.scan_iter(f"*:{user.id}}}*", count=1000):
                    client.delete(key)

    thread = Thread(target=lose)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.timeout(3600 if os.environ.get("TORII_LONG") else 120)
def test_no_check_passes_that_began_after_the_session_was_ended(
    dynoxide: LocalEngine, valkey: ValkeyServer, table_prefix: str
) -> None:
    """Whatever the order, and while the cache loses keys and processes are frozen, an ended session never passes."""
    settings: dict[str, Any] = {
        "region": dynoxide.config().region,
        "endpoint_url": dynoxide.config().endpoint_url,
        "credentials": dynoxide.config().credentials,
        "table_prefix": table_prefix,
        "session_cleanup": "off",
    }
    chance = random.Random(1)
    cache = ValkeyCache(valkey.url, secret=SECRET, timeout=5, connect_timeout=5)
    with DynamoDbStorage.open(DynamoDbConfig(**settings), cache=cache) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        with Checkers(Settings(settings, valkey.url), 2) as checkers, losing(valkey, user):
            board = checkers.board
            deadline = time.monotonic() + 60
            while board.ready.value < len(checkers.processes):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            for count in range(ROUNDS):
                ends = storage.config.clock() + timedelta(hours=1)
                session = storage.create_session(NewSession(user_id=user.id, expires_at=ends))
                board.ended_at.value = 0
                passed = board.passed.value
                board.token.value = session.token.encode()
                # Until it passes, then for a moment that differs from round to round.
                deadline = time.monotonic() + 20
                while board.passed.value <= passed + count % 8:
                    assert time.monotonic() < deadline
                    time.sleep(0)
                frozen = chance.choice(checkers.processes).pid if count % 2 == 0 else None
                if frozen is not None:
                    os.kill(frozen, signal.SIGSTOP)
                end(storage, user, session, count)
                board.ended_at.value = time.monotonic()
                if frozen is not None:
                    os.kill(frozen, signal.SIGCONT)
                # What was read before the end would be stored about now, and found by the next check.
                time.sleep(0.01)
                assert board.wrong.value == 0, f"in round {count}"
                if count % 4 == 2:
                    storage.set_locked_at(user.id, None)
        assert board.hits.value > ROUNDS // 100
        assert [process.exitcode for process in checkers.processes] == [0, 0]
