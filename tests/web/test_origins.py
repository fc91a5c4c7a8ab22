"""Front ends on other origins: cookies across subdomains, and the origins of apps and extensions."""

from __future__ import annotations

from itertools import product
from typing import Any

import httpx
import pytest
from fastapi.middleware.cors import CORSMiddleware
from tests.services._async.support import EMAIL, PASSWORD
from tests.web.api import API, UNLIMITED, Site, problem
from tests.web.paged import SITE, Paged

from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import Web, WebConfig
from torii_dynamodb.fastapi.pages.render import page_headers

APPS = [
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "app://.",
    "app://bundle",
    "http://tauri.localhost",
    "http://localhost",
    "https://localhost",
]
BODY = {"email": EMAIL, "password": PASSWORD}


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
async def test_apps_that_are_trusted(transport: str) -> None:
    """A page of a trusted app signs in and changes something, by cookie or bearer; the cookie is SameSite=None."""
    site = Site(WebConfig(trusted_origins=APPS, same_site="none", ip_limit=UNLIMITED))
    site.app.add_middleware(
        CORSMiddleware, allow_origins=APPS, allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
    )
    await site.user()
    for origin in APPS:
        async with site.browser(origin=origin, **{"Sec-Fetch-Site": "cross-site"}) as page:
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            preflight = await page.options(f"{API}/sign-in", headers=asked)
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
            signed_in = await page.post(f"{API}/sign-in", json={**BODY, "transport": transport})
            assert signed_in.status_code == 200, signed_in.text
            if transport == "cookie":
                assert "; SameSite=none; Secure" in signed_in.headers["set-cookie"]
            else:
                page.headers["Authorization"] = f"Bearer {signed_in.json()['token']}"
            assert (await page.get(f"{API}/me")).status_code == 200
            assert (await page.patch(f"{API}/me", json={"name": "Ada"})).status_code == 200
            assert (await page.post(f"{API}/sign-out")).status_code == 204


OTHERS = [
    "null",
    "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop.evil.example",
    "capacitor://localhost:8100",
    "ionic://localhost",
    "https://abcdefghijklmnopabcdefghijklmnop",
    "file://",
    "https://evil.example",
]


async def test_apps_that_are_not() -> None:
    """Other origins and ``null`` are refused, with and without a session."""
    trusted = ["chrome-extension://abcdefghijklmnopabcdefghijklmnop", "capacitor://localhost"]
    site = Site(WebConfig(trusted_origins=trusted, same_site="none", ip_limit=UNLIMITED))
    await site.user()
    async with site.browser(origin=trusted[0]) as page:
        await site.signed_in(page)
        for origin, more in product(OTHERS, ({}, {"Sec-Fetch-Site": "cross-site"})):
            headers = {"Origin": origin, **more}
            problem(await page.post(f"{API}/sessions/end-all", headers=headers), 403, "cross_site")
            problem(await page.post(f"{API}/sign-in", json=BODY, headers=headers), 403, "cross_site")
        assert (await page.get(f"{API}/me")).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null", "*", "file://", "file:///x", "chrome-extension://", "chrome-extension://*", "capacitor:", "capacitor://",
        "javascript://localhost", "data://x", "blob://x", "https://*.example.com", "https://user@example.com",
        "capacitor://user@localhost", "https://bücher.example", "http://example.com", "http://localhost.example.com",
        "capacitor://localhost/", "capacitor://localhost/x", "Capacitor://localhost", "https://[", "https://example.com:x",
        "https://example.com:443", "moz-extension://", "https://a b",
    ],
)  # fmt: skip
def test_what_cannot_be_trusted(origin: str) -> None:
    """``null``, wildcards, schemes without an origin, and origins that no browser would send are refused."""
    with pytest.raises(ConfigurationError, match="trusted_origins"):
        WebConfig(trusted_origins=[origin])


def test_a_string_is_no_list() -> None:
    """A string is refused, because ``trusted_origins="https://..."`` would be read letter by letter."""
    with pytest.raises(ConfigurationError, match="trusted_origins"):
        WebConfig(trusted_origins="https://spa.example")


def test_apps_are_gone_to_by_nobody() -> None:
    """``next`` and forms lead only to the web, even if apps are trusted; ``base_url`` is on the web."""
    config = WebConfig(
        base_url=SITE, trusted_origins=["capacitor://localhost", "https://spa.example"], after_sign_in="/home"
    )
    web = Web(Site().torii, config)
    assert web.navigation.safe_next("capacitor://localhost/x") == "/home"
    assert web.navigation.safe_next("https://spa.example/x") == "https://spa.example/x"
    assert "form-action 'self' https://spa.example;" in page_headers(config.trusted_origins)["Content-Security-Policy"]
    for url in ("capacitor://localhost", "chrome-extension://abc", "https://x.example/?a", "https://x.example/#a"):
        with pytest.raises(ConfigurationError, match="base_url"):
            WebConfig(base_url=url)
    assert WebConfig(base_url="https://X.example:443/Übung/").base_url == "https://x.example/%C3%9Cbung"


# Cookies across subdomains


def _cookies(answer: httpx.Response) -> dict[str, str]:
    return {one.partition("=")[0]: one.partition(";")[2] for one in answer.headers.get_list("set-cookie")}


async def test_a_cookie_for_all_subdomains() -> None:
    """The session cookie has the domain and its prefix; the device cookie stays with the host. Both can be deleted."""
    site = Site(WebConfig(cookie_domain="example.com", base_url=SITE, ip_limit=UNLIMITED))
    await site.user()
    async with site.browser() as browser:
        signed_in = await browser.post(f"{API}/sign-in", json=BODY)
        set_ = _cookies(signed_in)
        assert set(set_) == {"__Secure-torii", "__Host-torii-device"}
        assert "Domain=example.com" in set_["__Secure-torii"]
        assert "Domain" not in set_["__Host-torii-device"]
        for attributes in set_.values():
            assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(attributes.strip().split("; "))
        assert (await browser.get(f"{API}/me")).status_code == 200
        # Another host below the domain, with its own application on the same services.
        other = Site(WebConfig(cookie_domain="example.com", ip_limit=UNLIMITED), here=site.here)
        transport = httpx.ASGITransport(other.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example.com") as shop:
            shop.cookies = browser.cookies
            assert (await shop.get(f"{API}/me")).json()["email"] == EMAIL
            # Its pages may not change anything on the first host, although the browser sends the cookie.
            headers = {"Origin": "https://shop.example.com", "Sec-Fetch-Site": "same-site"}
            problem(await browser.post(f"{API}/sessions/end-all", headers=headers), 403, "cross_site")
        out = await browser.post(f"{API}/sign-out")
        gone = _cookies(out)
        assert "Domain=example.com" in gone["__Secure-torii"]
        assert "Max-Age=0" in gone["__Secure-torii"]
        assert "__Secure-torii" not in browser.cookies


async def test_a_planted_session_counts_for_nothing_beside_the_own() -> None:
    """If a subdomain sets a second cookie with the same name, neither counts, so nobody acts as another user."""
    site = Site(WebConfig(cookie_domain="example.com", ip_limit=UNLIMITED))
    own = await site.torii.create_session(await site.user())
    planted = await site.torii.create_session(await site.user("thief@example.com"))
    async with site.browser() as browser:
        headers = {"Cookie": f"__Secure-torii={planted.token}; __Secure-torii={own.token}"}
        problem(await browser.get(f"{API}/me", headers=headers), 401, "not_signed_in")
        # The name of the cookie without a domain has no meaning now.
        problem(await browser.get(f"{API}/me", headers={"Cookie": f"__Host-torii={own.token}"}), 401, "not_signed_in")


async def test_pages_with_it() -> None:
    """Signing in on a page, the cookie of form tokens, and signing out work with a domain."""
    site = Paged(WebConfig(cookie_domain="example.com", base_url=SITE, ip_limit=UNLIMITED))
    await site.user()
    tab = site.tab()
    first = _cookies(await tab.get("/auth/sign-in"))
    assert list(first) == ["__Host-torii-form"]
    assert "Domain" not in first["__Host-torii-form"]
    await tab.sign_in()
    account = await tab.get("/auth/account")
    assert account.status_code == 200
    await tab.send("/auth/account", "/auth/sign-out")
    assert (await tab.get("/auth/account")).status_code == 303
    await tab.client.aclose()


def test_on_this_machine() -> None:
    """Without https there is no prefix."""
    web = Web(Site().torii, WebConfig(cookie_domain="example.com", secure_cookies=False))
    assert (web.cookies.session, web.cookies.form) == ("torii", "torii-form")


@pytest.mark.parametrize(
    "options",
    [
        {"cookie_domain": "com"},
        {"cookie_domain": ".example.com"},
        {"cookie_domain": "Example.com"},
        {"cookie_domain": "localhost"},
        {"cookie_domain": "192.0.2.1"},
        {"cookie_domain": "https://example.com"},
        {"cookie_domain": "example.com; Secure"},
        {"cookie_domain": "bücher.example"},
        {"cookie_domain": ""},
        {"cookie_domain": "other.com", "base_url": SITE},
        {"cookie_domain": "ample.com", "base_url": SITE},
        {"cookie_domain": "x.app.example.com", "base_url": SITE},
    ],
)
def test_a_domain_that_cannot_be(options: dict[str, Any]) -> None:
    """Domains that browsers would reject are reported at startup."""
    with pytest.raises(ConfigurationError, match="cookie_domain"):
        WebConfig(**options)
