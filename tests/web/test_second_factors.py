"""Second factors over HTTP, with cookies and with bearer tokens, and every route that must not lead around them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from fastapi import Depends
from tests.services._async.support import EMAIL, PASSWORD, SECRET, AsyncSetting
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services._async.test_passkeys import settings as passkey_settings
from tests.services.authenticator import Authenticator
from tests.services.provider import ISSUER
from tests.web.api import API, SITE, UNLIMITED, Site, problem

from torii_dynamodb import LockoutPolicy, User
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import WebConfig, router
from torii_dynamodb.jwt import JwtKey, JwtSettings
from torii_dynamodb.oauth import oidc
from torii_dynamodb.policies import SecondFactorPolicy

SESSION, DEVICE, CHALLENGE = "__Host-torii", "__Host-torii-device", "__Host-torii-challenge"
TRANSPORTS = pytest.mark.parametrize("transport", ["cookie", "bearer"])
TRUSTING = SecondFactorPolicy(trust_devices_for=timedelta(days=30))
ALWAYS = SecondFactorPolicy(required="always")


class FactorSite(Site):
    """An application with passkeys and a provider, whose user has an authenticator app."""

    def __init__(self, config: WebConfig | None = None, **options: Any) -> None:
        offered = options.pop("provider", None) or oidc("issuer", ISSUER, "client", "s", authoritative_for=("*",))
        passkeys = passkey_settings(user_verification="preferred")
        here = AsyncOAuthSetting(offered, passkeys=passkeys, **options)
        super().__init__(config or WebConfig(base_url=SITE, ip_limit=UNLIMITED), here=here)
        self.provider = here.provider
        self.app_codes: pyotp.TOTP | None = None
        self.recovery_codes: tuple[str, ...] = ()
        self.device = Authenticator()

    def code(self) -> str:
        """What the authenticator app shows, after a time step in which nothing was used."""
        assert self.app_codes is not None
        self.here.clock.advance(timedelta(seconds=30))
        return self.app_codes.at(self.here.clock())

    async def stored(self, user: User) -> User:
        """The user as stored now."""
        found = await self.here.storage.get_user(user.id)
        assert found is not None
        return found

    async def enrolled(self, email: str = EMAIL) -> User:
        """A user with an authenticator app and a passkey, which signs in but is not a second factor."""
        user = await self.user(email)
        options = await self.torii.passkeys.begin_registration(user)
        await self.torii.passkeys.complete_registration(user, self.device.create(options))
        begun = await self.torii.second_factor.begin_enrolment(user)
        self.app_codes = pyotp.TOTP(begun.secret)
        enrolled = await self.torii.second_factor.complete_enrolment(user, begun.token, self.code())
        self.recovery_codes = enrolled.recovery_codes
        await self.torii.wait_for_mail()
        self.here.mailer.messages.clear()
        return await self.stored(user)


class Person:
    """Somebody at a browser, or with a client that uses bearer tokens."""

    def __init__(self, client: httpx.AsyncClient, transport: str) -> None:
        self.client = client
        self.transport = transport
        self.token: str | None = None
        self.challenge: str | None = None

    def _headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    async def ask(self, method: str, path: str, **json: Any) -> httpx.Response:
        """Send a request with whatever this person holds, and keep the session that it returns."""
        answer = await self.client.request(method, API + path, headers=self._headers(), json=json or None)
        if answer.is_success and answer.content:
            body = answer.json()
            token = body.get("signed_in", body).get("token") if isinstance(body, dict) else None
            assert token is None or self.transport == "bearer"
            self.token = token or self.token
        return answer

    async def post(self, path: str, **json: Any) -> httpx.Response:
        """POST to a route."""
        return await self.ask("POST", path, **json)

    async def first(self, path: str = "/sign-in", **json: Any) -> dict[str, Any]:
        """Give the first factor; returns what the challenge asks for."""
        given = json or {"email": EMAIL, "password": PASSWORD}
        answer = await self.post(path, transport=self.transport, **given)
        body: dict[str, Any] = answer.json()
        assert (answer.status_code, body.get("status")) == (200, "second_factor_required"), body
        assert (body["challenge"] is not None) == (self.transport == "bearer")
        self.challenge = body["challenge"]
        return body

    async def second(self, path: str = "/second-factor/complete", **json: Any) -> httpx.Response:
        """Give the second factor."""
        given = {"transport": self.transport} | json
        if self.challenge is not None:
            given["challenge"] = self.challenge
        return await self.post(path, **given)

    async def is_signed_in(self) -> bool:
        """Whether anything that this person holds is a session."""
        return (await self.ask("GET", "/me")).status_code == 200


def cookies_set(answer: httpx.Response) -> dict[str, str]:
    """The cookies that a response sets, without those that it deletes."""
    lines = [line.partition(";") for line in answer.headers.get_list("set-cookie")]
    pairs = [(first.partition("="), rest) for first, _, rest in lines]
    return {name: value for (name, _, value), rest in pairs if "Max-Age=0" not in rest}


@TRANSPORTS
async def test_signing_in_with_a_code(transport: str) -> None:
    """The first factor leads to a challenge and no session; a right code signs in, once; a wrong one can be retried."""
    site = FactorSite()
    user = await site.enrolled()
    async with site.browser() as client:
        person = Person(client, transport)
        asked = await person.first()
        app_id = next(name.removeprefix("totp#") for name in user.factors if name.startswith("totp#"))
        assert asked["factors"] == [{"id": app_id, "kind": "totp"}, {"id": "recovery", "kind": "recovery"}]
        assert (asked["enrolment"], asked["trust_device_for"]) == (False, None)
        assert set(client.cookies) == ({CHALLENGE} if transport == "cookie" else set())
        assert not await person.is_signed_in()
        checked = await person.post("/second-factor/check", challenge=person.challenge)
        assert checked.json() == asked
        problem(await person.second(code="000 000"), 400, "invalid_code")
        code = site.code()
        done = await person.second(code=f"{code[:3]} {code[3:]}", factor_id=app_id)
        assert (done.status_code, done.json()["status"]) == (200, "signed_in")
        assert await person.is_signed_in()
        assert CHALLENGE not in client.cookies
        # A double submit: the challenge was used up, and so was the code.
        again = await person.second(code=code)
        problem(again, 400, "invalid_token")
        assert await person.is_signed_in()


@TRANSPORTS
async def test_signing_in_with_a_recovery_code(transport: str) -> None:
    """A recovery code is a second factor, once."""
    site = FactorSite()
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, transport)
        await person.first()
        assert (await person.second(code=site.recovery_codes[0])).status_code == 200
        factors = (await person.ask("GET", "/second-factors")).json()["factors"]
        assert [one["codes_left"] for one in factors if one["kind"] == "recovery"] == [9]
    async with site.browser() as client:
        person = Person(client, transport)
        await person.first()
        problem(await person.second(code=site.recovery_codes[0]), 400, "invalid_code")


@TRANSPORTS
async def test_signing_in_with_a_passkey_as_second_factor(transport: str) -> None:
    """Where the user has switched that on, a passkey completes the sign-in; before, it is refused."""
    site = FactorSite()
    user = await site.enrolled()
    async with site.browser() as client:
        person = Person(client, transport)
        await person.first()
        begun = await person.post("/second-factor/passkey/begin", challenge=person.challenge)
        credential = site.device.get(begun.json()["options"])
        problem(await person.second("/second-factor/passkey/complete", credential=credential), 400, "invalid_code")
        await site.torii.second_factor.use_passkeys(await site.stored(user))
        asked = await person.first()
        assert {"id": "passkey", "kind": "passkey"} in asked["factors"]
        begun = await person.post("/second-factor/passkey/begin", challenge=person.challenge)
        credential = site.device.get(begun.json()["options"])
        done = await person.second("/second-factor/passkey/complete", credential=credential)
        assert done.status_code == 200, done.text
        assert await person.is_signed_in()


@TRANSPORTS
async def test_setting_up_the_factor_that_a_sign_in_needs(transport: str) -> None:
    """Where everybody needs one, the sign-in leads to setting it up and then to the session; only if there is none."""
    site = FactorSite(second_factor=ALWAYS)
    await site.user()
    async with site.browser() as client:
        person = Person(client, transport)
        assert await person.first() | {"expires_at": "", "challenge": None} == {
            "status": "second_factor_required",
            "factors": [],
            "enrolment": True,
            "expires_at": "",
            "trust_device_for": None,
            "challenge": None,
        }
        held = {"challenge": person.challenge}
        begun = (await person.post("/second-factor/enrolment/begin", **held)).json()
        assert begun["uri"].startswith("otpauth://totp/")
        assert begun["qr_svg"].startswith("<svg")
        assert not await person.is_signed_in()
        site.app_codes = pyotp.TOTP(begun["secret"])
        path, enrolment = "/second-factor/enrolment/complete", begun["enrolment"]
        problem(await person.second(path, enrolment=enrolment, code="000000"), 400, "invalid_code")
        done = await person.second(path, enrolment=enrolment, code=site.code())
        assert done.status_code == 201, done.text
        assert len(done.json()["recovery_codes"]) == 10
        assert await person.is_signed_in()
    async with site.browser() as client:
        other = Person(client, transport)
        assert not (await other.first())["enrolment"]
        held = {"challenge": other.challenge}
        problem(await other.post("/second-factor/enrolment/begin", **held), 400, "invalid_token")
        body = {"enrolment": enrolment, "code": site.code()}
        problem(await other.second("/second-factor/enrolment/complete", **body), 400, "invalid_token")
        assert not await other.is_signed_in()


@TRANSPORTS
async def test_setting_up_and_removing_while_signed_in(transport: str) -> None:
    """An app, recovery codes and passkeys come and go; with the app's code the session gets another token."""
    site = FactorSite()
    await site.user()
    async with site.browser() as client:
        person = Person(client, transport)
        answer = await person.post("/sign-in", email=EMAIL, password=PASSWORD, transport=transport)
        assert answer.json()["status"] == "signed_in"
        problem(await person.post("/second-factors/recovery-codes"), 404, "not_found")
        before = (person.token, client.cookies.get(SESSION))
        begun = (await person.post("/second-factors/totp/begin", name="Phone")).json()
        site.app_codes = pyotp.TOTP(begun["secret"])
        body = {"enrolment": begun["enrolment"], "code": "000000"}
        problem(await person.post("/second-factors/totp/complete", **body), 400, "invalid_code")
        body["code"] = site.code()
        added = await person.post("/second-factors/totp/complete", **body)
        assert added.status_code == 201, added.text
        assert len(added.json()["recovery_codes"]) == 10
        assert before != (person.token, client.cookies.get(SESSION)), "the session was replaced"
        for token in before:
            assert token is None or await site.torii.get_signed_in(token) is None
        listed = (await person.ask("GET", "/second-factors")).json()
        assert (listed["enrolled"], listed["passkeys"]) == (True, False)
        assert {one["kind"]: one["name"] for one in listed["factors"]}["totp"] == "Phone"
        (app_id,) = (one["id"] for one in listed["factors"] if one["kind"] == "totp")
        assert "secret" not in str(listed)
        # For half an hour nothing was proved: first the sign-in counts as old.
        site.here.clock.advance(timedelta(minutes=30))
        refused = problem(await person.post("/second-factors/recovery-codes"), 403, "recent_sign_in_required")
        assert refused["max_age"] == 900
        await person.first()
        await person.second(code=site.code())
        made = await person.post("/second-factors/recovery-codes")
        assert len(set(made.json()["recovery_codes"])) == 10
        problem(await person.ask("PUT", "/second-factors/passkeys/enabled"), 404, "not_found")
        options = (await person.post("/passkeys/registration/begin")).json()["options"]
        await person.post("/passkeys/registration/complete", credential=site.device.create(options))
        assert (await person.ask("PUT", "/second-factors/passkeys/enabled")).json() == {"recovery_codes": []}
        assert (await person.ask("GET", "/second-factors")).json()["passkeys"]
        assert (await person.ask("DELETE", "/second-factors/passkeys/enabled")).status_code == 204
        for name, status in (("recovery", 204), (app_id, 204), (app_id, 404)):
            assert (await person.ask("DELETE", f"/second-factors/{name}")).status_code == status
        assert not (await person.ask("GET", "/second-factors")).json()["enrolled"]


@TRANSPORTS
async def test_step_up(transport: str) -> None:
    """Giving a second factor again, by code or passkey, replaces the session by one that may do more."""
    site = FactorSite()

    @site.app.get(API + "/payment")
    async def payment(user: User = Depends(site.auth.require_second_factor(timedelta(minutes=5)))) -> str:
        return user.id

    @site.app.get(API + "/ever")
    async def ever(user: User = Depends(site.auth.requirements.require_second_factor())) -> str:
        return user.id

    user = await site.user()
    async with site.browser() as client:
        person = Person(client, transport)
        await person.post("/sign-in", email=EMAIL, password=PASSWORD, transport=transport)
        for path in ("/payment", "/ever"):
            assert (await person.ask("GET", path)).status_code == 403
        await site.torii.delete_user(user.id)
    user = await site.enrolled()
    await site.torii.second_factor.use_passkeys(user)
    async with site.browser() as client:
        person = Person(client, transport)
        await person.first()
        await person.second(code=site.code())
        assert (await person.ask("GET", "/payment")).json() == user.id
        site.here.clock.advance(timedelta(minutes=6))
        assert (await person.ask("GET", "/payment")).status_code == 403
        assert (await person.ask("GET", "/ever")).json() == user.id
        before = (person.token, client.cookies.get(SESSION))
        problem(await person.post("/second-factors/step-up", code="000000"), 400, "invalid_code")
        assert (await person.post("/second-factors/step-up", code=site.code())).status_code == 200
        assert before != (person.token, client.cookies.get(SESSION))
        assert (await person.ask("GET", "/payment")).json() == user.id
        site.here.clock.advance(timedelta(minutes=6))
        begun = (await person.post("/second-factors/step-up/passkey/begin")).json()
        credential = site.device.get(begun["options"])
        done = await person.post("/second-factors/step-up/passkey/complete", credential=credential)
        assert done.status_code == 200, done.text
        assert (await person.ask("GET", "/payment")).json() == user.id
        await site.torii.second_factor.use_passkeys(await site.stored(user), False)
        problem(await person.post("/second-factors/step-up/passkey/begin"), 400, "invalid_code")
        refused = await person.post("/second-factors/step-up/passkey/complete", credential={})
        problem(refused, 400, "invalid_code")


async def test_the_problem_says_what_to_do() -> None:
    """What needs a second factor says how recent it must be, and whether one has to be set up first."""
    site = FactorSite()

    @site.app.get("/payment")
    async def payment(_: User = Depends(site.auth.require_second_factor(timedelta(minutes=5)))) -> None:
        """A route."""

    from torii_dynamodb.fastapi import Problem, render_problem

    site.app.add_exception_handler(Problem, render_problem)
    user = await site.user()
    async with site.browser() as client:
        problem(await client.get("/payment"), 401, "not_signed_in")
        await site.signed_in(client)
        refused = problem(await client.get("/payment"), 403, "second_factor_required")
        assert (refused["max_age"], refused["enrolment"]) == (300, True)
        # Set up elsewhere: this session has not given it, so it may not change anything either.
        begun = await site.torii.second_factor.begin_enrolment(user)
        site.app_codes = pyotp.TOTP(begun.secret)
        await site.torii.second_factor.complete_enrolment(user, begun.token, site.code())
        assert not problem(await client.get("/payment"), 403, "second_factor_required")["enrolment"]
        for method, path in SENSITIVE:
            answer = await client.request(method, API + path, json=_body(path))
            refused = problem(answer, 403, "second_factor_required")
            assert (refused["max_age"], refused["enrolment"]) == (900, False)
        assert (await client.post(f"{API}/second-factors/step-up", json={"code": site.code()})).status_code == 200
        assert (await client.post(f"{API}/second-factors/recovery-codes")).status_code == 200


SENSITIVE = [
    ("POST", "/passkeys/registration/begin"),
    ("POST", "/passkeys/registration/complete"),
    ("DELETE", "/passkeys/AAAA"),
    ("POST", "/second-factors/totp/begin"),
    ("POST", "/second-factors/totp/complete"),
    ("POST", "/second-factors/recovery-codes"),
    ("DELETE", "/second-factors/recovery"),
    ("PUT", "/second-factors/passkeys/enabled"),
    ("DELETE", "/second-factors/passkeys/enabled"),
    ("POST", "/oauth/issuer/link"),
    ("DELETE", "/oauth/accounts/issuer?subject=1"),
    ("POST", "/email/change"),
    ("POST", "/password"),
    ("DELETE", "/password"),
    ("DELETE", "/me"),
]


def _body(path: str) -> dict[str, Any] | None:
    bodies: dict[str, dict[str, Any]] = {
        "/passkeys/registration/complete": {"credential": {}},
        "/second-factors/totp/begin": {"name": "Phone"},
        "/second-factors/totp/complete": {"enrolment": "e", "code": "000000"},
        "/email/change": {"new_email": "new@example.com"},
        "/password": {"new_password": PASSWORD + "!"},
    }
    return bodies.get(path)


async def test_a_trusted_browser_does_without_for_a_while() -> None:
    """The device cookie carries the trust; it ends, and never allows what takes a recent second factor."""
    site = FactorSite(second_factor=TRUSTING)
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "cookie")
        assert (await person.first())["trust_device_for"] == 30 * 86400
        await person.second(code=site.code(), trust_device=True)
        await person.post("/sign-out")
        site.here.clock.advance(timedelta(days=1))
        for _ in range(2):  # the cookie is issued anew at each sign-in, and keeps the trust
            answer = await person.post("/sign-in", email=EMAIL, password=PASSWORD)
            assert answer.json()["status"] == "signed_in"
        refused = await person.post("/second-factors/recovery-codes")
        assert problem(refused, 403, "second_factor_required")["max_age"] == 900
        await person.post("/second-factors/step-up", code=site.code())
        assert (await person.post("/second-factors/recovery-codes")).status_code == 200
        site.here.clock.advance(timedelta(days=30))
        await person.first()
    async with site.browser() as client:
        untrusted = Person(client, "cookie")
        await untrusted.first()
        await untrusted.second(code=site.code())
        await untrusted.first()


async def test_trust_is_not_to_be_had_where_it_is_not_offered() -> None:
    """``trust_device`` is ignored without the policy; for bearer tokens there is no such browser."""
    site = FactorSite()
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "cookie")
        await person.first()
        await person.second(code=site.code(), trust_device=True)
        await person.first()
    site = FactorSite(second_factor=TRUSTING)
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "bearer")
        assert (await person.first())["trust_device_for"] is None
        assert not cookies_set(await person.second(code=site.code(), trust_device=True))


async def test_guessing_is_bounded_over_all_routes() -> None:
    """Five wrong codes, whatever the route, and the account's second factors are locked, with the time to wait."""
    site = FactorSite()
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "cookie")
        await person.first()
        await person.second(code=site.code())
        for _ in range(2):
            problem(await person.post("/second-factors/step-up", code="000000"), 400, "invalid_code")
    async with site.browser() as client:
        stranger = Person(client, "bearer")
        await stranger.first()
        for _ in range(3):
            problem(await stranger.second(code="aaaa-aaaa-aaaa-aaaa"), 400, "invalid_code")
        locked = await stranger.second(code=site.code())
        assert problem(locked, 429, "account_locked")["retry_after"] == int(locked.headers["retry-after"])
        assert not await stranger.is_signed_in()


async def test_a_known_browser_can_step_up_although_others_used_up_the_attempts() -> None:
    """Whoever has the password cannot keep the owner's browser from giving a second factor again."""
    site = FactorSite()
    await site.enrolled()
    async with site.browser() as client, site.browser() as other:
        owner, thief = Person(client, "cookie"), Person(other, "cookie")
        await owner.first()
        await owner.second(code=site.code())
        await thief.first()
        answers = [await thief.second(code="000000") for _ in range(6)]
        assert answers[-1].status_code == 429
        assert (await owner.post("/second-factors/step-up", code=site.code())).status_code == 200


async def test_the_address_limit_comes_before_each_check() -> None:
    """Requests with challenges and codes count against the limit by IP address before anything is looked at."""
    limit = LockoutPolicy(max_attempts=3, window=timedelta(minutes=1))
    for path, body in CHECKS.items():
        site = FactorSite(WebConfig(base_url=SITE, ip_limit=limit))
        async with site.browser() as client:
            for _ in range(3):
                assert (await client.post(API + path, json=body)).status_code == 400
            site.counting.taken()
            problem(await client.post(API + path, json=body), 429, "rate_limited")
            assert set(site.counting.taken()) <= {"acquire_attempt"}


CHECKS: dict[str, dict[str, Any]] = {
    "/second-factor/check": {"challenge": "x"},
    "/second-factor/complete": {"challenge": "x", "code": "000000"},
    "/second-factor/passkey/begin": {"challenge": "x"},
    "/second-factor/passkey/complete": {"challenge": "x", "credential": {}},
    "/second-factor/enrolment/begin": {"challenge": "x"},
    "/second-factor/enrolment/complete": {"challenge": "x", "enrolment": "e", "code": "000000"},
    "/email-code/complete": {"flow": "x", "code": "00000000"},
    "/email-code/exchange": {"flow": "x", "code": "00000000", "purpose": "verify_email"},
}


async def test_other_sites_cannot_use_the_cookies() -> None:
    """A challenge or a code in a cookie is not used for another site's page, not even with an Authorization header."""
    site = FactorSite()
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "cookie")
        await person.first()
        await client.post(f"{API}/email-code", json={"email": EMAIL})
        for path, body in CHECKS.items():
            sent = {name: value for name, value in body.items() if name not in ("challenge", "flow")}
            for extra in ({}, {"Authorization": "Bearer x"}):
                headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", **extra}
                problem(await client.post(API + path, json=sent, headers=headers), 403, "cross_site")
        assert (await person.second(code=site.code())).status_code == 200


async def test_signing_out_drops_a_second_factor_that_is_due() -> None:
    """After signing out, the next person at the browser cannot go on with a sign-in that was begun there."""
    site = FactorSite()
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "cookie")
        await person.first()
        assert (await person.post("/sign-out")).status_code == 204
        problem(await person.second(code=site.code()), 400, "invalid_token")


async def test_a_second_tab() -> None:
    """A second sign-in in the same browser replaces the challenge in the cookie; one sign-in is completed."""
    site = FactorSite()
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "cookie")
        await person.first()
        earlier = client.cookies[CHALLENGE]
        await person.first()
        assert client.cookies[CHALLENGE] != earlier
        assert (await person.second(code=site.code())).status_code == 200
        problem(await person.second(code=site.code()), 400, "invalid_token")
        assert await person.is_signed_in()


async def test_another_users_session_is_left_alone_until_the_person_agrees() -> None:
    """Neither a challenge nor a code ends or replaces the session of another user; asked for, the completion does."""
    site = FactorSite()
    await site.enrolled()
    await site.user("grace@example.com")
    async with site.browser() as client:
        await site.signed_in(client, "grace@example.com")
        person = Person(client, "cookie")
        body = {"email": EMAIL, "password": PASSWORD}
        refused = await person.post("/sign-in", **body)
        problem(refused, 409, "other_user_signed_in")
        assert not cookies_set(refused)
        await person.first(**body, replace_session=True)
        assert (await person.ask("GET", "/me")).json()["email"] == "grace@example.com"
        code = site.code()
        problem(await person.second(code=code), 409, "other_user_signed_in")
        assert (await person.ask("GET", "/me")).json()["email"] == "grace@example.com"
        grace = client.cookies[SESSION]
        assert (await person.second(code=code, replace_session=True)).status_code == 200
        assert (await person.ask("GET", "/me")).json()["email"] == EMAIL
        assert await site.torii.get_signed_in(grace) is None


async def test_no_token_of_a_flow_passes_for_a_session() -> None:
    """A challenge, and a code's flow token, as bearer or as session cookie: 401 on every route that wants a session."""
    jwt = JwtSettings(issuer=SITE, audience="api", keys=[JwtKey(kid="k", algorithm="HS256", private_key=SECRET)])
    site = FactorSite(jwt=jwt)
    await site.enrolled()
    async with site.browser() as client:
        challenge = (await Person(client, "bearer").first())["challenge"]
        sent = await client.post(f"{API}/email-code", json={"email": EMAIL, "transport": "bearer"})
        flow = sent.json()["flow"]
        tried = 0
        for path, methods in site.app.openapi()["paths"].items():
            for method, operation in methods.items():
                if "not_signed_in" not in str(operation["responses"].get("401")):
                    continue
                asked = path.format(session_id="0" * 64, passkey_id="AAAA", provider="issuer", factor_id="recovery")
                for token in (challenge, flow):
                    for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"{SESSION}={token}"}):
                        problem(await client.request(method, asked, headers=headers), 401, "not_signed_in")
                        tried += 1
    assert tried > 80


# Every route to a session, for a user with a second factor


Way = Callable[[FactorSite, httpx.AsyncClient], Awaitable[httpx.Response]]


async def by_password(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Sign in with the password."""
    return await client.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})


async def by_link(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Sign in with a link."""
    await client.post(f"{API}/magic-link", json={"email": EMAIL})
    return await client.post(f"{API}/magic-link/complete", json={"token": await site.mailed("magic_link")})


async def by_email_code(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Sign in with a code from an email."""
    await client.post(f"{API}/email-code", json={"email": EMAIL})
    return await client.post(f"{API}/email-code/complete", json={"code": await mailed_code(site)})


async def by_passkey(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Sign in with a passkey that did not verify its user."""
    site.device.verified = False
    options = (await client.post(f"{API}/passkeys/sign-in/begin")).json()["options"]
    return await client.post(f"{API}/passkeys/sign-in/complete", json={"credential": site.device.get(options)})


async def by_provider(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Sign in through a provider, in the browser."""
    begun = await client.post(f"{API}/oauth/issuer/begin", params={"next": "/inbox"})
    return await client.get(there_and_back(site, begun.json()["url"]))


async def by_sdk(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Sign in with a mobile SDK's ID token."""
    nonce = (await client.post(f"{API}/oauth/issuer/native/begin")).json()["nonce"]
    site.provider.claims["aud"] = "com.example.app"
    body = {"id_token": site.provider.id_token(nonce), "nonce": nonce, "transport": "bearer"}
    return await client.post(f"{API}/oauth/issuer/native/complete", json=body)


async def by_confirmation(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Confirm an account at a provider with a mailed link."""
    await by_provider(site, client)
    token = await site.mailed("confirm_provider")
    return await client.post(f"{API}/oauth/confirmation/complete", json={"token": token})


async def by_reset(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Reset the password, then sign in with the new one."""
    await client.post(f"{API}/password/reset", json={"email": EMAIL})
    body = {"token": await site.mailed("reset_password"), "new_password": PASSWORD + "!"}
    assert (await client.post(f"{API}/password/reset/complete", json=body)).status_code == 204
    assert not client.cookies
    return await client.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD + "!"})


async def by_reset_code(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """The same with a code from an email."""
    token = await exchanged(site, client, "reset_password")
    body = {"token": token, "new_password": PASSWORD + "!"}
    assert (await client.post(f"{API}/password/reset/complete", json=body)).status_code == 204
    return await client.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD + "!"})


async def by_verification(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Prove the address once more, by link and by code, then sign in."""
    user = await site.here.storage.get_user_by_email(EMAIL)
    assert user is not None
    await site.torii.email_verification.send(user)
    await client.post(f"{API}/email/verification/complete", json={"token": "torii_t1_x"})
    assert not client.cookies
    return await by_password(site, client)


async def by_email_change(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Complete a change of the address without a session, then sign in at the new address."""
    user = await site.here.storage.get_user_by_email(EMAIL)
    assert user is not None
    session = await site.torii.create_session(user, second_factor_at=site.here.clock())
    await site.torii.email_verification.send_change(user, "new@example.com", session=session)
    token = await site.mailed("change_email")
    problem(await client.post(f"{API}/email/change/complete", json={"token": token}), 401, "not_signed_in")
    await site.torii.email_verification.complete_change(token, user_id=user.id, session=session)
    return await client.post(f"{API}/sign-in", json={"email": "new@example.com", "password": PASSWORD})


async def by_registering_again(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Register the same address again, then sign in."""
    body = {"email": EMAIL, "password": PASSWORD}
    assert (await client.post(f"{API}/register", json=body)).status_code == 202
    return await by_password(site, client)


async def by_refreshing(site: FactorSite, client: httpx.AsyncClient) -> httpx.Response:
    """Use the challenge as the session that gets an access token, or another session."""
    answer = await client.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD, "transport": "bearer"})
    headers = {"Authorization": f"Bearer {answer.json()['challenge']}"}
    for path in ("/token", "/sessions/end-others"):
        problem(await client.post(API + path, headers=headers), 401, "not_signed_in")
    return answer


WAYS: list[Way] = [
    by_password, by_link, by_email_code, by_passkey, by_provider, by_sdk, by_confirmation, by_reset, by_reset_code,
    by_verification, by_email_change, by_registering_again, by_refreshing,
]  # fmt: skip


def there_and_back(site: FactorSite, url: str) -> str:
    """What the browser is sent back to by the provider."""
    return f"{API}/oauth/issuer/callback?{httpx.QueryParams(site.provider.authorize(url))}"


async def mailed_code(site: FactorSite | Site) -> str:
    """The code in the last email."""
    await site.torii.wait_for_mail()
    text = next(one.text for one in reversed(site.here.mailer.messages) if one.template == "email_code")
    found = re.search(r"\b(\d{4} \d{4})\b", text)
    assert found is not None, text
    return found[1]


async def exchanged(site: FactorSite | Site, client: httpx.AsyncClient, purpose: str) -> str:
    """The token that a code stands for."""
    await client.post(f"{API}/email-code", json={"email": EMAIL, "purpose": purpose})
    answer = await client.post(f"{API}/email-code/exchange", json={"code": await mailed_code(site), "purpose": purpose})
    token: str = answer.json()["token"]
    return token


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.removeprefix("by_"))
async def test_no_first_factor_alone_leads_to_a_session(way: Way) -> None:
    """Each route ends at a challenge: no session exists, no session or device cookie is set; with a code it is one."""
    authoritative = () if way is by_confirmation else ("*",)
    offered = oidc("issuer", ISSUER, "client", "s", authoritative_for=authoritative)
    jwt = JwtSettings(issuer=SITE, audience="api", keys=[JwtKey(kid="k", algorithm="HS256", private_key=SECRET)])
    site = FactorSite(provider=replace(offered, native_client_ids=("com.example.app",)), jwt=jwt)
    user = await site.enrolled()
    async with site.browser() as client:
        answer = await way(site, client)
        assert not {SESSION, DEVICE} & set(client.cookies)
        assert (await client.get(f"{API}/me")).status_code == 401
        assert not await site.here.storage.list_sessions_for_user(user.id) or way is by_email_change
        if way is by_provider:
            assert answer.status_code == 303
            person = Person(client, "cookie")
        else:
            body = answer.json()
            assert body["status"] == "second_factor_required", body
            assert "token" not in body
            person = Person(client, "bearer" if body["challenge"] else "cookie")
            person.challenge = body["challenge"]
        done = await person.second(code=site.code())
        assert done.status_code == 200, done.text
        assert done.json()["user"]["id"] == user.id
        assert await person.is_signed_in()


async def test_direct_registration_leads_to_setting_up_where_everybody_needs_one() -> None:
    """Registering signs nobody in past a policy that requires a second factor of everybody."""
    config = WebConfig(registration="direct", base_url=SITE, ip_limit=UNLIMITED)
    site = FactorSite(config, second_factor=ALWAYS)
    async with site.browser() as client:
        answer = await client.post(f"{API}/register", json={"email": EMAIL, "password": PASSWORD})
        assert (answer.status_code, answer.json()["status"]) == (201, "second_factor_required")
        assert answer.json()["enrolment"]
        assert not {SESSION, DEVICE} & set(client.cookies)


@pytest.mark.parametrize(
    ("began", "config", "path"),
    [
        ({"failure": "/welcome?a=1#top"}, {}, "/welcome"),
        ({}, {"oauth_error_path": "/oops"}, "/oops"),
        ({}, {}, "/inbox"),
    ],
)
async def test_where_a_provider_leads_when_a_second_factor_is_needed(
    began: dict[str, str], config: dict[str, Any], path: str
) -> None:
    """Without pages, back to where the sign-in began, with the reason and the target; `check` says the rest."""
    site = FactorSite(WebConfig(base_url=SITE, ip_limit=UNLIMITED, **config))
    await site.enrolled()
    async with site.browser() as client:
        begun = await client.post(f"{API}/oauth/issuer/begin", params={"next": "/inbox", **began})
        answer = await client.get(there_and_back(site, begun.json()["url"]))
        parts = urlsplit(answer.headers["location"])
        assert (answer.status_code, parts.path) == (303, path)
        query = parse_qs(parts.query)
        assert query.pop("a", ["1"]) == ["1"]
        assert query == {"error": ["second_factor_required"], "provider": ["issuer"], "next": ["/inbox"]}
        assert set(client.cookies) == {CHALLENGE}
        assert client.cookies[CHALLENGE] not in answer.headers["location"]
        assert (await client.post(f"{API}/second-factor/check", json={})).json()["factors"]


async def test_a_provider_leads_to_the_page_where_there_are_pages() -> None:
    """With the pages mounted, a provider's callback leads to the page that asks for the second factor."""
    site = FactorSite()
    site.auth.web.page = lambda name: f"/account/{name}"
    await site.enrolled()
    async with site.browser() as client:
        answer = await by_provider(site, client)
        assert answer.headers["location"] == "/account/second-factor?next=%2Finbox"


# Codes from emails


@TRANSPORTS
async def test_signing_in_with_a_code_from_an_email(transport: str) -> None:
    """A code signs in where it was asked for and nowhere else; known and unknown addresses look alike."""
    site = Site(WebConfig(ip_limit=UNLIMITED))
    await site.user()
    async with site.browser() as client, site.browser() as elsewhere:
        person = Person(client, transport)
        unknown = await person.post("/email-code", email="nobody@example.com", transport=transport)
        known = await person.post("/email-code", email=EMAIL, transport=transport)
        assert unknown.status_code == known.status_code == 202
        assert unknown.json()["detail"] == known.json()["detail"]
        assert set(cookies_set(unknown)) == set(cookies_set(known))
        flow = {} if transport == "cookie" else {"flow": known.json()["flow"]}
        assert (known.json()["flow"] is None) == (transport == "cookie")
        code = await mailed_code(site)
        for body in ({"code": code}, {"code": code, "flow": "torii_t1_x"}):
            problem(await elsewhere.post(f"{API}/email-code/complete", json=body), 400, "invalid_code")
        wrong = "0000 0000" if code != "0000 0000" else "1111 1111"
        problem(await person.post("/email-code/complete", code=wrong, transport=transport, **flow), 400, "invalid_code")
        done = await person.post("/email-code/complete", code=code, transport=transport, **flow)
        assert (done.status_code, done.json()["status"]) == (200, "signed_in")
        assert await person.is_signed_in()
        assert "__Host-torii-email-code" not in client.cookies
        problem(await person.post("/email-code/complete", code=code, transport=transport, **flow), 400, "invalid_code")


async def test_a_code_from_an_email_has_five_tries() -> None:
    """After five wrong tries the right code does not sign in either."""
    site = Site()
    await site.user()
    async with site.browser() as client:
        await client.post(f"{API}/email-code", json={"email": EMAIL})
        code = await mailed_code(site)
        wrong = "0000 0000" if code != "0000 0000" else "1111 1111"
        for tried in (wrong, wrong, wrong, wrong, wrong, code):
            problem(await client.post(f"{API}/email-code/complete", json={"code": tried}), 400, "invalid_code")


async def test_a_code_does_not_keep_what_a_stranger_set_up() -> None:
    """Whoever registers after a stranger has a binding, too: the code alone does not keep the stranger's password."""
    site = Site()
    async with site.browser() as stranger, site.browser() as owner:
        await stranger.post(f"{API}/register", json={"email": EMAIL, "password": "a stranger's password"})
        await owner.post(f"{API}/register", json={"email": EMAIL, "password": PASSWORD})
        token = await exchanged(site, owner, "verify_email")
        verified = await owner.post(f"{API}/email/verification/complete", json={"token": token})
        assert verified.json()["email_verified"]
        answer = await stranger.post(f"{API}/sign-in", json={"email": EMAIL, "password": "a stranger's password"})
        problem(answer, 401, "invalid_credentials")


async def test_a_code_verifies_the_address_and_keeps_what_was_set_up() -> None:
    """With the password, the code that proves the address keeps what was set up, as a link does."""
    site = Site()
    async with site.browser() as client:
        await client.post(f"{API}/register", json={"email": EMAIL, "password": PASSWORD})
        token = await exchanged(site, client, "verify_email")
        problem(
            await client.post(f"{API}/email-code/exchange", json={"code": "0000 0000", "purpose": "verify_email"}),
            400,
            "invalid_code",
        )
        body = {"token": token, "password": PASSWORD}
        verified = await client.post(f"{API}/email/verification/complete", json=body)
        assert verified.json()["email_verified"]
        await site.signed_in(client)


async def test_a_code_resets_the_password_and_is_for_nothing_else() -> None:
    """A code for one purpose is refused for another."""
    site = Site()
    await site.user()
    async with site.browser() as client:
        await client.post(f"{API}/email-code", json={"email": EMAIL, "purpose": "reset_password"})
        code = await mailed_code(site)
        problem(await client.post(f"{API}/email-code/complete", json={"code": code}), 400, "invalid_code")
        body = {"code": code, "purpose": "verify_email"}
        problem(await client.post(f"{API}/email-code/exchange", json=body), 400, "invalid_code")
        answer = await client.post(f"{API}/email-code/exchange", json=body | {"purpose": "reset_password"})
        reset = {"token": answer.json()["token"], "new_password": PASSWORD + "!"}
        assert (await client.post(f"{API}/password/reset/complete", json=reset)).status_code == 204
        await site.signed_in(client, password=PASSWORD + "!")


# Set-up


async def test_without_a_secret_there_are_no_routes() -> None:
    """The routes are absent, the start warns of it, and a policy that requires a factor does not start at all."""
    here = AsyncSetting(secret=None)
    with pytest.warns(UserWarning, match="second factors"):
        site = Site(here=here)
    assert not [path for path in site.app.openapi()["paths"] if "second-factor" in path]
    async with site.browser() as client:
        methods = (await client.get(f"{API}/methods")).json()
    assert (methods["second_factors"], methods["email_code"]) == (False, True)
    for policy in (ALWAYS, SecondFactorPolicy(required=lambda user: True)):
        with pytest.raises(ConfigurationError, match="secret"):
            router(AsyncSetting(secret=None, second_factor=policy).torii)


async def test_access_tokens_say_how_the_user_signed_in() -> None:
    """They carry `amr`, `auth_time` and `second_factor_at`, for services without tables."""
    jwt = JwtSettings(issuer=SITE, audience="api", keys=[JwtKey(kid="k", algorithm="HS256", private_key=SECRET)])
    site = FactorSite(jwt=jwt)
    await site.enrolled()
    async with site.browser() as client:
        person = Person(client, "bearer")
        await person.first()
        await person.second(code=site.code())
        signed_in_at = site.here.clock().replace(microsecond=0)
        token = (await person.post("/token")).json()["access_token"]
        claims = site.torii.jwt.verify(token)
        assert claims.amr == ("pwd", "otp", "mfa")
        assert claims.authenticated_at == claims.second_factor_at == signed_in_at
        assert not claims.extra


async def test_secrets_are_not_in_repr() -> None:
    """The models of requests and responses do not show codes, challenges, seeds or recovery codes."""
    from torii_dynamodb.fastapi import schemas

    shown = [
        schemas.ChallengeWithCodeIn(challenge="hidden", code="hidden"),
        schemas.ChallengeWithEnrolmentIn(challenge="hidden", code="hidden", enrolment="hidden"),
        schemas.CodeIn(code="hidden"),
        schemas.SignInWithCodeIn(code="hidden", flow="hidden"),
        schemas.TotpEnrolmentOut(uri="hidden", secret="hidden", enrolment="hidden", qr_svg="hidden"),
        schemas.RecoveryCodesOut(recovery_codes=["hidden"]),
        schemas.ExchangedCodeOut(token="hidden"),
        schemas.EmailCodeSentOut(detail="sent", flow="hidden"),
    ]
    assert "hidden" not in repr(shown)
