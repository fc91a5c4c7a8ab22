"""The round trip that the benchmarks put between a client and a server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from benchmarks.harness.delay import Delay


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that returns what it receives; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(65_536):
                    connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def ask(connection: socket.socket, body: bytes) -> tuple[bytes, float]:
    """Return the response, and how long it took in milliseconds."""
    began = time.perf_counter()
    connection.sendall(body)
    received = b""
    while len(received) < len(body):
        received += connection.recv(65_536)
    return received, (time.perf_counter() - began) * 1e3


def test_each_response_is_late_by_the_round_trip_and_unchanged(echo: int) -> None:
    """Large responses, which arrive in pieces, are late once, in order."""
    body = bytes(range(256)) * 4_000
    with Delay(echo, 20) as slow, socket.create_connection(("127.0.0.1", slow.port)) as connection:
        for sent in (b"a", body, b"b"):
            received, took = ask(connection, sent)
            assert received == sent
            assert took >= 20


def test_the_tail_takes_its_share_of_responses(echo: int) -> None:
    """Some responses take the longer time, and the others do not wait for it."""
    with Delay(echo, 0, tail=(0.25, 20)) as slow, socket.create_connection(("127.0.0.1", slow.port)) as connection:
        late = [ask(connection, b"a")[1] >= 20 for _ in range(20)]
    assert 1 <= sum(late) <= 12
