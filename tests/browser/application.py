"""The example application for the browser tests, on Dynoxide, served by uvicorn in a thread, with its mails."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn

from torii_dynamodb import AsyncTorii
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.fastapi.example import create_app
from torii_dynamodb.mail import AsyncMemoryMailer, MailMessage
from torii_dynamodb.oauth import OAuthProvider

_SECONDS = 20.0

T = TypeVar("T")


class Application:
    """The running application.

    Attributes:
        url: Where it is.
        torii: Its services; they belong to the server's event loop: see :meth:`run`.

    Args:
        url: Where it is.
        app: The application.
        mailer: Takes its mails.
        loop: The server's event loop.
    """

    def __init__(self, url: str, app: Any, mailer: AsyncMemoryMailer, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.torii: AsyncTorii = app.state.torii
        self._mailer = mailer
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    def mails(self, to: str) -> list[MailMessage]:
        """The mails to an address so far."""
        return [message for message in self._mailer.messages if message.to.lower() == to.lower()]

    def mail(self, to: str, template: str, number: int = 1) -> MailMessage:
        """Wait for the nth mail of a kind to an address."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            found = [message for message in self.mails(to) if message.template == template]
            if len(found) >= number:
                return found[number - 1]
            time.sleep(0.02)
        raise AssertionError(f"no mail {template!r} to {to}: {[message.template for message in self.mails(to)]}")

    def link(self, to: str, template: str, number: int = 1) -> str:
        """The link in a mail."""
        found = re.search(r"https?://\S+token=\S+", self.mail(to, template, number).text)
        assert found is not None
        return found[0]


@contextmanager
def serving(
    config: DynamoDbConfig,
    *,
    oauth: Sequence[OAuthProvider] = (),
    listener: socket.socket | None = None,
    **options: Any,
) -> Iterator[Application]:
    """The application, until the block ends.

    It is at http://localhost, where browsers allow what else needs https: passkeys, and cookies that are ``Secure``
    and ``__Host-``. So the cookies are those of production.

    Args:
        config: Where its tables are.
        oauth: Providers to sign in through.
        listener: Where it listens, closed at the end; ``None``: at a free port.
        options: More for ``create_app``.
    """
    listener = listener or socket.create_server(("127.0.0.1", 0))
    url = f"http://localhost:{listener.getsockname()[1]}"
    mailer = AsyncMemoryMailer()
    web = WebConfig(base_url=url, ip_limit=None, oauth_error_path="/auth/sign-in", **options.pop("web", {}))
    settings: dict[str, Any] = {
        "mailer": mailer,
        "secret": "s" * 32,
        "oauth": oauth,
        "web": web,
        "admins": ["admin@example.com"],
    }
    app = create_app(config, base_url=url, **(settings | options))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", ws="none"))
    loop = asyncio.new_event_loop()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve([listener]))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    deadline = time.monotonic() + _SECONDS
    try:
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise AssertionError("the application did not start")
            time.sleep(0.02)
        yield Application(url, app, mailer, loop)
    finally:
        server.should_exit = True
        thread.join(_SECONDS)
        loop.close()
        listener.close()
