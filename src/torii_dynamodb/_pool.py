"""The threads in which passwords are hashed: few, so that the memory of all hashes together stays a known number."""

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
    """Hands work to the pool, within a turn."""

    def __call__(self, call: Callable[..., T], /, *args: object) -> Future[T]:
        """Run ``call(*args)`` when a thread is free, first come, first served. Cancelled before, it never runs."""
        ...


class HashingPool:
    """Hashes a bounded number of passwords at the same time, lets a bounded number wait, and refuses the rest.

    One pool serves the whole process unless you give the services another one. All hashes together take at most
    ``width`` times the memory of one hash: 256 MiB with the default ``Argon2Hasher`` (64 MiB each) on a machine with
    four CPUs or more.

    Args:
        width: How many passwords are hashed at the same time, 1 to 64; ``None``: as many as this process may use CPUs,
            at most 4.
        queue: How many may wait for their turn, 0 to 10,000. Whoever comes then gets
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
        """A place in the pool, running or waiting, until the block ends. Take it before anything is read or counted.

        Raises:
            Overloaded: All places are taken.
        """
        with self._lock:
            if self._turns >= self.width + self.queue:
                raise Overloaded("too many passwords are being checked; try again", retry_after=_RETRY_AFTER)
            self._turns += 1
        lock, threads = self._lock, self._threads

        def submit(call: Callable[..., T], /, *args: object) -> Future[T]:
            # Hooks see what the caller's context holds, its span above all.
            return threads.submit(copy_context().run, call, *args)

        try:
            yield submit
        finally:
            with lock:
                if lock is self._lock:  # else this is a forked process, which counts anew
                    self._turns -= 1


@cache
def shared_pool() -> HashingPool:
    """The pool of the process."""
    return HashingPool()


def _cpus() -> int:
    # Fewer than the machine has, where a container or taskset says so.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
