"""The example application on uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from torii_dynamodb.errors import ConfigurationError

__all__ = ["listen", "run", "settings"]

_HOST = "127.0.0.1"


def listen(port: int | None) -> socket.socket:
    """Return a listening socket on the loopback address.

    Args:
        port: The port; ``None``: 8000, or a free one if that is taken.

    Raises:
        ConfigurationError: The port is taken or not permitted.
    """
    for candidate in (8000, 0) if port is None else (port,):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((_HOST, candidate))
        except OSError as error:
            made.close()
            if port is not None:
                raise ConfigurationError(
                    f"port {port} cannot be used: {error.strerror}; choose another --port"
                ) from error
        else:
            made.listen(128)
            return made
    raise ConfigurationError("no free port was found; choose one with --port")


def run(app: FastAPI, listener: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, and finish open requests.

    Args:
        app: The application.
        listener: The socket it listens on.
        ready: Called once it accepts requests.

    Raises:
        ConfigurationError: It could not start; the log says why.
    """
    asyncio.run(_serve(app, listener, ready))


def settings(app: ASGIApp) -> uvicorn.Config:
    """Uvicorn's configuration. By default it trusts ``X-Forwarded-For`` from 127.0.0.1, which is every client here."""
    return uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3, lifespan="on", proxy_headers=False)


async def _serve(app: FastAPI, listener: socket.socket, ready: Callable[[], None]) -> None:
    server = _Server(settings(app), ready)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Event loops on Windows have no signal handlers; there Ctrl-C ends the loop itself.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, server.stop)
    await server.serve(sockets=[listener])
    if not server.was_ready:
        raise ConfigurationError("the application could not start; see the message above")


class _Server(uvicorn.Server):
    """uvicorn that reports when it is ready, and does not handle signals."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self.was_ready = False

    def stop(self) -> None:
        """Stop; the second time without waiting."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and report."""
        await super().startup(sockets)
        if self.started:
            self.was_ready = True
            self._ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Do nothing: uvicorn would raise the signals again at the end."""
        yield
