"""A server that follows a script byte by byte, for responses that no well-behaved HTTP server sends."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Script = Callable[[socket.socket, bytes], None]


class ScriptedServer:
    """Listens on 127.0.0.1 and runs the script for each connection, once the request's headers have arrived.

    Attributes:
        port: The port it listens on.
        requests: The headers of the requests so far.

    Args:
        script: Called with the connection and the request. When it returns, the connection is closed.
        tls: The TLS settings, for https.
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
        # Closing the socket does not wake a thread that is blocked in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def drip(self, connection: socket.socket, *, every: float = 0.02, what: bytes = b"x") -> None:
        """Send some bytes every ``every`` seconds until the other side disconnects."""
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
