"""What every framework's integration does, and does alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from tests.apps.on_django import on_django
from tests.apps.on_flask import on_flask
from tests.apps.on_starlette import on_starlette
from tests.apps.support import COOKIE, PAGE, SITE, Ground, Site, new_email, send
from tests.services._async.support import PASSWORD

from torii_dynamodb import Torii

OWN = {"Sec-Fetch-Site": "same-origin"}
MAKERS: dict[str, Callable[..., AbstractContextManager[Site]]] = {
    "flask": on_flask,
    "django": on_django,
    "starlette": on_starlette,
}


@pytest.fixture(scope="module", params=list(MAKERS))
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The application on each framework: one for all tests, which make their own users."""
    with MAKERS[request.param](Ground()) as made:
        yield made


def test_from_sign_up_to_sign_out(site: Site) -> None:
    """The pages lead from sign-up over the mailed link to a session that the application's views see, and end it."""
    browser, email = site.browser(), new_email()
    for _ in range(2):  # the second time, the address is taken
        told = send(browser, "/auth/sign-up", name="Ada", email=email, password=PASSWORD)
        assert (told.status_code, told.headers["location"]) == (303, "/auth/check-mail?kind=sign-up")
        assert browser.get("/me").status_code == 401
    verified = send(browser, site.ground.link(email), action="/auth/verify-email")
    assert verified.headers["location"] == "/auth/sign-in?notice=verified-sign-in"
    sent_away = browser.get("/me?a=b", headers=PAGE)
    assert sent_away.status_code == 303
    done = send(browser, sent_away.headers["location"], email=email, password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/me?a=b")
    assert browser.get("/me").json()["email"] == email
    assert "user.signed_in" in site.heard
    assert browser.get("/page").text == "Ada|/auth/sign-in"
    send(browser, "/auth/account", action="/auth/sign-out")
    assert browser.get("/me").status_code == 401
    assert browser.get("/page").text == "|/auth/sign-in"


def test_what_is_missing(site: Site) -> None:
    """Clients are told by status and code; browsers are sent to the page where they can go on, and come back."""
    user = site.ground.user(verified=False)
    browser = site.browser(user)
    assert browser.get("/recent").status_code == 200
    site.ground.clock.advance(timedelta(hours=1))
    for path, code, page in (
        ("/verified", "email_not_verified", "/auth/account?next=%2Fverified"),
        ("/recent", "recent_sign_in_required", "/auth/sign-in?again=1&next=%2Frecent"),
        ("/recent-minute", "recent_sign_in_required", "/auth/sign-in?again=1&next=%2Frecent-minute"),
        ("/factor", "second_factor_required", "/auth/account/second-factor/app?next=%2Ffactor"),
    ):
        refused = browser.get(path)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
        assert refused.headers["content-type"] == "application/problem+json"
        sent = browser.get(path, headers=PAGE)
        assert (sent.status_code, sent.headers["location"]) == (303, page)
        # What was posted cannot be sent again: the browser does not come back to a POST.
        posted = browser.post(path, headers=PAGE | OWN)
        assert "next=" not in posted.headers["location"]
    assert site.browser().post("/me", headers=OWN).status_code == 401


def test_a_second_factor(site: Site) -> None:
    """A user with an app is signed in by password and code only; then the view that requires it is open."""
    user = site.ground.user()
    begun = site.ground.torii.second_factor.begin_enrolment(user)
    codes = site.ground.torii.second_factor.complete_enrolment(user, begun.token, _code(begun.secret, site))
    browser = site.browser()
    done = send(browser, "/auth/sign-in?next=/factor", action="/auth/sign-in", email=user.email, password=PASSWORD)
    assert done.headers["location"] == "/auth/second-factor?next=%2Ffactor"
    assert browser.get("/me").status_code == 401
    assert codes.recovery_codes is not None
    done = send(browser, done.headers["location"], action="/auth/second-factor", code=codes.recovery_codes[0])
    assert done.headers["location"] == "/factor"
    assert browser.get("/factor").status_code == 200
    site.ground.clock.advance(timedelta(minutes=2))
    assert browser.get("/factor").status_code == 200
    assert browser.get("/factor-minute", headers=PAGE).headers["location"].startswith("/auth/second-factor/again?")


def _code(secret: str, site: Site) -> str:
    return pyotp.TOTP(secret).at(site.ground.clock())


def test_other_sites(site: Site) -> None:
    """A request of another site that may change something is refused, with and without a look-up; reading is not."""
    browser = site.browser(site.ground.user())
    for path in ("/open", "/me", "/api/auth/sign-out"):
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {},  # a browser that says nothing
        ):
            refused = browser.post(path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "cross_site"), (path, headers)
    assert browser.get("/me", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
    assert browser.post("/me", headers={"Origin": SITE}).status_code == 200
    bearer = {"Authorization": f"Bearer {browser.cookies[COOKIE]}"}
    assert site.browser().post("/me", headers=bearer | {"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_own_sign_in(site: Site) -> None:
    """An application's own view signs in and out; the session that the browser came with ends."""
    user = site.ground.user()
    browser = site.browser(user)
    before = browser.cookies[COOKIE]
    form = {"email": user.email, "password": PASSWORD}
    done = browser.post("/own-sign-in", data=form, headers=OWN)
    assert done.json() == {"signed_in": True, "email": user.email}
    assert browser.cookies[COOKIE] != before
    assert site.ground.torii.get_signed_in(before) is None
    assert browser.get("/me").json()["email"] == user.email
    for line in done.headers.get_list("set-cookie"):
        assert all(part in line.lower() for part in ("secure", "httponly", "samesite=lax", "path=/"))
    wrong = browser.post("/own-sign-in", data=form | {"password": "wrong"}, headers=OWN)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    session = browser.cookies[COOKIE]
    assert browser.post("/own-sign-out", headers=OWN).json()["email"] is None
    assert COOKIE not in browser.cookies
    assert site.ground.torii.get_signed_in(session) is None


def test_another_site_signs_nobody_in(site: Site) -> None:
    """An own sign-in view that another site posts to signs nobody in, so nobody works in an account of its choice."""
    user = site.ground.user()
    browser = site.browser()
    before = len(site.ground.torii.list_sessions(user.id))
    form = {"email": user.email, "password": PASSWORD}
    refused = browser.post("/own-sign-in", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    assert COOKIE not in browser.cookies
    assert len(site.ground.torii.list_sessions(user.id)) == before


def test_own_sign_in_with_a_second_factor(site: Site) -> None:
    """An application's own view does not let people past their second factor: it goes on with the page."""
    user = site.ground.user()
    begun = site.ground.torii.second_factor.begin_enrolment(user)
    site.ground.torii.second_factor.complete_enrolment(user, begun.token, _code(begun.secret, site))
    browser = site.browser()
    done = browser.post("/own-sign-in", data={"email": user.email, "password": PASSWORD}, headers=OWN)
    assert done.json() == {"signed_in": False, "email": None}
    assert browser.get("/me").status_code == 401
    site.ground.clock.advance(timedelta(minutes=1))
    send(browser, "/auth/second-factor", code=_code(begun.secret, site))
    assert browser.get("/me").status_code == 200


def test_another_user_is_signed_in(site: Site) -> None:
    """An own sign-in does not replace another user's session: nobody becomes somebody else unawares."""
    ada, grace = site.ground.user(), site.ground.user()
    browser = site.browser(ada)
    refused = browser.post("/own-sign-in", data={"email": grace.email, "password": PASSWORD}, headers=OWN)
    assert (refused.status_code, refused.json()["code"]) == (409, "other_user_signed_in")
    assert browser.get("/me").json()["email"] == ada.email


def test_an_extended_session_moves_its_cookie(site: Site) -> None:
    """Whichever view looks, the cookie is set again when the session is extended; otherwise it is left alone."""
    browser = site.browser(site.ground.user())
    assert "set-cookie" not in browser.get("/me").headers
    site.ground.clock.advance(timedelta(days=2))
    assert "set-cookie" not in browser.head("/me").headers
    assert browser.get("/me").headers["set-cookie"].lstrip().startswith(f"{COOKIE}={browser.cookies[COOKIE]}")


def test_responses_vary_by_cookie_once_somebody_looked(site: Site) -> None:
    """A shared cache does not show one user's page to another."""
    browser = site.browser()
    assert "cookie" in browser.get("/page").headers.get("vary", "").lower()


def test_a_planted_cookie(site: Site) -> None:
    """A cookie that a subdomain planted under a name with Unicode space is not a session."""
    token = site.ground.session(site.ground.user()).token
    planted: Any = [(b"Cookie", f"\x1c{COOKIE}={token}".encode())]
    assert site.browser().get("/me", headers=planted).status_code == 401


def test_where_next_leads(site: Site) -> None:
    """A sign-in leads to paths of this site only."""
    user = site.ground.user()
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "/%5c/evil.example", "javascript:x"):
        browser = site.browser()
        done = send(browser, "/auth/sign-in", action="/auth/sign-in", email=user.email, password=PASSWORD, next=target)
        where = done.headers["location"]
        assert where.startswith("/"), target
        assert not where.startswith(("//", "/\\")), target
    for path in ("//evil.example/me", "/me//", "/me/%2e%2e//evil.example"):
        gone = site.browser().get(f"{SITE}{path}", headers=PAGE)
        assert not gone.headers.get("location", "/").startswith(("//", "/auth/sign-in?next=%2F%2F")), path


def test_paths_that_belong_to_nobody(site: Site) -> None:
    """What is not below our paths goes to the application, and what is below them never does."""
    browser = site.browser()
    for path in ("/auth/nothing", "/auth/static/%2e%2e/%2e%2e/me", "/auth/static/..%2f..%2fme", "/api/auth/", "/auth"):
        missing = browser.get(f"{SITE}{path}")
        assert missing.status_code in (404, 405), path
    for path in ("/authx", "/AUTH/sign-in", "/x/auth/sign-in", "//auth/sign-in", "/api/auth-x"):
        assert browser.get(f"{SITE}{path}").status_code in (308, 301, 404), path


def test_large_bodies(site: Site) -> None:
    """A body of more than 64 KiB is refused before it is read whole."""
    browser = site.browser()
    for path in ("/api/auth/sign-in", "/auth/sign-in"):
        refused = browser.post(path, content=b"x" * 3_000_000, headers=OWN | {"Content-Type": "application/json"})
        assert refused.status_code in (403, 413, 415), path
    refused = browser.post(
        "/api/auth/sign-in", content=b"x" * 3_000_000, headers=OWN | {"Content-Type": "application/json"}
    )
    assert refused.json()["code"] == "body_too_large"


def test_addresses_and_their_limit(site: Site) -> None:
    """Behind a named proxy the client's address counts, in the pages as in the views; too many requests get 429."""
    browser = site.browser(address="203.0.113.9, 198.51.100.7")
    assert browser.get("/open").json()["ip"] == "198.51.100.7"
    sent = [browser.post("/api/auth/magic-link/check", json={"token": "x"}, headers=OWN) for _ in range(21)]
    assert [answer.status_code for answer in sent] == [*[200] * 20, 429]
    other = site.browser(address="198.51.100.8")
    assert other.post("/api/auth/magic-link/check", json={"token": "x"}, headers=OWN).status_code == 200


def test_access_tokens(site: Site) -> None:
    """An access token opens views where the configuration says so, and none that asks for a recent sign-in."""
    ground = site.ground
    user = ground.user()
    token = Torii(ground.storage, **ground.options).jwt.issue(user, ground.session(user)).token
    bearer = {"Authorization": f"Bearer {token}"}
    assert site.browser().post("/me", headers=bearer).json()["email"] == user.email
    assert site.browser().get("/recent", headers=bearer).json()["code"] == "session_required"
    assert site.browser().get("/factor", headers=bearer).json()["code"] == "session_required"


def test_errors_for_people_and_for_programs(site: Site) -> None:
    """An error of the services is a problem for programs, and a page with the same status for people."""
    form = {"email": new_email(), "password": "wrong"}
    told = site.browser().post("/own-sign-in", data=form, headers=OWN)
    assert (told.status_code, told.headers["content-type"]) == (401, "application/problem+json")
    shown = site.browser().post("/own-sign-in", data=form, headers=OWN | PAGE)
    assert shown.status_code == 401
    assert shown.headers["content-type"].startswith("text/")
    answers = [site.browser().post("/own-sign-in", data=form, headers=OWN) for _ in range(5)]
    locked = answers[-1]
    assert (locked.status_code, locked.json()["code"]) == (429, "account_locked")
    assert int(locked.headers["retry-after"]) > 0


def test_the_language_that_the_browser_wants(site: Site) -> None:
    """Pages, and the mails that they cause, are in the language that the browser wants."""
    user, browser = site.ground.user(), site.browser()
    browser.headers["Accept-Language"] = "de-AT, en;q=0.5"
    assert "<h1>Anmelden</h1>" in browser.get("/auth/sign-in", headers=PAGE).text
    send(browser, "/auth/forgot-password", email=user.email)
    assert [one.subject for one in site.ground.mailer.messages if one.to == user.email] == [
        "Neues Passwort für Example wählen"
    ]


def test_a_bearer_token_beside_a_cookie(site: Site) -> None:
    """A program that sends a bearer token needs no browser to vouch for it, whatever cookie it has kept."""
    user = site.ground.user()
    headers = {"Authorization": f"Bearer {site.ground.session(user).token}", "Cookie": f"{COOKIE}=old"}
    assert site.browser().post("/me", headers=headers).json()["email"] == user.email
    headers["Authorization"] = "Basic YTpi"  # another site can make a browser send this
    assert site.browser(user).post("/open", headers=headers).status_code == 403
