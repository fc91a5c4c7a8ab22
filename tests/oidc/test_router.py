"""The JSON routes against a certified OpenID provider: what works in a browser and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from tests.oidc.conftest import SECRET
from tests.oidc.provider import RealProvider, sign_in

from torii_dynamodb import AsyncTorii
from torii_dynamodb.fastapi import WebConfig, router
from torii_dynamodb.oauth import oidc
from torii_dynamodb.testing import AsyncMemoryStorage

BASE = "http://127.0.0.1:1"
BACK = "/api/auth/oauth/real/callback"


class AsyncBrowser:
    """A browser at the application; ``page`` sends its requests and keeps its cookies."""

    def __init__(self, application: FastAPI) -> None:
        self.page = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=BASE)

    async def begin(self, **query: str) -> str:
        """Begin a sign-in; returns the URL that the application sends the browser to."""
        answer = await self.page.post("/api/auth/oauth/real/begin", params=query)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    async def visit(self, *, next_url: str | None = None, **person: Any) -> dict[str, str]:
        """Begin, and sign in at the provider; returns what the browser brings back."""
        url = await self.begin(**({} if next_url is None else {"next": next_url}))
        return await asyncio.to_thread(sign_in, url, **person)

    async def back(self, brought: dict[str, str]) -> httpx.Response:
        """Come back from the provider."""
        return await self.page.get(BACK, params=brought)

    async def sign_in(self, *, next_url: str | None = None, **person: Any) -> httpx.Response:
        """Sign in through the provider."""
        return await self.back(await self.visit(next_url=next_url, **person))

    async def who(self) -> str | None:
        """The email address of the user who is signed in, if any."""
        answer = await self.page.get("/api/auth/me")
        return answer.json()["email"] if answer.status_code == 200 else None


@asynccontextmanager
async def application(provider: RealProvider, **options: Any) -> AsyncIterator[FastAPI]:
    """An application with the JSON routes."""
    offered = oidc("real", provider.issuer, "app", SECRET, allow_insecure_http=True, authoritative_for=("*",))
    torii = AsyncTorii(AsyncMemoryStorage(), secret="s" * 32, oauth=[offered])
    settings: dict[str, Any] = {"base_url": BASE, "registration": "direct", "secure_cookies": False, "ip_limit": None}
    app = FastAPI()
    app.include_router(router(torii, config=WebConfig(**(settings | options))))
    try:
        yield app
    finally:
        await torii.close()


@pytest.fixture
async def app(provider: RealProvider) -> AsyncIterator[FastAPI]:
    async with application(provider) as made:
        yield made


async def test_a_person_signs_in(app: FastAPI) -> None:
    """Signing in at the provider leads back to the page asked for, signed in; the binding cookie is gone."""
    browser = AsyncBrowser(app)
    answer = await browser.sign_in(next_url="/notes?page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/notes?page=2")
    assert set(browser.page.cookies) == {"torii", "torii-device"}
    assert await browser.who() == "ada@example.com"
    cookie = next(header for header in answer.headers.get_list("set-cookie") if header.startswith("torii="))
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)"]
)
async def test_no_open_redirect(app: FastAPI, target: str) -> None:
    """A link to the sign-in cannot send the user on to another site."""
    answer = await AsyncBrowser(app).sign_in(next_url=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_production_cookies(provider: RealProvider) -> None:
    """With default settings, the binding cookie is ``__Host-``, ``Secure``, ``HttpOnly`` and ``SameSite=Lax``."""
    async with application(provider, secure_cookies=True) as app:
        answer = await AsyncBrowser(app).page.post("/api/auth/oauth/real/begin")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-torii-oauth-")
        for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age="):
            assert part.lower() in cookie.lower()
        assert "domain=" not in cookie.lower()


async def test_login_csrf(app: FastAPI) -> None:
    """Sending a victim's browser to the callback with the attacker's parameters does not sign it in as the attacker."""
    attacker, victim = AsyncBrowser(app), AsyncBrowser(app)
    brought = await attacker.visit(email="mallory@example.com")
    answer = await victim.back(brought)
    assert (answer.status_code, answer.json()["reason"]) == (400, "browser")
    assert await victim.who() is None
    # A victim in the middle of their own sign-in has a different cookie.
    brought = await attacker.visit(email="mallory@example.com")
    await victim.begin()
    assert (await victim.back(brought)).json()["reason"] == "browser"
    assert await victim.who() is None


async def test_a_copied_callback_url(app: FastAPI) -> None:
    """Coming back a second time, by the back button or with a copied URL, signs nobody in."""
    browser, thief = AsyncBrowser(app), AsyncBrowser(app)
    brought = await browser.visit()
    assert (await browser.back(brought)).status_code == 303
    for again in (browser, thief):
        answer = await again.back(brought)
        assert (answer.status_code, answer.json()["reason"]) == (400, "browser")
    assert await thief.who() is None


@pytest.mark.parametrize(
    ("person", "reason"),
    [({"deny": True}, "denied"), ({"verified": False}, "email_unverified"), ({"email": None}, "email_missing")],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_refusals_carry_a_reason(provider: RealProvider, person: dict[str, Any], reason: str) -> None:
    """A refusal is a JSON problem or a redirect, with the reason, never a 500; nobody is signed in."""
    for path in (None, "/sign-in"):
        async with application(provider, oauth_error_path=path) as app:
            browser = AsyncBrowser(app)
            answer = await browser.sign_in(**person)
            if path is None:
                assert answer.status_code in (400, 403)
                assert answer.json()["reason"] == reason
            else:
                assert (answer.status_code, answer.headers["location"]) == (
                    303,
                    f"/sign-in?error={reason}&provider=real",
                )
            assert await browser.who() is None


async def test_an_answer_by_post(app: FastAPI) -> None:
    """A provider may POST its answer from its own site; login CSRF by such a POST does not work."""
    browser, victim = AsyncBrowser(app), AsyncBrowser(app)
    for who, signed_in in ((victim, None), (browser, "ada@example.com")):
        brought = await browser.visit()
        # The POST comes from another site, so it has no Lax cookies; the GET that it redirects to has them.
        cookies = httpx.Cookies(who.page.cookies)
        who.page.cookies.clear()
        posted = await who.page.post(BACK, data=brought, headers={"Sec-Fetch-Site": "cross-site"})
        who.page.cookies.update(cookies)
        assert posted.status_code == 303
        assert urlsplit(posted.headers["location"]).netloc == urlsplit(BASE).netloc
        await who.page.get(posted.headers["location"])
        assert await who.who() == signed_in


async def test_linking_an_account(app: FastAPI) -> None:
    """A user with a password links an account and can then sign in with it; another site cannot start the linking."""
    browser = AsyncBrowser(app)
    account = {"email": "grace@example.com", "password": "correct horse battery staple", "transport": "cookie"}
    assert (await browser.page.post("/api/auth/register", json=account)).status_code == 201
    cross = await browser.page.post("/api/auth/oauth/real/link", headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    same = {"Sec-Fetch-Site": "same-origin"}
    url = (await browser.page.post("/api/auth/oauth/real/link", headers=same)).json()["url"]
    brought = await asyncio.to_thread(sign_in, url, sub="linked", email="work@example.com", verified=False)
    assert (await browser.back(brought)).status_code == 303
    other = AsyncBrowser(app)
    await other.sign_in(sub="linked", email="work@example.com", verified=False)
    assert await other.who() == "grace@example.com"


async def test_garbage_is_a_client_error(app: FastAPI) -> None:
    """Garbage at the callback gets a client error."""
    browser = AsyncBrowser(app)
    for query in ("", "state=&code=", "state[]=1", "code=%00&state=%00", "state=" + "x" * 9000, "error=%ff&state=é"):
        answer = await browser.page.get(f"{BACK}?{query}")
        assert 400 <= answer.status_code < 500, query
    assert (await browser.page.get("/api/auth/oauth/nobody/callback?state=x")).status_code in (400, 404)
    assert (await browser.page.post("/api/auth/oauth/nobody/begin")).status_code == 404
