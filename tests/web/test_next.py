"""Where a sign-in leads: any value of ``next``, through every route and page that accepts it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services.authenticator import Authenticator
from tests.web.api import API, UNLIMITED
from tests.web.paged import SITE, Paged, Reader
from tests.web.test_api_ways import oauth_site, there_and_back

from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import Web, WebConfig
from torii_dynamodb.fastapi.pages import PagesConfig

SPA = "https://spa.example"
HOME = "/home"

FOLLOWED = {
    "/": "/",
    "/orders?x=1#y": "/orders?x=1#y",
    "/übersicht→": "/%C3%BCbersicht%E2%86%92",
    "/suche?q=größe&x=日本#ä": "/suche?q=gr%C3%B6%C3%9Fe&x=%E6%97%A5%E6%9C%AC#%C3%A4",
    "/🙂": "/%F0%9F%99%82",
    "/a\u202eb\u2028c\x85d\xa0e": "/a%E2%80%AEb%E2%80%A8c%C2%85d%C2%A0e",
    "/50%off/%C3%BC/%0d%0aSet-Cookie:a=b": "/50%off/%C3%BC/%0d%0aSet-Cookie:a=b",
    '/"<b>{x}|^`': "/%22%3Cb%3E%7Bx%7D%7C%5E%60",
    f"{SPA}/ü?ö#ä": f"{SPA}/%C3%BC?%C3%B6#%C3%A4",
    "/%2f%2fevil.example/%5cevil.example": "/%2f%2fevil.example/%5cevil.example",
    "/@evil.example": "/@evil.example",
    "/.//evil.example": "/.//evil.example",
}

REFUSED = [
    "", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
    "\t//evil.example", "/\n/evil.example", "/x\r\nSet-Cookie: a=b", "/x\x00", "/x\x7f", " /x", "/a b",
    "javascript:alert(1)", "JaVaScRiPt://spa.example/%0aalert(1)", "data:text/html,x", "account", "https:evil.example",
    "https:/evil.example", "https:///evil.example", "https://evil.example/ü", f"{SPA}@evil.example/", "https://user@spa.example/",
    "https://user:pw@spa.example/", f"{SPA}.evil.example/", "http://spa.example/", f"{SPA}:8443/", "https://[", "https://[::1",
    "https://spa。example/", "https://ｓｐａ.example/", "https://spa.example／evil/", "https://bücher.example/",
    "https://spa.example\u00adx/", "/" + "a" * 3000, "/" + "ü" * 400, "ü", "?next=/x", "#x", "mailto:a@b.example",
]  # fmt: skip


def _config(**more: Any) -> WebConfig:
    return WebConfig(base_url=SITE, trusted_origins=[SPA], after_sign_in=HOME, ip_limit=UNLIMITED, **more)


def _expected(url: str) -> str:
    return FOLLOWED.get(url, HOME)


@pytest.mark.parametrize("url", [*FOLLOWED, *REFUSED])
def test_where_it_leads(url: str) -> None:
    """URLs of this site and of trusted origins are followed, percent-encoded; everything else leads to the default."""
    web = Web(AsyncSetting().torii, _config())
    found = web.navigation.safe_next(url)
    assert found == _expected(url)
    assert web.navigation.safe_next(found) == found, "what is encoded stays as it is"


ODD = st.sampled_from(
    ["/", "//", "\\", "%0d%0a", "\r\n", "\t", "@", ":", "?", "#", "%", "ü", "\ud800", "。", "https:", SPA, " "]
)


@given(st.lists(st.one_of(ODD, st.text(max_size=6)), max_size=8).map("".join))
def test_whatever_it_is(url: str) -> None:
    """The result is short, ASCII, free of whitespace and stable, and leads to this site or to a trusted origin."""
    found = Web(AsyncSetting().torii, _config()).navigation.safe_next(url)
    assert found.isascii()
    assert len(found) <= 2048
    assert all(0x21 <= ord(char) < 0x7F for char in found)
    assert Web(AsyncSetting().torii, _config()).navigation.safe_next(found) == found
    target = urlsplit(urljoin(SITE + "/auth/sign-in", found.replace("\\", "/")))
    assert f"{target.scheme}://{target.netloc}".lower() in (SITE, SPA)


def _leads(answer: httpx.Response, url: str) -> None:
    assert answer.status_code == 303, (url, answer.status_code, answer.text)
    assert answer.headers["location"] == _expected(url), url


async def test_pages_that_take_it() -> None:
    """The sign-in pages and their forms never fail, and never start a session without a redirect."""
    site = Paged(_config(registration="direct"))
    user = await site.user()
    for number, url in enumerate([*FOLLOWED, *REFUSED]):
        tab = site.tab()
        for page in ("sign-in", "sign-up"):
            shown = await tab.get(f"/auth/{page}", params={"next": url})
            assert shown.status_code == 200, (page, url)
        signed_in = await tab.send(
            "/auth/sign-in", "/auth/sign-in", follow=False, email=EMAIL, password=PASSWORD, next=url
        )
        _leads(signed_in, url)
        for page in ("sign-in", "sign-up"):
            _leads(await tab.get(f"/auth/{page}", params={"next": url}), url)
        again = await tab.get("/auth/sign-in", params={"next": url, "again": "1"})
        assert again.status_code == 200
        new = site.tab()
        fields = {"email": f"new{number}@example.com", "password": PASSWORD, "next": url}
        _leads(await new.send("/auth/sign-up", "/auth/sign-up", follow=False, **fields), url)
        await tab.client.aclose()
        await new.client.aclose()
        await site.torii.delete_sessions_for_user(user.id)


async def test_the_passkey_form_takes_it() -> None:
    """It behaves like the form with the password."""
    site = Paged(_config())
    user = await site.user()
    device = Authenticator()
    device.origin, device.rp_id = SITE, "app.example.com"
    added = device.create(await site.torii.passkeys.begin_registration(user))
    await site.torii.passkeys.complete_registration(user, added, name="Key")
    for url in ("/übersicht→", "//evil.example", "/x\r\ny"):
        async with site.tab().client as browser:
            form = Reader((await browser.get("/auth/sign-in", params={"next": url})).text).forms["/auth/passkey"]
            answer = device.get((await browser.post("/auth/passkey/options", data=form)).json())
            form["answer"] = str(httpx.Request("POST", SITE, json=answer).content, "utf-8")
            _leads(await browser.post("/auth/passkey", data={**form, "next": url}), url)


async def test_bytes_that_are_no_text() -> None:
    """Invalid UTF-8 in a query or a form breaks nothing, and starts no session."""
    site = Paged(_config())
    user = await site.user()
    async with site.tab().client as browser:
        for query in ("%ff%fe", "%ed%a0%80", "/%C3", "/%F0%9F"):
            for page in ("sign-in", "sign-up"):
                assert (await browser.get(f"/auth/{page}?next={query}")).status_code == 200
            form = Reader((await browser.get("/auth/sign-in")).text).forms["/auth/sign-in"]
            body = f"email={EMAIL}&password={PASSWORD.replace(' ', '+')}&csrf_token={form['csrf_token']}&next={query}"
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            assert (await browser.post("/auth/sign-in", content=body, headers=kind)).status_code == 400
    assert await site.torii.list_sessions(user.id) == []


async def test_routes_that_take_it() -> None:
    """Beginning at a provider, returning from it, and linking all restrict ``next``."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here, trusted_origins=[SPA], after_sign_in=HOME)
        async with site.browser() as browser:
            for url in [*FOLLOWED, *REFUSED]:
                for action in ("begin", "link"):
                    begun = await browser.post(f"{API}/oauth/issuer/{action}", params={"next": url})
                    if len(url) > 2048:
                        assert begun.status_code == 422
                        continue
                    if action == "link" and begun.status_code == 401:
                        continue  # nobody is signed in before the first one came back
                    assert begun.status_code == 200, (url, begun.text)
                    back = await browser.get(there_and_back(here, begun.json()["url"]))
                    _leads(back, url)
            assert (await browser.get(f"{API}/me")).status_code == 200


@pytest.mark.parametrize("option", ["after_sign_in", "oauth_error_path"])
def test_paths_of_the_configuration(option: str) -> None:
    """They are encoded too; anything but a path of this site is reported at startup, by name."""
    made: Any = WebConfig(**{option: "/übersicht"})  # type: ignore[arg-type]
    assert getattr(made, option) == "/%C3%BCbersicht"
    assert PagesConfig(app_name="x", home="/übersicht").home == "/%C3%BCbersicht"
    for url in ("x", "//x", "/\\x", "/x\n", "/a b", "/\ud800", "https://x.example", ""):
        with pytest.raises(ConfigurationError, match=option):
            WebConfig(**{option: url})  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="home"):
            PagesConfig(app_name="x", home=url)
