"""A scripted endpoint of DynamoDB or another AWS API, request by request, with faults. It runs in threads."""

from __future__ import annotations

import contextlib
import ctypes
import json
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

Payload = dict[str, Any]


class _Instruction(ctypes.Structure):
    """A socket filter's instruction (Linux, ``struct sock_filter``)."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    """A socket filter (``struct sock_fprog``)."""

    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


# The kernel drops whatever arrives before it is acknowledged: "return 0" keeps no byte of a packet.
_NOTHING = (_Instruction * 1)(_Instruction(0x06, 0, 0, 0))
_DROP_EVERYTHING = _Program(1, _NOTHING)
_SO_ATTACH_FILTER = 26


@dataclass(frozen=True)
class Seen:
    """A request as received."""

    operation: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def payload(self) -> Payload:
        """The body, parsed."""
        payload: Payload = json.loads(self.body)
        return payload


@dataclass(frozen=True)
class Answer:
    """A response, correct or corrupted."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    crc: bool = True
    wrong_crc: bool = False
    cut: bool = False  # half of it, then the end of the connection
    close: bool = False  # closes after it without saying so
    chunked: bool = False
    piecemeal: bool = False  # byte by byte
    raw: bytes | None = None  # instead of HTTP

    def render(self) -> bytes:
        """The bytes to send."""
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": "REQUEST-1", **self.headers}
        if self.crc:
            headers["x-amz-crc32"] = str(zlib.crc32(body) ^ (1 if self.wrong_crc else 0))
        if self.chunked:
            headers["Transfer-Encoding"] = "chunked"
            middle = len(body) // 2
            parts = [body[:middle], body[middle:], b""]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part or part is parts[-1])
        else:
            headers["Content-Length"] = str(len(body))
        head = f"HTTP/1.1 {self.status} Whatever\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        data = head.encode() + body
        return data[: len(data) - len(body) // 2 - 1] if self.cut else data


class Act(Enum):
    """What a server can do instead of responding."""

    RESET = "reset"
    CLOSE = "close"
    HANG = "hang"


Step = Answer | Act | Callable[[Seen], "Answer | Act"]


def error(code: str, status: int = 400, message: str = "as the script says", **more: Any) -> Answer:
    """Return an error as DynamoDB and EventBridge send it."""
    return Answer({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}, status)


class Server:
    """Responds to the first requests by the script, to all others by ``otherwise``."""

    def __init__(
        self,
        *script: Step,
        otherwise: Step | None = None,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.open_connections = 0
        self.changed = threading.Condition()
        self._script = list(script)
        self._otherwise = otherwise or Answer()
        self._tls = tls
        self._stopped = threading.Event()
        self._sockets: set[socket.socket] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.bind((host, 0))
        self._listener.listen(128)
        self.port: int = self._listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{name}:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close everything."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self.changed:
            sockets = list(self._sockets)
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10) -> None:
        """Wait until a condition on the requests holds."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout), "it did not come to that in time"

    def answer_with(self, step: Step) -> None:
        """Respond like this from now on."""
        self._otherwise = step

    def end_all(self, how: Literal["close", "reset", "silence"]) -> None:
        """End all connections: close or reset them, or let nothing that is sent on them arrive any more."""
        with self.changed:
            sockets = list(self._sockets)
        for connection in sockets:
            if how == "silence":
                connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_DROP_EVERYTHING))
                continue
            if how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Not TLS's own end, which comes before the connection's.
            socket.socket.shutdown(connection, socket.SHUT_RD if how == "reset" else socket.SHUT_RDWR)
        if how != "silence":
            self.wait_for(lambda: not self._sockets)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                self.open_connections += 1
                self._sockets.add(connection)
                number = self.connections
                self.changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(connection, number))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        secured: socket.socket = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                secured = self._tls.wrap_socket(connection, server_side=True)
                with self.changed:
                    self._sockets = self._sockets - {connection} | {secured}
            with secured.makefile("rb") as reader:
                while self._exchange(secured, reader, number):
                    pass
        except OSError:
            pass
        finally:
            secured.close()
            with self.changed:
                self._sockets -= {connection, secured}
                self.open_connections -= 1
                self.changed.notify_all()

    def _exchange(self, connection: socket.socket, reader: Any, number: int) -> bool:
        line = reader.readline()
        if not line:
            return False
        headers: dict[str, str] = {}
        while (header := reader.readline().strip()) != b"":
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers["content-length"]))
        seen = Seen(headers.get("x-amz-target", "").partition(".")[2], headers, body, number)
        with self.changed:
            self.seen.append(seen)
            step = self._script.pop(0) if self._script else self._otherwise
            self.changed.notify_all()
        if callable(step):
            step = step(seen)
        if step is Act.HANG:
            while connection.recv(1):
                pass
            return False
        if step is Act.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if step is Act.CLOSE:
            return False
        assert isinstance(step, Answer)
        data = step.render()
        if step.piecemeal:
            for position in range(len(data)):
                connection.sendall(data[position : position + 1])
        else:
            connection.sendall(data)
        return not (step.cut or step.close or step.raw is not None)
