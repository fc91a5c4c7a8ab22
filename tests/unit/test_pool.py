"""The pool in which passwords are hashed."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import pytest

from torii_dynamodb._async.primitives import result_of
from torii_dynamodb._pool import shared_pool
from torii_dynamodb.errors import ConfigurationError, Overloaded
from torii_dynamodb.policies import HashingPool


class Work:
    """Work that waits until it is released, and records how much ran at the same time and in which order."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[int] = []
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()

    def __call__(self, name: int) -> int:
        with self._lock:
            self.begun.append(name)
            self._running += 1
            self.most = max(self.most, self._running)
        assert self.go.wait(30)
        with self._lock:
            self._running -= 1
        return name


def test_no_more_than_the_width_run_at_once_first_come_first_served() -> None:
    """Of forty jobs, two run at a time, in the order of arrival; all finish."""
    pool, work = HashingPool(width=2, queue=38), Work()
    with ExitStack() as stack:
        futures = [stack.enter_context(pool.turn())(work, name) for name in range(40)]
        work.go.set()
        assert [future.result(30) for future in futures] == list(range(40))
    assert work.most <= 2
    # Two threads take their work in order; which of them records its own first is chance.
    assert all(abs(place - name) <= 1 for place, name in enumerate(work.begun))


def test_beyond_the_queue_callers_are_refused_and_places_come_back() -> None:
    """With all places taken, a turn raises Overloaded with a time to wait; a released place is free again."""
    pool = HashingPool(width=1, queue=1)
    with pool.turn():
        with pool.turn():
            with pytest.raises(Overloaded) as refused, pool.turn():
                pass
            assert refused.value.retry_after.total_seconds() > 0
        with pool.turn() as submit:
            assert submit(sum, [1, 2]).result(30) == 3


async def test_who_gives_up_waiting_never_runs() -> None:
    """A cancelled caller releases its place, and its work is not started."""
    pool, work = HashingPool(width=1, queue=1), Work()

    async def ask(name: int) -> int:
        with pool.turn() as submit:
            return await result_of(submit(work, name))

    first = asyncio.ensure_future(ask(1))
    second = asyncio.ensure_future(ask(2))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    third = asyncio.ensure_future(ask(3))
    await asyncio.sleep(0)
    work.go.set()
    assert (await first, await third) == (1, 3)
    assert work.begun == [1, 3]


def test_an_error_is_the_callers() -> None:
    """The error of the work is raised in its caller, and the place is released."""
    pool = HashingPool(width=1, queue=0)
    with pool.turn() as submit:
        failed: Future[Any] = submit(int, "x")
        with pytest.raises(ValueError, match="invalid literal"):
            failed.result(30)
    with pool.turn():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_and_places_of_its_own() -> None:
    """After a fork during a turn, the child has all places, and leaving the turn there does no harm."""
    pool = HashingPool(width=1, queue=0)
    with pool.turn() as submit:
        assert submit(sum, [1]).result(30) == 1
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            code = 1
            try:
                with pool.turn() as own:
                    code = 0 if own(sum, [2, 3]).result(30) == 5 else 1
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("options", [{"width": 0}, {"width": 65}, {"width": True}, {"queue": -1}, {"queue": "100"}])
def test_wrong_sizes_are_refused_by_name(options: dict[str, Any]) -> None:
    """An invalid size raises a ConfigurationError that names the option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        HashingPool(**options)


def test_the_process_has_one_small_pool() -> None:
    """There is one shared pool, at most four wide: at most 256 MiB with the default hasher."""
    assert shared_pool() is shared_pool()
    assert 1 <= shared_pool().width <= 4
