"""The blocking library after a fork, and when no thread can be started."""

from __future__ import annotations

import os
import signal
import threading
import warnings

import pytest

from torii_dynamodb import DynamoDbStorage, NewUser
from torii_dynamodb._sync.primitives import Background, gather
from torii_dynamodb.local.engines import LocalEngine


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform does not fork")
def test_a_child_reads_although_its_parent_was_reading(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Children forked while the parent's threads read can read, and close."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        over = threading.Event()

        def reading() -> None:
            while not over.is_set():
                storage.batch_get_users([user.id])

        threads = [threading.Thread(target=reading) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            assert [_child_reads(storage, user.id) for _ in range(5)] == [0] * 5
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _child_reads(storage: object, user_id: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forking with threads, which is the point here
        process = os.fork()
    if process == 0:
        signal.alarm(10)
        found = storage.batch_get_users([user_id])  # type: ignore[attr-defined]
        storage.close()  # type: ignore[attr-defined]
        os._exit(0 if found[0] is not None else 1)
    return os.waitpid(process, 0)[1]


def test_without_threads_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, gather works in the current one, background work is skipped, and closing ends."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert gather(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]
    background = Background()
    background.spawn(lambda: pytest.fail("it ran"), "something")
    background.close()
