"""Removals that are lost: a failover to a replica that did not get them, a process killed before it sends them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.faults.cache_proxy import CacheProxy
from tests.valkey_server import ValkeyServer

from torii_dynamodb import DynamoDbStorage, NewSession, NewUser
from torii_dynamodb.cache import ValkeyCache
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing.clock import FakeClock

SECRET = "a secret of the tests, which is long enough"
ROUNDS = 50 if os.environ.get("TORII_LONG") else 1
PATIENT: dict[str, Any] = {"secret": SECRET, "timeout": 5, "connect_timeout": 5}


@pytest.mark.timeout(600)
def test_a_failover_that_loses_a_removal_is_wrong_for_max_age(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A replica that is promoted without the last writes has the entry again: until it is max_age old, no longer."""
    clock = FakeClock()
    config = dynoxide.config(table_prefix=table_prefix, clock=clock, session_cleanup="off")
    with ValkeyServer() as first, ValkeyServer() as second, CacheProxy(first.port) as proxy:
        cache = ValkeyCache(proxy.url, clock=clock, **PATIENT)
        with DynamoDbStorage.open(config, cache=cache) as storage, first.client() as old, second.client() as new:
            for number in range(ROUNDS):
                primary, replica, server = (old, new, first) if number % 2 == 0 else (new, old, second)
                replica.replicaof("127.0.0.1", server.port)
                user = storage.create_user(NewUser(email=f"user{number}@example.com"))
                ends = clock() + timedelta(days=1)
                session = storage.create_session(NewSession(user_id=user.id, expires_at=ends))
                assert storage.get_signed_in(session.token) is not None
                # Once for the replica to connect, once for what came after.
                while not (primary.wait(1, 1000) and replica.keys(f"*{user.id}*")):
                    pass
                replica.replicaof("NO", "ONE")
                storage.delete_sessions_for_user(user.id)
                assert storage.get_signed_in(session.token) is None
                proxy.refuse()
                proxy.target = second.port if server is first else first.port
                proxy.listen()
                storage.health_check()  # until then, the circuit breaker may be open
                passed = storage.get_signed_in(session.token) is not None
                assert passed, "the fault of this test did not happen"
                clock.advance(60)
                assert storage.get_signed_in(session.token) is None


class Killed(ValkeyCache):
    """The process ends where it would remove something."""

    def forget(self, keys: Sequence[str], *, undecided: bool = False) -> None:
        os._exit(9)


def end_sessions(settings: dict[str, Any], url: str, user_id: str) -> None:
    """End a user's sessions, in a process that is killed meanwhile."""
    with DynamoDbStorage.open(DynamoDbConfig(**settings), cache=Killed(url, **PATIENT)) as storage:
        storage.delete_sessions_for_user(user_id)


@pytest.mark.timeout(600)
def test_a_process_killed_before_the_removal_is_wrong_for_max_age(
    dynoxide: LocalEngine, valkey: ValkeyServer, table_prefix: str
) -> None:
    """DynamoDB has the revocation; other hosts see it once the entry is max_age old, or somebody repeats it."""
    base = dynoxide.config(table_prefix=table_prefix, session_cleanup="off")
    settings: dict[str, Any] = {
        "region": base.region,
        "endpoint_url": base.endpoint_url,
        "credentials": base.credentials,
        "table_prefix": table_prefix,
        "create_tables": False,
    }
    clock = FakeClock()
    cache = ValkeyCache(valkey.url, clock=clock, **PATIENT)
    with DynamoDbStorage.open(replace(base, clock=clock), cache=cache) as storage:
        for number in range(ROUNDS):
            user = storage.create_user(NewUser(email=f"user{number}@example.com"))
            session = storage.create_session(NewSession(user_id=user.id, expires_at=clock() + timedelta(days=1)))
            assert storage.get_signed_in(session.token) is not None
            process = multiprocessing.get_context("spawn").Process(
                target=end_sessions, args=(settings, valkey.url, user.id)
            )
            process.start()
            process.join(60)
            assert process.exitcode == 9
            assert storage.get_signed_in(session.token, consistent=True) is None
            assert storage.get_signed_in(session.token) is not None, "the fault of this test did not happen"
            if number % 2:
                storage.delete_sessions_for_user(user.id)
            else:
                clock.advance(60)
            assert storage.get_signed_in(session.token) is None
