"""The same small application on each framework, on one storage in memory."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import httpx
from tests.services._async.support import PASSWORD, SECRET, QuickHasher
from tests.web.paged import Reader

from torii_dynamodb import Session, Torii, User
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.fastapi.pages import PagesConfig
from torii_dynamodb.jwt import JwtKey, JwtSettings
from torii_dynamodb.mail import MailSettings, MemoryMailer
from torii_dynamodb.testing import FakeClock, MemoryStorage

T = TypeVar("T")

SITE = "https://app.example.com"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
COOKIE = "__Host-torii"
PAGES = PagesConfig(app_name="Example")
WEB = WebConfig(base_url=SITE, transports=("cookie", "bearer", "jwt"), trusted_proxies=["127.0.0.1"])
KEYS = [JwtKey(kid="k1", algorithm="HS256", private_key="a shared secret of more than 32 bytes")]

_numbers = count(1)


def new_email() -> str:
    """An address that nobody has."""
    return f"ada{next(_numbers)}@example.com"


@dataclass
class Ground:
    """What the application is on.

    Attributes:
        options: Options of the services.
        torii: Services on the same storage, for tests to prepare and look.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    mailer: MemoryMailer = field(default_factory=MemoryMailer)

    def __post_init__(self) -> None:
        self.storage = MemoryStorage(clock=self.clock)
        self.options: dict[str, Any] = {
            "secret": SECRET,
            "hasher": QuickHasher(),
            "mailer": self.mailer,
            # Inline, so that a mail is there once there is a response.
            "mail": MailSettings(sender="no-reply@example.com", app_name="Example", base_url=SITE, delivery="inline"),
            "jwt": JwtSettings(issuer=SITE, audience=SITE, keys=KEYS),
            "clock": self.clock,
        }
        self.torii = Torii(self.storage, **self.options)

    def user(self, *, verified: bool = True) -> User:
        """A new user with a password."""
        made = self.torii.password.register(new_email(), PASSWORD, name="Ada")
        if verified:
            self.storage.mark_email_verified(made.id, email=made.email)
        return made

    def session(self, user: User) -> Session:
        """A session of a user."""
        found = self.torii.get_user(user.id)
        assert found is not None
        return self.torii.create_session(found)

    def link(self, to: str) -> str:
        """The link in the first mail to an address, without the host."""
        texts = [message.text for message in self.mailer.messages if message.to == to]
        found = re.search(rf"{SITE}(/\S+)", texts[0])
        assert found is not None
        return found[1]


@dataclass
class Site:
    """The application on a framework.

    Attributes:
        ground: What it is on.
        connect: Makes a client, a browser of its own.
        heard: The names of events that the application's services told it of.
    """

    ground: Ground
    connect: Callable[..., httpx.Client]
    heard: list[str] = field(default_factory=list)

    def browser(self, user: User | None = None, *, address: str | None = None) -> httpx.Client:
        """A browser, signed in as a user, with an address of its own."""
        number = next(_numbers)
        client = self.connect(headers={"X-Forwarded-For": address or f"198.18.{number // 250}.{number % 250}"})
        if user is not None:
            client.cookies.set(COOKIE, self.ground.session(user).token, domain="app.example.com", path="/")
        return client


def send(client: httpx.Client, page: str, action: str | None = None, **fields: str) -> httpx.Response:
    """Open a page, and send one of its forms, the one that goes to the page itself by default."""
    shown = client.get(page, headers=PAGE)
    assert shown.status_code == 200, shown.text
    forms: Mapping[str, dict[str, str]] = Reader(shown.text).forms
    action = action or page.partition("?")[0]
    return client.post(action, data={**forms[action], **fields}, headers={"Sec-Fetch-Site": "same-origin", **PAGE})


class InLoop(httpx.BaseTransport):
    """Calls an ASGI application in an event loop of its own, for clients that block."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        request.read()
        return self.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    def end(self) -> None:
        """End the event loop."""
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
