"""What only the blocking client must do: serve many threads, and survive a fork."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, assert_type

import pytest
from tests.integration.wire.server import Act, Server
from tests.integration.wire.test_asyncio import GET, Gate, config, ids, key

from torii_dynamodb import errors
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import Background, both, gather

Opener = Callable[..., Client]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Open clients, and close them after the test."""
    clients: list[Client] = []

    def open_client(server: Server, **options: Any) -> Client:
        clients.append(Client(config(server, **options)))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


class Caller(threading.Thread):
    """A thread with a result."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        """Call, and store the result or the error."""
        try:
            self.outcome = self.call()
        except errors.ToriiError as error:
            self.outcome = error

    def wait(self) -> Any:
        """The outcome."""
        self.join(20)
        assert not self.is_alive()
        return self.outcome


def fill(client: Client, server: Server) -> list[Caller]:
    """Occupy all connections, so that later threads have to wait."""
    callers: list[Caller] = []
    for number in range(1000, 1000 + client.config.max_connections):
        callers.append(Caller(lambda n=number: client.batch_get([key(n)], consistent=True)))  # type: ignore[misc]
        server.wait_for(lambda: len(server.seen) == len(callers))
    return callers


def queue_up(client: Client, numbers: range) -> list[Caller]:
    """Start threads, and wait until all of them are in the queue for a batch."""
    assert client._mergers is not None
    waiting = client._mergers[True]._waiting
    callers: list[Caller] = []
    for number in numbers:
        callers.append(Caller(lambda n=number: client.batch_get([key(n)], consistent=True)))  # type: ignore[misc]
        while len(waiting) < len(callers):
            os.sched_yield()
    return callers


def test_threads_that_wait_share_a_request(opened: Opener) -> None:
    """With all connections in use, 30 more threads share one request, and each gets its own item."""
    gate = Gate()
    with Server(otherwise=gate) as server:
        client = opened(server, max_connections=3)
        first = fill(client, server)
        waiting = queue_up(client, range(30))
        gate.open.set()
        assert [caller.wait()[0]["n"]["N"] for caller in waiting] == [str(n) for n in range(30)]
        assert all(caller.wait() for caller in first)
        assert len(server.seen) == 4


def test_no_thread_waits_for_a_response(opened: Opener) -> None:
    """While nothing is answered, a read is sent as soon as it is requested, however many are in flight."""
    gate = Gate()
    with Server(otherwise=gate) as server:
        client = opened(server)
        callers: list[Caller] = []
        for number in range(12):
            callers.append(Caller(lambda n=number: client.batch_get([key(n)], consistent=True)))  # type: ignore[misc]
            server.wait_for(lambda: len(server.seen) == len(callers))
        gate.open.set()
        assert [caller.wait()[0]["n"]["N"] for caller in callers] == [str(n) for n in range(12)]


def test_a_bad_key_fails_its_thread_alone(opened: Opener) -> None:
    """A refused batch is repeated by each thread separately."""
    gate = Gate()
    gate.bad = {"4"}
    with Server(otherwise=gate) as server:
        client = opened(server, max_connections=3)
        first = fill(client, server)
        waiting = queue_up(client, range(10))
        gate.open.set()
        outcomes = [caller.wait() for caller in waiting]
        assert [isinstance(outcome, errors.RequestRejected) for outcome in outcomes] == [n == 4 for n in range(10)]
        assert all(caller.wait() for caller in first)


def test_keys_left_over_delay_their_thread_alone(opened: Opener) -> None:
    """Only the caller of the key that stays unprocessed is throttled."""
    gate = Gate()
    gate.left = {"4"}
    with Server(otherwise=gate) as server:
        client = opened(server, max_connections=3, retry_attempts=1)
        first = fill(client, server)
        waiting = queue_up(client, range(10))
        gate.open.set()
        outcomes = [caller.wait() for caller in waiting]
        assert [isinstance(outcome, errors.Throttled) for outcome in outcomes] == [n == 4 for n in range(10)]
        assert all(caller.wait() for caller in first)
        assert {tuple(ids(request)) for request in server.seen[4:]} == {("4",)}


def test_an_interrupted_thread_leaves_the_queue(opened: Opener) -> None:
    """A signal ends the wait of its thread; the key is not requested, and the other threads get their items."""
    gate = Gate()
    main = threading.get_ident()
    with Server(otherwise=gate) as server:
        client = opened(server, max_connections=1)
        first = fill(client, server)
        waiting = queue_up(client, range(3))
        assert client._mergers is not None
        queue = client._mergers[True]._waiting

        def interrupt() -> None:
            while len(queue) < 4:
                os.sched_yield()
            signal.pthread_kill(main, signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        try:
            helper = Caller(interrupt)
            with pytest.raises(KeyboardInterrupt):
                client.batch_get([key(9)], consistent=True)
            helper.wait()
        finally:
            signal.signal(signal.SIGUSR1, before)
        gate.open.set()
        assert [caller.wait()[0]["n"]["N"] for caller in waiting] == ["0", "1", "2"]
        assert all(caller.wait() for caller in first)
        assert "9" not in ids(server.seen[1])
        assert not client._mergers[True]._flying


def test_connections_are_bounded(opened: Opener) -> None:
    """40 threads over two connections all get their responses."""
    with Server() as server:
        client = opened(server, max_connections=2)
        callers = [Caller(lambda: client.call("GetItem", GET)) for _ in range(40)]
        assert [caller.wait() for caller in callers] == [{}] * 40
        assert server.connections <= 2


def test_waiting_for_a_connection_ends_in_time(opened: Opener) -> None:
    """With the only connection busy, the error of another thread says why."""
    with Server(otherwise=Act.HANG) as server:
        client = opened(server, max_connections=1, read_timeout=5.0, retry_attempts=0)
        first = Caller(lambda: client.call("GetItem", GET))
        server.wait_for(lambda: len(server.seen) == 1)
        hurried = opened(server, read_timeout=0.2, retry_attempts=0)
        hurried._transport = client._transport
        hurried._signing = client._signing
        with pytest.raises(errors.Unavailable, match="max_connections"):
            hurried.call("GetItem", GET)
        server.stop()
        assert isinstance(first.wait(), errors.Unavailable)


def test_closing_wakes_who_waits(opened: Opener) -> None:
    """Closing the client wakes threads in the queue for a connection."""
    with Server(otherwise=Act.HANG) as server:
        client = opened(server, max_connections=1, read_timeout=5.0, retry_attempts=0)
        first = Caller(lambda: client.call("GetItem", GET))
        server.wait_for(lambda: len(server.seen) == 1)
        second = Caller(lambda: client.call("GetItem", GET))
        pool: Any = client._transport
        while not pool._waiters:
            os.sched_yield()
        client.close()
        assert isinstance(second.wait(), errors.Unavailable)
        server.stop()
        first.wait()


def test_a_forked_process_has_connections_of_its_own(opened: Opener) -> None:
    """A forked child never uses its parent's connection."""
    with Server() as server:
        client = opened(server)
        client.call("GetItem", GET)
        pool: Any = client._transport
        pool._process += 1  # what a fork changes: the process's number
        client.call("GetItem", GET)
        assert [request.connection for request in server.seen] == [1, 2]


def test_gather_runs_at_the_same_time() -> None:
    """Calls that wait for each other finish; results are in order; the first error is raised."""
    barrier = threading.Barrier(3, timeout=10)

    def meet(number: int) -> int:
        barrier.wait()
        return number

    assert gather(lambda: meet(0), lambda: meet(1), lambda: meet(2)) == [0, 1, 2]

    def fail() -> int:
        raise ValueError("words")

    with pytest.raises(ValueError, match="words"):
        gather(fail, lambda: 1, lambda: 2, limit=2)


def test_both_returns_both_results() -> None:
    """Two calls that wait for each other finish, and each result keeps its type; the first error is raised."""
    barrier = threading.Barrier(2, timeout=10)

    def number() -> int:
        barrier.wait()
        return 1

    def text() -> str:
        barrier.wait()
        return "one"

    assert assert_type(both(number, text), tuple[int, str]) == (1, "one")

    def fail() -> int:
        raise ValueError("words")

    with pytest.raises(ValueError, match="words"):
        both(lambda: None, fail)


def test_background_work_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """Closing waits for all background work; failures are logged by name."""
    background = Background()
    gate = threading.Event()
    done: list[bool] = []

    def bad() -> None:
        raise ValueError("words")

    background.spawn(lambda: done.append(gate.wait(10)), "good work")
    background.spawn(bad, "bad work")
    gate.set()
    background.close()
    assert done == [True]
    assert "bad work failed in the background: words" in caplog.text
