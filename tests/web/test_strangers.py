"""A stranger's whole script against a free, a taken and an unverified address: nothing observable differs.

The stranger does everything that can be done without the mailbox: register, sign in with the very password just chosen
(and others), register again, ask for links, and look at what all of it does to the requests that follow. Each address
is tried on a site of its own, so that the steps are the same to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.services._async.support import EMAIL, PASSWORD
from tests.web.api import API, Counting, Site
from tests.web.paged import Paged, Tab

from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.models import LockoutPolicy

OWN = "the stranger's own password"
UNLIMITED = LockoutPolicy(enabled=False)
STATES = ("free", "taken", "unverified", "no password")


@dataclass(frozen=True)
class Seen:
    """What a stranger, or someone who counts storage requests, sees of one step."""

    step: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    cookies: tuple[str, ...]
    calls: tuple[tuple[str, int], ...]
    verified: int
    hashed: int


class Stranger:
    """Performs steps, and records everything that can be observed."""

    def __init__(self, site: Site | Paged, counting: Counting) -> None:
        self.seen: list[Seen] = []
        self._here = site.here
        self._counting = counting

    async def do(self, step: str, act: Callable[[], Awaitable[httpx.Response]]) -> None:
        """Perform one step."""
        hasher = self._here.hasher
        verified, hashed = hasher.verified, hasher.hashed
        self._counting.taken()
        answer = await act()
        # Mails are sent in the background.
        await self._here.torii.wait_for_mail()
        headers = {
            name: value for name, value in answer.headers.items() if name not in ("set-cookie", "content-length")
        }
        cookies = [re.sub(r"=[^;]*", "=...", cookie, count=1) for cookie in answer.headers.get_list("set-cookie")]
        self.seen.append(
            Seen(
                step=step,
                status=answer.status_code,
                headers=tuple(sorted(headers.items())),
                body=re.sub(r'name="csrf_token" value="[^"]*"', "csrf", answer.text),
                cookies=tuple(sorted(cookies)),
                calls=tuple(sorted(self._counting.taken().items())),
                verified=hasher.verified - verified,
                hashed=hasher.hashed - hashed,
            )
        )


async def prepare(site: Site | Paged, state: str) -> None:
    """Prepare the address, and warm up what is created once per process."""
    if state in ("taken", "unverified"):
        user = await site.torii.password.register(EMAIL, PASSWORD)
    elif state == "no password":
        await site.torii.magic_link.send(EMAIL)
        await site.torii.wait_for_mail()
        found = re.search(r"token=(\S+)", site.here.mailer.messages[-1].text)
        assert found is not None
        await site.torii.magic_link.complete(found[1])
        site.here.clock.advance(3600)
        return
    else:
        user = await site.torii.password.register("else@example.com", PASSWORD)
    if state == "taken":
        assert await site.here.storage.mark_email_verified(user.id, email=user.email) is not None
    site.here.clock.advance(3600)


async def script(site: Site, state: str, order: str) -> list[Seen]:
    """The script with JSON routes; if the clock does not advance, all within one window."""
    await prepare(site, state)
    await site.torii.password.check_policy(PASSWORD)
    browser = site.browser()
    await browser.post(f"{API}/sign-in", json={"email": "warm@example.com", "password": PASSWORD})
    stranger = Stranger(site, site.counting)

    async def send(step: str, path: str, **body: Any) -> None:
        await stranger.do(step, lambda: browser.post(f"{API}/{path}", json=body))

    async def register() -> None:
        await send("register", "register", email=EMAIL, password=OWN)

    async def sign_in(step: str, password: str = OWN, **more: Any) -> None:
        await send(step, "sign-in", email=EMAIL, password=password, **more)

    if order == "locked out first":
        for _ in range(6):
            await sign_in("sign in before")
        await register()
        await sign_in("sign in while locked out")
        site.here.clock.advance(900)
    else:
        await register()
    await sign_in("sign in with what was registered")
    await sign_in("the same by bearer", transport="bearer")
    await sign_in("sign in with another password", "another password")
    await send("sign in by another spelling", "sign-in", email=EMAIL.upper(), password=OWN)
    await register()
    await sign_in("sign in after registering again")
    await sign_in("sign in locked out")
    for kind in ("password/reset", "magic-link", "email/verification/send"):
        for _ in range(6):
            await send(kind, kind, email=EMAIL)
    await stranger.do("passkey options", lambda: browser.post(f"{API}/passkeys/sign-in/options"))
    site.here.clock.advance(900)
    await sign_in("sign in when the lockout is over")
    for _ in range(4):
        await register()
    for path in ("me", "methods", "session"):
        await stranger.do(path, lambda path=path: browser.get(f"{API}/{path}"))  # type: ignore[misc]
    return stranger.seen


@pytest.mark.parametrize("order", ["as it comes", "locked out first"])
async def test_json_routes_tell_a_stranger_nothing(order: str) -> None:
    """Status, headers, body, cookies, requests and hashes of every step are those of a free address."""
    seen = {state: await script(Site(WebConfig(ip_limit=UNLIMITED)), state, order) for state in STATES}
    for state in STATES[1:]:
        for free, other in zip(seen["free"], seen[state], strict=True):
            assert other == free, (state, free.step)
    assert {one.status for one in seen["free"] if one.step == "sign in with what was registered"} == {401}


async def test_what_the_stranger_left_in_the_register_is_alike() -> None:
    """After the same attempts the lockout is the same, with the same number of audit rows."""
    left: set[tuple[int, int, bool]] = set()
    for state in STATES:
        site = Site(WebConfig(ip_limit=UNLIMITED))
        await prepare(site, state)
        async with site.browser() as browser:
            await browser.post(f"{API}/register", json={"email": EMAIL, "password": OWN})
            for _ in range(3):
                await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": OWN})
            await browser.post(f"{API}/register", json={"email": EMAIL, "password": OWN})
        status = await site.here.storage.get_lockout_status(EMAIL)
        rows = await site.here.storage.list_failed_attempts(EMAIL)
        left.add((status.attempts, len(rows), status.locked))
    assert left == {(3, 3, False)}


async def pages_script(site: Paged, state: str) -> list[Seen]:
    """The script with pages."""
    # Before the services are created, which keep a reference to the storage.
    counting = Counting(site.torii.storage)
    site.torii.storage = counting
    await prepare(site, state)
    tab: Tab = site.tab()
    stranger = Stranger(site, counting)

    async def send(page: str, **fields: str) -> None:
        await stranger.do(page, lambda: tab.send(f"/auth/{page}", f"/auth/{page}", follow=True, **fields))

    await send("sign-in", email="warm@example.com", password=OWN)
    await send("sign-up", email=EMAIL, password=OWN, name="")
    for password in (OWN, "another password", OWN):
        await send("sign-in", email=EMAIL, password=password)
    await send("sign-up", email=EMAIL, password=OWN, name="")
    for _ in range(3):
        await send("sign-in", email=EMAIL, password=OWN)
    for _ in range(6):
        await send("sign-in", email=EMAIL, password="", way="link")
        await send("forgot-password", email=EMAIL)
    for _ in range(4):
        await send("sign-up", email=EMAIL, password=OWN, name="")
    await stranger.do("account", lambda: tab.get("/auth/account", follow_redirects=True))
    return stranger.seen


async def test_pages_tell_a_stranger_nothing() -> None:
    """The same holds for every page and its text, and the text is true: open the link, then sign in."""
    config = WebConfig(base_url="https://app.example.com", ip_limit=UNLIMITED)
    seen = {state: await pages_script(Paged(config), state) for state in STATES}
    for state in STATES[1:]:
        for free, other in zip(seen["free"], seen[state], strict=True):
            assert other == free, (state, free.step)
    assert "open the link in the email first" in seen["free"][2].body


async def test_the_words_are_true() -> None:
    """After registering, a sign-in is refused; after the link is opened in the same browser, it succeeds."""
    site = Site()
    async with site.browser() as browser:
        body = {"email": EMAIL, "password": OWN}
        assert (await browser.post(f"{API}/register", json=body)).status_code == 202
        assert (await browser.post(f"{API}/sign-in", json=body)).status_code == 401
        link = {"token": await site.mailed("verify_email")}
        assert (await browser.post(f"{API}/email/verification/complete", json=link)).status_code == 200
        assert (await browser.post(f"{API}/sign-in", json=body)).status_code == 200


async def test_who_registers_again_gets_a_link_again() -> None:
    """A person who lost the first mail registers again or requests a link: each mail leads to a verified address."""
    for path, template in (("register", "verify_email"), ("email/verification/send", "verify_email")):
        site = Site()
        async with site.browser() as browser:
            body = {"email": EMAIL, "password": OWN}
            await browser.post(f"{API}/register", json=body)
            await site.torii.wait_for_mail()
            site.here.mailer.messages.clear()
            assert (
                await browser.post(f"{API}/{path}", json=body if path == "register" else {"email": EMAIL})
            ).is_success
            link = {"token": await site.mailed(template), "password": OWN}
            assert (await browser.post(f"{API}/email/verification/complete", json=link)).status_code == 200
            assert (await browser.post(f"{API}/sign-in", json=body)).status_code == 200


@pytest.mark.parametrize(
    ("services", "config", "signs_in"),
    [
        ({}, {}, False),
        ({"require_verified_to_sign_in": False}, {}, True),
        ({"require_verified_to_sign_in": True}, {"registration": "off"}, False),
        ({}, {"registration": "off"}, True),
        ({}, {"registration": "direct"}, True),
        ({"mailer": None, "mail": None}, {"registration": "off"}, True),
    ],
)
async def test_the_policy(services: dict[str, Any], config: dict[str, Any], signs_in: bool) -> None:
    """It is on for private registration and otherwise off; the services' own setting wins."""
    site = Site(WebConfig(ip_limit=UNLIMITED, **config), **services)
    await site.user(verified=False)
    async with site.browser() as browser:
        answer = await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == (200 if signs_in else 401)


async def test_a_known_device_is_no_way_around_it() -> None:
    """An unverified account's right password is refused, even in a locked-out browser that signed in before."""
    site = Site()
    user = await site.user(verified=False)
    async with site.browser() as browser:
        browser.cookies.set("__Host-torii-device", site.torii.devices.issue(user))
        answers = [await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD}) for _ in range(10)]
    assert [answer.status_code for answer in answers] == [401] * 10
    assert len({answer.content for answer in answers}) == 1
