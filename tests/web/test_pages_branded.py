"""Pages with a brand, and with names that somebody chose to break them."""

from __future__ import annotations

from datetime import timedelta

from tests.services._async.support import EMAIL
from tests.web.paged import ADMIN, SITE, Paged, Reader

from torii_dynamodb import LockoutPolicy, NewPasskey
from torii_dynamodb.branding import Brand
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.fastapi.pages import PagesConfig
from torii_dynamodb.mail import MailSettings
from torii_dynamodb.models import NewOAuthAccount
from torii_dynamodb.oauth import google, oidc

EVIL = '"><script>alert(1)</script>'
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BRAND = Brand(
    logo=SVG,
    logo_dark="https://cdn.example.com/logo.png",
    accent="#7c3aed",
    terms_url="/terms?a=1&b=2",
    privacy_url="https://example.com/privacy",
    support_url="mailto:help@example.com",
    footer=f"Example Ltd {EVIL}",
)


async def test_pages_have_the_brand() -> None:
    """Logo, colours, links and footer are on each page, and the policy allows no more than the logo's site."""
    site = Paged(settings=PagesConfig(app_name=EVIL, brand=BRAND), oauth=[google("id", "secret")])
    tab = site.tab()
    for path in ("sign-in", "sign-up", "nothing-here"):
        answer = await tab.get(f"/auth/{path}")
        if answer.headers["content-type"] != "text/html; charset=utf-8":
            continue
        page = Reader(answer.text)
        (logo,) = page.all("img")
        assert logo["alt"] == EVIL
        assert page.all("source")[0]["srcset"] == "https://cdn.example.com/logo.png"
        links = [one.get("href") for one in page.all("a")]
        for link in ("/terms?a=1&b=2", "https://example.com/privacy", "mailto:help@example.com"):
            assert link in links
        assert "<script>alert" not in answer.text
        assert not [given for _, given in page.tags if "style" in given]
        policy = answer.headers["content-security-policy"]
        assert "img-src 'self' https://cdn.example.com;" in policy
        assert "unsafe" not in policy


async def test_what_is_made_from_a_brand_is_cached_by_content() -> None:
    """The style sheet and the drawn logo are kept for a year under their own URL, and under another one not at all."""
    site = Paged(settings=PagesConfig(app_name="Example", brand=BRAND))
    tab = site.tab()
    page = Reader((await tab.get("/auth/sign-in")).text)
    sheets = [one["href"] or "" for one in page.all("link") if one.get("rel") == "stylesheet"]
    assert [sheet.partition("?")[0] for sheet in sheets] == ["/auth/static/pages.css", "/auth/static/theme.css"]
    logo = page.all("img")[0]["src"] or ""
    for url in (*sheets, logo):
        answer = await tab.get(url)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        other = await tab.get(url.partition("?")[0] + "?v=another")
        assert other.headers["cache-control"] == "no-store"
    assert "--accent:#7c3aed;" in (await tab.get(sheets[1])).text
    drawn = await tab.get(logo)
    assert drawn.headers["content-type"] == "image/svg+xml"
    # Opened by itself, it runs no script.
    assert drawn.headers["content-security-policy"].startswith("default-src 'none';")
    assert "sandbox" in drawn.headers["content-security-policy"]
    assert (await Paged().tab().get("/auth/static/theme.css")).status_code == 404


async def test_names_are_text_wherever_they_are_shown() -> None:
    """Names of people, passkeys, accounts and browsers are escaped on the account page and in the admin area."""
    site = Paged(oauth=[oidc("evil-id", "https://id.example.com", "id", "secret")])
    user = await site.user(name=EVIL)
    await site.torii.storage.add_passkey(
        NewPasskey(user_id=user.id, credential_id=b"c" * 32, public_key=b"k" * 32, sign_count=0, name=EVIL)
    )
    account = NewOAuthAccount(provider="evil-id", subject=EVIL, email="a@example.com")
    await site.torii.storage.link_oauth_account(user.id, account)
    await site.user(ADMIN)
    tab, admin = site.tab(**{"User-Agent": EVIL}), site.tab()
    await tab.sign_in()
    await admin.sign_in(ADMIN)
    for one, path in ((tab, "/auth/account"), (admin, "/admin"), (admin, f"/admin/users/{user.id}")):
        text = (await one.get(path)).text
        assert "alert(1)" in text
        assert "<script>alert" not in text


async def test_mails_have_the_brand() -> None:
    """Colours, links and footer are in mails, as text; a drawn logo is replaced by the application's name."""
    mail = MailSettings(sender="a@example.com", app_name=EVIL, base_url=SITE, brand=BRAND, delivery="inline")
    site = Paged(mail=mail)
    await site.user()
    await site.torii.magic_link.send(EMAIL)
    (message,) = site.here.mailer.messages
    assert "background:#7c3aed;" in message.html
    assert f'href="{SITE}/terms?a=1&amp;b=2"' in message.html
    assert "<script>" not in message.html
    assert "<svg" not in message.html
    assert f"{SITE}/terms?a=1&b=2" in message.text
    assert f"Example Ltd {EVIL}" in message.text


async def test_offering_passkeys_uses_up_no_sign_ins() -> None:
    """The challenges that sign-in pages ask for have a limit of their own; autofill can be turned off."""
    limit = LockoutPolicy(max_attempts=2, window=timedelta(minutes=1))
    site = Paged(WebConfig(base_url=SITE, ip_limit=limit))
    await site.user()
    tab = site.tab()
    form = Reader((await tab.get("/auth/sign-in")).text).forms["/auth/sign-in"]
    data = {"csrf_token": form["csrf_token"]}
    seen = [(await tab.client.post("/auth/passkey/options", data=data)).status_code for _ in range(3)]
    assert seen == [200, 200, 429]
    assert "webauthn" in (await tab.get("/auth/sign-in")).text
    await tab.sign_in()
    off = Paged(settings=PagesConfig(app_name="Example", passkey_autofill=False))
    page = (await off.tab().get("/auth/sign-in")).text
    assert "webauthn" not in page
    assert "passkey-button" in page
