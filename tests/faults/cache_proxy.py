"""A proxy between a client and Valkey that makes the connection slow, silent or short-lived."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, Self

from tests.ports import reserved_port

__all__ = ["CacheProxy", "Mode"]

Mode = Literal["pass", "reset", "slow", "hang", "lost", "trickle", "flap"]
"""``reset``: a request ends its connection; ``hang``: it goes nowhere; ``lost``: it is carried out, but its response
goes nowhere; ``slow``, ``trickle``: the response comes late, or byte by byte; ``flap``: open connections end, and every
second new one does."""


class CacheProxy:
    """Passes everything on to a server on this machine, until it is told otherwise.

    Args:
        port: The server's port.

    Attributes:
        mode: What happens to requests and responses from now on: see :meth:`start`.
        target: The server's port. It can be changed, as a failover does.
        pause: Seconds for ``slow``, and for each byte of ``trickle``.
        before: Called before a request is passed on.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.mode: Mode = "pass"
        self.pause = 0.0
        self.before: Callable[[], object] | None = None
        self.port = 0
        self._connections = self._known = 0
        self._reserved = reserved_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL to connect to."""
        return f"valkey://127.0.0.1:{self.port}"

    def refuse(self) -> None:
        """End all connections, and refuse new ones."""
        self._run(self._refuse())

    def listen(self) -> None:
        """Accept connections again."""
        if self._server is None:
            self._run(self._listen())

    def start(self, mode: Mode) -> None:
        """Change the mode."""
        self._known = self._connections
        self.mode = mode

    def reset(self) -> None:
        """Pass everything on again."""
        self.mode, self.before = "pass", None
        self.listen()

    def __enter__(self) -> Self:
        self.port = self._reserved.__enter__()
        self._thread.start()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reserved.__exit__(kind, error, traceback)

    def _run(self, work: Any) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        self._connections += 1
        up = asyncio.ensure_future(self._up(reader, their_writer, self._connections))
        down = asyncio.ensure_future(self._down(their_reader, writer))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (up, down):
                one.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            writer.transport.abort()
            their_writer.transport.abort()
            self._tasks.discard(task)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while data := await reader.read(65536):
            since = number - self._known
            if self.mode == "reset" or (self.mode == "flap" and (since <= 0 or since % 2)):
                return
            if self.before is not None:
                self.before()
            if self.mode != "hang":
                writer.write(data)

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.mode == "lost":
                continue
            if self.mode == "slow":
                await asyncio.sleep(self.pause)
            if self.mode == "trickle":
                for byte in data:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(self.pause)
            else:
                writer.write(data)
