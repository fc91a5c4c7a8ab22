"""Sign-in through a provider in browsers: several tabs, failures, links opened while signed out, other users."""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from tests.services._async.support import EMAIL, PASSWORD
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services.authenticator import ORIGIN, RP_ID, Authenticator
from tests.services.provider import ISSUER
from tests.web.api import API, SITE, UNLIMITED, Site, problem
from tests.web.paged import Reader, Tab, words
from tests.web.test_api_ways import BACK, oauth_site, there_and_back

from torii_dynamodb import NewOAuthAccount
from torii_dynamodb.fastapi import WebConfig, router
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.oauth import oidc
from torii_dynamodb.passkeys import PasskeySettings

NAME = "__Host-torii"
OTHER = "grace@example.com"


def paged(here: AsyncOAuthSetting, **config: Any) -> FastAPI:
    """An application with JSON routes and pages."""
    auth = router(here.torii, config=WebConfig(base_url=SITE, ip_limit=UNLIMITED, **config))
    app = FastAPI()
    app.include_router(auth)
    app.include_router(pages(auth.web, PagesConfig(app_name="Example")))
    return app


def tab(app: FastAPI) -> Tab:
    """A tab of a new browser."""
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 50000))
    return Tab(httpx.AsyncClient(transport=transport, base_url=SITE, headers={"Sec-Fetch-Site": "same-origin"}))


async def continued(one: Tab, page: str = "/auth/sign-in", action: str = "/auth/provider") -> str:
    """Press the provider's button on a page, and return where the next page leads."""
    answer = await one.send(page, action, follow=False, provider="issuer")
    assert answer.status_code == 200, answer.headers
    return str(next(given["href"] for given in Reader(answer.text).all("a") if given.get("class") == "button"))


async def have_user(here: AsyncOAuthSetting, email: str = EMAIL) -> str:
    """A user with a verified address and a password."""
    user = await here.torii.password.register(email, PASSWORD)
    await here.storage.mark_email_verified(user.id, email=user.email)
    return user.id


async def test_two_tabs() -> None:
    """Two concurrent sign-ins in one browser both succeed, in any order, without interfering."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as browser:
            urls = [(await browser.post(f"{API}/oauth/issuer/begin")).json()["url"] for _ in range(3)]
            failed = await browser.get(
                f"{BACK}?error=access_denied&state={parse_qs(urlsplit(urls[1]).query)['state'][0]}"
            )
            assert problem(failed, 400, "oauth_error")["reason"] == "denied"
            for url in (urls[2], urls[0]):
                assert (await browser.get(there_and_back(here, url))).status_code == 303


async def test_another_sites_answer_spoils_nothing() -> None:
    """An attacker's or invented response does not use up the sign-in that a browser's owner began."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as victim, site.browser() as attacker:
            begun = (await victim.post(f"{API}/oauth/issuer/begin")).json()["url"]
            # The attacker saw the victim's state, for example in a log, and sends it from elsewhere.
            state = parse_qs(urlsplit(begun).query)["state"][0]
            forged = await attacker.get(f"{BACK}?state={state}&code=x")
            assert problem(forged, 400, "oauth_error")["reason"] == "browser"
            other = (await attacker.post(f"{API}/oauth/issuer/begin")).json()["url"]
            assert problem(await victim.get(there_and_back(here, other)), 400, "oauth_error")["reason"] == "browser"
            assert (await victim.get(there_and_back(here, begun))).status_code == 303


async def test_the_number_of_bindings_in_a_browser_is_bounded() -> None:
    """Only the latest five are kept, and all expire with their flows."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as browser:
            begun = [await browser.post(f"{API}/oauth/issuer/begin") for _ in range(8)]
            assert all("Max-Age=600" in answer.headers["set-cookie"] for answer in begun)
            assert len([name for name in browser.cookies if "-oauth-" in name]) == 5
            for answer, status in ((begun[2], 400), (begun[3], 303), (begun[7], 303)):
                assert (await browser.get(there_and_back(here, answer.json()["url"]))).status_code == status


def _waits(answer: httpx.Response) -> None:
    """The response leads to the sign-in page, with the token only in a cookie for this site."""
    assert answer.headers["location"] == "/auth/sign-in?next=%2Fauth%2Fchange-email"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{NAME}-link=torii_t1_")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Max-Age=900"):
        assert part in cookie


@pytest.mark.parametrize("way", ["password", "magic link", "reset", "passkey", "provider"])
async def test_a_link_that_is_opened_signed_out_waits_for_any_sign_in(way: str) -> None:
    """The link leads to the sign-in page, and every way to sign in leads back, without a token in a URL."""
    passkeys = PasskeySettings(rp_id=RP_ID, rp_name="Example", origins=[ORIGIN])
    async with AsyncOAuthSetting(passkeys=passkeys) as here:
        app = paged(here)
        user = await here.storage.get_user(await have_user(here), consistent=True)
        assert user is not None
        await here.torii.email_verification.send_change(user, "new@example.com")
        await here.torii.wait_for_mail()
        token = await here.link()
        one = tab(app)
        _waits(await one.get(f"/auth/change-email?token={token}"))
        if way == "password":
            done = await one.send(
                "/auth/sign-in?next=/auth/change-email", "/auth/sign-in", email=EMAIL, password=PASSWORD
            )
        elif way == "magic link":
            await one.send("/auth/sign-in", "/auth/sign-in", email=EMAIL, way="link")
            done = await one.send(f"/auth/magic-link?token={await here.link()}", "/auth/magic-link")
        elif way == "reset":
            # A reset invalidates all earlier links, including this one: the page says so.
            await one.send("/auth/forgot-password", "/auth/forgot-password", email=EMAIL)
            done = await one.send(
                f"/auth/reset-password?token={await here.link()}", "/auth/reset-password", password=f"{PASSWORD} 2"
            )
            assert "This link no longer works" in done.text
            return
        elif way == "passkey":
            device = Authenticator()
            added = device.create(await here.torii.passkeys.begin_registration(user))
            await here.torii.passkeys.complete_registration(user, added, name="Key")
            answer = json.dumps(device.get(await here.torii.passkeys.begin_sign_in()))
            done = await one.send("/auth/sign-in?next=/auth/change-email", "/auth/passkey", answer=answer)
        else:
            url = await continued(one, "/auth/sign-in?next=/auth/change-email")
            assert token not in str(here.storage.dump())
            done = await one.get(there_and_back(here, url), follow_redirects=True)
        assert "<strong>new@example.com</strong>" in done.text
        assert f"{NAME}-link" not in one.client.cookies
        for step in (*done.history, done):
            assert token not in str(step.request.url)
            assert token not in step.headers.get("location", "")
        # This session did not request the link, so the password keeps what was set up.
        fields = Reader(done.text).forms["/auth/change-email"] | {"choice": "keep", "password": PASSWORD}
        changed = await one.client.post("/auth/change-email", data=fields, follow_redirects=True)
        assert "Your email address was changed." in changed.text


async def test_a_form_that_was_kept_open_too_long_waits_as_well() -> None:
    """Sent after the session ended, the form leads to the sign-in page, and its token stays out of the URL."""
    async with AsyncOAuthSetting() as here:
        app = paged(here)
        user = await here.storage.get_user(await have_user(here), consistent=True)
        assert user is not None
        await here.torii.email_verification.send_change(user, "new@example.com")
        await here.torii.wait_for_mail()
        one = tab(app)
        await one.sign_in()
        page = await one.get(f"/auth/change-email?token={await here.link()}")
        form = Reader((await one.get("/auth/forgot-password")).text).forms["/auth/forgot-password"]
        fields = Reader(page.text).forms["/auth/change-email"]
        one.client.cookies.delete(NAME)
        fresh = Reader((await one.get("/auth/forgot-password")).text).forms["/auth/forgot-password"]
        assert form["csrf_token"] != fresh["csrf_token"]
        _waits(await one.client.post("/auth/change-email", data=fields | {"csrf_token": fresh["csrf_token"]}))


async def test_only_a_token_of_ours_is_put_into_a_cookie() -> None:
    """Anything else in the link's URL is treated as an invalid link."""
    async with AsyncOAuthSetting() as here:
        for token in ("x", "a;b=c", "x%0d%0aset-cookie:a=b", "é" * 50):
            answer = await tab(paged(here)).get(f"/auth/change-email?token={token}")
            assert answer.status_code == 400
            assert f"{NAME}-link=x" not in str(answer.headers)


FAILURES = {
    "cancelled": ({"error": "access_denied"}, "was not allowed to tell us who you are"),
    "cancelled at Apple": ({"error": "user_cancelled_authorize"}, "was not allowed to tell us who you are"),
    "cancelled at LinkedIn": ({"error": "user_cancelled_login"}, "was not allowed to tell us who you are"),
    "a very long error": ({"error": "x" * 10_000}, "sent an invalid answer"),
    "no code": ({}, "sent an invalid answer"),
    "a strange error": ({"error": "<script>"}, "sent an invalid answer"),
    "another issuer": ({"code": "x", "iss": "https://evil.example"}, "sent an invalid answer"),
    "a code that is no good": ({"code": "x"}, "sent an invalid answer"),
}


@pytest.mark.parametrize(
    ("page", "failures"),
    [
        ("/auth/sign-in?next=/orders", [*FAILURES]),
        ("/auth/sign-up?next=/orders", [*FAILURES]),
        *(("/auth/account", [failure]) for failure in FAILURES),  # at the end the account is connected
    ],
)
async def test_a_failure_comes_back_to_where_one_began(page: str, failures: list[str]) -> None:
    """After any failure at the provider, the page where the sign-in began explains it and lets the person continue."""
    async with AsyncOAuthSetting() as here:
        app = paged(here)
        if "account" in page:
            await have_user(here)
        for failure in failures:
            brought, told = FAILURES[failure]
            one = tab(app)
            action = "/auth/provider"
            if "account" in page:
                await one.sign_in()
                action = "/auth/account/connect"
            url = await continued(one, page, action)
            state = parse_qs(urlsplit(url).query)["state"][0]
            back = await one.get(f"{BACK}?{httpx.QueryParams({**brought, 'state': state})}")
            assert back.headers["location"].startswith(page.partition("?")[0]), failure
            assert "script" not in back.headers["location"]
            shown = await one.get(back.headers["location"])
            assert shown.status_code == 200
            assert told in words(shown), failure
            # The target is kept, and pressing the button again works.
            if action == "/auth/provider":
                assert Reader(shown.text).forms[action]["next"] == "/orders"
            again = await continued(one, str(back.headers["location"]), action)
            assert (await one.get(there_and_back(here, again))).headers["location"] in (
                "/orders",
                "/auth/account?notice=account-connected",
            )


@pytest.mark.parametrize("signed_in", [False, True])
async def test_an_answer_that_nothing_is_known_of_comes_to_a_page(signed_in: bool) -> None:
    """A response that is late or from another browser is explained on the sign-in page, or on the account page."""
    async with AsyncOAuthSetting() as here:
        one = tab(paged(here))
        if signed_in:
            await have_user(here)
            await one.sign_in()
        for state in ("x" * 43, "nonsense", ""):
            answer = await one.get(f"{BACK}?state={state}&code=x", follow_redirects=True)
            assert answer.url.path == ("/auth/account" if signed_in else "/auth/sign-in")
            assert "it took too long" in answer.text


@pytest.mark.parametrize(
    ("failure", "leads_to"),
    [
        ("/in?a=1#form", "/in?a=1&error=denied&provider=issuer#form"),
        ("/#/in?x", "/?error=denied&provider=issuer#/in?x"),
    ],
)
async def test_a_failure_is_told_before_the_fragment(failure: str, leads_to: str) -> None:
    """After it, the reason would be part of the fragment instead of the query."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as browser:
            begun = await browser.post(f"{API}/oauth/issuer/begin", params={"failure": failure})
            state = parse_qs(urlsplit(begun.json()["url"]).query)["state"][0]
            back = await browser.get(f"{BACK}?state={state}&error=access_denied")
            assert back.headers["location"] == leads_to


async def test_strict_cookies_are_asked_for_once_more() -> None:
    """Coming back from another site, a page of ours repeats the request, and nothing is used up before that.

    A browser shows in ``browser/test_strict`` what this is for.
    """
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here, same_site="strict")
        async with site.browser() as browser:
            address = there_and_back(here, (await browser.post(f"{API}/oauth/issuer/begin")).json()["url"])
            first = await browser.get(f"{address}&x=%22%3E%3Cscript%3E", headers={"Sec-Fetch-Site": "cross-site"})
            assert first.status_code == 200
            assert "<script>" not in first.text
            assert "set-cookie" not in first.headers
            target = str(Reader(first.text).all("a")[0]["href"])
            assert f'content="0;url={escape(target)}"' in first.text
            done = await browser.get(BACK + target, headers={"Sec-Fetch-Site": "same-origin"})
            assert (done.status_code, done.headers["location"]) == (303, "/")
            # Browsers that do not say where a request comes from repeat it once, not forever.
            assert (await browser.get(address)).status_code == 200
            assert (await browser.get(f"{address}&again=1")).status_code == 400


@pytest.mark.parametrize("page", ["/auth/sign-in", "/auth/sign-up", "/auth/account"])
async def test_a_provider_that_cannot_be_reached_comes_back_at_once(page: str) -> None:
    """Pressing the button while the provider is down leads back to the page, with an explanation."""
    async with AsyncOAuthSetting() as here:
        one = tab(paged(here))
        if "account" in page:
            await have_user(here)
            await one.sign_in()
        here.provider.down = True
        action = "/auth/account/connect" if "account" in page else "/auth/provider"
        answer = await one.send(page, action, provider="issuer")
        assert answer.url.path == page
        assert "sent an invalid answer" in answer.text


async def test_an_account_of_somebody_else_is_told_where_one_began() -> None:
    """Connecting an account of another user leads back to the account page, with an explanation."""
    async with AsyncOAuthSetting() as here:
        app = paged(here)
        await here.sign_in()
        await have_user(here, OTHER)
        one = tab(app)
        await one.sign_in(OTHER)
        url = await continued(one, "/auth/account", "/auth/account/connect")
        answer = await one.get(there_and_back(here, url), follow_redirects=True)
        assert answer.url.path == "/auth/account"
        assert "this account is connected to another user" in answer.text


async def test_the_callers_own_page_and_path_come_first() -> None:
    """A failure leads to the front end's target, otherwise to the configured path; untrusted URLs are ignored."""
    async with AsyncOAuthSetting() as here:
        app = paged(here, oauth_error_path="/oops")
        for failure, target in ((None, "/oops"), ("/mine?a=b", "/mine"), ("https://evil.example", "/oops")):
            one = tab(app)
            params = {} if failure is None else {"failure": failure}
            begun = await one.client.post(f"{API}/oauth/issuer/begin", params=params)
            state = parse_qs(urlsplit(begun.json()["url"]).query)["state"][0]
            location = (await one.get(f"{BACK}?error=access_denied&state={state}")).headers["location"]
            parts = urlsplit(location)
            assert (parts.netloc, parts.path) == ("", target)
            assert parse_qs(parts.query) == {
                "error": ["denied"],
                "provider": ["issuer"],
                **({"a": ["b"]} if failure == "/mine?a=b" else {}),
            }


@pytest.mark.parametrize("way", ["switch", "stay"])
async def test_a_sign_in_over_another_users_asks_first(way: str) -> None:
    """If another user is signed in, the person chooses after the provider; until then nothing is replaced."""
    async with AsyncOAuthSetting() as here:
        app = paged(here)
        await have_user(here, OTHER)
        one = tab(app)
        url = await continued(one)
        await one.sign_in(OTHER)
        before = one.client.cookies[NAME]
        asked = await one.get(there_and_back(here, url), follow_redirects=True)
        assert asked.url.path == "/auth/switch"
        assert "grace@example.com" in asked.text
        assert "ada@example.com" in asked.text
        assert one.client.cookies[NAME] == before
        fields = Reader(asked.text).forms["/auth/switch"]
        chosen = await one.client.post("/auth/switch", data={**fields, "way": way})
        assert chosen.headers["location"] == ("/" if way == "switch" else "/auth/account")
        me = (await one.get(f"{API}/me")).json()["email"]
        assert me.lower() == ("ada@example.com" if way == "switch" else OTHER)
        assert (await here.torii.get_signed_in(before) is None) == (way == "switch")
        assert f"{NAME}-pending" not in one.client.cookies
        ada = await here.storage.get_user_by_email("ada@example.com", consistent=True)
        assert ada is not None
        assert len(await here.torii.list_sessions(ada.id)) == (1 if way == "switch" else 0)
        # The pending session is gone: the page now leads to the sign-in page.
        assert (await one.get("/auth/switch")).headers["location"].startswith("/auth/sign-in")


@pytest.mark.parametrize("way", ["password", "magic link", "reset", "sign-up"])
async def test_pages_ask_before_they_replace_another_users_session(way: str) -> None:
    """A form that was open when another user signed in does not silently switch users."""
    async with AsyncOAuthSetting() as here:
        app = paged(here, registration="direct")
        await have_user(here, OTHER)
        if way != "sign-up":
            await have_user(here)
        one = tab(app)
        page, action, fields = "/auth/sign-in", "/auth/sign-in", {"email": EMAIL, "password": PASSWORD}
        if way == "magic link":
            await here.torii.magic_link.send(EMAIL)
            await here.torii.wait_for_mail()
            page, action, fields = f"/auth/magic-link?token={await here.link()}", "/auth/magic-link", {}
        elif way == "reset":
            await here.torii.password.send_reset(EMAIL)
            await here.torii.wait_for_mail()
            page, action = f"/auth/reset-password?token={await here.link()}", "/auth/reset-password"
            fields = {"password": f"{PASSWORD} 2"}
        elif way == "sign-up":
            page, action = "/auth/sign-up", "/auth/sign-up"
        form = Reader((await one.get(page)).text).forms[action]
        await one.sign_in(OTHER)
        before = one.client.cookies[NAME]
        done = await one.client.post(action, data={**form, **fields}, follow_redirects=True)
        assert done.url.path == "/auth/switch"
        assert one.client.cookies[NAME] == before


async def test_the_page_of_a_link_says_whom_it_signs_out() -> None:
    """Opened while another user is signed in, the page names them; its button needs no further confirmation."""
    async with AsyncOAuthSetting() as here:
        app = paged(here)
        await have_user(here)
        await have_user(here, OTHER)
        await here.torii.magic_link.send(EMAIL)
        await here.torii.wait_for_mail()
        link = f"/auth/magic-link?token={await here.link()}"
        one = tab(app)
        await one.sign_in(OTHER)
        assert "If you continue, that account is signed out here" in (await one.get(link)).text
        assert (await one.send(link, "/auth/magic-link", follow=False)).headers["location"] == "/"
        assert (await one.get(f"{API}/me")).json()["email"] == EMAIL


async def test_json_routes_refuse_to_replace_another_users_session() -> None:
    """They refuse, end the new session, use up no link, and comply if told that the person was asked."""
    site = Site(WebConfig(registration="direct", ip_limit=UNLIMITED))
    ada = await site.user()
    await site.user(OTHER)
    async with site.browser() as browser:
        await site.signed_in(browser, OTHER)
        before = browser.cookies[NAME]
        await site.torii.magic_link.send(EMAIL)
        link = {"token": await site.mailed("magic_link")}
        new = {"email": "new@example.com", "password": PASSWORD}
        for path, body in (
            ("sign-in", {"email": EMAIL, "password": PASSWORD}),
            ("magic-link/complete", link),
            ("register", new),
        ):
            problem(await browser.post(f"{API}/{path}", json=body), 409, "other_user_signed_in")
            assert browser.cookies[NAME] == before
        assert await site.torii.list_sessions(ada.id) == []
        assert await site.torii.storage.get_user_by_email("new@example.com", consistent=True) is None
        # The same user signs in again without being asked.
        again = await browser.post(f"{API}/sign-in", json={"email": OTHER, "password": PASSWORD})
        assert again.status_code == 200
        switched = await browser.post(f"{API}/magic-link/complete", json=link | {"replace_session": True})
        assert switched.status_code == 200
        assert (await browser.get(f"{API}/me")).json()["email"] == EMAIL


async def test_a_provider_without_pages_refuses_to_replace_another_users_session() -> None:
    """Without pages it is a problem, unless the front end said at the beginning that it has asked the person."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        await site.user(OTHER)
        async with site.browser() as browser:
            await site.signed_in(browser, OTHER)
            begun = await browser.post(f"{API}/oauth/issuer/begin")
            problem(await browser.get(there_and_back(here, begun.json()["url"])), 409, "other_user_signed_in")
            assert (await browser.get(f"{API}/me")).json()["email"] == OTHER
            begun = await browser.post(f"{API}/oauth/issuer/begin", params={"replace_session": True})
            assert (await browser.get(there_and_back(here, begun.json()["url"]))).status_code == 303
            assert (await browser.get(f"{API}/me")).json()["email"] == "ada@example.com"


async def test_linked_accounts_are_listed_without_providers() -> None:
    """Accounts of a provider that was removed can still be listed and unlinked."""
    site = Site(WebConfig(ip_limit=UNLIMITED))
    user = await site.user()
    await site.torii.storage.link_oauth_account(user.id, NewOAuthAccount(provider="gone", subject="1"))
    async with site.browser() as browser:
        await site.signed_in(browser)
        listed = (await browser.get(f"{API}/oauth/accounts")).json()["accounts"]
        assert [account["provider"] for account in listed] == ["gone"]
        answer = await browser.delete(f"{API}/oauth/accounts/gone", params={"subject": "1"})
        assert answer.status_code == 204
        assert "oauth.unlinked" in site.here.names()
        assert (await browser.post(f"{API}/oauth/gone/begin")).status_code == 404


def not_an_authority(**options: Any) -> AsyncOAuthSetting:
    """Services with a provider that is not authoritative for any address."""
    return AsyncOAuthSetting(oidc("issuer", ISSUER, "client", "the client secret"), **options)


@pytest.mark.parametrize("taken", [True, False])
async def test_an_address_is_confirmed_by_mail_first(taken: bool) -> None:
    """The pages point to the mail, for taken and free addresses alike; its link works in the same browser."""
    async with not_an_authority() as here:
        app = paged(here)
        if taken:
            await have_user(here)
        one = tab(app)
        url = await continued(one, "/auth/sign-in?next=/orders")
        answer = await one.get(there_and_back(here, url), follow_redirects=True)
        assert (answer.url.path, answer.url.query) == ("/auth/check-mail", b"kind=provider")
        assert NAME not in one.client.cookies
        await here.torii.wait_for_mail()
        link = f"/auth/confirm-provider?token={await here.link()}"
        # A mail scanner and another person's browser: nothing happens, nothing is used up.
        for _ in range(2):
            elsewhere = await tab(app).get(link)
            assert elsewhere.status_code == 400
            assert "Open this link in your other browser" in elsewhere.text
        assert ("Create account" in (await one.get(link)).text) is not taken
        done = await one.send(link, "/auth/confirm-provider", follow=False)
        assert done.headers["location"] == "/orders"
        assert (await one.get(f"{API}/me")).json()["email_verified"]
        dead = await one.get(link)
        assert "no longer works" in dead.text


async def test_a_confirmation_asks_before_it_replaces_another_users_session() -> None:
    """The page names the user whom it signs out; if it named nobody, the person is asked."""
    async with not_an_authority() as here:
        app = paged(here)
        await have_user(here)
        await have_user(here, OTHER)
        one = tab(app)
        await one.get(there_and_back(here, await continued(one)), follow_redirects=True)
        await here.torii.wait_for_mail()
        link = f"/auth/confirm-provider?token={await here.link()}"
        before = Reader((await one.get(link)).text).forms["/auth/confirm-provider"]
        await one.sign_in(OTHER)
        assert "If you continue, that account is signed out here" in (await one.get(link)).text
        asked = await one.client.post("/auth/confirm-provider", data=before, follow_redirects=True)
        assert asked.url.path == "/auth/switch"


async def test_a_confirmation_that_comes_to_nothing_is_told_in_words() -> None:
    """If the owner disconnected the provider, or another user linked it in the meantime, the sign-in page says so."""
    for case, told in (("disconnected", "You disconnected"), ("taken", "this account is connected to another user")):
        async with not_an_authority() as here:
            app = paged(here)
            user_id = await have_user(here)
            one = tab(app)
            await one.get(there_and_back(here, await continued(one)), follow_redirects=True)
            link = f"/auth/confirm-provider?token={await here.link()}"
            if case == "disconnected":
                await here.storage.link_oauth_account(user_id, NewOAuthAccount(provider="issuer", subject="other"))
                await here.torii.oauth.unlink(user_id, "issuer", "other")
            else:
                other = await have_user(here, OTHER)
                await here.storage.link_oauth_account(other, NewOAuthAccount(provider="issuer", subject="subject-1"))
            done = await one.send(link, "/auth/confirm-provider")
            assert done.url.path == "/auth/sign-in"
            assert told in done.text


async def test_confirming_without_pages() -> None:
    """The callback says that a link was mailed and sets a cookie; a script checks the link and uses it."""
    async with not_an_authority() as here:
        site = oauth_site(here)
        async with site.browser() as browser, site.browser() as victim:
            begun = await browser.post(f"{API}/oauth/issuer/begin")
            answer = await browser.get(there_and_back(here, begun.json()["url"]))
            assert problem(answer, 403, "oauth_error")["reason"] == "confirm"
            assert f"{NAME}-confirm" in browser.cookies
            assert not [name for name in browser.cookies if "-oauth-" in name]
            await here.torii.wait_for_mail()
            link = {"token": await here.link()}
            for path in ("oauth/confirmation/check", "oauth/confirmation/complete"):
                refused = problem(await victim.post(f"{API}/{path}", json=link), 400, "oauth_error")
                assert refused["reason"] == "browser"
            checked = (await browser.post(f"{API}/oauth/confirmation/check", json=link)).json()
            assert checked == {"valid": True, "email": "ada@example.com"}
            bad = {"token": "torii_t1_x"}
            assert not (await browser.post(f"{API}/oauth/confirmation/check", json=bad)).json()["valid"]
            problem(await browser.post(f"{API}/oauth/confirmation/complete", json=bad), 400, "invalid_token")
            await site.user(OTHER)
            await site.signed_in(browser, OTHER)
            problem(await browser.post(f"{API}/oauth/confirmation/complete", json=link), 409, "other_user_signed_in")
            done = await browser.post(f"{API}/oauth/confirmation/complete", json=link | {"replace_session": True})
            assert done.json()["user"]["email"] == "ada@example.com"
            assert (await browser.get(f"{API}/me")).json()["email"] == "ada@example.com"


async def test_a_mobile_application_signs_in() -> None:
    """It gets a nonce, sends the SDK's ID token, and gets a bearer token, or confirms by mail first."""
    offered = oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=("example.com",))
    async with AsyncOAuthSetting(replace(offered, native_client_ids=("com.example.app",))) as here:
        site = oauth_site(here)
        here.provider.claims["aud"] = "com.example.app"
        async with site.browser(origin=None) as app:
            nonce = (await app.post(f"{API}/oauth/issuer/native/begin")).json()["nonce"]
            body = {"id_token": here.provider.id_token(nonce), "nonce": nonce}
            done = (await app.post(f"{API}/oauth/issuer/native/complete", json=body)).json()
            me = await app.get(f"{API}/me", headers={"Authorization": f"Bearer {done['token']}"})
            assert me.json()["email"] == "ada@example.com"
            again = await app.post(f"{API}/oauth/issuer/native/complete", json=body)
            assert problem(again, 400, "oauth_error")["reason"] == "state"
            problem(await app.post(f"{API}/oauth/nobody/native/begin"), 404, "not_found")
            # Another address, for which the provider is not authoritative.
            here.provider.claims |= {"sub": "subject-2", "email": "ada@elsewhere.example"}
            nonce = (await app.post(f"{API}/oauth/issuer/native/begin")).json()["nonce"]
            body = {"id_token": here.provider.id_token(nonce), "nonce": nonce}
            asked = problem(await app.post(f"{API}/oauth/issuer/native/complete", json=body), 403, "oauth_error")
            assert asked["reason"] == "confirm"
            await here.torii.wait_for_mail()
            link = {"token": await here.link(), "transport": "bearer"}
            problem(await app.post(f"{API}/oauth/confirmation/complete", json=link), 400, "oauth_error")
            done = await app.post(f"{API}/oauth/confirmation/complete", json=link | {"binding": asked["binding"]})
            assert done.json()["user"]["email"] == "ada@elsewhere.example"
            assert done.json()["token"]
        async with site.browser(origin="https://evil.example") as evil:
            problem(await evil.post(f"{API}/oauth/issuer/native/begin"), 403, "cross_site")
