"""ASVS 7.2.4: after signing in again there is only the new session, however the old and the new one are sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.services._async.support import EMAIL, PASSWORD
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services.authenticator import ORIGIN, RP_ID, Authenticator
from tests.web.api import API, UNLIMITED, Site, problem
from tests.web.test_api_ways import oauth_site, there_and_back

from torii_dynamodb import Session
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.passkeys import PasskeySettings

NAME = "__Host-torii"


async def _password(site: Site, browser: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    return "sign-in", {"email": EMAIL, "password": PASSWORD}


async def _register(site: Site, browser: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    return "register", {"email": "new@example.com", "password": PASSWORD}


async def _magic_link(site: Site, browser: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    await site.torii.magic_link.send(EMAIL)
    return "magic-link/complete", {"token": await site.mailed("magic_link")}


async def _passkey(site: Site, browser: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    user = await site.torii.storage.get_user_by_email(EMAIL, consistent=True)
    assert user is not None
    device = Authenticator()
    added = device.create(await site.torii.passkeys.begin_registration(user))
    await site.torii.passkeys.complete_registration(user, added, name="Key")
    return "passkeys/sign-in/complete", {"credential": device.get(await site.torii.passkeys.begin_sign_in())}


WAYS: dict[str, Callable[[Site, httpx.AsyncClient], Awaitable[tuple[str, dict[str, Any]]]]] = {
    "password": _password,
    "register": _register,
    "magic link": _magic_link,
    "passkey": _passkey,
}


def _site(**config: Any) -> Site:
    passkeys = PasskeySettings(rp_id=RP_ID, rp_name="Example", origins=[ORIGIN])
    return Site(WebConfig(registration="direct", ip_limit=UNLIMITED, **config), passkeys=passkeys)


async def _sessions(site: Site, count: int) -> list[Session]:
    user = await site.user("before@example.com")
    return [await site.torii.create_session(user) for _ in range(count)]


async def _alive(site: Site, *sessions: Session) -> list[bool]:
    return [await site.torii.get_signed_in(one.token) is not None for one in sessions]


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
@pytest.mark.parametrize("way", WAYS)
async def test_what_was_presented_ends(way: str, transport: str) -> None:
    """Each route that signs in ends the sessions of the request's cookie and header, and no other."""
    site = _site()
    await site.user()
    by_cookie, by_header, elsewhere = await _sessions(site, 3)
    async with site.browser() as browser:
        path, body = await WAYS[way](site, browser)
        browser.cookies.set(NAME, by_cookie.token, domain="app.example.com")
        headers = {"Authorization": f"Bearer {by_header.token}"}
        answer = await browser.post(
            f"{API}/{path}", json={**body, "transport": transport, "replace_session": True}, headers=headers
        )
        assert answer.is_success, answer.text
        assert await _alive(site, by_cookie, by_header, elsewhere) == [False, False, True]
        if transport == "bearer":
            assert f"{NAME}=" in answer.headers["set-cookie"], "the cookie of the ended session is taken away"
            assert NAME not in browser.cookies
            assert await site.torii.get_signed_in(answer.json()["token"]) is not None
        else:
            assert await site.torii.get_signed_in(browser.cookies[NAME]) is not None


async def test_another_users_cookie_is_left_alone() -> None:
    """Signing in as bearer in the presence of another user's cookie signs nobody out, unless the person agreed."""
    site = _site()
    await site.user()
    by_cookie, by_header = await _sessions(site, 2)
    async with site.browser(Authorization=f"Bearer {by_header.token}") as browser:
        browser.cookies.set(NAME, by_cookie.token, domain="app.example.com")
        body = {"email": EMAIL, "password": PASSWORD, "transport": "bearer"}
        answer = await browser.post(f"{API}/sign-in", json=body)
        assert answer.is_success
        assert "set-cookie" not in answer.headers
        assert await _alive(site, by_cookie, by_header) == [True, False]


async def test_a_sign_in_that_fails_ends_nothing() -> None:
    """A wrong password leaves the old session alone."""
    site = _site()
    await site.user()
    (before,) = await _sessions(site, 1)
    async with site.browser(Authorization=f"Bearer {before.token}") as browser:
        body = {"email": EMAIL, "password": "wrong", "transport": "bearer"}
        problem(await browser.post(f"{API}/sign-in", json=body), 401, "invalid_credentials")
        assert await _alive(site, before) == [True]


@pytest.mark.parametrize(
    "header", ["Bearer x", "Bearer ", "Bearer torii_s1_usr_1.AAAA", "Basic {}", "{}", "Bearer \xe9"]
)
async def test_only_a_bearer_token_counts(header: str) -> None:
    """Invalid tokens, and those under another scheme, end nothing and prevent no sign-in."""
    site = _site()
    await site.user()
    (before,) = await _sessions(site, 1)
    async with site.browser() as browser:
        headers = [(b"Authorization", header.format(before.token).encode("latin-1"))]
        body = {"email": EMAIL, "password": PASSWORD, "transport": "bearer"}
        assert (await browser.post(f"{API}/sign-in", json=body, headers=headers)).is_success
        assert await _alive(site, before) == [True]


async def test_a_bearer_token_where_none_is_taken() -> None:
    """If only cookies are enabled, the header has no effect."""
    site = _site(transports=["cookie"])
    await site.user()
    (before,) = await _sessions(site, 1)
    async with site.browser(Authorization=f"Bearer {before.token}") as browser:
        await site.signed_in(browser)
        assert await _alive(site, before) == [True]


async def test_another_sites_request_does_not_end_the_cookies_session() -> None:
    """A header disables the check for other sites; a cookie that the browser adds is then left alone."""
    site = _site()
    await site.user()
    by_cookie, by_header = await _sessions(site, 2)
    async with site.browser(origin="https://evil.example", Authorization=f"Bearer {by_header.token}") as page:
        page.cookies.set(NAME, by_cookie.token, domain="app.example.com")
        body = {"email": EMAIL, "password": PASSWORD, "transport": "bearer"}
        answer = await page.post(f"{API}/sign-in", json=body)
        assert answer.is_success
        assert "set-cookie" not in answer.headers
        assert await _alive(site, by_cookie, by_header) == [True, False]


@pytest.mark.parametrize("held", ["cookie", "bearer"])
async def test_a_provider(held: str) -> None:
    """After returning from a provider, the session of the request ends."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        (before,) = await _sessions(site, 1)
        headers = {"Authorization": f"Bearer {before.token}"} if held == "bearer" else {}
        async with site.browser(**headers) as browser:
            if held == "cookie":
                browser.cookies.set(NAME, before.token, domain="app.example.com")
            begun = await browser.post(f"{API}/oauth/issuer/begin", params={"replace_session": True})
            done = await browser.get(there_and_back(here, begun.json()["url"]))
            assert done.status_code == 303
            assert await _alive(site, before) == [False]
            browser.headers.pop("Authorization", None)
            assert (await browser.get(f"{API}/me")).status_code == 200


async def test_the_same_user_by_bearer() -> None:
    """Signing in again with the old token leaves one session, and the old token is invalid."""
    site = Site()
    user = await site.user()
    body = {"email": EMAIL, "password": PASSWORD, "transport": "bearer"}
    async with site.browser(origin=None) as app:
        first = (await app.post(f"{API}/sign-in", json=body)).json()["token"]
        app.headers["Authorization"] = f"Bearer {first}"
        second = (await app.post(f"{API}/sign-in", json=body)).json()["token"]
        assert len(await site.torii.list_sessions(user.id)) == 1
        problem(await app.get(f"{API}/me"), 401, "not_signed_in")
        app.headers["Authorization"] = f"Bearer {second}"
        # Changing the password renews the session; the earlier token is invalid, too.
        body = {"current_password": PASSWORD, "new_password": f"{PASSWORD} and more"}
        renewed = (await app.put(f"{API}/password", json=body)).json()["token"]
        problem(await app.get(f"{API}/me"), 401, "not_signed_in")
        app.headers["Authorization"] = f"Bearer {renewed}"
        assert (await app.get(f"{API}/me")).status_code == 200
        assert len(await site.torii.list_sessions(user.id)) == 1
