"""Limits before expensive work, on JSON routes and pages: hashing by IP address, by user and by process."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import timedelta

import httpx
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting
from tests.web.api import API, Site, problem
from tests.web.paged import Paged, words

from torii_dynamodb import LockoutPolicy
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.policies import HashingPool

NEW = "a brand new password"
THREE = LockoutPolicy(max_attempts=3, window=timedelta(minutes=1))


async def test_a_full_pool_answers_503_with_a_time_to_wait() -> None:
    """Known and unknown addresses get the same answer, byte for byte; the documentation lists it."""
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
    """Of forty concurrent PUT /password with the right password at most five come to a hash; so with POST /password."""
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
    """Once an address has used up its requests, each of these answers 429 and hashes nothing."""
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
            _, session = await site.torii.magic_link.complete(await site.mailed("magic_link"))
        else:
            session = await site.torii.create_session(await site.user())
        if "token" in body:
            await site.torii.password.initiate_reset(EMAIL)
            body["token"] = await site.mailed("reset_password")
        assert session.token is not None
        browser = site.browser(Authorization=f"Bearer {session.token}")
        for _ in range(3):
            await browser.post(f"{API}/magic-link/verify", json={"token": "x"})
        before = site.here.hasher.hashed, site.here.hasher.verified
        problem(await browser.request(method, f"{API}/{path}", json=body), 429, "rate_limited")
        assert before == (site.here.hasher.hashed, site.here.hasher.verified), path


async def test_the_page_that_changes_a_password_is_limited_by_ip_address() -> None:
    """The account's page answers 429 in words, and hashes nothing."""
    site = Paged(WebConfig(base_url="https://app.example.com", ip_limit=THREE))
    await site.user()
    tab = site.tab()
    await tab.sign_in()

    async def change() -> httpx.Response:
        wrong = "wrong password"
        return await tab.send("/auth/account", "/auth/account/password", current_password=wrong, new_password=NEW)

    for _ in range(2):
        assert (await change()).status_code == 422
    verified = site.here.hasher.verified
    answer = await change()
    assert answer.status_code == 429
    assert "too many tries" in words(answer)
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
