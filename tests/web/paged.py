"""What the tests of the pages share: an application with pages, and browsers that read and send forms."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
from fastapi import FastAPI
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting

from torii_dynamodb import LockoutPolicy, User
from torii_dynamodb.fastapi import WebConfig, router
from torii_dynamodb.fastapi.admin import Activity, Admin
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.passkeys import PasskeySettings

SITE = "https://app.example.com"
ADMIN = "ops@example.com"


class Reader(HTMLParser):
    """The content of a page.

    Attributes:
        tags: All elements, as name and attributes.
        forms: For each form its action, and the fields that it would send as it is.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.forms: dict[str, dict[str, str]] = {}
        self._form: dict[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "form":
            self._form = self.forms[given.get("action") or ""] = {}
        elif tag == "input" and self._form is not None and given.get("name") and given.get("type") != "checkbox":
            self._form[given["name"] or ""] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


class Tab:
    """A browser's tab: it reads a page, fills in its form, and follows redirects."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Open a page."""
        return await self.client.get(path, **options)

    async def send(self, page: str, action: str, *, follow: bool = True, **fields: str) -> httpx.Response:
        """Open a page, and submit its form for ``action`` with these fields."""
        text = (await self.client.get(page, follow_redirects=True)).text
        forms = Reader(text).forms
        assert action in forms, f"{page} has no form for {action}, but for {sorted(forms)}"
        return await self.client.post(action, data={**forms[action], **fields}, follow_redirects=follow)

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        """Sign in."""
        answer = await self.send("/auth/sign-in", "/auth/sign-in", follow=False, email=email, password=password)
        assert answer.status_code == 303, answer.text


class Paged:
    """An application with JSON routes, pages and an admin area, over services in memory.

    Args:
        config: For the web layer; without it there is no limit by IP address.
        settings: For the pages.
        options: For the services.
    """

    def __init__(self, config: WebConfig | None = None, *, settings: PagesConfig | None = None, **options: Any) -> None:
        passkeys = PasskeySettings(rp_id="app.example.com", rp_name="Example", origins=[SITE])
        self.here = AsyncSetting(**({"passkeys": passkeys} | options))
        self.torii = self.here.torii
        self.auth = router(self.torii, config=config or WebConfig(base_url=SITE, ip_limit=LockoutPolicy(enabled=False)))
        self.activity = Activity(clock=self.here.clock)
        self.activity.watch(self.torii.events)
        self.admin = Admin({ADMIN}, activity=self.activity)
        self.settings = settings = settings or PagesConfig(app_name="Example")
        self.app = FastAPI()
        self.app.include_router(self.auth)
        self.app.include_router(pages(self.auth.web, settings, admin=self.admin))
        self.app.include_router(self.admin.router(self.auth.web, settings))

    def tab(self, *, site: str = "same-origin", **headers: str) -> Tab:
        """A tab of a browser without cookies."""
        return Tab(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(self.app, client=("198.51.100.7", 50000)),
                base_url=SITE,
                headers={"Sec-Fetch-Site": site, "User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0", **headers},
            )
        )

    async def user(self, email: str = EMAIL, *, verified: bool = True, name: str | None = None) -> User:
        """A user with a password."""
        user: User = await self.torii.password.register(email, PASSWORD, name=name)
        if verified:
            marked = await self.torii.storage.mark_email_verified(user.id, email=user.email)
            assert marked is not None
            user = marked
        return user


def words(answer: httpx.Response) -> str:
    """A page's text, unescaped."""
    return unescape(answer.text)
