"""The languages of pages: every text can be translated, and everybody gets the language they want."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from fastapi import FastAPI
from pyotp.totp import TOTP
from tests.marked import Unmarked, marking
from tests.services._async.support import EMAIL, PASSWORD, settings
from tests.services.authenticator import Authenticator
from tests.web.paged import ADMIN, SITE, Paged, Reader, Tab

from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.languages import Languages
from torii_dynamodb.oauth import google

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}

# What is data on the pages below.
DATA = (
    r"[\w.+]+@(?:[\w.]+)", r"\bExample\b", r"\bAda\b", r"Firefox ?", r"Linux", r"Google", r"UTC", r"usr_\w+", r"Tablet",
    r"English", r"Deutsch", r"testserver", r"DynamoDbConfig\(on_call=activity\.on_call\)", r"otpauth:\S+",
    r"[A-Z2-7]{4}(?: [A-Z2-7]{4})+", r"[a-z2-7]{4}(?:-[a-z2-7]{4})+", r"\{.*?\}", r"subject-1",
)  # fmt: skip


class Told:
    """Reads pages and collects what is not marked on them."""

    def __init__(self) -> None:
        self.unmarked: list[tuple[str, str]] = []
        self.seen: set[str] = set()

    def read(self, answer: httpx.Response) -> httpx.Response:
        """Look at a page."""
        assert answer.headers["content-type"].startswith("text/html"), answer.text
        title = re.search(r"<h1>(.*?)</h1>", answer.text)
        assert title is not None
        self.seen.add(title[1])
        self.unmarked += [(str(answer.url), text) for text in Unmarked(answer.text, DATA).found]
        return answer


async def strangers(site: Paged, told: Told, tab: Tab) -> None:
    """What people see who are not signed in."""
    for path in (
        "sign-in", "sign-in?notice=signed-out", "sign-in?error=denied&provider=google", "sign-in?error=other",
        "sign-up", "forgot-password", "check-mail", "check-mail?kind=sign-up", "check-mail?kind=reset",
        "check-mail?kind=provider", "magic-link?token=x", "verify-email?token=x", "reset-password?token=x",
    ):  # fmt: skip
        told.read(await tab.get(f"/auth/{path}"))
    for page, fields in (
        ("sign-in", {"email": "nonsense", "password": "x"}),
        ("sign-in", {"email": "ada@nodot", "password": "x"}),
        ("sign-in", {"email": EMAIL, "password": "wrong"}),
        ("sign-up", {"email": "", "password": PASSWORD}),
        ("sign-up", {"email": "a@@example.com", "password": PASSWORD}),
        ("sign-up", {"email": "grace@example.com", "password": "short"}),
        ("sign-up", {"email": "grace@example.com", "password": "password1"}),
        ("sign-up", {"email": "grace.hopper@example.com", "password": "grace.hopper"}),
        ("sign-up", {"email": "grace@example.com", "password": PASSWORD, "name": "x" * 300}),
        ("forgot-password", {"email": "x" * 300 + "@example.com"}),
    ):
        told.read(await tab.send(f"/auth/{page}", f"/auth/{page}", follow=True, **fields))
    told.read(await tab.send("/auth/forgot-password", "/auth/forgot-password", email=EMAIL, way="code"))
    told.read(await tab.send("/auth/email-code", "/auth/email-code", code="1"))
    await tab.send("/auth/sign-in", "/auth/sign-in", email="new@example.com", way="link")
    told.read(await tab.get(f"/auth/magic-link?token={await site.here.link()}"))
    await site.torii.password.send_reset(EMAIL)
    told.read(await tab.get(f"/auth/reset-password?token={await site.here.link()}"))
    await site.torii.password.register("new@example.com", PASSWORD)
    user = await site.torii.storage.get_user_by_email("new@example.com", consistent=True)
    assert user is not None
    await site.torii.email_verification.send(user)
    told.read(await tab.get(f"/auth/verify-email?token={await site.here.link()}"))
    told.read(await tab.client.post("/auth/sign-in", data={}))


async def owner(site: Paged, told: Told, tab: Tab) -> None:
    """What the owner of an account sees, with everything set up, and shortly after signing in and later."""
    told.read(await tab.get("/auth/account"))
    user = await site.torii.storage.get_user_by_email(EMAIL, consistent=True)
    assert user is not None
    device = Authenticator()
    device.origin, device.rp_id = SITE, "app.example.com"
    added = device.create(await site.torii.passkeys.begin_registration(user))
    await site.torii.passkeys.complete_registration(user, added, name="Tablet")
    for path, action, fields in (
        ("account", "account/profile", {"name": "x" * 300}),
        ("account", "account/email", {"new_email": EMAIL}),
        ("account", "account/password", {"current_password": "x", "new_password": PASSWORD}),
        ("account", "account/passkeys", {"name": "x"}),
        ("account/delete", "account/delete", {}),
    ):
        told.read(await tab.send(f"/auth/{path}", f"/auth/{action}", follow=True, **fields))
    app = "/auth/account/second-factor/app"
    page = told.read(await tab.get(app))
    told.read(await tab.send(app, app, code="000000"))
    secret = re.search(r'<code id="secret">([A-Z2-7 ]+)</code>', page.text)
    assert secret is not None
    form = Reader(page.text).forms[app]
    code = TOTP(secret[1].replace(" ", "")).at(site.here.clock())
    told.read(await tab.client.post(app, data={**form, "code": code}))
    for notice in ("factor-added", "passkey-added"):
        told.read(await tab.get(f"/auth/account?notice={notice}"))
    site.here.clock.advance(timedelta(hours=1))
    told.read(await tab.get("/auth/account"))
    told.read(await tab.get("/auth/second-factor/again"))
    told.read(await tab.get("/auth/second-factor/again?way=recovery"))
    told.read(await tab.get("/auth/second-factor/again?way=passkey"))
    told.read(await tab.get("/auth/account?error=state&provider=google"))
    other = site.tab(**GERMAN)
    await other.sign_in()
    told.read(await other.get("/auth/second-factor"))


async def administrator(site: Paged, told: Told, tab: Tab) -> None:
    """What an administrator sees."""
    user = await site.torii.storage.get_user_by_email(EMAIL, consistent=True)
    assert user is not None
    one = f"/admin/users/{user.id}"
    for path in ("/admin", "/admin?q=x@example.com", "/admin?q=zzz", "/admin?q=ada", "/admin/new", "/admin/activity"):
        told.read(await tab.get(path))
    for path in (one, f"{one}/edit", f"{one}/delete", "/admin/users/usr_x", "/admin/activity?span=day"):
        told.read(await tab.get(path))
    told.read(await tab.send("/admin/new", "/admin/new", email="nonsense"))
    told.read(await tab.send(f"{one}/edit", f"{one}/edit", metadata="x"))
    told.read(await tab.send(one, f"{one}/lock"))


async def test_every_text_of_the_pages_can_be_translated() -> None:
    """No text on a page is outside of the catalogues, except data: neither in templates nor from Python."""
    told = Told()
    with marking():
        site = Paged(oauth=[google("id", "secret")], require_verified_to_sign_in=False, mail=settings(base_url=SITE))
        await site.user(name="Ada")
        tab = site.tab(**GERMAN)
        await strangers(site, told, tab)
        tab = site.tab(**GERMAN)
        await tab.sign_in()
        await owner(site, told, tab)
        await site.user(ADMIN)
        tab = site.tab(**GERMAN)
        await tab.sign_in(ADMIN)
        await administrator(site, told, tab)
    assert not told.unmarked, "\n".join(f"{url}: {text}" for url, text in told.unmarked)
    assert len(told.seen) > 20, sorted(told.seen)


async def test_a_page_is_in_the_language_that_the_browser_wants() -> None:
    """``Accept-Language`` decides, and the response says so; without a wish that can be met, the default does."""
    site = Paged()
    cases = ((GERMAN["Accept-Language"], "de", "Anmelden"), ("fr", "en", "Sign in"), ("*", "en", "Sign in"))
    for wanted, tag, text in cases:
        answer = await site.tab(**{"Accept-Language": wanted}).get("/auth/sign-in")
        assert answer.headers["content-language"] == tag
        assert answer.headers["vary"] == "Accept-Language, Cookie"
        assert f'<html lang="{tag}" dir="ltr">' in answer.text
        assert f"<h1>{text}</h1>" in answer.text


@pytest.mark.parametrize("cookie", ["xx", "../../de", "de,en", "%00", '"de"', "d" * 3000])
async def test_a_forged_choice_counts_as_none(cookie: str) -> None:
    """Whatever the cookie holds: the page is shown in a language that is offered."""
    tab = Paged().tab(Cookie=f"__Host-torii-language={cookie}")
    answer = await tab.get("/auth/sign-in", headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    assert answer.headers["content-language"] in ("en", "de")


async def test_a_choice_comes_before_the_browsers_wish() -> None:
    """The switch in the footer names each language in itself. A choice lasts, also for error pages and mails."""
    site = Paged()
    await site.user()
    tab = site.tab(**GERMAN)
    page = "/auth/sign-in?next=%2Forders%3Fa%3D1&notice=signed-out"
    assert Reader((await tab.get(page)).text).forms["/auth/language"]["next"] == "/auth/sign-in?next=%2Forders%3Fa%3D1"
    answer = await tab.send(page, "/auth/language", language="en")
    assert str(answer.url) == f"{SITE}/auth/sign-in?next=%2Forders%3Fa%3D1"
    assert "<h1>Sign in</h1>" in answer.text
    assert re.search(r'value="de" lang="de"[^>]*>Deutsch<', answer.text)
    assert re.search(r'value="en"[^>]* aria-current="true">English<', answer.text)
    assert "This link no longer works" in (await tab.get("/auth/magic-link?token=x")).text
    await tab.send("/auth/forgot-password", "/auth/forgot-password", email=EMAIL)
    assert site.here.mailer.messages[-1].subject == "Choose a new password for Example"
    answer = await tab.send("/auth/sign-in", "/auth/language", language="xx", next="https://evil.example/")
    assert (str(answer.url), answer.headers["content-language"]) == (f"{SITE}/auth/sign-in", "en")


async def test_a_mail_is_in_the_language_of_the_request() -> None:
    """A mail that a page or a JSON route causes is in the language that the browser wants."""
    site = Paged()
    await site.user()
    tab = site.tab(**GERMAN)
    await tab.send("/auth/forgot-password", "/auth/forgot-password", email=EMAIL)
    await tab.client.post("/api/auth/magic-link", json={"email": EMAIL})
    assert [(one.subject, one.language) for one in site.here.mailer.messages] == [
        ("Neues Passwort für Example wählen", "de"),
        ("Ihr Anmeldelink für Example", "de"),
    ]


async def test_what_is_for_programs_stays_english() -> None:
    """The problems of the JSON routes are for developers."""
    answer = await Paged().tab(**GERMAN).client.post("/api/auth/magic-link/complete", json={"token": "x"})
    assert answer.json()["detail"].isascii()
    assert "link" in answer.json()["detail"]


async def test_one_language_has_no_switch() -> None:
    """Where there is no choice, the footer offers none, and there is no route for it."""
    site = Paged()
    settings = PagesConfig(app_name="Example", languages=Languages(offered=["de"], default="de"))
    app = FastAPI()
    app.include_router(pages(site.auth.web, settings))
    site.app = app
    tab = site.tab(**{"Accept-Language": "en"})
    assert "/auth/language" not in Reader((await tab.get("/auth/sign-in")).text).forms
    assert "<h1>Anmelden</h1>" in (await tab.get("/auth/sign-in")).text
    assert (await tab.client.post("/auth/language")).status_code == 404


async def test_translations_with_mistakes_do_not_stop_a_sign_in(tmp_path: Path) -> None:
    """An application's catalogue with a wrong placeholder, with HTML, and a damaged one: the pages work."""
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalogue = Catalog(locale="de")
    for message, translation in {
        "Email address": "%(missing)s %",
        "Sign in": "<script>alert(1)</script>",
        "Continue with %(name)s": "Weiter mit %(nmae)s",
        'No account yet? <a href="%(link)s">Sign up</a>': '<a href="https://evil.example/">%(link)s</a>',
    }.items():
        catalogue.add(message, translation)
    with (folder / "torii_dynamodb.mo").open("wb") as file:
        write_mo(file, catalogue)
    site = Paged(oauth=[google("id", "secret")])
    await site.user()
    site.app = FastAPI()
    settings = PagesConfig(app_name="Example", languages=Languages(folders=[tmp_path]))
    site.app.include_router(pages(site.auth.web, settings))
    tab = site.tab(**GERMAN)
    text = (await tab.get("/auth/sign-in")).text
    assert "E-Mail-Adresse" in text
    assert "Weiter mit Google" in text
    assert "Noch kein Konto?" in text
    assert "<script>alert" not in text
    await tab.sign_in()
