"""After a mail was requested: the address is named, the mail is sent again, and a change of address is cancelled."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tests.services._async.support import EMAIL, PASSWORD
from tests.web.paged import SITE, Paged, Reader, Tab, words

from torii_dynamodb import LockoutPolicy
from torii_dynamodb._rules import base64url
from torii_dynamodb.fastapi import WebConfig

NEW = "ada.lovelace@example.com"
# For each: the page, the fields of its form, and the mail to somebody with an account.
ASKING = [
    ("sign-in", {"way": "link", "password": ""}, "magic_link"),
    ("forgot-password", {}, "reset_password"),
    ("sign-in", {"way": "code", "password": ""}, "email_code"),
    ("forgot-password", {"way": "code"}, "email_code"),
]


async def ask(tab: Tab, page: str, fields: dict[str, Any], email: str) -> tuple[str, str]:
    """Ask for a mail; return the path and the text of the page after it."""
    answer = await tab.send(f"/auth/{page}", f"/auth/{page}", email=email, **fields)
    return str(answer.url).removeprefix(SITE), answer.text


async def again(tab: Tab, page: str) -> tuple[int, str]:
    """Ask for the same mail again; return the status and the text of the page."""
    action = page.partition("?")[0]
    forms = re.findall(r'<form[^>]*id="form-resend".*?</form>', (await tab.get(page)).text, re.DOTALL)
    fields = Reader(forms[0]).forms[action]
    answer = await tab.client.post(action, data={**fields, "way": "resend"}, follow_redirects=True)
    return answer.status_code, re.sub(r'name="csrf_token" value="[^"]+"', "", answer.text)


@pytest.mark.parametrize(("page", "fields", "template"), ASKING)
async def test_a_mail_is_sent_again_and_tells_nobody_who_has_an_account(
    page: str, fields: dict[str, str], template: str
) -> None:
    """The pages name the address, send again, and are the same for an unknown address, to which nothing is sent."""
    site = Paged(magic_link_sign_up=False)
    await site.user()
    seen = []
    for email in (EMAIL, "nobody@example.com"):
        tab = site.tab()
        path, text = await ask(tab, page, fields, email)
        assert email not in path
        assert f"<strong>{email}</strong>" in text
        status, text = await again(tab, path)
        assert "another email is on its way" in text
        seen.append((path, status, text.replace(email, "")))
    assert seen[0] == seen[1]
    assert [one for one in await site.here.templates() if one == template] == [template] * 2


async def test_a_sign_up_is_sent_again_without_its_binding() -> None:
    """Who asks for another link may not be who registered the address: that link asks for the password."""
    site = Paged()
    tab = site.tab()
    fields = {"password": PASSWORD, "name": ""}
    path, text = await ask(tab, "sign-up", fields, EMAIL)
    assert f"<strong>{EMAIL}</strong>" in text
    assert (await again(tab, path))[0] == 200
    assert await site.here.templates() == ["verify_email", "verify_email"]
    first, second = (re.search(r"/auth/verify-email\?token=\S+", one.text) for one in site.here.mailer.messages)
    assert first is not None
    assert second is not None
    assert "form-keep" not in (await tab.get(first[0])).text
    assert "form-keep" in (await tab.get(second[0])).text


async def test_mails_that_are_sent_again_are_limited() -> None:
    """They count as any others: by mailbox and by IP address. The page stays, and says how long to wait."""
    site = Paged(WebConfig(base_url=SITE, ip_limit=LockoutPolicy(max_attempts=8, window=timedelta(minutes=1))))
    await site.user()
    tab = site.tab()
    path, _ = await ask(tab, "forgot-password", {}, EMAIL)
    answers = [await again(tab, path) for _ in range(8)]
    assert [status for status, _ in answers] == [200] * 4 + [429] * 4
    assert "Too many of these emails were requested for this address" in answers[4][1]
    assert "There were too many attempts" in answers[-1][1]
    assert f"<strong>{EMAIL}</strong>" in answers[-1][1]
    assert len(site.here.mailer.messages) == 5


async def test_the_next_person_at_a_browser_sees_no_address() -> None:
    """Signing in and signing out remove the address that a mail was sent to."""
    site = Paged()
    await site.user()
    tab = site.tab()
    await ask(tab, "forgot-password", {}, EMAIL)
    await tab.sign_in()
    assert EMAIL not in (await tab.get("/auth/check-mail?kind=reset")).text
    other = site.tab()
    path, _ = await ask(other, "forgot-password", {}, EMAIL)
    form = Reader((await other.get("/auth/sign-in")).text).forms["/auth/sign-in"]
    await other.client.post("/auth/sign-out", data={"csrf_token": form["csrf_token"]})
    assert EMAIL not in (await other.get(path)).text


@pytest.mark.parametrize(
    "email", ['<script>alert("x")</script>', "no address", "a@example.com\nBcc: b@example.com", ""]
)
async def test_a_cookie_is_not_trusted(email: str) -> None:
    """A planted address is text on the page, and no mail is sent to what is not an address."""
    site = Paged()
    tab = site.tab()
    await tab.get("/auth/sign-in")
    value = f"reset.{base64url.encode(email.encode())}"
    tab.client.cookies.set("__Host-torii-mailed", value, domain="app.example.com", path="/")
    page = await tab.get("/auth/check-mail?kind=reset")
    assert "<script>alert" not in page.text
    form = {"csrf_token": Reader((await tab.get("/auth/sign-in")).text).forms["/auth/sign-in"]["csrf_token"]}
    answer = await tab.client.post("/auth/check-mail", data={**form, "kind": "reset"})
    assert answer.headers["location"] == "/auth/sign-in"
    assert not site.here.mailer.messages
    # Another kind of mail went to another address.
    assert "<strong>" not in (await tab.get("/auth/check-mail?kind=sign-up")).text


async def test_a_pending_change_is_shown_and_cancelled() -> None:
    """The account page names the new address; once cancelled, the link no longer works, and nobody else can cancel."""
    site = Paged()
    await site.user()
    await site.user("grace@example.com")
    tab, other, stranger = site.tab(), site.tab(), site.tab()
    for one in (tab, other):
        await one.sign_in()
    await stranger.sign_in("grace@example.com")
    assert "pending-email" not in (await tab.get("/auth/account")).text
    answer = await tab.send("/auth/account", "/auth/account/email", new_email=NEW)
    assert f"<strong>{NEW}</strong>" in answer.text
    assert NEW in (await other.get("/auth/account")).text
    links = [re.search(r"/auth/change-email\?token=\S+", one.text) for one in site.here.mailer.messages]
    (link,) = [one[0] for one in links if one is not None]
    # Grace has none, and her form ends nobody else's.
    page = await stranger.get("/auth/account")
    assert "pending-email" not in page.text
    token = Reader(page.text).forms["/auth/account/profile"]["csrf_token"]
    await stranger.client.post("/auth/account/email/cancel", data={"csrf_token": token})
    assert (await tab.get(link)).status_code == 200
    cancelled = await other.send("/auth/account", "/auth/account/email/cancel")
    assert "The change was cancelled." in words(cancelled)
    assert "pending-email" not in cancelled.text
    assert (await tab.get(link)).status_code == 400
    user = await site.torii.storage.get_user_by_email(EMAIL, consistent=True)
    assert user is not None
    assert not await site.torii.email_verification.cancel_change(user.id)


async def test_a_new_request_replaces_the_pending_change() -> None:
    """Only the newest link works; a completed change is no longer pending."""
    site = Paged()
    user = await site.user()
    service = site.torii.email_verification
    for email in ("typo@example.com", NEW):
        await service.send_change(user, email)
    links = [re.search(r"token=(\S+)", one.text) for one in site.here.mailer.messages]
    first, second = (one[1] for one in links if one is not None)
    assert await service.check_change(first) is None
    fresh = await site.torii.storage.get_user(user.id, consistent=True)
    assert fresh is not None
    pending = await service.pending_change(fresh)
    assert pending is not None
    assert pending.new_email == NEW
    changed = await service.complete_change(second, user_id=user.id, new_password="a brand new password")
    assert changed.email == NEW
    assert await service.pending_change(changed) is None
