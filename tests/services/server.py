"""A server that answers as a script says, byte by byte: for what a well-behaved HTTP server never does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Script = Callable[[socket.socket, bytes], None]


class ScriptedServer:
    """Listens on 127.0.0.1; each connection gets the script, once its request's headers are there.

    Attributes:
        port: Where it listens.
        requests: The requests' headers so far.

    Args:
        script: Gets the connection and the request. When it returns, the connection is closed.
        tls: For https.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        # Closing alone does not wake a thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def drip(self, connection: socket.socket, *, every: float = 0.02, what: bytes = b"x") -> None:
        """Send some bytes after each while, until the other side goes away."""
        while not self.closing.wait(every):
            connection.sendall(what)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                talking = connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)
                with talking:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        more = talking.recv(65536)
                        if not more:
                            return
                        request += more
                    self.requests.append(request)
                    self._script(talking, request)
            except OSError:
                return
