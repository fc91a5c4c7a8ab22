"""The threads in which passwords are hashed: few, so that the memory of all hashes has a known limit."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta
from functools import cache
from typing import Protocol, TypeVar

from torii_dynamodb.errors import ConfigurationError, Overloaded

__all__ = ["HashingPool", "Submit", "shared_pool"]

T = TypeVar("T")

_RETRY_AFTER = timedelta(seconds=2)


class Submit(Protocol):
    """Runs work in the pool, within a turn."""

    def __call__(self, call: Callable[..., T], /, *args: object) -> Future[T]:
        """Run ``call(*args)`` when a thread is free, first come, first served. If cancelled first, it never runs."""
        ...


class HashingPool:
    """Hashes a bounded number of passwords at the same time, lets a bounded number wait, and refuses the rest.

    One pool serves the whole process unless you give the services another one. All hashes together take at most
    ``width`` times the memory of one hash: 256 MiB with the default ``Argon2Hasher`` (64 MiB each) on a machine with
    four CPUs or more.

    Args:
        width: How many passwords are hashed at the same time, 1 to 64; ``None`` for the number of CPUs that this
            process may use, at most 4.
        queue: How many may wait for their turn, 0 to 10,000. Further callers get
            :class:`~torii_dynamodb.errors.Overloaded` at once, before anything is read or counted.
    """

    def __init__(self, *, width: int | None = None, queue: int = 100) -> None:
        self.width = min(_cpus(), 4) if width is None else width
        self.queue = queue
        for option, value, low, high in (("width", self.width, 1, 64), ("queue", queue, 0, 10_000)):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ConfigurationError(f"{option}: {value!r}: give a whole number from {low} to {high}")
        self._start()
        if hasattr(os, "register_at_fork"):
            # A forked process has its parent's memory, but none of its threads.
            pool = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: None if (found := pool()) is None else found._start())

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._turns = 0
        self._threads = ThreadPoolExecutor(self.width, thread_name_prefix="torii-hashing")

    @contextmanager
    def turn(self) -> Generator[Submit]:
        """Reserve a place in the pool, running or waiting, until the block ends. Do it before reading or counting.

        Raises:
            Overloaded: All places are taken.
        """
        with self._lock:
            if self._turns >= self.width + self.queue:
                raise Overloaded("too many passwords are being checked; try again", retry_after=_RETRY_AFTER)
            self._turns += 1
        lock, threads = self._lock, self._threads

        def submit(call: Callable[..., T], /, *args: object) -> Future[T]:
            # So that hooks see the caller's context, especially its span.
            return threads.submit(copy_context().run, call, *args)

        try:
            yield submit
        finally:
            with lock:
                if lock is self._lock:  # otherwise this is a forked process, which counts from zero
                    self._turns -= 1


@cache
def shared_pool() -> HashingPool:
    """Return the process's pool."""
    return HashingPool()


def _cpus() -> int:
    # Containers and taskset may allow fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
