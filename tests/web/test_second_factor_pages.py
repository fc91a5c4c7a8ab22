"""The pages of two-step verification and of typed codes over HTTP. Browsers try them in tests/browser."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pyotp.totp import TOTP
from tests.services._async.support import EMAIL, PASSWORD
from tests.services.authenticator import Authenticator
from tests.web.paged import ADMIN, SITE, Paged, Reader, Tab, words

from torii_dynamodb import User
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.policies import SecondFactorPolicy

STEP = "/auth/second-factor"
AGAIN = "/auth/second-factor/again"
SET_UP = "/auth/second-factor/set-up"
APP = "/auth/account/second-factor/app"
OTHERS_CODE = "000000"


class Stepped(Paged):
    """An application whose user has, once :meth:`enrolled`, an authenticator app and recovery codes."""

    def __init__(self, config: WebConfig | None = None, *, policy: SecondFactorPolicy | None = None) -> None:
        super().__init__(config, second_factor=policy)
        self.app_seed = ""
        self.recovery_codes: tuple[str, ...] = ()

    async def enrolled(self, email: str = EMAIL) -> User:
        """A user with an authenticator app."""
        user = await self.user(email)
        begun = await self.torii.second_factor.begin_enrolment(user, name="Phone")
        self.app_seed = begun.secret
        enrolled = await self.torii.second_factor.complete_enrolment(user, begun.token, self.code())
        self.recovery_codes = enrolled.recovery_codes
        found = await self.torii.get_user(user.id)
        assert found is not None
        return found

    def code(self) -> str:
        """What the app shows, on a step that was not used yet."""
        self.here.clock.advance(timedelta(seconds=30))
        return TOTP(self.app_seed.replace(" ", "")).at(self.here.clock())

    async def signed_in(self, tab: Tab, email: str = EMAIL, **fields: str) -> httpx.Response:
        """Sign in with both steps."""
        await tab.sign_in(email)
        return await tab.send(STEP, STEP, follow=False, code=self.code(), **fields)


def shown_secret(answer: httpx.Response) -> str:
    """The key that a page shows to type into an app."""
    found = re.search(r'<code id="secret">([A-Z2-7 ]+)</code>', answer.text)
    assert found is not None, answer.text
    return found[1]


def shown_codes(answer: httpx.Response) -> list[str]:
    """The recovery codes on a page."""
    return re.findall(r"<li><code>([a-z2-7-]{19})</code></li>", answer.text)


async def is_signed_in(tab: Tab) -> bool:
    """Whether the account page is shown."""
    return (await tab.get("/auth/account")).status_code == 200


async def test_the_password_leads_to_the_second_step_and_that_to_where_the_person_wanted_to_go() -> None:
    """There is no session before the code; a code with spaces is accepted; the target survives both steps."""
    site = Stepped()
    await site.enrolled()
    tab = site.tab()
    answer = await tab.send("/auth/sign-in?next=/cart", "/auth/sign-in", follow=False, email=EMAIL, password=PASSWORD)
    assert answer.headers["location"] == f"{STEP}?next=%2Fcart"
    assert not await is_signed_in(tab)
    page = await tab.get(answer.headers["location"])
    (field,) = [one for one in Reader(page.text).all("input") if one.get("name") == "code"]
    assert (field["inputmode"], field["autocomplete"]) == ("numeric", "one-time-code")
    assert "Trust this device" not in page.text
    code = site.code()
    answer = await tab.send(answer.headers["location"], STEP, follow=False, code=f" {code[:3]} {code[3:]} ")
    assert answer.headers["location"] == "/cart"
    assert await is_signed_in(tab)
    assert (await tab.get(STEP)).headers["location"] == "/auth/sign-in?notice=second-factor-expired"


async def test_a_wrong_code_is_told_at_the_field_and_too_many_with_a_time() -> None:
    """Wrong codes get 401 with an error bound to the field, then 429 until the wait is over, even for a right one."""
    site = Stepped()
    await site.enrolled()
    tab = site.tab()
    await tab.sign_in()
    answers = [await tab.send(STEP, STEP, code=OTHERS_CODE) for _ in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    (field,) = [one for one in Reader(answers[0].text).all("input") if one.get("name") == "code"]
    assert field["aria-invalid"] == "true"
    assert "code-error" in (field["aria-describedby"] or "")
    assert "The code is wrong" in words(answers[0])
    assert re.search(r"Wait \d+ minutes", answers[5].text)
    assert (await tab.send(STEP, STEP, code=site.code())).status_code == 429
    assert not await is_signed_in(tab)


async def test_an_expired_challenge_leads_back_to_sign_in() -> None:
    """After the challenge's lifetime both the page and its form lead to the sign-in page, with the target."""
    site = Stepped()
    await site.enrolled()
    tab = site.tab()
    await tab.sign_in()
    form = Reader((await tab.get(f"{STEP}?next=/cart")).text).forms[STEP]
    site.here.clock.advance(timedelta(minutes=11))
    expected = "/auth/sign-in?next=%2Fcart&notice=second-factor-expired"
    answer = await tab.client.post(STEP, data={**form, "code": site.code()})
    assert answer.headers["location"] == expected
    assert "too long" in (await tab.get(expected)).text


async def test_a_recovery_code_signs_in_once() -> None:
    """The page offers recovery codes; each works once, and the account page counts those left and warns at two."""
    site = Stepped()
    user, tab = await site.enrolled(), site.tab()
    for number, code in enumerate(site.recovery_codes[:8], start=1):
        tab = site.tab()
        await tab.sign_in()
        page = f"{STEP}?way=recovery"
        assert f'href="{page}"' in (await tab.get(STEP)).text
        answer = await tab.send(page, STEP, follow=False, code=code.upper())
        assert answer.status_code == 303, number
    account = words(await tab.get("/auth/account"))
    assert '<span class="tag warn">2 left</span>' in account
    again = site.tab()
    await again.sign_in()
    refused = await again.send(f"{STEP}?way=recovery", STEP, code=site.recovery_codes[0])
    assert refused.status_code == 401
    assert "Each one works once" in refused.text
    assert await site.torii.get_user(user.id)


@pytest.mark.parametrize("way", ["link", "code", "reset", "reset-code"])
async def test_no_mail_walks_around_the_second_step(way: str) -> None:
    """Links, codes and resets by mail lead to the second step, and not to a session."""
    site = Stepped()
    await site.enrolled()
    tab = site.tab()
    if way in ("link", "code"):
        await tab.send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password="", way=way)
    else:
        sent = "code" if way == "reset-code" else "link"
        await tab.send("/auth/forgot-password", "/auth/forgot-password", email=EMAIL, way=sent)
    if way in ("code", "reset-code"):
        page = "/auth/email-code" + ("?kind=reset" if way == "reset-code" else "")
        answer = await tab.send(page, "/auth/email-code", follow=False, code=await mailed_code(site))
    else:
        name = "magic-link" if way == "link" else "reset-password"
        page = f"/auth/{name}?token={await site.here.link()}"
        answer = await tab.get(page)
        if way == "link":
            answer = await tab.send(page, "/auth/magic-link", follow=False)
        else:
            answer = await tab.send(page, "/auth/reset-password", follow=False, password="a brand new password")
    if way == "reset-code":
        page = answer.headers["location"]
        assert page.startswith("/auth/reset-password?token=")
        answer = await tab.send(page, "/auth/reset-password", follow=False, password="a brand new password")
    assert answer.status_code == 303
    assert answer.headers["location"].partition("?")[0] == STEP
    assert not await is_signed_in(tab)
    answer = await tab.send(answer.headers["location"], STEP, follow=False, code=site.code())
    assert answer.status_code == 303
    assert await is_signed_in(tab)


async def mailed_code(site: Paged) -> str:
    """The code in the last mail, as a person would type it."""
    await site.torii.wait_for_mail()
    message = site.here.mailer.messages[-1]
    assert message.template == "email_code"
    found = re.search(r"\b(\d{4} \d{4})\b", message.text)
    assert found is not None
    return found[1]


async def test_a_typed_code_signs_in_only_in_the_browser_that_asked() -> None:
    """The code is refused elsewhere and when wrong, and signs in where it was requested, to the target."""
    site = Paged()
    await site.user()
    tab, other = site.tab(), site.tab()
    page = "/auth/email-code?next=%2Fcart"
    for one in (other, tab):
        answer = await one.send("/auth/sign-in?next=/cart", "/auth/sign-in", follow=False, email=EMAIL, way="code")
        assert answer.headers["location"] == page
    code = await mailed_code(site)
    (field,) = [one for one in Reader((await tab.get(page)).text).all("input") if one.get("name") == "code"]
    assert (field["inputmode"], field["autocomplete"]) == ("numeric", "one-time-code")
    for one, typed in ((other, code), (tab, "1234"), (tab, "")):
        refused = await one.send(page, "/auth/email-code", code=typed)
        assert refused.status_code == 401
        assert "wrong or has expired" in refused.text
    answer = await tab.send(page, "/auth/email-code", follow=False, code=code)
    assert answer.headers["location"] == "/cart"
    assert await is_signed_in(tab)
    stranger = site.tab()
    assert (await stranger.get("/auth/email-code")).headers["location"] == "/auth/sign-in?notice=email-code-expired"


async def test_an_address_is_verified_by_a_typed_code() -> None:
    """The account page mails a code; it leads where the link would have led, to a page that asks for the password."""
    site = Paged(require_verified_to_sign_in=False)
    user = await site.user(verified=False)
    tab = site.tab()
    await tab.sign_in()
    answer = await tab.send("/auth/account", "/auth/account/verification", follow=False, way="code")
    assert answer.headers["location"] == "/auth/email-code?kind=verify"
    page = answer.headers["location"]
    refused = await tab.send(page, "/auth/email-code", code="0000 0000")
    assert refused.status_code == 401
    answer = await tab.send(page, "/auth/email-code", follow=False, code=await mailed_code(site))
    page = answer.headers["location"]
    assert page.startswith("/auth/verify-email?token=")
    verified = await tab.send(page, "/auth/verify-email", choice="keep", password=PASSWORD)
    assert "verified" in verified.text
    found = await site.torii.get_user(user.id)
    assert found is not None
    assert found.is_email_verified


async def test_a_requested_code_answers_alike_for_unknown_addresses() -> None:
    """Asking for a code to reset a password looks the same whether or not the address has an account."""
    site = Paged()
    await site.user()
    answers: list[tuple[int, str, int, str]] = []
    for email in (EMAIL, "nobody@example.com"):
        tab = site.tab()
        page = "/auth/forgot-password"
        answer = await tab.send(page, page, follow=False, email=email, way="code")
        shown = await tab.get(answer.headers["location"])
        text = re.sub(r'name="csrf_token" value="[^"]+"', "", shown.text).replace(email, "ADDRESS")
        answers.append((answer.status_code, answer.headers["location"], shown.status_code, text))
    assert answers[0] == answers[1]


async def test_an_app_is_set_up_on_the_account_page() -> None:
    """QR code and key are shown, a wrong code keeps both, the right one shows recovery codes once."""
    site = Stepped()
    await site.user()
    tab = site.tab()
    await tab.sign_in()
    account = words(await tab.get("/auth/account"))
    assert "Set up an authenticator app" in account
    page = await tab.get(f"{APP}?name=My+phone")
    assert '<svg viewBox="' in page.text
    assert "style=" not in page.text
    site.app_seed = shown_secret(page)
    assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", site.app_seed)
    form = Reader(page.text).forms[APP]
    wrong = await tab.client.post(APP, data={**form, "code": OTHERS_CODE})
    assert (wrong.status_code, shown_secret(wrong)) == (401, site.app_seed)
    assert wrong.text.count("<svg") == page.text.count("<svg")
    saved = await tab.client.post(APP, data={**Reader(wrong.text).forms[APP], "code": site.code()})
    codes = shown_codes(saved)
    assert (saved.status_code, len(codes)) == (200, 10)
    assert saved.headers["cache-control"] == "no-store"
    account = words(await tab.get("/auth/account"))
    assert "My phone" in account
    assert "10 left" in account
    assert "Confirm it's you" not in account
    assert "Make new recovery codes" in account
    assert not any(code in account for code in codes)
    other = site.tab()
    await other.sign_in()
    assert (await other.send(f"{STEP}?way=recovery", STEP, follow=False, code=codes[0])).status_code == 303
    assert "second_factor_added" in await site.here.templates()


async def test_an_enrolment_that_took_too_long_begins_again() -> None:
    """A code given after the enrolment expired, or for an invented enrolment, adds nothing and says so."""
    site = Stepped(WebConfig(base_url=SITE, ip_limit=None, recent_sign_in=timedelta(hours=1)))
    user = await site.user()
    tab = site.tab()
    await tab.sign_in()
    page = await tab.get(APP)
    site.app_seed = shown_secret(page)
    form = Reader(page.text).forms[APP]
    site.here.clock.advance(timedelta(minutes=16))
    for changed in ({}, {"enrolment": "x"}):
        answer = await tab.client.post(APP, data={**form, "code": site.code(), **changed})
        assert answer.headers["location"] == "/auth/account?notice=set-up-expired"
    assert await site.torii.second_factor.list_for_user(user.id) == []


async def test_factors_are_changed_only_after_a_recent_second_step() -> None:
    """On a trusted device the recent sign-in took one step: changes ask for the second one first, then go on."""
    site = Stepped(policy=SecondFactorPolicy(trust_devices_for=timedelta(days=30)))
    user = await site.enrolled()
    tab = site.tab()
    await tab.sign_in()
    assert "Trust this device for 30 days" in (await tab.get(STEP)).text
    assert "Trust this device" not in (await tab.get(f"{STEP}?way=recovery")).text
    await tab.send(STEP, STEP, trust="yes", code=site.code())
    app_id = next(name for name in user.factors if name.startswith("totp#")).removeprefix("totp#")
    site.here.clock.advance(timedelta(days=1))
    answer = await tab.send("/auth/sign-in?again=1", "/auth/sign-in", follow=False, email=EMAIL, password=PASSWORD)
    assert answer.headers["location"] == "/"
    account = words(await tab.get("/auth/account"))
    assert "Confirm it's you to manage two-step verification" in account
    token = Reader(account).forms["/auth/sign-out"]["csrf_token"]
    where = f"{AGAIN}?next=%2Fauth%2Faccount"
    for path, fields in (
        ("second-factor/app", {}),
        ("second-factor/remove", {"id": app_id}),
        ("second-factor/recovery-codes", {}),
        ("second-factor/passkeys", {"enabled": "yes"}),
        ("passkeys", {}),
        ("email", {"new_email": "eve@example.com"}),
        ("delete", {"confirm": "yes"}),
    ):
        refused = await tab.client.post(f"/auth/account/{path}", data={"csrf_token": token, **fields})
        assert refused.headers["location"] == where, path
    options = await tab.client.post("/auth/account/passkeys/options", data={"csrf_token": token})
    assert options.status_code == 403
    assert await site.torii.get_user(user.id) == user
    assert (await tab.send(where, AGAIN, code=OTHERS_CODE)).status_code == 401
    answer = await tab.send(where, AGAIN, follow=False, code=site.code())
    assert answer.headers["location"] == "/auth/account"
    codes = shown_codes(await tab.send("/auth/account", "/auth/account/second-factor/recovery-codes"))
    assert len(codes) == 10
    assert set(codes).isdisjoint(site.recovery_codes)
    gone = await tab.send("/auth/account", "/auth/account/second-factor/remove")
    assert "The authenticator app was removed" in words(gone)
    assert await site.torii.second_factor.list_for_user(user.id) == []


async def test_where_it_is_required_it_is_set_up_before_the_first_session() -> None:
    """With a policy for everybody the password leads to the set-up, then to recovery codes, then to the target."""
    site = Stepped(policy=SecondFactorPolicy(required="always"))
    await site.user()
    tab = site.tab()
    await tab.sign_in()
    answer = await tab.get(f"{STEP}?next=/cart")
    assert answer.headers["location"] == f"{SET_UP}?next=%2Fcart"
    page = await tab.get(answer.headers["location"])
    site.app_seed = shown_secret(page)
    wrong = await tab.client.post(SET_UP, data={**Reader(page.text).forms[SET_UP], "code": OTHERS_CODE})
    assert (wrong.status_code, shown_secret(wrong)) == (401, site.app_seed)
    assert not await is_signed_in(tab)
    form = {**Reader(page.text).forms[SET_UP], "code": site.code()}
    saved = await tab.client.post(SET_UP, data=form)
    assert len(shown_codes(saved)) == 10
    assert 'href="/cart"' in saved.text
    assert await is_signed_in(tab)
    # Somebody who knows the password cannot set up an app of their own any more.
    other = site.tab()
    await other.sign_in()
    assert (await other.get(SET_UP)).headers["location"] == STEP
    assert (await other.client.post(SET_UP, data=form)).status_code in (303, 403)
    assert not await is_signed_in(other)


async def test_signing_up_where_a_second_step_is_required() -> None:
    """A sign-up that would sign in at once leads to the set-up first."""
    config = WebConfig(base_url=SITE, registration="direct", ip_limit=None)
    site = Stepped(config, policy=SecondFactorPolicy(required="always"))
    tab = site.tab()
    answer = await tab.send("/auth/sign-up", "/auth/sign-up", follow=False, email=EMAIL, password=PASSWORD)
    assert answer.headers["location"] == STEP
    assert not await is_signed_in(tab)


async def test_a_passkey_is_the_second_step() -> None:
    """Once turned on, a passkey is offered for the second step and completes it; an invalid answer does not."""
    site = Stepped()
    user = await site.enrolled()
    device = Authenticator()
    device.rp_id, device.origin = "app.example.com", SITE
    options = await site.torii.passkeys.begin_registration(user)
    await site.torii.passkeys.complete_registration(user, device.create(options))
    tab = site.tab()
    await site.signed_in(tab)
    turned_on = await tab.send("/auth/account", "/auth/account/second-factor/passkeys")
    assert "passkeys can now be the second step" in turned_on.text
    device.verified = False
    other = site.tab()
    await other.sign_in()
    page = f"{STEP}?way=passkey"
    form = Reader((await other.get(page)).text).forms[f"{STEP}/passkey"]

    async def answer_to_options() -> dict[str, Any]:
        begun = await other.client.post(f"{STEP}/passkey/options", data=form)
        answer: dict[str, Any] = device.get(begun.json())
        return answer

    refused = await other.client.post(f"{STEP}/passkey", data={**form, "answer": "{}"})
    assert refused.status_code == 401
    assert "not accepted" in refused.text
    assert not await is_signed_in(other)
    device.verified = True
    answer = json.dumps(await answer_to_options())
    assert (await other.client.post(f"{STEP}/passkey", data={**form, "answer": answer})).status_code == 303
    assert await is_signed_in(other)
    # And once more, for step-up.
    form = Reader((await other.get(f"{AGAIN}?way=passkey&next=/cart")).text).forms[f"{AGAIN}/passkey"]
    begun = await other.client.post(f"{AGAIN}/passkey/options", data=form)
    stepped = {**form, "answer": json.dumps(device.get(begun.json()))}
    assert (await other.client.post(f"{AGAIN}/passkey", data=stepped)).headers["location"] == "/cart"
    assert (await other.client.post(f"{AGAIN}/passkey", data=stepped)).status_code in (401, 403)


async def test_a_known_browser_can_step_up_although_others_used_up_the_attempts() -> None:
    """Whoever has the password cannot keep the owner's browser from giving the second step again."""
    site = Stepped()
    await site.enrolled()
    tab, thief = site.tab(), site.tab()
    await site.signed_in(tab)
    await thief.sign_in()
    assert [(await thief.send(STEP, STEP, code=OTHERS_CODE)).status_code for _ in range(6)][-1] == 429
    answer = await tab.send(f"{AGAIN}?next=/cart", AGAIN, follow=False, code=site.code())
    assert (answer.status_code, answer.headers["location"]) == (303, "/cart")


async def test_step_up_is_for_whoever_is_signed_in_and_enrolled() -> None:
    """Strangers are led to sign in, and people without a second step to set one up, both with the way back."""
    site = Stepped()
    await site.user()
    tab = site.tab()
    answer = await tab.get(f"{AGAIN}?next=/cart")
    assert answer.headers["location"].startswith("/auth/sign-in?next=%2Fauth%2Fsecond-factor%2Fagain%3Fnext%3D")
    await tab.sign_in()
    assert (await tab.get(f"{AGAIN}?next=/cart")).headers["location"] == f"{APP}?next=%2Fcart"


async def test_a_second_step_of_another_user_asks_before_it_replaces_their_session() -> None:
    """Signing in with two steps over another user's session asks first, as with one step."""
    site = Stepped()
    await site.enrolled()
    await site.user("grace@example.com")
    tab = site.tab()
    await tab.sign_in("grace@example.com")
    answer = await tab.send("/auth/sign-in?again=1", "/auth/sign-in", follow=False, email=EMAIL, password=PASSWORD)
    assert answer.headers["location"] == STEP
    answer = await tab.send(STEP, STEP, follow=False, code=site.code())
    assert answer.headers["location"] == "/auth/switch"
    assert "grace@example.com" in (await tab.get("/auth/account")).text


async def test_signing_out_ends_what_was_begun_in_this_browser() -> None:
    """After signing out, the next person can neither go on with a finished second step nor with one that is due."""
    site = Stepped()
    user = await site.enrolled()
    await site.user("bob@example.com")
    tab = site.tab()
    for finished in (True, False):
        await tab.sign_in("bob@example.com")
        page = "/auth/sign-in?again=1"
        answer = await tab.send(page, "/auth/sign-in", follow=False, email=EMAIL, password=PASSWORD)
        if finished:
            answer = await tab.send(STEP, STEP, follow=False, code=site.code())
        assert answer.headers["location"] == ("/auth/switch" if finished else STEP)
        form = Reader((await tab.get("/auth/account")).text).forms["/auth/sign-out"]
        await tab.client.post("/auth/sign-out", data=form)
        assert (await tab.get("/auth/switch")).headers["location"] == "/auth/sign-in"
        assert (await tab.get(STEP)).headers["location"] == "/auth/sign-in?notice=second-factor-expired"
    assert await site.torii.list_sessions(user.id) == []


async def test_an_administrator_sees_and_removes_second_factors() -> None:
    """The user's page lists them; removing asks, ends them all, and tells the owner by mail."""
    site = Stepped()
    user = await site.enrolled()
    await site.user(ADMIN)
    tab = site.tab()
    await tab.sign_in(ADMIN)
    page = f"/admin/users/{user.id}"
    text = words(await tab.get(page))
    assert "Phone" in text
    assert "10 left" in text
    answer = await tab.send(page, f"{page}/remove-factors")
    assert "It was removed, and the owner was told by email." in answer.text
    assert await site.torii.second_factor.list_for_user(user.id) == []
    assert (await site.here.templates())[-1] == "second_factors_removed"
    await site.tab().sign_in()


async def test_an_administrator_with_a_second_step_gives_it_before_changes() -> None:
    """An administrator's recent sign-in on a trusted device is not enough to change other accounts."""
    site = Stepped(policy=SecondFactorPolicy(trust_devices_for=timedelta(days=30)))
    victim = await site.user()
    await site.enrolled(ADMIN)
    tab = site.tab()
    await site.signed_in(tab, ADMIN, trust="yes")
    site.here.clock.advance(timedelta(hours=1))
    await tab.send("/auth/sign-in?again=1", "/auth/sign-in", email=ADMIN, password=PASSWORD)
    page = f"/admin/users/{victim.id}"
    answer = await tab.send(page, f"{page}/lock", follow=False)
    assert answer.headers["location"].startswith(f"{AGAIN}?next=%2Fadmin")
    assert await site.torii.get_user(victim.id) == victim


async def test_without_a_secret_there_is_no_second_step() -> None:
    """Services without a secret offer no two-step verification, and have no pages for it."""
    with pytest.warns(UserWarning, match="secret"):
        site = Paged(secret=None)
    await site.user()
    tab = site.tab()
    await tab.sign_in()
    assert "Two-step verification" not in (await tab.get("/auth/account")).text
    for path in (STEP, SET_UP, AGAIN, APP):
        assert (await tab.get(path)).status_code == 404
