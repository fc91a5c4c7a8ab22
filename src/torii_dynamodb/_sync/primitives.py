"""The few things that differ between the asynchronous library and its blocking twin. Written by hand in both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from threading import Lock
from time import monotonic, sleep
from typing import Generic, ParamSpec, TypeVar

__all__ = ["Background", "Future", "Lock", "gather", "monotonic", "run_in_thread", "sleep"]

T = TypeVar("T")
P = ParamSpec("P")

_log = logging.getLogger("torii_dynamodb")


class Future(Generic[T]):
    """A result that another thread will hand over, once."""

    __slots__ = ("_error", "_gate", "_value")

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self._error: BaseException | None = None

    def set_result(self, value: T) -> None:
        """Hand over the result."""
        self._value = value
        self._gate.release()

    def set_exception(self, error: BaseException) -> None:
        """Hand over an error instead."""
        self._error = error
        self._gate.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the result to be there; ``False`` if it is not in time."""
        if not self._gate.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            return False
        self._gate.release()
        return True

    def failed(self) -> bool:
        """Whether an error was handed over."""
        return self._error is not None

    def result(self) -> T:
        """Wait for the result and return it, or raise the error."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._value


def run_in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run something that blocks or computes for long: here, where blocking is the way, simply run it."""
    return call(*args, **kwargs)


def gather(*calls: Callable[[], T], limit: int | None = None) -> list[T]:
    """Run calls at the same time, the last one in this thread, and return their results in order.

    If one raises, those not begun are left out, the others waited for, and the first error (by time) is raised.

    Args:
        calls: Functions without arguments, each called once.
        limit: How many run at once at most; ``None``: all.
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
    threads = [threading.Thread(target=work, name="torii-gather", daemon=True) for _ in range(count - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(calls))]


class Background:
    """Work that goes on behind the caller's back. Errors are logged; closing waits for all of it."""

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()

    def spawn(self, call: Callable[[], object], name: str) -> None:
        """Start a call; ``name`` says in the log what it was."""
        thread = threading.Thread(target=self._guard, args=(call, name), name=f"torii-{name}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _guard(self, call: Callable[[], object], name: str) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the log is all there is
            _log.warning("%s failed in the background: %s", name, error)
        finally:
            self._threads.discard(threading.current_thread())

    def wait(self) -> None:
        """Wait until nothing is running any more."""
        while True:
            try:
                thread = next(iter(self._threads))
            except (StopIteration, RuntimeError):
                if not self._threads:
                    return
                continue
            thread.join()

    def close(self) -> None:
        """Wait for what is running; more can still be spawned afterwards."""
        self.wait()
