"""Serves the account pages and routes, which are an ASGI application, in a WSGI server.

The application runs in one event loop per process, in a thread of its own. Requests and responses are passed on whole:
both are small, and a client that hangs up halfway keeps nothing waiting.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from torii_dynamodb._sync.primitives import result_of, start_anew_after_fork
from torii_dynamodb._web.problems import Refusal

__all__ = ["MOST_BODY", "Answer", "Bridge", "header_pairs", "read_body"]

MOST_BODY = 64 * 1024 + 1
"""How much of a body is read, in bytes: one more than what is accepted, so that more than that is noticed."""

Scope = dict[str, Any]
Message = dict[str, Any]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]

T = TypeVar("T")

_log = logging.getLogger("torii_dynamodb")


@dataclass
class Answer:
    """A whole response.

    Attributes:
        status: The status.
        headers: The headers, in order.
        body: The body.
    """

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: bytes = b""

    def take(self, message: Message) -> None:
        """Take one of ASGI's messages."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def refuse(self, problem: Refusal) -> Answer:
        """Become the response that says what is wrong."""
        self.status = problem.status_code
        self.body = json.dumps(problem.body()).encode()
        length = ("Content-Length", str(len(self.body)))
        self.headers = [("Content-Type", problem.media_type), length, *problem.headers.items()]
        return self


class Bridge:
    """Calls an ASGI application from threads.

    Nothing is started until the first request, so a server may fork after it has imported the application; a process
    that is forked later begins again.

    Args:
        app: The application.
        end: What to do, in its event loop, when the process ends.
    """

    def __init__(self, app: ASGIApp, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._app = app
        self._end = end
        self.start()
        start_anew_after_fork(self)

    def start(self) -> None:
        """Forget the event loop: after a fork, its thread is in the parent."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def respond(self, environ: Mapping[str, Any], body: bytes, *, root_path: str, path: str) -> Answer:
        """Respond to a request.

        Args:
            environ: WSGI's environment, for everything but the path.
            body: The body.
            root_path: Where the outer application is mounted, decoded.
            path: The path below that, decoded.
        """
        address = environ.get("REMOTE_ADDR")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "method": environ["REQUEST_METHOD"],
            "scheme": environ.get("wsgi.url_scheme", "http"),
            "path": root_path + path,
            "raw_path": None,
            "query_string": environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
            "root_path": root_path,
            "headers": header_pairs(environ),
            "client": (address, _port(environ.get("REMOTE_PORT"))) if address else None,
            "server": (environ.get("SERVER_NAME", ""), _port(environ.get("SERVER_PORT"))),
            "extensions": {},
        }
        try:
            return self.run(self._respond(scope, body))
        except CancelledError:
            return Answer().refuse(Refusal(503, "unavailable", "the service is ending; try again"))

    async def _respond(self, scope: Scope, body: bytes) -> Answer:
        answer, asked = Answer(), False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()  # the client stays until there is a response
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            answer.take(message)

        try:
            await self._app(scope, receive, send)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets a response
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if not answer.status:
                answer.refuse(Refusal(500, "internal_error", "something went wrong; the error was logged"))
        if scope["method"] == "HEAD":
            answer.body = b""  # WSGI servers do not all drop it, and clients would take it for the next response
        return answer

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop, and wait for it."""
        try:
            with self._lock:  # closing cannot come between, and leave the work in an event loop that has ended
                begun = asyncio.run_coroutine_threadsafe(work, self._running())
        except BaseException:
            work.close()
            raise
        return result_of(begun)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=loop.run_forever, name="torii-accounts", daemon=True)
            self._thread.start()
            self._loop = loop
            atexit.register(self._close_in, os.getpid())
        return self._loop

    def _close_in(self, process: int) -> None:
        # A forked process has its parent's list of what to do at exit.
        if process == os.getpid():
            self.close()

    def close(self) -> None:
        """End what the application began, and the event loop. Requests under way get 503; the next one begins again."""
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is None or thread is None:
                return
            self._loop = self._thread = None
            try:
                asyncio.run_coroutine_threadsafe(self._finish(loop), loop).result()
            finally:
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                loop.close()

    async def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self._end()
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await loop.shutdown_asyncgens()
            await loop.shutdown_default_executor()


def _port(text: object) -> int:
    return int(str(text)) if str(text).isdecimal() else 0


def header_pairs(environ: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers of a request as ASGI has them.

    The length and the type of the body have names of their own (PEP 3333); a server that also has them under ``HTTP_``
    took them from a header such as ``Content_Length``.
    """
    own = {"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"}
    found: list[tuple[bytes, bytes]] = []
    for key, value in environ.items():
        name = own.get(key) or (key[5:].lower().replace("_", "-") if key.startswith("HTTP_") else "")
        if name and value and (key in own or name not in own.values()):
            found.append((name.encode("latin-1", "replace"), str(value).encode("latin-1", "replace")))
    return found


def read_body(environ: Mapping[str, Any]) -> bytes | None:
    """Read a request's body, at most :data:`MOST_BODY` bytes of it; ``None`` if the client hung up halfway."""
    stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
    whole = length.isascii() and length.isdigit()
    if not whole and not environ.get("wsgi.input_terminated"):
        return b""  # it is unknown where the body ends, and reading on would wait for the client
    wanted = min(int(length), MOST_BODY) if whole else MOST_BODY
    read = _read(stream.read, wanted)
    return None if whole and len(read) < wanted else read


def _read(read: Callable[[int], bytes], wanted: int) -> bytes:
    parts: list[bytes] = []
    while wanted > 0:
        part = read(wanted)
        if not part:
            break
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)


def status_line(status: int) -> str:
    """A status as WSGI writes it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def serve(
    bridge: Bridge, environ: Mapping[str, Any], start_response: Callable[..., Any], *, root_path: str, path: str
) -> Iterable[bytes]:
    """Respond to a request of WSGI."""
    body = read_body(environ)
    if body is None:
        answer = Answer().refuse(Refusal(400, "validation_error", "the request's body is not complete"))
    else:
        answer = bridge.respond(environ, body, root_path=root_path, path=path)
    start_response(status_line(answer.status), answer.headers)
    return [answer.body]
