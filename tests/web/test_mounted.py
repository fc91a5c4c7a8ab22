"""The routes and pages below a mount, a ``root_path``, and a proxy that may strip a path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.services._async.support import EMAIL, PASSWORD, SECRET
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.web.api import SITE, UNLIMITED
from tests.web.paged import ADMIN, Reader

from torii_dynamodb import AsyncTorii
from torii_dynamodb.fastapi import WebConfig, dynamodb, router
from torii_dynamodb.fastapi.admin import Activity, Admin
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.mail import MailSettings
from torii_dynamodb.passkeys import PasskeySettings


class Server:
    """A server behind a proxy that may strip a path.

    Args:
        app: What it serves.
        root_path: What it was told of the path, as by ``uvicorn --root-path``.
        cut: What the proxy takes off. (uvicorn puts ``root_path`` before what it gets, other servers do not.)
    """

    def __init__(self, app: ASGIApp, *, root_path: str = "", cut: str = "") -> None:
        self._app = app
        self._root_path = root_path
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"].startswith(self._cut), scope["path"]
        path = scope["path"].removeprefix(self._cut)
        await self._app({**scope, "root_path": self._root_path, "path": path}, receive, send)


def _included(config: WebConfig, here: AsyncOAuthSetting) -> FastAPI:
    app = FastAPI()
    auth = router(here.torii, config=config)
    look = PagesConfig(app_name="Example")
    admin = Admin({ADMIN}, activity=Activity(clock=here.clock))
    app.include_router(auth)
    app.include_router(pages(auth.web, look, admin=admin))
    app.include_router(admin.router(auth.web, look))
    return app


def _config(path: str = "") -> WebConfig:
    return WebConfig(base_url=SITE + path, ip_limit=UNLIMITED, registration="direct", after_sign_in="/start")


def _mounted(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    app = FastAPI()
    app.mount("/auth-app", _included(_config(), here))
    return app, "/auth-app"


def _mounted_and_told(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    app = FastAPI()
    app.mount("/auth-app", _included(_config("/auth-app"), here))
    return app, "/auth-app"


def _twice(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    inner = Starlette(routes=[Mount("/b", _included(_config(), here))])
    return Starlette(routes=[Mount("/a", inner)]), "/a/b"


def _cut_and_told_to_the_server(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    return Server(_included(_config(), here), root_path="/app", cut="/app"), "/app"


def _not_cut(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    return Server(_included(_config(), here), root_path="/api"), "/api"


def _cut_and_told_by_base_url(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    return Server(_included(_config("/api"), here), cut="/api"), "/api"


def _cut_before_a_mount(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    app = FastAPI()
    app.mount("/auth-app", _included(_config("/api"), here))
    return Server(app, cut="/api"), "/api/auth-app"


def _plain(here: AsyncOAuthSetting) -> tuple[ASGIApp, str]:
    return _included(_config(), here), ""


PLACES = [
    _plain,
    _mounted,
    _mounted_and_told,
    _twice,
    _cut_and_told_to_the_server,
    _not_cut,
    _cut_and_told_by_base_url,
    _cut_before_a_mount,
]


@pytest.fixture
async def here(request: pytest.FixtureRequest) -> AsyncIterator[AsyncOAuthSetting]:
    passkeys = PasskeySettings(rp_id="app.example.com", rp_name="Example", origins=[SITE])
    async with AsyncOAuthSetting(passkeys=passkeys) as made:
        yield made


def _browser(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 5000))
    return httpx.AsyncClient(transport=transport, base_url=SITE, headers={"Sec-Fetch-Site": "same-origin"})


async def _links_work(browser: httpx.AsyncClient, root: str, text: str) -> None:
    """Everything that a page links to is below the mount, and the files that it loads exist."""
    reader = Reader(text)
    for tag, name in (("form", "action"), ("form", "data-options"), ("script", "src"), ("link", "href"), ("a", "href")):
        for element in reader.all(tag):
            path = element.get(name)
            if path is None or path.startswith(("#", "https://issuer.example")) or path == "/":
                continue  # "/" is the application's start, which is the configuration's to say
            assert path.startswith(f"{root}/"), path
            if tag in ("script", "link"):
                assert (await browser.get(path)).status_code == 200, path


@pytest.mark.parametrize("place", PLACES)
async def test_a_walk(place: Any, here: AsyncOAuthSetting) -> None:
    """Sign up, sign out, sign in, also through a provider: forms, files, redirects, cookies and URLs match."""
    app, root = place(here)
    async with _browser(app) as browser:
        for page in ("sign-in", "sign-up", "forgot-password"):
            shown = await browser.get(f"{root}/auth/{page}")
            assert shown.status_code == 200
            await _links_work(browser, root, shown.text)

        away = await browser.get(f"{root}/auth/account")
        assert away.headers["location"].startswith(f"{root}/auth/sign-in?next=")
        target = parse_qs(urlsplit(away.headers["location"]).query)["next"][0]
        assert target == f"{root}/auth/account"

        form = Reader((await browser.get(f"{root}/auth/sign-up")).text).forms[f"{root}/auth/sign-up"]
        fields = {**form, "email": "new@example.com", "password": PASSWORD, "next": target}
        entered = await browser.post(f"{root}/auth/sign-up", data=fields)
        assert (entered.status_code, entered.headers["location"]) == (303, f"{root}/auth/account")
        assert all("Path=/;" in cookie for cookie in entered.headers.get_list("set-cookie"))
        account = await browser.get(entered.headers["location"])
        assert account.status_code == 200
        await _links_work(browser, root, account.text)
        assert (await browser.get(f"{root}/api/auth/me")).status_code == 200

        form = Reader(account.text).forms[f"{root}/auth/sign-out"]
        out = await browser.post(f"{root}/auth/sign-out", data=form)
        assert out.headers["location"].startswith(f"{root}/auth/sign-in?notice=")
        form = Reader((await browser.get(out.headers["location"])).text).forms[f"{root}/auth/sign-in"]
        fields = {**form, "email": "new@example.com", "password": PASSWORD}
        # To the configured path as browsers see it: a mounted application may not have a home page.
        assert (await browser.post(f"{root}/auth/sign-in", data=fields)).headers["location"] == "/start"


@pytest.mark.parametrize("place", PLACES)
async def test_a_provider(place: Any, here: AsyncOAuthSetting) -> None:
    """The URL that a provider sends the browser back to is that of the routes."""
    app, root = place(here)
    async with _browser(app) as browser:
        page = await browser.get(f"{root}/auth/sign-in")
        form = Reader(page.text).forms[f"{root}/auth/provider"]
        led = await browser.post(f"{root}/auth/provider", data={**form, "provider": "issuer"})
        (url,) = [unescape(a["href"] or "") for a in Reader(led.text).all("a") if "state=" in (a.get("href") or "")]
        back = f"{SITE}{root}/api/auth/oauth/issuer/callback"
        assert parse_qs(urlsplit(url).query)["redirect_uri"] == [back]
        answer = here.provider.authorize(url)
        posted = await browser.post(back, data=answer)
        assert posted.headers["location"].startswith(f"{back}?")
        done = await browser.get(posted.headers["location"])
        assert (done.status_code, done.headers["location"]) == (303, "/start")
        # A failure leads back to the page where it began.
        begun = (await browser.post(f"{root}/api/auth/oauth/issuer/begin")).json()["url"]
        state = parse_qs(urlsplit(begun).query)["state"][0]
        failed = await browser.get(back, params={"error": "access_denied", "state": state})
        assert failed.headers["location"].startswith(f"{root}/auth/"), failed.headers["location"]
        assert (await browser.get(failed.headers["location"], follow_redirects=True)).status_code == 200


@pytest.mark.parametrize("place", PLACES)
async def test_the_admin_area(place: Any, here: AsyncOAuthSetting) -> None:
    """Its links, forms and redirects are below the mount."""
    app, root = place(here)
    admin = await here.torii.password.register(ADMIN, PASSWORD)
    await here.torii.storage.mark_email_verified(admin.id, email=admin.email)
    user = await here.torii.password.register(EMAIL, PASSWORD)
    session = await here.torii.create_session(admin)
    async with _browser(app) as browser:
        browser.cookies.set("__Host-torii", session.token, domain="app.example.com")
        for path in ("", "/activity", f"/users/{user.id}", f"/users/{user.id}/delete"):
            shown = await browser.get(f"{root}/admin{path}")
            assert shown.status_code == 200, path
            await _links_work(browser, root, shown.text)
        account = await browser.get(f"{root}/auth/account")
        assert f'href="{root}/admin"' in account.text
        page = await browser.get(f"{root}/admin/users/{user.id}")
        action = f"{root}/admin/users/{user.id}/lock"
        locked = await browser.post(action, data=Reader(page.text).forms[action])
        assert locked.headers["location"].startswith(f"{root}/admin/users/{user.id}?notice=")


async def test_mailed_links() -> None:
    """Links in mails follow ``MailSettings``, whose base URL may have a path."""
    mail = MailSettings(sender="a@example.com", app_name="Example", base_url=f"{SITE}/auth-app")
    assert mail.url(mail.magic_link_path, "x").startswith(f"{SITE}/auth-app/auth/magic-link?token=x")
    async with AsyncOAuthSetting(mail=mail) as here:
        app, root = _mounted(here)
        await here.torii.magic_link.send(EMAIL)
        token = await here.link()
        async with _browser(app) as browser:
            page = await browser.get(mail.url(mail.magic_link_path, token))
            form = Reader(page.text).forms[f"{root}/auth/magic-link"]
            assert (await browser.post(f"{root}/auth/magic-link", data=form)).status_code == 303


async def test_two_at_once_do_not_mix(here: AsyncOAuthSetting) -> None:
    """Concurrent requests below different mounts each get their own paths."""
    inner = _included(_config(), here)
    app = Starlette(routes=[Mount(f"/{name}", inner) for name in "abcd"])
    async with _browser(app) as browser:
        answers = await asyncio.gather(*(browser.get(f"/{name}/auth/sign-in") for name in "abcd" * 5))
    for name, answer in zip("abcd" * 5, answers, strict=True):
        actions = set(Reader(answer.text).forms)
        assert actions
        assert all(action.startswith(f"/{name}/auth/") for action in actions)


@pytest.mark.parametrize("name", ["%2fevil.example", "/evil.example", "\\evil.example", "a\r\nb", "ü", "a b", '"><b>'])
async def test_a_mount_with_a_parameter(name: str, here: AsyncOAuthSetting) -> None:
    """Whatever a parameter in the mount's path contains, no redirect leaves the site, and nothing is injected."""
    app = Starlette(routes=[Mount("/{tenant}", _included(_config(), here))])
    path = f"/{name}/auth/account"
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await app({**scope, "client": None, "server": ("x", 1), "scheme": "https", "http_version": "1.1"}, receive, send)
    headers = dict(sent[0]["headers"])
    if sent[0]["status"] == 303:
        location = headers[b"location"].decode("ascii")
        assert location.startswith("/")
        assert not location.startswith("//")
        assert "\\" not in location
    else:
        assert sent[0]["status"] == 404


async def test_dynamodb_opens_below_a_mount(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A mounted application is never started; its storage opens once, at the first use, even if requests race."""
    torii = AsyncTorii(dynamodb(dynoxide.config(table_prefix=table_prefix)), secret=SECRET)
    config = WebConfig(registration="direct", base_url=SITE, ip_limit=UNLIMITED)
    sub = FastAPI()
    auth = router(torii, config=config)
    sub.include_router(auth)
    sub.include_router(pages(auth.web, PagesConfig(app_name="Example")))
    app = FastAPI()
    app.mount("/auth-app", sub)
    async with _browser(app) as browser:
        bodies = [{"email": f"u{number}@example.com", "password": PASSWORD} for number in range(3)]
        answers = await asyncio.gather(
            *(browser.post("/auth-app/api/auth/register", json=body) for body in bodies),
            browser.get("/auth-app/auth/account"),
        )
        assert [answer.status_code for answer in answers] == [201, 201, 201, 303]
    await auth.web.end()
