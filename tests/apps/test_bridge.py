"""The bridge from WSGI to the pages and routes: bodies, headers, paths, threads, forks."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from tests.apps.on_flask import on_flask
from tests.apps.support import COOKIE, Ground

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb._sync.primitives import Future
from torii_dynamodb._wsgi import opened_later
from torii_dynamodb._wsgi.bridge import MOST_BODY, Bridge, header_pairs, read_body, serve
from torii_dynamodb.errors import Unavailable

Sent = tuple[int, dict[str, str], bytes]


def environ(**more: Any) -> dict[str, Any]:
    """A request's environment."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "app.example.com",
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        **more,
    }


async def nothing() -> None:
    """There is nothing to end."""


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Show what arrived."""
    body = (await receive())["body"]
    found = (
        f"{scope['path']} {scope['root_path']} {scope['query_string']!r} {scope['client']} {scope['scheme']} {body!r}"
    )
    headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": found.encode()[:20], "more_body": True})
    await send({"type": "http.response.body", "body": found.encode()[20:]})


@pytest.fixture
def call() -> Any:
    """Sends a request through the bridge."""
    bridges: list[Bridge] = []

    def sending(app: Callable[..., Any] = echo, **more: Any) -> tuple[str, list[tuple[str, str]], bytes]:
        bridge = Bridge(app, nothing)
        bridges.append(bridge)
        began: list[Any] = []
        given = environ(**more)
        body = b"".join(
            serve(bridge, given, lambda *args: began.extend(args), root_path=given["SCRIPT_NAME"], path="/a")
        )
        return began[0], began[1], body

    yield sending
    for bridge in bridges:
        bridge.close()


def test_what_the_application_sees(call: Any) -> None:
    """Path, mount, query, address and scheme arrive, and so do several cookies of the response."""
    stream = io.BytesIO(b"abcdef")
    status, headers, body = call(
        SCRIPT_NAME="/app", QUERY_STRING="a=\xe9", CONTENT_LENGTH="3", **{"wsgi.input": stream}
    )
    assert status == "200 OK"
    assert headers == [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    assert body.decode() == "/app/a /app b'a=\\xe9' ('192.0.2.7', 0) https b'abc'"
    assert "None https" in call(REMOTE_ADDR="")[2].decode()  # a Unix socket


def test_an_error_of_the_application(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An error is a problem with status 500, and is logged; it says nothing of what happened."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("secret")

    status, _, body = call(failing)
    assert status.startswith("500")
    assert b"secret" not in body
    assert "secret" in caplog.text


def test_head(call: Any) -> None:
    """The response to ``HEAD`` has headers and no body, whatever the server does with one."""
    status, headers, body = call(REQUEST_METHOD="HEAD")
    assert (status, len(headers), body) == ("200 OK", 2, b"")


def test_a_client_that_hangs_up(call: Any) -> None:
    """A body that ends early gets 400 and keeps nothing waiting."""
    status, _, body = call(CONTENT_LENGTH="1000", **{"wsgi.input": io.BytesIO(b"abc")})
    assert status.startswith("400")
    assert b"not complete" in body


class Endless(io.RawIOBase):
    """A body that never ends, and counts what is read."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        """Some of it."""
        assert 0 < size <= MOST_BODY
        self.taken += min(size, 1000)
        return b"x" * min(size, 1000)


@pytest.mark.parametrize(
    ("length", "terminated", "read"),
    [("10000000000", False, MOST_BODY), (None, True, MOST_BODY), (None, False, 0), ("-1", False, 0), ("1e3", False, 0)],
)
def test_no_more_of_a_body_is_read_than_matters(length: str | None, terminated: bool, read: int) -> None:
    """However long a body claims to be, or without any length, at most 64 KiB and a byte are read."""
    stream = Endless()
    more = {"wsgi.input": stream, "wsgi.input_terminated": terminated}
    found = read_body(environ(**more) | ({} if length is None else {"CONTENT_LENGTH": length}))
    assert found is not None
    assert len(found) == read
    assert stream.taken == read


def test_headers_that_look_like_the_length() -> None:
    """``Content_Length`` and ``Content_Type`` do not replace the real ones, and empty ones are left out."""
    found = header_pairs({
        "HTTP_CONTENT_LENGTH": "5", "HTTP_CONTENT_TYPE": "text/evil", "CONTENT_LENGTH": "0", "CONTENT_TYPE": "",
        "HTTP_COOKIE": "a=\xff", "HTTP_X_FORWARDED_FOR": "192.0.2.1", "PATH_INFO": "/", "HTTP_": "x",
    })  # fmt: skip
    assert found == [(b"content-length", b"0"), (b"cookie", b"a=\xff"), (b"x-forwarded-for", b"192.0.2.1")]


def test_sixty_four_threads() -> None:
    """64 threads at once each get their own user, from the pages and from the application's views."""
    with on_flask(Ground()) as site:
        users = [site.ground.user() for _ in range(8)]
        sessions = [site.browser(user) for user in users]

        def ask(number: int) -> None:
            client, user = sessions[number % 8], users[number % 8]
            token = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
            with site.connect() as own:
                assert own.get("/me", headers=token).json()["email"] == user.email
                assert user.email in own.get("/api/auth/me", headers=token).text

        with ThreadPoolExecutor(64) as pool:
            list(pool.map(ask, range(128)))
        assert sum(thread.name == "torii-accounts" for thread in threading.enumerate()) == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the point of this test
def test_a_forked_process_begins_again() -> None:
    """A child that was forked while the parent's event loop ran serves pages and views of its own."""
    with on_flask(Ground()) as site:
        user = site.ground.user()
        browser = site.browser(user)
        assert browser.get("/api/auth/me").status_code == 200
        child = os.fork()
        if child == 0:
            fine = browser.get("/api/auth/me").status_code == 200 and browser.get("/me").status_code == 200
            os._exit(0 if fine else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert browser.get("/api/auth/me").status_code == 200


def test_closing_waits_for_what_was_begun() -> None:
    """Closing runs the end in the same event loop, once; the next request begins again."""
    ended: list[asyncio.AbstractEventLoop] = []

    async def end() -> None:
        ended.append(asyncio.get_running_loop())

    bridge = Bridge(echo, end)
    bridge.close()
    assert ended == []
    for _ in range(2):
        bridge.respond(environ(), b"", root_path="", path="/")
        bridge.close()
        bridge.close()
    assert len(ended) == 2
    assert ended[0] is not ended[1]
    assert all(loop.is_closed() for loop in ended)


def test_closing_ends_requests_under_way() -> None:
    """A request that is under way when the bridge closes gets 503; its thread does not wait for ever."""
    begun = threading.Event()

    async def stuck(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    bridge = Bridge(stuck, nothing)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bridge.respond, environ(), b"", root_path="", path="/")
        assert begun.wait(10)
        bridge.close()
        assert waiting.result(10).status == 503


def test_a_storage_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that need a storage at once fail together, after one attempt: in turn, the last would wait for long."""
    attempts: list[int] = []
    arrived = threading.Semaphore(0)

    class Watched(Future[Any]):
        def result(self) -> Any:
            arrived.release()
            return super().result()

    def initialize(*_: Any, **__: Any) -> None:
        attempts.append(1)
        assert all(arrived.acquire(timeout=10) for _ in range(3))
        raise Unavailable("no connection", attempts=4)

    monkeypatch.setattr(opened_later, "Future", Watched)
    monkeypatch.setattr(opened_later, "DynamoDbStorage", lambda: SimpleNamespace(initialize=initialize))
    storage = opened_later.OpenedLater(DynamoDbConfig(), None)
    with ThreadPoolExecutor(4) as pool:
        errors = [waiting.exception(30) for waiting in [pool.submit(storage.handle) for _ in range(4)]]
    assert [type(error) for error in errors] == [Unavailable] * 4
    assert len(attempts) == 1
