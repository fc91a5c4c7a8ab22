"""Limits on JSON routes and pages: hashing by IP address, user and process; mail by mailbox, user and IP address."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting, as_signed_in, settings
from tests.web.api import API, Site, problem
from tests.web.paged import Paged, words

from torii_dynamodb import LockoutPolicy
from torii_dynamodb.errors import RateLimited
from torii_dynamodb.fastapi import WebConfig, router
from torii_dynamodb.policies import HashingPool

NEW = "a brand new password"
THREE = LockoutPolicy(max_attempts=3, window=timedelta(minutes=1))


async def test_a_full_pool_answers_503_with_a_time_to_wait() -> None:
    """Known and unknown addresses get the same response, byte for byte; the documentation lists the limits."""
    pool = HashingPool(width=1, queue=0)
    site = Site(hashing=pool)
    await site.user()
    with ExitStack() as stack:
        stack.enter_context(pool.turn())
        answers = [
            await site.browser().post(f"{API}/sign-in", json={"email": email, "password": PASSWORD})
            for email in (EMAIL, "nobody@example.com")
        ]
    body = problem(answers[0], 503, "overloaded")
    assert int(answers[0].headers["retry-after"]) == body["retry_after"] > 0
    assert answers[0].content == answers[1].content
    assert answers[0].headers == answers[1].headers
    paths = site.app.openapi()["paths"]
    for method, path in [
        ("post", "/register"),
        ("post", "/sign-in"),
        ("put", "/password"),
        ("post", "/password"),
        ("post", "/password/reset/complete"),
    ]:
        schema = paths[f"{API}{path}"][method]["responses"]["503"]["content"]["application/problem+json"]["schema"]
        assert "overloaded" in schema["properties"]["code"]["enum"], path


async def test_a_full_pool_is_a_page_of_words() -> None:
    """The page says that it is busy, with 503 and Retry-After."""
    pool = HashingPool(width=1, queue=0)
    site = Paged(hashing=pool)
    await site.user()
    with ExitStack() as stack:
        stack.enter_context(pool.turn())
        answer = await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password=PASSWORD)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "busy" in words(answer)


async def test_forty_changes_at_once_hash_five_times_at_most() -> None:
    """Of forty concurrent PUT /password with the right password, at most five are hashed; so with POST /password."""
    site = Site()
    await site.user()
    browser = site.browser()
    await site.signed_in(browser)
    before = site.here.hasher.hashed, site.here.hasher.verified
    body = {"current_password": PASSWORD, "new_password": NEW}
    answers = await asyncio.gather(*(browser.put(f"{API}/password", json=body) for _ in range(40)))
    assert sorted({answer.status_code for answer in answers} - {200, 401, 409, 429}) == []
    assert site.here.hasher.hashed - before[0] <= 5
    assert site.here.hasher.verified - before[1] <= 5

    linked = site.browser()
    await site.torii.magic_link.send("link@example.com")
    token = await site.mailed("magic_link")
    assert (await linked.post(f"{API}/magic-link/complete", json={"token": token})).status_code == 200
    hashed = site.here.hasher.hashed
    answers = await asyncio.gather(*(linked.post(f"{API}/password", json={"new_password": NEW}) for _ in range(40)))
    assert 200 in {answer.status_code for answer in answers}
    assert site.here.hasher.hashed - hashed <= 5


async def test_every_route_that_hashes_is_limited_by_ip_address_before_the_hash() -> None:
    """Once an address has used up its requests, each of these routes returns 429 and hashes nothing."""
    for method, path, body in [
        ("POST", "register", {"email": "new@example.com", "password": PASSWORD}),
        ("POST", "sign-in", {"email": EMAIL, "password": PASSWORD}),
        ("PUT", "password", {"current_password": PASSWORD, "new_password": NEW}),
        ("POST", "password", {"new_password": NEW}),
        ("POST", "password/reset/complete", {"token": "TOKEN", "new_password": NEW}),
    ]:
        site = Site(WebConfig(ip_limit=THREE))
        if path == "password" and method == "POST":
            await site.torii.magic_link.send(EMAIL)
            _, session = as_signed_in(await site.torii.magic_link.complete(await site.mailed("magic_link")))
        else:
            session = await site.torii.create_session(await site.user())
        if "token" in body:
            await site.torii.password.send_reset(EMAIL)
            body["token"] = await site.mailed("reset_password")
        assert session.token
        browser = site.browser(Authorization=f"Bearer {session.token}")
        for _ in range(3):
            await browser.post(f"{API}/magic-link/check", json={"token": "x"})
        before = site.here.hasher.hashed, site.here.hasher.verified
        problem(await browser.request(method, f"{API}/{path}", json=body), 429, "rate_limited")
        assert before == (site.here.hasher.hashed, site.here.hasher.verified), path


async def test_the_page_that_changes_a_password_is_limited_by_ip_address() -> None:
    """The account page returns 429 with an explanation, and hashes nothing."""
    site = Paged(WebConfig(base_url="https://app.example.com", ip_limit=THREE))
    await site.user()
    tab = site.tab()
    await tab.sign_in()
    # A known browser has its own limit.
    tab.client.cookies.delete("__Host-torii-device")

    async def change() -> httpx.Response:
        wrong = "wrong password"
        return await tab.send("/auth/account", "/auth/account/password", current_password=wrong, new_password=NEW)

    for _ in range(2):
        assert (await change()).status_code == 422
    verified = site.here.hasher.verified
    answer = await change()
    assert answer.status_code == 429
    assert "too many attempts" in words(answer)
    assert site.here.hasher.verified == verified


async def test_an_earlier_argon2_takes_its_part_of_the_work() -> None:
    """Argon2Hasher names a kind for each set of parameters, and verifies hashes of each."""
    from torii_dynamodb.policies import Argon2Hasher, SeveralKinds

    small = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
    today = Argon2Hasher(time_cost=2, memory_cost=64, parallelism=1, earlier=[small])
    assert isinstance(today, SeveralKinds)
    decoys = today.decoys()
    assert set(decoys) == {today.kind(today.hash("x")), today.kind(small.hash("x"))}
    assert len(decoys) == 2
    here = AsyncSetting(hasher=small)
    await here.torii.password.register(EMAIL, PASSWORD)
    later = AsyncSetting(hasher=today, storage=here.storage)
    await later.torii.password.authenticate(EMAIL, PASSWORD)


async def use_everything_up(site: Site, email: str) -> None:
    """Send every kind of request for an address until none is accepted any more."""
    async with site.browser() as stranger:
        for path, body in [
            ("sign-in", {"password": "wrong password"}),
            ("register", {"password": NEW}),
            ("password/reset", {}),
            ("magic-link", {}),
            ("email/verification/send", {}),
        ]:
            answers = [await stranger.post(f"{API}/{path}", json={"email": email, **body}) for _ in range(7)]
            assert answers[-1].status_code == 429, path
            assert sum(answer.status_code != 429 for answer in answers) == 5, path


async def test_a_stranger_who_uses_everything_up_keeps_nobody_out() -> None:
    """The owner has valid links of each kind, is told so, and can sign in with them or from a known device."""
    site = Site()
    user = await site.user()
    device = site.torii.devices.issue(user)
    await use_everything_up(site, EMAIL)
    async with site.browser() as owner:
        refused = await owner.post(f"{API}/password/reset", json={"email": EMAIL})
        assert "still work" in problem(refused, 429, "rate_limited")["detail"]
        link = {"token": await site.mailed("magic_link")}
        assert (await owner.post(f"{API}/magic-link/complete", json=link)).status_code == 200
    async with site.browser() as owner:
        owner.cookies.set("__Host-torii-device", device)
        assert (await owner.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})).status_code == 200
    async with site.browser() as owner:
        reset = {"token": await site.mailed("reset_password"), "new_password": NEW}
        assert (await owner.post(f"{API}/password/reset/complete", json=reset)).status_code == 204
        assert (await owner.post(f"{API}/sign-in", json={"email": EMAIL, "password": NEW})).status_code == 200


async def test_asking_to_verify_a_verified_address_uses_up_nothing_that_matters() -> None:
    """Each kind of mail has its own limit: after any number of one kind, the owner can still request the others."""
    site = Site()
    await site.user()
    async with site.browser() as browser:
        for _ in range(9):
            await browser.post(f"{API}/email/verification/send", json={"email": EMAIL})
        for path, template in (("password/reset", "reset_password"), ("magic-link", "magic_link")):
            assert (await browser.post(f"{API}/{path}", json={"email": EMAIL})).status_code == 202
            assert await site.mailed(template)


async def test_no_limit_lasts_longer_than_the_links_hold() -> None:
    """If sign-in links are valid for two minutes, another one is sent after two minutes."""
    site = Site(mail=settings(magic_link_for=timedelta(minutes=2)))
    await site.user()
    for _ in range(5):
        await site.torii.magic_link.send(EMAIL)
    with pytest.raises(RateLimited) as refused:
        await site.torii.magic_link.send(EMAIL)
    assert refused.value.retry_after == timedelta(minutes=2)
    site.here.clock.advance(timedelta(minutes=2))
    await site.torii.magic_link.send(EMAIL)


async def test_one_session_mails_few_strangers() -> None:
    """Of a hundred changes to other people's addresses, five are mailed; the mailboxes of the rest are not counted."""
    site = Site()
    user = await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        answers = [
            await browser.post(f"{API}/email/change", json={"new_email": f"victim{number}@example.com"})
            for number in range(100)
        ]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429] * 95
    await site.torii.wait_for_mail()
    assert len(site.here.mailer.messages) == 5
    # Another user can still have a mail sent where this one was stopped.
    other = await site.user("other@example.com")
    await site.torii.email_verification.send_change(other, "victim50@example.com")
    # And other kinds of mail to this one are not affected.
    await site.torii.password.send_reset(user.email)


async def test_verification_links_are_counted_by_user_and_mailbox() -> None:
    """A signed-in user can request five in an hour, by route or page."""
    site = Site(require_verified_to_sign_in=False)
    await site.user(verified=False)
    async with site.browser() as browser:
        await site.signed_in(browser)
        answers = [await browser.post(f"{API}/email/verification") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [429] * 2
    paged = Paged(require_verified_to_sign_in=False)
    await paged.user(verified=False)
    tab = paged.tab()
    await tab.sign_in()
    pages = [await tab.send("/auth/account", "/auth/account/email", new_email="new@example.com") for _ in range(7)]
    assert pages[-1].status_code == 429
    await paged.torii.wait_for_mail()
    assert len(paged.here.mailer.messages) == 5


@pytest.mark.parametrize(
    ("path", "body"),
    [("email/verification", {}), ("email/change", {"new_email": "new@example.com"})],
)
async def test_mails_of_who_is_signed_in_count_by_ip_address(path: str, body: dict[str, str]) -> None:
    """An IP address that has used up its requests causes no mail either."""
    site = Site(WebConfig(ip_limit=THREE), require_verified_to_sign_in=False)
    session = await site.torii.create_session(await site.user(verified=False))
    async with site.browser(Authorization=f"Bearer {session.token}") as browser:
        for _ in range(3):
            await browser.post(f"{API}/magic-link/check", json={"token": "x"})
        problem(await browser.post(f"{API}/{path}", json=body), 429, "rate_limited")
    await site.torii.wait_for_mail()
    assert site.here.mailer.messages == []


async def test_notices_do_not_flood_a_mailbox() -> None:
    """Someone who knows the password signs in again and again: five notices are sent, and every sign-in succeeds."""
    site = Site()
    await site.user()
    site.here.clock.advance(timedelta(days=1))
    for _ in range(8):
        await site.torii.password.authenticate(EMAIL, PASSWORD)
        await site.torii.wait_for_mail()
    assert [message.template for message in site.here.mailer.messages] == ["new_sign_in"] * 5


async def test_a_used_up_ip_address_keeps_no_known_user_out() -> None:
    """A whole office shares one address: a browser that signed in before can continue, one that claims so cannot.

    What is counted then is the user: more devices do not make more requests.
    """
    site = Site(WebConfig(ip_limit=THREE))
    user = await site.user()
    known = [site.torii.devices.issue(user) for _ in range(2)]
    sign_in = {"email": EMAIL, "password": PASSWORD}
    async with site.browser() as stranger:
        for _ in range(3):
            await stranger.post(f"{API}/magic-link/check", json={"token": "x"})
        for token in (None, known[0][:-1] + "?", f"{known[0][:-2]}AA", known[0].replace(user.id, "usr_" + "0" * 32)):
            if token is not None:
                stranger.cookies.set("__Host-torii-device", token)
            problem(await stranger.post(f"{API}/sign-in", json=sign_in), 429, "rate_limited")
    statuses: list[int] = []
    for token in (*known, *known):
        async with site.browser() as browser:
            browser.cookies.set("__Host-torii-device", token)
            statuses.append((await browser.post(f"{API}/sign-in", json=sign_in)).status_code)
    assert statuses == [200, 200, 200, 429]


async def test_the_page_says_that_links_still_work() -> None:
    """A person whose mailbox is over the limit is told what to do."""
    site = Paged()
    await site.user()
    tab = site.tab()
    pages = [await tab.send("/auth/forgot-password", "/auth/forgot-password", email=EMAIL) for _ in range(6)]
    assert pages[-1].status_code == 429
    assert "the link in the newest still works" in words(pages[-1])


def test_a_router_without_a_secret_warns() -> None:
    """The warning says what is at stake and what to do, and points to the caller."""
    with pytest.warns(UserWarning, match="secret") as warned:
        router(AsyncSetting(secret=None).torii)
    assert len(warned) == 1
    assert "token_urlsafe" in str(warned[0].message)
    assert warned[0].filename == __file__
