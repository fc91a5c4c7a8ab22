"""Reading our cookies: names compared byte by byte, one value per name, in one place."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.services._async.support import EMAIL
from tests.web.api import API, SITE, Site
from tests.web.paged import Paged

import torii_dynamodb.fastapi
from torii_dynamodb.cookies import read_cookie
from torii_dynamodb.fastapi import ToriiMiddleware

NAME = "__Host-torii"

# What Python strips from text, and which of it a browser keeps in a cookie's name.
STRIPPED = [bytes([byte]) for byte in range(256) if not chr(byte).strip() and chr(byte) not in " \t"]


def test_what_frameworks_strip() -> None:
    """The test cases cover the characters that matter."""
    assert {b"\xa0", b"\x85", b"\x1c", b"\x1d", b"\x1e", b"\x1f"} <= set(STRIPPED)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([b"__Host-torii=right"], "right"),
        ([b"a=1; __Host-torii=right; b=2"], "right"),
        ([b"a=1;__Host-torii=right;b=2"], "right"),
        ([b"a=1; \t__Host-torii=right \t"], "right"),
        ([b"a=1", b"__Host-torii=right", b"b=2"], "right"),
        ([b"__Host-torii=a=b=="], "a=b=="),
        ([b"__Host-torii=right; __Host-torii=right"], "right"),
        ([b"__Host-torii=right; =__Host-torii=wrong; __Host-torii; ; =; =wrong"], "right"),
        ([b'a="x; __Host-torii=right; y"'], "right"),
        ([b"\xff\xfe=\xff; __Host-torii=right"], "right"),
        ([b"__Host-torii=right; __host-torii=wrong; __Host-torii2=wrong; x__Host-torii=wrong"], "right"),
        # Several with the same name: none of them.
        ([b"__Host-torii=right; __Host-torii=wrong"], None),
        ([b"__Host-torii=right", b"__Host-torii=wrong"], None),
        ([b"__Host-torii=right; __Host-torii="], None),
        ([b"__Host-torii=; __Host-torii=right"], None),
        # Not one of ours.
        ([], None),
        ([b""], None),
        ([b"__Host-torii"], None),
        ([b"__Host-torii="], None),
        ([b"=__Host-torii=wrong"], None),
        ([b"__Host-torii =wrong"], None),
        ([b"__HOST-TORII=wrong"], None),
        ([b'__Host-torii="right"'], None),
        ([b"__Host-torii=wr\xc3\xb6ng"], None),
        ([b"__Host-torii=wrong,wrong"], None),
        ([b"__Host-torii=wro ng"], None),
        ([b"__Host-torii=wrong\x00"], None),
        ([b"__Host-torii=wrong\xa0"], None),
    ],
)
def test_reading(headers: list[bytes], expected: str | None) -> None:
    """Only semicolons separate pairs, names are compared byte by byte, and two values count as none."""
    assert read_cookie(headers, NAME) == expected
    assert read_cookie([header.decode("latin-1") for header in headers], NAME) == expected


@pytest.mark.parametrize("byte", STRIPPED)
def test_white_space_belongs_to_the_name(byte: bytes) -> None:
    """A name with characters that Python strips is another name, on either side, alone or next to the right one."""
    for wrong in (byte + b"__Host-torii=wrong", b"__Host-torii" + byte + b"=wrong"):
        assert read_cookie([wrong], NAME) is None
        for both in (b"__Host-torii=right; " + wrong, wrong + b"; __Host-torii=right"):
            assert read_cookie([both], NAME) == "right"


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_header(headers: list[bytes]) -> None:
    """The result is always None or a value of the characters that RFC 6265 allows."""
    found = read_cookie([*headers, b"__Host-torii=x"], NAME)
    assert found is None or re.fullmatch(r"[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]+", found)


async def _tossed(site: Site) -> tuple[bytes, bytes]:
    """The victim's session token, and the attacker's."""
    victim = await site.torii.create_session(await site.user())
    attacker = await site.torii.create_session(await site.user("thief@example.com"))
    assert victim.token
    assert attacker.token
    return victim.token.encode(), attacker.token.encode()


@pytest.mark.parametrize("space", [b"\xa0", b"\x85", b"\x1c", b"\x1f"])
async def test_a_subdomain_cannot_replace_the_session(space: bytes) -> None:
    """A cookie planted by a subdomain under a name that frameworks strip is ignored, in routes and middleware."""
    site = Site()
    own, planted = await _tossed(site)
    name = NAME.encode()

    async def who(request: Request) -> JSONResponse:
        user = request.state.user
        return JSONResponse(None if user is None else user.email_as_given)

    other = Starlette(routes=[Route("/", who)])
    other.add_middleware(ToriiMiddleware, web=site.auth.web)
    async with (
        site.browser() as browser,
        httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=SITE) as plain,
    ):
        both = [(b"Cookie", name + b"=" + own + b"; " + space + name + b"=" + planted)]
        assert (await browser.get(f"{API}/me", headers=both)).json()["email"] == EMAIL
        assert (await plain.get("/", headers=both)).json() == EMAIL
        alone = [(b"Cookie", space + name + b"=" + planted)]
        assert (await browser.get(f"{API}/me", headers=alone)).status_code == 401
        assert (await plain.get("/", headers=alone)).json() is None
        # Without the protection of the prefix (local http, a cookie for all subdomains), a name can occur twice.
        twice = [(b"Cookie", name + b"=" + planted + b"; " + name + b"=" + own)]
        assert (await browser.get(f"{API}/me", headers=twice)).status_code == 401


async def test_a_subdomain_cannot_plant_the_other_cookies() -> None:
    """They affect neither form tokens, nor known devices, nor the session that a page shows or signs out."""
    paged = Paged()
    await paged.user()
    await paged.user("thief@example.com")
    web = paged.auth.web
    for name in (web.cookies.session, web.cookies.form, web.cookies.device, web.cookies.oauth):
        scope = {"type": "http", "method": "GET", "headers": [(b"cookie", b"\xa0" + name.encode() + b"=planted")]}
        assert web.cookies.read(HTTPConnection(scope), name) is None
    planted = web.forms.issue("planted")
    headers = [(b"Cookie", b"\x1f__Host-torii-form=planted")]
    async with paged.tab().client as browser:
        answer = await browser.post("/auth/sign-in", headers=headers, data={"csrf_token": planted})
        assert answer.status_code == 403
    async with paged.tab().client as thief:
        session = await paged.torii.create_session(await paged.user("other@example.com"))
        account = await thief.get(
            "/auth/account", headers=[(b"Cookie", f"\xa0{NAME}={session.token}".encode("latin-1"))]
        )
        assert account.status_code == 303, "nobody is signed in"


def test_nothing_else_reads_cookies() -> None:
    """No module uses the framework's cookie parser."""
    folder = Path(torii_dynamodb.fastapi.__file__).parent
    reading = re.compile(r"\b(connection|request|conn)\.cookies\b|cookie_parser|SimpleCookie")
    found = [path.name for path in folder.rglob("*.py") if reading.search(path.read_text(encoding="utf-8"))]
    assert found == []
