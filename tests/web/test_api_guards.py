"""Protections: other sites' requests, limits, redirects, errors, and what strangers can distinguish."""

from __future__ import annotations

import random
from datetime import timedelta
from statistics import median
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from starlette.responses import Response
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting
from tests.web.api import API, SITE, UNLIMITED, Site, problem

from torii_dynamodb import LockoutPolicy
from torii_dynamodb._rules.hashing import Argon2Hasher
from torii_dynamodb._web.csrf import CrossSite, FormTokens
from torii_dynamodb._web.limits import ClientAddress, network_of
from torii_dynamodb.errors import (
    ConfigurationError,
    CorruptItem,
    RequestRejected,
    Throttled,
    ToriiError,
    Unavailable,
)
from torii_dynamodb.fastapi import Problem, Web, WebConfig, router
from torii_dynamodb.fastapi.errors import problem_of
from torii_dynamodb.mail import AsyncMemoryMailer
from torii_dynamodb.oauth import google
from torii_dynamodb.passkeys import PasskeySettings

EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": SITE + ".evil.example"},
        {"Origin": SITE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://other.example.com", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {},
    ],
)
async def test_other_sites_requests_are_refused(headers: dict[str, str]) -> None:
    """With the cookie, a request that changes something is refused unless the browser vouches for it."""
    site = Site()
    await site.user()
    async with site.browser() as browser, site.browser(origin=None, **headers) as elsewhere:
        await site.signed_in(browser)
        elsewhere.cookies = browser.cookies
        for method, path in (("POST", "sessions/end-all"), ("POST", "sign-out"), ("PUT", "password"), ("DELETE", "me")):
            problem(await elsewhere.request(method, f"{API}/{path}", json={}), 403, "cross_site")
        assert (await elsewhere.get(f"{API}/me")).status_code == 200, "reading is the browser's to guard (CORS)"
        assert (await browser.get(f"{API}/me")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": SITE},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://spa.example"},
    ],
)
async def test_own_and_trusted_requests_pass(headers: dict[str, str]) -> None:
    """Requests from the site itself, by the person directly, and from a trusted origin pass."""
    site = Site(WebConfig(trusted_origins=["https://spa.example"], ip_limit=UNLIMITED))
    await site.user()
    async with site.browser() as browser, site.browser(origin=None, **headers) as page:
        await site.signed_in(browser)
        page.cookies = browser.cookies
        assert (await page.post(f"{API}/sessions/end-all")).status_code == 204


async def test_login_csrf() -> None:
    """Another site cannot sign a browser in to the attacker's account; a program that sends no origin can sign in."""
    site = Site()
    await site.user()
    async with site.browser(origin=EVIL) as elsewhere, site.browser(origin=None) as program:
        answer = await elsewhere.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
        problem(answer, 403, "cross_site")
        assert "set-cookie" not in answer.headers
        await site.signed_in(program)
        # Other sites' forms cannot set a JSON content type, and without one a body is not read as JSON.
        body = f'{{"email": "{EMAIL}", "password": "{PASSWORD}"}}'
        plain = await program.post(f"{API}/sign-in", content=body, headers={"Content-Type": "text/plain"})
        problem(plain, 422, "validation_error")


async def test_the_base_url_decides_the_origin() -> None:
    """With a base_url, the Host header, which a client can make up, does not affect the site's origin."""
    site = Site(WebConfig(base_url="https://app.example.com", ip_limit=UNLIMITED))
    async with site.browser(origin="https://forged.example", Host="forged.example") as browser:
        problem(await browser.post(f"{API}/password/reset", json={"email": EMAIL}), 403, "cross_site")


def _connection(headers: dict[str, str], client: str | None = "10.0.0.1", method: str = "GET") -> HTTPConnection:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection(
        {"type": "http", "method": method, "headers": raw, "client": None if client is None else (client, 1)}
    )


@pytest.mark.parametrize(
    ("proxies", "client", "forwarded", "expected"),
    [
        ([], "10.0.0.1", "203.0.113.9", "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        (["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        (["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, garbage, 10.1.1.1", "10.1.1.1"),
        (["10.0.0.0/8"], "10.0.0.1", "", "10.0.0.1"),
        (["10.0.0.0/8"], "192.0.2.1", "203.0.113.9", "192.0.2.1"),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ([], None, "203.0.113.9", None),
        ([], "testclient", "203.0.113.9", None),
    ],
)
def test_the_clients_address(proxies: list[str], client: str | None, forwarded: str, expected: str | None) -> None:
    """X-Forwarded-For counts only from trusted proxies, and only up to the first address that is not one of them."""
    address = ClientAddress(WebConfig(trusted_proxies=proxies))
    assert address.of(_connection({"X-Forwarded-For": forwarded}, client)) == expected


@given(st.text(max_size=100))
def test_any_forwarded_header(header: str) -> None:
    """The result is an address, whatever the header contains."""
    sent = header.encode("utf-8", "surrogatepass").decode("latin-1")
    found = ClientAddress(WebConfig(trusted_proxies=["10.0.0.0/8"])).of(_connection({"X-Forwarded-For": sent}))
    assert found is not None
    assert network_of(found)


def test_an_ipv6_network_is_one_client() -> None:
    """The holder of a /64 has no more attempts than the holder of one IPv4 address."""
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::"
    assert network_of("203.0.113.9") == "203.0.113.9"


async def test_the_limit_by_address() -> None:
    """One IP address has one limit over all routes without a session; other addresses are not affected."""
    site = Site(WebConfig(ip_limit=LockoutPolicy(max_attempts=3, window=timedelta(seconds=30))))
    await site.user()
    async with site.browser() as owner, site.browser() as browser, site.browser(client="203.0.113.9") as other:
        await site.signed_in(owner)
        await browser.post(f"{API}/password/reset", json={"email": "x@example.com"})
        await browser.post(f"{API}/magic-link", json={"email": "y@example.com"})
        limited = await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert problem(limited, 429, "rate_limited")["retry_after"] == 30
        assert limited.headers["retry-after"] == "30"
        hashed = site.here.hasher.verified
        for path in ("register", "magic-link", "magic-link/check", "password/reset/complete"):
            body: dict[str, Any] = {"email": EMAIL, "password": PASSWORD} if path == "register" else {"email": EMAIL}
            if path.endswith(("check", "complete")):
                body = {"token": "x"} | ({"new_password": PASSWORD} if path.endswith("complete") else {})
            problem(await browser.post(f"{API}/{path}", json=body), 429, "rate_limited")
        assert site.here.hasher.verified == hashed
        assert (await owner.get(f"{API}/me")).status_code == 200, "who is signed in is not limited"
        await site.signed_in(other)
        site.here.clock.advance(timedelta(seconds=31))
        await site.signed_in(browser)


async def test_the_limit_by_mailbox() -> None:
    """A mailbox gets a limited number of mails, from whatever IP address and whether or not it has an account."""
    site = Site()
    await site.user()
    for email in (EMAIL, "nobody@example.com"):
        async with site.browser() as browser:
            answers = [await browser.post(f"{API}/password/reset", json={"email": email}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) > 0


BODIES = {
    "register": {"password": PASSWORD},
    "password/reset": {},
    "magic-link": {},
    "email/verification/send": {},
    "sign-in": {"password": "a wrong password"},
}


@pytest.mark.parametrize("path", BODIES)
async def test_known_and_unknown_addresses_cost_the_same(path: str) -> None:
    """Status, headers, body, storage calls and hashes are the same: only the mailbox shows a difference."""
    site = Site()
    await site.user()
    answers, costs = [], []
    async with site.browser() as browser:
        # The first wrong password creates the hash that unknown addresses are compared with; that is not measured.
        await browser.post(f"{API}/sign-in", json={"email": "warm@example.com", "password": "x"})
        for email in (EMAIL, "nobody@example.com"):
            hasher = site.here.hasher
            hasher.hashed = hasher.verified = 0
            site.counting.taken()
            answers.append(await browser.post(f"{API}/{path}", json={"email": email, **BODIES[path]}))
            calls = site.counting.taken()
            if path == "sign-in":
                # An unknown address has no user to read. The read runs beside the hash and is 100 times shorter.
                calls.pop("get_user", None)
            costs.append((calls, hasher.hashed, hasher.verified))
            await site.torii.wait_for_mail()
    known, unknown = answers
    assert (known.status_code, known.content, dict(known.headers)) == (
        unknown.status_code,
        unknown.content,
        dict(unknown.headers),
    )
    assert costs[0] == costs[1]
    assert costs[0][0], "something was asked of the storage"


def mann_whitney(left: list[float], right: list[float]) -> float:
    """P(left > right) + P(left = right) / 2: Mann-Whitney's U over the pairs; 0.5 if they are indistinguishable."""
    wins = sum((a > b) + (a == b) / 2 for a in left for b in right)
    return wins / (len(left) * len(right))


async def test_the_time_tells_nothing() -> None:
    """Mann-Whitney: over interleaved samples, the times of known and unknown addresses do not differ.

    Processor time of all threads: nothing here waits, and other load on the machine would only add noise.
    A cheap argon2id, so that a skipped hash would separate them entirely (it does, below). The bound is loose:
    80 samples a side scatter around 0.5 with a standard deviation of 0.046; 0.24 to 0.76 is more than five.
    """
    site = Site(hasher=Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1), lockout=UNLIMITED)
    await site.user()
    times: dict[bool, list[float]] = {True: [], False: []}
    order = [True, False] * 80
    random.Random(1).shuffle(order)
    async with site.browser() as browser:
        await browser.post(f"{API}/sign-in", json={"email": "warm@example.com", "password": "x"})
        for known in order:
            email = EMAIL if known else "nobody@example.com"
            started = process_time()
            await browser.post(f"{API}/sign-in", json={"email": email, "password": "a wrong password"})
            times[known].append(process_time() - started)
        quick = []
        for _ in range(20):
            started = process_time()
            await browser.get(f"{API}/methods")
            quick.append(process_time() - started)
    assert 0.24 < mann_whitney(times[True], times[False]) < 0.76, (median(times[True]), median(times[False]))
    assert mann_whitney(times[True], quick) > 0.95, "the statistic sees an answer without a hash"


@pytest.mark.parametrize("url", ["/", "/account?x=1#y", "/a//b", "https://spa.example/x", "https://app.example.com"])
def test_next_that_is_followed(url: str) -> None:
    """Paths of the application, and URLs at its own and at trusted origins, are followed."""
    assert _web().navigation.safe_next(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None, "", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example",
        "https://evil.example", "https:evil.example", "javascript:alert(1)", "data:text/html,x", "account",
        "https://spa.example@evil.example/", "https://spa.example.evil.example/", "http://spa.example/",
        "https://user@spa.example/", "https://spa.example:8443/", " /x", "/x\r\nSet-Cookie: a=b", "https://[",
        "/" * 3000,
    ],
)  # fmt: skip
def test_next_that_is_not_followed(url: str | None) -> None:
    """Everything else leads to the default."""
    assert _web().navigation.safe_next(url) == "/home"
    assert _web().navigation.safe_next(url, "/other") == "/other"


@given(st.text(alphabet="/\\:@.aex\t\n?#%", max_size=12))
def test_no_next_leaves_the_site(url: str) -> None:
    """What is followed resolves to this site as in browsers (WHATWG: tabs are dropped, a backslash is a slash)."""
    target = _web().navigation.safe_next(url, "/default").replace("\t", "").replace("\n", "").replace("\\", "/")
    assert target.startswith("/")
    assert not target.startswith("//")


def _web() -> Web:
    config = WebConfig(
        base_url="https://app.example.com", trusted_origins=["https://spa.example"], after_sign_in="/home"
    )
    return Web(AsyncSetting().torii, config)


def test_form_tokens() -> None:
    """A form's token is valid only with the cookie it was derived from, and is never the same twice."""
    tokens = FormTokens(random.Random(1).randbytes)
    first, second = tokens.issue("secret"), tokens.issue("secret")
    assert first != second
    assert tokens.holds("secret", first)
    assert tokens.holds("secret", second)
    for secret, token in (
        ("other", first),
        ("", first),
        (None, first),
        ("secret", first[:-1]),
        ("secret", "." + first),
    ):
        assert not tokens.holds(secret, token)
    for garbage in (None, "", ".", "é.é", 7):
        assert not tokens.holds("secret", garbage)


def test_posted_forms() -> None:
    """A form passes from this site with a token for this browser; the cookie behind the token is set if needed."""
    web = _web()
    response = Response()
    token = web.form_token(_connection({}), response)
    cookie = response.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("__Host-torii-form=")
    own = {"Cookie": cookie, "Origin": SITE}
    web.check_form(_connection(own, method="POST"), token)
    again = Response()
    web.check_form(_connection(own, method="POST"), web.form_token(_connection(own), again))
    assert "set-cookie" not in again.headers
    for headers, posted in (
        ({**own, "Origin": EVIL}, token),
        ({"Origin": SITE}, token),
        ({**own, "Cookie": "__Host-torii-form=another"}, token),
        (own, None),
        (own, token[::-1]),
    ):
        with pytest.raises(Problem, match="403"):
            web.check_form(_connection(headers, method="POST"), posted)


@pytest.mark.parametrize(
    ("error", "status", "code", "after"),
    [
        (Unavailable("at 10.1.2.3", attempts=3), 503, "unavailable", "1"),
        (Throttled("table users", attempts=3), 503, "throttled", "1"),
        (CorruptItem("users", "email", "is missing"), 500, "internal_error", None),
        (ConfigurationError("no table torii_users"), 500, "internal_error", None),
        (RequestRejected("x", aws_code="ValidationException"), 500, "internal_error", None),
    ],
)
def test_what_goes_wrong_inside_stays_inside(error: ToriiError, status: int, code: str, after: str | None) -> None:
    """5xx responses reveal no table, no address and no cause."""
    made = problem_of(error)
    assert (made.status_code, made.code, (made.headers or {}).get("Retry-After")) == (status, code, after)
    assert error.message not in str(made.body())


@pytest.mark.parametrize("garbage", ["x", "torii_s1_.", "\xe9", "a" * 7000, "torii_s1_usr_1." + "A" * 43 + "00000000"])
async def test_garbage_for_tokens(garbage: str) -> None:
    """Garbage in the cookie or header signs nobody in, breaks nothing, and prevents no sign-in."""
    site = Site()
    await site.user()
    async with site.browser() as browser:
        for name, value in (
            ("Cookie", f"__Host-torii={garbage}; __Host-torii-device={garbage}"),
            ("Authorization", f"Bearer {garbage}"),
            ("Authorization", garbage),
        ):
            headers = {name: value.encode("latin-1")}
            problem(await browser.get(f"{API}/me", headers=headers), 401, "not_signed_in")  # type: ignore[arg-type]
            body = {"email": EMAIL, "password": PASSWORD}
            answer = await browser.post(f"{API}/sign-in", json=body, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 200
            browser.cookies.clear()


async def test_a_storage_that_is_away() -> None:
    """Routes and dependencies respond with 503 and Retry-After, not 500."""
    site = Site()
    user = await site.user()
    session = await site.torii.create_session(user)

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("gone", attempts=3)

    site.counting.get_signed_in = away  # type: ignore[attr-defined]
    async with site.browser(Authorization=f"Bearer {session.token}") as browser:
        answer = await browser.get(f"{API}/me")
        problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"


async def test_large_and_broken_bodies() -> None:
    """A body over 64 KB is refused while it is read; invalid JSON is a problem like any other."""
    site = Site()
    async with site.browser() as browser:
        large = await browser.post(f"{API}/magic-link", json={"email": "a" * 70_000})
        problem(large, 413, "body_too_large")
        deep = b"[" * 30_000 + b"]" * 30_000
        for content in (
            deep,
            b'{"email": ' + deep + b"}",
            b"",
            b"{",
            b"\xff\xfe",
            b"[]",
            b'"x"',
            b"null",
            b'{"email": "\\ud800@example.com"}',
        ):
            broken = await browser.post(
                f"{API}/magic-link", content=content, headers={"Content-Type": "application/json"}
            )
            problem(broken, 422, "validation_error")


@pytest.mark.parametrize("origin", ["null", "file://", "https://evil.example"])
def test_a_request_without_a_host(origin: str) -> None:
    """A proxy may forward HTTP/1.0 without ``Host``; an origin without a host is still not the same site."""
    headers = [(b"origin", origin.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    assert CrossSite(WebConfig()).refuses(HTTPConnection(scope), cookie=False)


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": "auth"},
        {"prefix": "/auth/"},
        {"base_url": "http://example.com"},
        {"trusted_origins": ["https://spa.example/path"]},
        {"trusted_origins": ["*"]},
        {"transports": ()},
        {"transports": ("header",)},
        {"registration": "open"},
        {"same_site": "none", "secure_cookies": False},
        {"cookie_name": "a b"},
        {"after_sign_in": "https://example.com"},
        {"oauth_error_path": "//evil.example"},
        {"trusted_proxies": ["everyone"]},
    ],
)
def test_a_wrong_configuration_is_told_at_the_start(options: dict[str, Any]) -> None:
    """The message names the option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        WebConfig(**options)


def test_what_the_services_lack_is_told_at_the_start() -> None:
    """Private registration requires a mailer; providers require the URL to send the browser back to."""
    with pytest.raises(ConfigurationError, match="mailer"):
        router(AsyncSetting(mailer=None, mail=None).torii)
    with pytest.raises(ConfigurationError, match="base_url"):
        router(AsyncSetting(oauth=[google("id", "secret")], mailer=AsyncMemoryMailer()).torii)


@pytest.mark.parametrize("missing", ["webauthn", "authlib", "httpx"])
def test_a_package_that_is_missing_is_told_at_the_start(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is reported at startup, not as a 500 to the first person who uses a passkey or a provider."""

    def find(name: str) -> object | None:
        return None if name == missing else object()

    monkeypatch.setattr("torii_dynamodb.fastapi.auth_router.find_spec", find)
    passkeys = PasskeySettings(rp_id="app.example.com", rp_name="E", origins=["https://app.example.com"])
    here = AsyncSetting(passkeys=passkeys, oauth=[google("id", "secret")])
    with pytest.raises(ConfigurationError, match=missing):
        router(here.torii, config=WebConfig(base_url="https://app.example.com"))
