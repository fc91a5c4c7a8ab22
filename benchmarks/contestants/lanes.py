"""Runs calls in several lanes at once, and measures them. Needs only the standard library."""

from __future__ import annotations

import asyncio
import gc
import resource
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any


def cpu_seconds() -> float:
    """Return the CPU time that this process has used, in all threads, in user and in system mode."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run_async(
    call: Callable[[Any], Awaitable[object]], arguments: Sequence[Any], concurrency: int
) -> dict[str, float]:
    """Call a coroutine function once for each argument, that many at once. See :func:`sample`."""
    latencies: list[float] = []
    clock = time.perf_counter

    async def lane(part: Sequence[Any]) -> None:
        for argument in part:
            began = clock()
            await call(argument)
            latencies.append(clock() - began)

    gc.collect()
    before, began = cpu_seconds(), clock()
    await asyncio.gather(*(lane(arguments[start::concurrency]) for start in range(concurrency)))
    return sample(cpu_seconds() - before, clock() - began, latencies)


def run_threads(call: Callable[[Any], object], arguments: Sequence[Any], concurrency: int) -> dict[str, float]:
    """Call a function once for each argument, in that many threads. See :func:`sample`."""
    latencies: list[float] = []
    failures: list[Exception] = []
    clock = time.perf_counter
    ready = threading.Barrier(concurrency + 1)

    def lane(part: Sequence[Any]) -> None:
        ready.wait()
        try:
            for argument in part:
                began = clock()
                call(argument)
                latencies.append(clock() - began)
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            failures.append(error)

    gc.collect()
    threads = [threading.Thread(target=lane, args=(arguments[start::concurrency],)) for start in range(concurrency)]
    for thread in threads:
        thread.start()
    before, began = cpu_seconds(), clock()
    ready.wait()
    for thread in threads:
        thread.join()
    cpu, wall = cpu_seconds() - before, clock() - began
    if failures:
        raise failures[0]
    return sample(cpu, wall, latencies)


def sample(cpu: float, wall: float, latencies: list[float]) -> dict[str, float]:
    """Return what a run took: CPU microseconds per operation, operations a second, p50 and p99 in milliseconds."""
    latencies.sort()
    return {
        "cpu_us": round(cpu / len(latencies) * 1e6, 2),
        "per_second": round(len(latencies) / wall, 1),
        "p50_ms": round(percentile(latencies, 0.5) * 1e3, 4),
        "p99_ms": round(percentile(latencies, 0.99) * 1e3, 4),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
