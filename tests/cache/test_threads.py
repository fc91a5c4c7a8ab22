"""What only the blocking cache does: gets of several threads that share requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from torii_dynamodb._sync.redis_clients import IN_FLIGHT, MergedGets
from torii_dynamodb.errors import CacheUnavailable

THREADS = 12


class Server:
    """Answers gets, once it is let to."""

    def __init__(self) -> None:
        self.requests: list[Sequence[str]] = []
        self.busy = threading.Semaphore(0)
        self.go = threading.Event()
        self.error: Exception | None = None

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        self.requests.append(keys)
        self.busy.release()
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        return [key.encode() for key in keys]


def waiting(merged: MergedGets, number: int) -> None:
    """Wait until that many gets wait for others."""
    while len(merged._waiting) < number:
        threading.Event().wait(0.001)


def begin(server: Server, merged: MergedGets, pool: ThreadPoolExecutor) -> list[tuple[str, Future[list[bytes | None]]]]:
    """Begin gets in all threads: as many as are sent at once, then others, which wait."""
    names = [str(number) for number in range(THREADS)]
    begun = [(name, pool.submit(merged, [name, "shared"])) for name in names[:IN_FLIGHT]]
    for _ in range(IN_FLIGHT):
        assert server.busy.acquire(timeout=10)
    begun += [(name, pool.submit(merged, [name, "shared"])) for name in names[IN_FLIGHT:]]
    waiting(merged, THREADS - IN_FLIGHT)
    return begun


def test_threads_that_find_requests_under_way_share_the_next() -> None:
    """Each gets its own values; those that waited made fewer requests than there are threads."""
    server = Server()
    merged = MergedGets(server.get)
    with ThreadPoolExecutor(THREADS) as pool:
        begun = begin(server, merged, pool)
        server.go.set()
        for name, found in begun:
            assert found.result(10) == [name.encode(), b"shared"]
    assert len(server.requests) < THREADS
    assert any(len(keys) > 2 for keys in server.requests[IN_FLIGHT:])


def test_threads_that_wait_fail_with_the_request_before_theirs() -> None:
    """Nobody waits for a second time-out, and the next get asks again."""
    server = Server()
    merged = MergedGets(server.get)
    server.error = CacheUnavailable("away", attempts=1)
    with ThreadPoolExecutor(THREADS) as pool:
        begun = begin(server, merged, pool)
        server.go.set()
        for _, found in begun:
            with pytest.raises(CacheUnavailable, match="away"):
                found.result(10)
    assert len(server.requests) == IN_FLIGHT
    server.error = None
    assert merged(["a"]) == [b"a"]
