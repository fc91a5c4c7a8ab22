"""A round trip between a client and a server on the same machine: a proxy in a process of its own.

It delays each response, by a fixed time or, for a small share, by a longer one. It knows nothing of the protocol: what
the server sends until the client sends again is one response. So it serves DynamoDB and Valkey alike. Connecting is not
delayed.
"""

from __future__ import annotations

import ctypes
import heapq
import os
import random
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_HOST = "127.0.0.1"
_BUFFER = 262_144


class Delay:
    """A running proxy in front of a server. As a context manager, it has ended after leaving.

    ::

        with Delay(engine.port, 4, tail=(0.01, 40)) as slow:
            config = engine.config(endpoint_url=slow.endpoint_url)

    Args:
        port: The server's port on this machine.
        round_trip: Milliseconds to delay each response by. With 0, a response passes at once.
        tail: The share of responses to delay by another time, and that time in milliseconds.
    """

    def __init__(self, port: int, round_trip: float, tail: tuple[float, float] = (0.0, 0.0)) -> None:
        command = [sys.executable, __file__, *(str(one) for one in (port, round_trip, *tail))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"the delay proxy ended: {command}")
        self.port = int(said)

    @property
    def endpoint_url(self) -> str:
        """Its URL, for HTTP."""
        return f"http://{_HOST}:{self.port}"

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


@dataclass(slots=True, eq=False)
class _Link:
    """A client's connection and the one to the server that belongs to it."""

    client: socket.socket
    server: socket.socket
    delay: float = 0.0
    answered: bool = True
    last: float = 0.0


class _Timer:
    """Wakes ``select.epoll`` at a time, which its own time-outs do only to the millisecond."""

    class _Spec(ctypes.Structure):
        _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "at_s", "at_ns")]

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)

    def set(self, at: float) -> None:
        nanoseconds = max(int(at * 1e9), 1)
        spec = self._Spec(0, 0, nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000)
        self._libc.timerfd_settime(self.fd, 1, ctypes.byref(spec), None)


@dataclass(slots=True)
class _Proxy:
    """The loop: as little work for each response as Python allows, so that it is not what limits a measurement."""

    target: int
    delay: float
    tail_share: float
    tail: float
    due: list[tuple[float, int, _Link, bytes]] = field(default_factory=list)
    links: dict[int, _Link] = field(default_factory=dict)

    def run(self) -> None:
        listener = socket.create_server((_HOST, 0), backlog=1024)
        listener.setblocking(False)
        timer, poll, chance = _Timer(), select.epoll(), random.Random(8)
        links, due, clock = self.links, self.due, time.monotonic
        for fd in (listener.fileno(), timer.fd, 0):
            poll.register(fd, select.EPOLLIN | (select.EPOLLET if fd == timer.fd else 0))
        print(listener.getsockname()[1], flush=True)
        number, set_for = 0, 0.0
        while True:
            for fd, _ in poll.poll():
                link = links.get(fd)
                if link is None:
                    if fd == listener.fileno():
                        self._accept(listener, poll)
                    elif fd == 0:  # the owner has ended
                        return
                    continue
                from_client = fd == link.client.fileno()
                try:
                    data = (link.client if from_client else link.server).recv(_BUFFER)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if not data:
                    self._close(link)
                elif from_client:
                    if link.answered:
                        link.answered = False
                        link.delay = self.tail if chance.random() < self.tail_share else self.delay
                    self._send(link, link.server, data)
                else:
                    link.answered = True
                    if link.delay:
                        number += 1
                        link.last = max(clock() + link.delay, link.last)
                        heapq.heappush(due, (link.last, number, link, data))
                    else:
                        self._send(link, link.client, data)
            now = clock()
            while due and due[0][0] <= now:
                _, _, link, data = heapq.heappop(due)
                self._send(link, link.client, data)
            if due and due[0][0] != set_for:
                set_for = due[0][0]
                timer.set(set_for)

    def _accept(self, listener: socket.socket, poll: select.epoll) -> None:
        client, _ = listener.accept()
        try:
            link = _Link(client, socket.create_connection((_HOST, self.target)))
        except OSError:
            client.close()
            return
        for one in (link.client, link.server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)
            self.links[one.fileno()] = link
            poll.register(one.fileno(), select.EPOLLIN)

    def _send(self, link: _Link, to: socket.socket, data: bytes) -> None:
        try:
            try:
                sent = to.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):  # rare: the other side is not reading
                to.setblocking(True)
                to.sendall(data[sent:])
                to.setblocking(False)
        except OSError:
            self._close(link)

    def _close(self, link: _Link) -> None:
        for one in (link.client, link.server):
            self.links.pop(one.fileno(), None)
            one.close()  # which also removes it from epoll


if __name__ == "__main__":
    port_, round_trip_, share_, tail_ = (float(one) for one in sys.argv[1:])
    _Proxy(int(port_), round_trip_ / 1e3, share_, tail_ / 1e3).run()
