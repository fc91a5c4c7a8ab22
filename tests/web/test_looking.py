"""Looking changes nothing: HEAD, OPTIONS, prefetching browsers, and mail scanners that visit links."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.routing import APIRoute
from tests.services._async.support import EMAIL, PASSWORD
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.web.api import API, SITE, Site, problem
from tests.web.paged import ADMIN, Paged
from tests.web.test_api_ways import BACK, oauth_site, there_and_back

from torii_dynamodb.jwt import JwtKey, JwtSettings

# What differs between any two responses.
_VARYING = re.compile(r"csrf_token\" value=\"[^\"]*\"|__Host-torii-form=[0-9a-f]*")


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: _VARYING.sub("", value) for name, value in answer.headers.items() if name != "date"}


async def _alike(browser: httpx.AsyncClient, path: str) -> None:
    got, looked = await browser.get(path), await browser.head(path)
    assert looked.status_code == got.status_code, path
    assert looked.content == b"", path
    assert _headers(looked) == _headers(got), path


async def test_head_on_json_routes() -> None:
    """Each GET route supports HEAD, with the same status and headers, signed in or not, and without a body."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    settings = JwtSettings(keys=[JwtKey(kid="k1", algorithm="ES256", private_key=pem)], issuer=SITE, audience="api")
    async with AsyncOAuthSetting(jwt=settings) as here:
        site = oauth_site(here)
        await site.user()
        paths = {path for path, item in site.app.openapi()["paths"].items() if "get" in item}
        assert {f"{API}/me", f"{API}/sessions", f"{API}/jwks.json", f"{API}/methods", f"{API}/oauth/accounts"} <= paths
        async with site.browser() as stranger, site.browser() as browser:
            await site.signed_in(browser)
            for path in sorted(path for path in paths if "{" not in path):
                await _alike(stranger, path)
                await _alike(browser, path)
        assert not any("head" in item or "options" in item for item in site.app.openapi()["paths"].values())


async def test_head_on_pages() -> None:
    """The same holds for pages, the style sheet and the admin area, including errors."""
    site = Paged()
    await site.user()
    await site.user(ADMIN)
    tabs = [site.tab(), site.tab(), site.tab()]
    await tabs[0].get("/auth/sign-in")  # sets the cookie that forms are made of
    await tabs[1].sign_in()
    await tabs[2].sign_in(ADMIN)
    paths = ["sign-in", "sign-up", "check-mail", "forgot-password", "reset-password", "magic-link", "verify-email"]
    paths += ["change-email", "account", "account/delete", "static/pages.css", "static/nothing", "sign-in?next=/x"]
    for tab in tabs:
        for path in [*(f"/auth/{path}" for path in paths), "/admin", "/admin/activity", "/admin/users/usr_1"]:
            await _alike(tab.client, path)
        await tab.client.aclose()


async def test_a_look_is_no_use_of_a_session() -> None:
    """HEAD does not extend the session; GET does."""
    site = Site()
    await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        site.here.clock.advance(timedelta(days=2))
        site.counting.taken()
        assert (await browser.head(f"{API}/me")).status_code == 200
        assert set(site.counting.taken()) == {"get_signed_in"}
        await browser.get(f"{API}/me")
        assert len(site.counting.taken()) > 1


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}]
)
async def test_a_look_does_not_come_back_from_a_provider(headers: dict[str, str]) -> None:
    """HEAD and prefetches on the way to a provider and back use up no state, set no cookie, and count nothing."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as browser:
            begun = await browser.post(f"{API}/oauth/issuer/begin")
            address = there_and_back(here, begun.json()["url"])
            site.counting.taken()
            for path in (address, f"{BACK}?state=x&code=y"):
                looked = await browser.request("GET" if headers else "HEAD", path, headers=headers)
                assert looked.status_code == (503 if headers else 200)
                assert "set-cookie" not in looked.headers
                if headers:
                    problem(looked, 503, "prefetch")
            assert not site.counting.taken()
            assert (await browser.get(address)).headers["location"] == "/"
            assert (await browser.get(f"{API}/me")).status_code == 200


async def test_options() -> None:
    """OPTIONS lists the methods of a path, and does nothing."""
    site = Site()
    paged = Paged()
    async with site.browser(origin=None) as browser, paged.tab().client as tab:
        for client, path, allow in (
            (browser, f"{API}/me", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            (browser, f"{API}/sign-in", "OPTIONS, POST"),
            (browser, f"{API}/password", "DELETE, OPTIONS, POST, PUT"),
            (tab, "/auth/sign-in", "GET, HEAD, OPTIONS, POST"),
            (tab, "/admin", "GET, HEAD, OPTIONS"),
        ):
            answer = await client.options(path)
            assert (answer.status_code, answer.headers["allow"], answer.content) == (204, allow, b""), path
            assert "set-cookie" not in answer.headers
        assert not site.counting.taken()


SCANS: list[tuple[str, dict[str, Any]]] = [
    ("HEAD", {}),
    ("GET", {}),
    ("GET", {"headers": {"Sec-Purpose": "prefetch", "Sec-Fetch-Site": "none"}}),
    ("GET", {"headers": {"Purpose": "prefetch"}}),
    ("OPTIONS", {}),
    ("POST", {}),
    ("POST", {"data": {}}),
    ("POST", {"json": {}}),
    ("PUT", {}),
]


@pytest.mark.parametrize("kind", ["magic-link", "verify-email", "reset-password", "change-email"])
async def test_scanners_use_no_link_up(kind: str) -> None:
    """Unless a mail scanner presses the button on a link's page, the person can still use the link, once."""
    site = Paged()
    user = await site.user(verified=kind != "verify-email")
    torii = site.torii
    if kind == "magic-link":
        await torii.magic_link.send(EMAIL)
    elif kind == "verify-email":
        await torii.email_verification.send(user)
    elif kind == "reset-password":
        await torii.password.send_reset(EMAIL)
    else:
        await torii.email_verification.send_change(user, "new@example.com")
    token = await site.here.link()
    page = f"/auth/{kind}?token={token}"
    async with site.tab(site="none").client as scanner:
        for method, options in SCANS * 2:
            answer = await scanner.request(method, page, **options)
            assert answer.status_code < 500, (method, options)
            assert not any("__Host-torii=" in cookie for cookie in answer.headers.get_list("set-cookie"))
    tab = site.tab()
    if kind == "change-email":
        await tab.sign_in()
    fields = {
        "magic-link": {},
        "reset-password": {"password": f"{PASSWORD} and more"},
        "verify-email": {"choice": "keep", "password": PASSWORD},
        "change-email": {"choice": "keep", "password": PASSWORD},
    }[kind]
    used = await tab.send(page, f"/auth/{kind}", follow=False, **fields)
    assert used.status_code == 303, used.text
    assert "link_dead" not in used.headers["location"]
    again = await tab.get(page, follow_redirects=True)
    assert f'action="/auth/{kind}"' not in again.text, "it works once"
    await tab.client.aclose()


def test_every_get_route_has_head() -> None:
    """The tests cover every GET route, including routes that are added later."""
    site = Paged()
    for router in (site.auth, site.admin.router(site.auth.web, site.settings)):
        routes = [route for route in router.routes if isinstance(route, APIRoute)]
        got = {route.path for route in routes if "GET" in (route.methods or ())}
        looked = {route.path for route in routes if "HEAD" in (route.methods or ())}
        assert got
        assert got == looked
