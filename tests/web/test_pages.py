"""The pages over HTTP: responses, refusals and cookies. tests/browser tries them in a browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute
from tests.services._async.support import EMAIL, PASSWORD
from tests.web.paged import SITE, Paged, Reader, words

from torii_dynamodb import LockoutPolicy, NewPasskey
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.oauth import google

NEW = "another horse, another battery"
OPEN = [
    "/auth/sign-in",
    "/auth/sign-up",
    "/auth/forgot-password",
    "/auth/check-mail?kind=reset",
    "/auth/magic-link?token=x",
]
FORMS = [
    "language",
    "sign-in", "sign-up", "sign-out", "forgot-password", "reset-password", "magic-link", "verify-email", "change-email",
    "passkey", "passkey/options", "account/profile", "account/password", "account/email", "account/verification",
    "account/email/cancel", "check-mail",
    "account/delete", "account/devices/end", "account/devices/end-others", "account/devices/end-all",
    "account/passkeys", "account/passkeys/options", "account/passkeys/rename", "account/passkeys/remove",
    "account/disconnect", "switch", "second-factor", "second-factor/passkey", "second-factor/passkey/options",
    "second-factor/set-up", "second-factor/again", "second-factor/again/passkey",
    "second-factor/again/passkey/options", "email-code", "account/second-factor/app", "account/second-factor/remove",
    "account/second-factor/recovery-codes", "account/second-factor/passkeys",
]  # fmt: skip


@pytest.mark.parametrize("path", [*OPEN, "/auth/account", "/auth/account/delete"])
async def test_a_page_is_kept_from_harm(path: str) -> None:
    """Nothing is loaded from elsewhere, nothing inline runs, no frame may embed it, nothing caches it."""
    site = Paged()
    tab = site.tab()
    if "account" in path:
        await site.user()
        await tab.sign_in()
    answer = await tab.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "strict-origin"
    page = Reader(answer.text)
    assert not [name for name, given in page.tags if "style" in given or any(key.startswith("on") for key in given)]
    assert not page.all("style")
    for script in page.all("script"):
        assert (script["src"] or "").startswith("/auth/static/")


@pytest.mark.parametrize("path", [*OPEN, "/auth/account", "/auth/account/delete"])
async def test_every_field_has_a_label_and_every_id_is_one(path: str) -> None:
    """Each visible field has a label, and no id occurs twice."""
    site = Paged()
    tab = site.tab()
    if "account" in path:
        await site.user()
        await tab.sign_in()
    page = Reader((await tab.get(path)).text)
    labelled = {given.get("for") for given in page.all("label")}
    fields = [one for one in page.all("input") if one.get("type") != "hidden" and "hidden" not in one]
    assert {one.get("id") for one in fields} <= labelled
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids))
    assert len(page.all("main")) == len(page.all("h1")) == 1


@pytest.mark.parametrize("signed_in", [False, True])
async def test_a_form_without_its_token_is_refused(signed_in: bool) -> None:
    """Signed in or not, a form that does not come from our pages changes nothing."""
    site = Paged()
    user = await site.user()
    tab = site.tab()
    if signed_in:
        await tab.sign_in()
    for path in FORMS:
        for token in ({}, {"csrf_token": "x.y"}):
            answer = await tab.client.post(f"/auth/{path}", data={"confirm": "yes", "name": "Eve", **token})
            assert answer.status_code == 403, path
        assert await site.torii.storage.get_user(user.id) == user, path


def test_every_form_is_tried() -> None:
    """The list used by the test above contains every page that accepts a form."""
    site = Site(Paged(oauth=[google("id", "secret")]).auth.web, PagesConfig(app_name="Example"))
    routes = pages(site.web, site.settings).routes
    taken = {route.path for route in routes if isinstance(route, APIRoute) and "POST" in (route.methods or ())}
    assert taken == {f"/auth/{path}" for path in (*FORMS, "account/connect", "provider", "confirm-provider")}


async def test_a_form_that_another_site_sends_is_refused() -> None:
    """A request that the browser marks as coming from another site is refused, even with a valid form token."""
    site = Paged()
    await site.user()
    tab = site.tab()
    token = Reader((await tab.get("/auth/sign-in")).text).forms["/auth/sign-in"]
    answer = await tab.client.post(
        "/auth/sign-in", data={**token, "email": EMAIL, "password": PASSWORD}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 70_000, 413),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 40), 400),
        ("application/x-www-form-urlencoded", b"a=%ff", 400),
        ("application/x-www-form-urlencoded", b"a=\xff", 400),
    ],
)
async def test_a_form_that_cannot_be_ours_is_refused(kind: str, body: bytes, status: int) -> None:
    """Bodies of another type, too large or unreadable get a page that says so, not a failure."""
    answer = await Paged().tab().client.post("/auth/sign-in", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert "text/html" in answer.headers["content-type"]


async def test_signing_up_tells_nobody_who_has_an_account() -> None:
    """A free and a taken address get the same response; the mails differ."""
    site = Paged()
    await site.user()
    answers = [
        await site.tab().send("/auth/sign-up", "/auth/sign-up", follow=False, email=email, password=NEW, name="")
        for email in (EMAIL, "grace@example.com")
    ]
    assert [(one.status_code, one.headers["location"], one.text) for one in answers] == [
        (303, "/auth/check-mail?kind=sign-up", "")
    ] * 2
    assert sorted(await site.here.templates()) == ["account_exists", "verify_email"]


async def test_signing_up_directly_signs_in() -> None:
    """With direct registration, signing up signs in at once, and a taken address is reported."""
    site = Paged(WebConfig(base_url=SITE, registration="direct", ip_limit=None))
    tab = site.tab()
    answer = await tab.send("/auth/sign-up", "/auth/sign-up", follow=False, email=EMAIL, password=PASSWORD)
    assert answer.headers["location"] == "/"
    assert (await tab.get("/auth/account")).status_code == 200
    again = await site.tab().send("/auth/sign-up", "/auth/sign-up", email=EMAIL, password=PASSWORD)
    assert again.status_code == 409


async def test_nobody_signs_up_where_that_is_off() -> None:
    """With registration off, there is no page for it, and no link to one."""
    site = Paged(WebConfig(base_url=SITE, registration="off", ip_limit=None))
    assert (await site.tab().get("/auth/sign-up")).status_code == 404
    assert "/auth/sign-up" not in (await site.tab().get("/auth/sign-in")).text


@pytest.mark.parametrize(
    ("email", "password", "wrong"),
    [
        ("no address", PASSWORD, ["email"]),
        (EMAIL, "short", ["password"]),
        ("no address", "short", ["email", "password"]),
        ("", "", ["email", "password"]),
    ],
)
async def test_all_that_is_wrong_is_told_once_at_its_field(email: str, password: str, wrong: list[str]) -> None:
    """Each error is at its field, which references it; the first has the focus; input stays, except passwords."""
    tab = Paged().tab()
    answer = await tab.send("/auth/sign-up", "/auth/sign-up", email=email, password=password, name="Ada")
    page = Reader(answer.text)
    assert answer.status_code == 422
    fields = {one["id"]: one for one in page.all("input") if one.get("id") and "aria-invalid" in one}
    assert list(fields) == wrong
    assert [field for field, given in fields.items() if "autofocus" in given] == wrong[:1]
    for field, given in fields.items():
        assert f"{field}-error" in (given["aria-describedby"] or "").split()
    assert [one["id"] for one in page.all("p") if "error" in (one.get("class") or "")] == [f"{x}-error" for x in wrong]
    assert (page.forms["/auth/sign-up"]["name"], page.forms["/auth/sign-up"]["email"]) == ("Ada", email)
    assert page.forms["/auth/sign-up"]["password"] == ""
    assert "<title>Error: " in answer.text


async def test_a_wrong_password_says_no_more_than_that() -> None:
    """Known and unknown addresses get the same page, except for the address that was typed."""
    site = Paged()
    await site.user()
    told = []
    for email in (EMAIL, "nobody@example.com"):
        answer = await site.tab().send("/auth/sign-in", "/auth/sign-in", email=email, password="wrong password")
        told.append((answer.status_code, re.sub(r'value="[^"]*"', "", answer.text)))
    assert told[0] == told[1]
    assert told[0][0] == 401


async def test_too_many_tries_are_told_with_a_time() -> None:
    """A locked-out sign-in gets 429 and is told how long to wait."""
    site = Paged()
    for _ in range(5):
        await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password="wrong password")
    answer = await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password="wrong password")
    assert answer.status_code == 429
    assert "Wait 15 minutes" in answer.text or "Wait 16 minutes" in answer.text


async def test_requests_from_one_address_are_limited() -> None:
    """Pages count against the limit by IP address, like the JSON routes."""
    limit = LockoutPolicy(max_attempts=2, window=timedelta(minutes=1))
    site = Paged(WebConfig(base_url=SITE, ip_limit=limit))
    seen = [
        (await site.tab().send("/auth/forgot-password", "/auth/forgot-password", follow=False, email=email)).status_code
        for email in ("a@example.com", "b@example.com", "c@example.com")
    ]
    assert seen == [303, 303, 429]


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/orders?x=1", "/orders?x=1"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_a_sign_in_leads_to_this_application_alone(target: str, leads_to: str) -> None:
    """Whatever ``next`` says, nobody is sent to another site, while signing in or already signed in."""
    site = Paged()
    await site.user()
    tab = site.tab()
    text = (await tab.get("/auth/sign-in", params={"next": target})).text
    form = Reader(text).forms["/auth/sign-in"]
    answer = await tab.client.post("/auth/sign-in", data={**form, "email": EMAIL, "password": PASSWORD})
    assert answer.headers["location"] == leads_to
    again = await tab.get("/auth/sign-in", params={"next": target})
    assert again.headers["location"] == leads_to


async def test_signing_out_ends_the_session() -> None:
    """The cookie is deleted and the session ends: its token is no longer valid."""
    site = Paged()
    user = await site.user()
    tab = site.tab()
    await tab.sign_in()
    answer = await tab.send("/auth/account", "/auth/sign-out")
    assert "You are signed out." in answer.text
    assert not await site.torii.list_sessions(user.id)
    assert (await tab.get("/auth/account")).status_code == 303


async def test_a_visit_to_a_sign_in_link_changes_nothing() -> None:
    """Mail scanners may visit the link any number of times; the click signs in, once."""
    site = Paged()
    await site.user()
    await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, way="link")
    link = f"/auth/magic-link?token={await site.here.link()}"
    for _ in range(3):
        assert EMAIL in (await site.tab().get(link)).text
    tab, late = site.tab(), site.tab()
    await late.get(link)
    assert (await tab.send(link, "/auth/magic-link", follow=False)).headers["location"] == "/"
    assert (await tab.get("/auth/account")).status_code == 200
    dead = await late.get(link)
    assert dead.status_code == 400
    assert "This link no longer works" in dead.text


async def test_a_sign_in_link_answers_alike_for_unknown_addresses() -> None:
    """Requesting a sign-in link or a reset does not reveal who has an account."""
    site = Paged()
    await site.user()
    for page, more in (("/auth/sign-in", {"way": "link"}), ("/auth/forgot-password", {})):
        answers = [
            await site.tab().send(page, page, follow=False, email=email, **more)
            for email in (EMAIL, "nobody@example.com")
        ]
        assert len({(one.status_code, one.headers["location"], one.text) for one in answers}) == 1


async def test_an_address_is_verified_by_a_click() -> None:
    """A visit to the link verifies nothing; the click does, and works once."""
    site = Paged()
    tab = site.tab()
    await tab.send("/auth/sign-up", "/auth/sign-up", email=EMAIL, password=PASSWORD)
    link = f"/auth/verify-email?token={await site.here.link()}"
    await tab.get(link)
    user = await site.torii.storage.get_user_by_email(EMAIL)
    assert user is not None
    assert not user.is_email_verified
    answer = await tab.send(link, "/auth/verify-email")
    assert "Your email address is verified. Sign in to continue." in answer.text
    assert (await site.tab().get(link)).status_code == 400
    await site.tab().sign_in()


async def test_an_address_is_verified_on_another_device() -> None:
    """The page asks for the password chosen at sign-up; a wrong or missing one does not use up the link."""
    site = Paged()
    await site.tab().send("/auth/sign-up", "/auth/sign-up", email=EMAIL, password=PASSWORD)
    link = f"/auth/verify-email?token={await site.here.link()}"
    phone = site.tab()
    for password in ("", "wrong password"):
        answer = await phone.send(link, "/auth/verify-email", choice="keep", password=password)
        assert (answer.status_code, "The password is wrong." in answer.text) == (422, True)
    # A form without a choice, as from a browser that lost its cookie: the page asks again, nothing is removed.
    answer = await phone.send(link, "/auth/verify-email", choice="")
    assert 'id="form-keep"' in answer.text
    answer = await phone.send(link, "/auth/verify-email", choice="keep", password=PASSWORD)
    assert "Your email address is verified. Sign in to continue." in answer.text
    await phone.sign_in()


async def test_the_owner_of_an_address_begins_anew() -> None:
    """Someone else signed up with it and is signed in: the owner's new password ends that, an invalid one does not."""
    site = Paged(WebConfig(base_url=SITE, registration="direct", ip_limit=LockoutPolicy(enabled=False)))
    stranger = site.tab()
    await stranger.send("/auth/sign-up", "/auth/sign-up", email=EMAIL, password=PASSWORD)
    assert (await stranger.get("/auth/account")).status_code == 200
    link = f"/auth/verify-email?token={await site.here.link()}"
    owner = site.tab()
    answer = await owner.send(link, "/auth/verify-email", choice="afresh", new_password="short")
    assert (answer.status_code, '<details class="confirm" id="afresh" open>' in answer.text) == (422, True)
    assert (await stranger.get("/auth/account")).status_code == 200
    await owner.send(link, "/auth/verify-email", choice="afresh", new_password=NEW)
    assert (await stranger.get("/auth/account")).status_code == 303
    await owner.sign_in(password=NEW)


async def test_an_address_is_changed_on_another_device() -> None:
    """In a session other than the one that requested the link, the page asks for the password."""
    site = Paged()
    await site.user()
    tab, phone = site.tab(), site.tab()
    await tab.sign_in()
    await phone.sign_in()
    await tab.send("/auth/account", "/auth/account/email", new_email="new@example.com")
    link = f"/auth/change-email?token={await site.here.link()}"
    answer = await phone.send(link, "/auth/change-email", choice="keep", password="wrong password")
    assert answer.status_code == 422
    answer = await phone.send(link, "/auth/change-email", choice="keep", password=PASSWORD)
    assert (answer.url.path, "Your email address was changed." in answer.text) == ("/auth/account", True)
    assert (await tab.get("/auth/account")).status_code == 200


async def test_a_password_is_reset_by_a_link() -> None:
    """A refused password does not use up the link; a valid one signs in here and out everywhere else."""
    site = Paged()
    await site.user()
    old = site.tab()
    await old.sign_in()
    await site.tab().send("/auth/forgot-password", "/auth/forgot-password", email=EMAIL)
    link = f"/auth/reset-password?token={await site.here.link()}"
    tab = site.tab()
    assert (await tab.send(link, "/auth/reset-password", password="short")).status_code == 422
    answer = await tab.send(link, "/auth/reset-password", password=NEW)
    assert answer.url.path == "/auth/account"
    assert (await old.get("/auth/account")).status_code == 303
    assert (await site.tab().get(link)).status_code == 400
    await site.tab().sign_in(password=NEW)


async def test_the_profile_is_changed() -> None:
    """The name is saved, and shown as text whatever it contains."""
    site = Paged()
    await site.user()
    tab = site.tab()
    await tab.sign_in()
    name = '<script>alert("x")</script>'
    answer = await tab.send("/auth/account", "/auth/account/profile", name=name)
    assert "Your profile was saved." in answer.text
    assert name not in answer.text
    assert name in words(answer)
    too_long = await tab.send("/auth/account", "/auth/account/profile", name="x" * 300)
    assert too_long.status_code == 422
    assert "profile-name-error" in too_long.text


async def test_the_password_is_changed() -> None:
    """The current password must be correct; other browsers are signed out, this one is not."""
    site = Paged()
    await site.user()
    tab, other = site.tab(), site.tab()
    await tab.sign_in()
    await other.sign_in()
    page = "/auth/account"
    wrong = await tab.send(page, "/auth/account/password", current_password="wrong password", new_password=NEW)
    assert wrong.status_code == 422
    answer = await tab.send(page, "/auth/account/password", current_password=PASSWORD, new_password=NEW)
    assert "Your password was changed" in answer.text
    assert (await other.get("/auth/account")).status_code == 303


async def test_the_address_is_changed_by_a_link() -> None:
    """The link goes to the new address, requires a click, and works only for its owner."""
    site = Paged()
    await site.user()
    await site.user("eve@example.com")
    tab, eve = site.tab(), site.tab()
    await tab.sign_in()
    await eve.sign_in("eve@example.com")
    await tab.send("/auth/account", "/auth/account/email", new_email="new@example.com")
    link = f"/auth/change-email?token={await site.here.link()}"
    assert site.here.mailer.messages[-1].to == "new@example.com"
    assert (await eve.get(link)).status_code == 400
    stranger = await site.tab().get(link)
    assert stranger.headers["location"] == "/auth/sign-in?next=%2Fauth%2Fchange-email"
    answer = await tab.send(link, "/auth/change-email")
    assert "Your email address was changed." in answer.text
    assert "new@example.com" in answer.text


async def test_devices_are_signed_out_one_by_one_or_all() -> None:
    """One, all others and all devices: each button ends what it says and nothing else."""
    site = Paged()
    await site.user()
    here, *others = [site.tab() for _ in range(4)]
    for tab in (here, *others):
        await tab.sign_in()
    page = await here.get("/auth/account")
    assert page.text.count('name="session_id"') == 3
    await here.send("/auth/account", "/auth/account/devices/end")
    assert (await here.get("/auth/account")).text.count('name="session_id"') == 2
    answer = await here.send("/auth/account", "/auth/account/devices/end-others")
    assert "All other devices were signed out." in answer.text
    assert [(await tab.get("/auth/account")).status_code for tab in (here, *others)] == [200, 303, 303, 303]
    await others[0].sign_in()
    gone = await here.send("/auth/account", "/auth/account/devices/end-all")
    assert "You are signed out on all devices." in gone.text
    assert [(await tab.get("/auth/account")).status_code for tab in (here, others[0])] == [303, 303]


async def test_what_a_thief_would_do_asks_for_a_recent_sign_in() -> None:
    """Without a recent sign-in, the account page offers to sign in again, and forms left open lead there."""
    site = Paged()
    user = await site.user()
    tab = site.tab()
    await tab.sign_in()
    token = Reader((await tab.get("/auth/account")).text).forms["/auth/account/email"]["csrf_token"]
    site.here.clock.advance(timedelta(minutes=16))
    text = (await tab.get("/auth/account")).text
    assert "Sign in again to change your email address" in text
    assert "/auth/account/email" not in Reader(text).forms
    again = "/auth/sign-in?next=%2Fauth%2Faccount&again=1"
    for path in ("email", "passkeys", "passkeys/remove", "disconnect", "delete"):
        answer = await tab.client.post(f"/auth/account/{path}", data={"csrf_token": token, "confirm": "yes"})
        assert answer.headers["location"] == again, path
    options = await tab.client.post("/auth/account/passkeys/options", data={"csrf_token": token})
    assert options.status_code == 403
    assert options.json()["code"] == "recent_sign_in_required"
    assert "Sign in again" in (await tab.get(again)).text
    answer = await tab.send(again, "/auth/sign-in", follow=False, email=EMAIL, password=PASSWORD)
    assert answer.headers["location"] == "/auth/account"
    assert "/auth/account/email" in Reader((await tab.get("/auth/account")).text).forms
    assert len(await site.torii.list_sessions(user.id)) == 1


async def test_the_account_is_deleted() -> None:
    """The box must be ticked; then the user is deleted and the browser signed out."""
    site = Paged()
    user = await site.user()
    tab = site.tab()
    await tab.sign_in()
    assert (await tab.send("/auth/account/delete", "/auth/account/delete")).status_code == 422
    answer = await tab.send("/auth/account/delete", "/auth/account/delete", confirm="yes")
    assert "Your account and everything in it was deleted" in answer.text
    assert await site.torii.get_user(user.id) is None


async def test_a_passkey_answer_that_is_none_is_refused() -> None:
    """Whatever the credential field contains, the page returns with a message, and nobody is signed in."""
    site = Paged()
    tab = site.tab()
    for answer in ("", "null", "[]", "{}", '{"id": 1}', "[" * 5000):
        page = await tab.send("/auth/sign-in", "/auth/passkey", answer=answer)
        assert page.status_code == 401
        assert "The passkey was not accepted" in page.text


async def test_passkey_options_are_for_pages_of_ours() -> None:
    """With the form's token the script gets options, new ones each time."""
    tab = Paged().tab()
    token = Reader((await tab.get("/auth/sign-in")).text).forms["/auth/passkey"]["csrf_token"]
    seen = [(await tab.client.post("/auth/passkey/options", data={"csrf_token": token})).json() for _ in range(2)]
    assert seen[0]["rpId"] == "app.example.com"
    assert seen[0]["challenge"] != seen[1]["challenge"]


async def test_a_passkey_of_nobody_cannot_be_named_or_removed() -> None:
    """Invalid IDs, and those of other users, have no effect."""
    site = Paged()
    await site.user()
    tab = site.tab()
    await tab.sign_in()
    token = Reader((await tab.get("/auth/account")).text).forms["/auth/sign-out"]["csrf_token"]
    for given in ("", "zz", "ab" * 2000, "abcd"):
        answer = await tab.client.post(
            "/auth/account/passkeys/rename", data={"csrf_token": token, "id": given, "name": "Mine"}
        )
        assert answer.status_code == 404


async def test_providers_are_offered_where_they_are_set_up() -> None:
    """Sign-in pages have a form for the providers, and a failure returns as a message."""
    site = Paged(oauth=[google("id", "secret")])
    await site.user()
    tab = site.tab()
    text = (await tab.get("/auth/sign-in?next=/orders")).text
    assert Reader(text).forms["/auth/provider"].keys() == {"csrf_token", "next", "from"}
    assert [one["value"] for one in Reader(text).all("button") if one.get("name") == "provider"] == ["google"]
    assert "Google was not allowed to tell us" in (await tab.get("/auth/sign-in?error=denied&provider=google")).text
    # A URL can name a reason and a provider, but cannot add text.
    odd = await tab.get("/auth/sign-in?error={x}pay+here&provider=pay-there")
    assert "Something went wrong" in odd.text
    assert "pay" not in odd.text
    await tab.sign_in()
    failed = await tab.get("/auth/sign-in?error=state&provider=google", follow_redirects=True)
    assert "it took too long" in failed.text
    assert "Connect Google" in failed.text


async def test_a_notice_is_one_of_ours() -> None:
    """A URL can name a notice, but cannot add text."""
    tab = Paged().tab()
    assert "You are signed out." in (await tab.get("/auth/sign-in?notice=signed-out")).text
    assert "pay here" not in (await tab.get("/auth/sign-in?notice=pay+here")).text


async def test_static_files_are_served_with_their_types() -> None:
    """The style sheet, the scripts and the icon are served with their types; no other path is served."""
    tab = Paged().tab()
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for name in ("pages.css", "forms.js", "passkeys.js", "recovery-codes.js", "icon.svg"):
        answer = await tab.get(f"/auth/static/{name}")
        assert answer.headers["content-type"].startswith(kinds[name.partition(".")[2]])
    for name in ("nothing.css", "..%2Frouter.py", "%2e%2e/router.py"):
        assert (await tab.get(f"/auth/static/{name}")).status_code == 404


async def test_without_mail_and_passkeys_the_pages_do_not_offer_them() -> None:
    """Mailed links, resets and passkeys are offered only if the services are set up for them."""
    site = Paged(WebConfig(registration="direct", ip_limit=None), mailer=None, mail=None, passkeys=None)
    tab = site.tab()
    text = (await tab.get("/auth/sign-in")).text
    assert "link-button" not in text
    assert "passkey" not in text
    assert (await tab.get("/auth/forgot-password")).status_code == 404
    await site.user()
    await tab.sign_in()
    assert "New email address" not in (await tab.get("/auth/account")).text


async def test_the_account_tells_where_a_passkey_lives() -> None:
    """It is synchronised, can be, or is lost with its device; nothing is shown if no authenticator has reported it."""
    site = Paged()
    user = await site.user()
    tab = site.tab()
    await tab.sign_in()
    states = {
        (True, True): "Synced across your devices",
        (True, False): "Not synced yet",
        (False, False): "On one device only",
        (None, False): "",
    }
    for number, (eligible, backed_up) in enumerate(states):
        new = NewPasskey(
            user_id=user.id, credential_id=bytes([number]) * 16, public_key=b"key", name=f"Key {number}",
            backup_eligible=eligible, backed_up=backed_up,
        )  # fmt: skip
        await site.torii.storage.add_passkey(new)
    rows = (await tab.get("/auth/account")).text.partition('id="passkey-list"')[2].split("<li>")[1:5]
    for row in rows:
        number = next(number for number in range(4) if f"<strong>Key {number}</strong>" in row)
        shown = [one for one in states.values() if one and one in row]
        assert shown == [one for one in list(states.values())[number : number + 1] if one]
