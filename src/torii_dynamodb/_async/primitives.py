"""The few things that differ between the asynchronous and the blocking library. Written by hand on both sides."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Future as PoolFuture

__all__ = [
    "BLOCKING",
    "Background",
    "Flight",
    "Future",
    "Lock",
    "both",
    "gather",
    "monotonic",
    "outcome",
    "result_of",
    "run_in_thread",
    "sleep",
    "within",
]

BLOCKING = False
"""Which of the two this is."""

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")

_log = logging.getLogger("torii_dynamodb")

Lock = asyncio.Lock
Future = asyncio.Future


async def sleep(seconds: float) -> None:
    """Wait that long, letting others run."""
    await asyncio.sleep(seconds)


async def outcome(given: T | Awaitable[T]) -> T:
    """Return the result of an application's function, which may be a coroutine function."""
    if inspect.isawaitable(given):
        return await cast("Awaitable[T]", given)
    return given


async def run_in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run something that blocks or computes for long, off the event loop."""
    return await asyncio.to_thread(call, *args, **kwargs)


async def result_of(future: PoolFuture[T]) -> T:
    """Wait for a thread's result. If cancelled, it also cancels the work, unless that has begun."""
    return await asyncio.wrap_future(future)


async def within(seconds: float, call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a call of the application's; cancel it if it takes longer.

    Raises:
        TimeoutError: It took longer.
    """
    async with asyncio.timeout(seconds):
        return await call()


async def gather(*calls: Callable[[], Awaitable[T]], limit: int | None = None) -> list[T]:
    """Run calls at the same time and return their results in order.

    If one raises, the others are cancelled and waited for, and the first error (by time) is raised.

    Args:
        calls: Functions without arguments, each called once.
        limit: The maximum number at once; ``None`` for all.
    """
    if len(calls) == 1:
        return [await calls[0]()]
    if limit is None or limit >= len(calls):
        tasks = [asyncio.ensure_future(_run(call)) for call in calls]
    else:
        gate = asyncio.Semaphore(limit)
        tasks = [asyncio.ensure_future(_run_within(gate, call)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def both(first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]]) -> tuple[A, B]:
    """Run two calls at the same time and return both results. Errors are handled as in :func:`gather`."""
    results: list[A | B] = await gather(first, second)
    return cast("tuple[A, B]", tuple(results))


async def _run(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


async def _run_within(gate: asyncio.Semaphore, call: Callable[[], Awaitable[T]]) -> T:
    async with gate:
        return await call()


class Flight(Generic[T]):
    """Callers that arrive while a call is in progress share its outcome, without a lock."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def join(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the outcome of the call in progress, or start it. It continues if its first caller gives up."""
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._task = asyncio.ensure_future(_run(call))
            task.add_done_callback(_seen)
        return await asyncio.shield(task)


def _seen(task: asyncio.Task[Any]) -> None:
    """Retrieve a task's error, in case nobody is waiting for it any more."""
    if not task.cancelled():
        task.exception()


class Background:
    """Work in the background. Errors are logged; closing waits for all of it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, call: Callable[[], Awaitable[object]], name: str) -> None:
        """Start a call; ``name`` says in the log what it was."""
        task = asyncio.get_running_loop().create_task(self._guard(call, name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, call: Callable[[], Awaitable[object]], name: str) -> None:
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the log is all there is
            _log.warning("%s failed in the background: %s", name, error)

    async def wait(self) -> None:
        """Wait until nothing is running in this event loop. Work left over from an earlier loop never ends."""
        loop = asyncio.get_running_loop()
        while running := [task for task in self._tasks if task.get_loop() is loop]:
            await asyncio.wait(running)

    async def aclose(self) -> None:
        """Wait for the running work; more can be spawned afterwards."""
        await self.wait()
