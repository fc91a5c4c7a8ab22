"""A small HTTP proxy in threads: it tunnels by CONNECT, forwards plain HTTP, refuses, hangs or closes early."""

from __future__ import annotations

import contextlib
import socket
import threading
from base64 import b64encode
from urllib.parse import urlsplit


class ConnectProxy:
    """Serves until the ``with`` statement ends.

    Args:
        password: The ``name:password`` that it requires; ``None`` for none.
        raw: What it responds to everything instead of working; with ``b""`` it closes at once.
        hang: Whether it never responds.
    """

    def __init__(self, *, password: str | None = None, raw: bytes | None = None, hang: bool = False) -> None:
        self.asked: list[str] = []
        self._password = password
        self._raw = raw
        self._hang = hang
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> ConnectProxy:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._sockets.append(connection)
                self._start(self._serve, connection)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                part = client.recv(65536)
                if not part:
                    return
                data += part
            head, _, rest = data.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            self.asked.append(lines[0])
            if self._hang:
                return
            if self._raw is not None:
                client.sendall(self._raw)
                client.shutdown(socket.SHUT_RDWR)
                return
            wanted = "" if self._password is None else "Basic " + b64encode(self._password.encode()).decode()
            if wanted and not any(line.lower() == f"proxy-authorization: {wanted}".lower() for line in lines):
                client.sendall(b"HTTP/1.1 407 Who Are You\r\ncontent-length: 9\r\n\r\nname, pls")
                return
            self._pass_on(client, lines, rest)

    def _pass_on(self, client: socket.socket, lines: list[str], rest: bytes) -> None:
        method, target, version = lines[0].split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        upstream = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._sockets.append(upstream)
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
        else:
            own = [f"{method} {parts.path} {version}"]
            own += [line for line in lines[1:] if not line.startswith("proxy-")]
            upstream.sendall("\r\n".join(own).encode("latin-1") + b"\r\n\r\n" + rest)
        self._start(_pump, upstream, client)
        _pump(client, upstream)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
