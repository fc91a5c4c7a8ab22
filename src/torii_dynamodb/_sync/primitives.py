"""The few things that differ between the asynchronous and the blocking library. Written by hand on both sides."""

from __future__ import annotations

import inspect
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Future as PoolFuture

from torii_dynamodb.errors import ConfigurationError

__all__ = [
    "BLOCKING",
    "Background",
    "Future",
    "Lock",
    "both",
    "gather",
    "monotonic",
    "outcome",
    "result_of",
    "run_in_thread",
    "sleep",
    "start_anew_after_fork",
    "within",
]

BLOCKING = True
"""Which of the two this is."""

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")

_log = logging.getLogger("torii_dynamodb")


class Forkable(Protocol):
    """Keeps locks, or counts what threads do."""

    def start(self) -> None:
        """Start, also again: a forked process has its parent's memory, but none of its threads."""
        ...


_forkables: weakref.WeakSet[Forkable] = weakref.WeakSet()


def start_anew_after_fork(owner: Forkable) -> None:
    """Reset an object in processes forked from this one, before anything else runs there."""
    _forkables.add(owner)


def _forked() -> None:
    for owner in list(_forkables):
        owner.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Future(Generic[T]):
    """A result that another thread will set, once."""

    __slots__ = ("_error", "_gate", "_value")

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self._error: BaseException | None = None

    def set_result(self, value: T) -> None:
        """Set the result."""
        self._value = value
        self._gate.release()

    def set_exception(self, error: BaseException) -> None:
        """Set an error instead."""
        self._error = error
        self._gate.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the result; ``False`` if it is not there in time."""
        if not self._gate.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            return False
        self._gate.release()
        return True

    def failed(self) -> bool:
        """Whether an error was set."""
        return self._error is not None

    def result(self) -> T:
        """Wait for the result and return it, or raise the error."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._value


def outcome(given: T | Awaitable[T]) -> T:
    """Return the result of an application's function, which cannot be a coroutine function here.

    Raises:
        ConfigurationError: It is a coroutine function.
    """
    if inspect.isawaitable(given):
        if inspect.iscoroutine(given):
            given.close()
        raise ConfigurationError("blocking services got a coroutine function: give a plain function")
    return given


def run_in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run something that blocks or computes for long: in blocking code, simply run it."""
    return call(*args, **kwargs)


def result_of(future: PoolFuture[T]) -> T:
    """Wait for a thread's result. If interrupted, it also cancels the work, unless that has begun."""
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


class _Places:
    """How many calls with a time limit may be under way, including those that nobody waits for any more."""

    def __init__(self) -> None:
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Count from zero: after a fork the calls are under way in the parent."""
        self.free = threading.Semaphore(64)


_places = _Places()


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return the result of a call of the application's. If it takes longer, it continues in its thread.

    Raises:
        TimeoutError: It took longer, or too many earlier ones are still under way.
    """
    free = _places.free
    future = Future[T]()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
            future.set_exception(error)
        finally:
            free.release()

    if not free.acquire(timeout=seconds):
        raise TimeoutError
    try:
        threading.Thread(target=copy_context().run, args=(work,), name="torii-within", daemon=True).start()
    except RuntimeError:  # no more threads
        free.release()
        raise TimeoutError from None
    if not future.wait(seconds):
        raise TimeoutError
    return future.result()


def gather(*calls: Callable[[], T], limit: int | None = None) -> list[T]:
    """Run calls at the same time, the last one in this thread, and return their results in order.

    If one raises, those not yet started are skipped, the others waited for, and the first error (by time) is raised.

    Args:
        calls: Functions without arguments, each called once.
        limit: The maximum number at once; ``None`` for all.
    """
    if len(calls) == 1:
        return [calls[0]()]
    results: dict[int, T] = {}
    errors: list[BaseException] = []
    todo = iter(range(len(calls)))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                index = None if errors else next(todo, None)
            if index is None:
                return
            try:
                results[index] = calls[index]()
            except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
                errors.append(error)

    count = len(calls) if limit is None else min(limit, len(calls))
    threads: list[threading.Thread] = []
    for _ in range(count - 1):
        # So that hooks see the caller's context, especially its span, as in the asynchronous library.
        thread = threading.Thread(target=copy_context().run, args=(work,), name="torii-gather", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            break  # no more threads: the existing ones, and this one, do all the work
        threads.append(thread)
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(calls))]


def both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Run two calls at the same time and return both results. Errors are handled as in :func:`gather`."""
    results: list[A | B] = gather(first, second)
    return cast("tuple[A, B]", tuple(results))


class Flight(Generic[T]):
    """Callers that arrive while a call is in progress share its outcome, without a lock."""

    def __init__(self) -> None:
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Forget the calls in progress: after a fork they run in the parent."""
        self._lock = threading.Lock()
        self._future: Future[T] | None = None

    def join(self, call: Callable[[], T]) -> T:
        """Return the outcome of the call in progress, or make the call."""
        mine = Future[T]()
        with self._lock:
            future = self._future
            if future is None:
                self._future = mine
        if future is not None:
            return future.result()
        try:
            value = call()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(value)
            return value
        finally:
            self._future = None


class Background:
    """Work in the background. Errors are logged; closing waits for all of it."""

    def __init__(self) -> None:
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Forget the running work: after a fork it runs in the parent."""
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def spawn(self, call: Callable[[], object], name: str) -> None:
        """Start a call; ``name`` says in the log what it was."""
        thread = threading.Thread(target=self._guard, args=(call, name), name=f"torii-{name}", daemon=True)
        with self._lock:
            try:
                thread.start()
            except RuntimeError as error:
                # No thread, or the interpreter is shutting down: the caller's own work is done all the same.
                _log.warning("%s was skipped: %s", name, error)
                return
            self._threads.add(thread)

    def _guard(self, call: Callable[[], object], name: str) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the log is all there is
            _log.warning("%s failed in the background: %s", name, error)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def wait(self) -> None:
        """Wait until nothing is running."""
        while True:
            with self._lock:
                threads = list(self._threads)
            if not threads:
                return
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """Wait for the running work; more can be spawned afterwards."""
        self.wait()
