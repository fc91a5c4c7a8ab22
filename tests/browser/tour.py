"""A tour of all pages, in the states that people see. axe checks each stop; ``tools/screenshots.py`` takes pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, expect
from pyotp.totp import TOTP
from tests.browser.application import Application, serving
from tests.browser.person import Person, authenticator, on_account

from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.oauth import apple, github, google, microsoft, oidc
from torii_dynamodb.policies import SecondFactorPolicy

Stop = tuple[str, Page]

_LONG = "Wolfeschlegelsteinhausenbergerdorff Featherstonehaugh-Cholmondeley the Third"


@contextmanager
def application(config: DynamoDbConfig, **options: Any) -> Iterator[Application]:
    """The example application with everything that has a page. Its providers are offered, but never reached."""
    providers = [
        google("id", "secret"),
        github("id", "secret"),
        microsoft("id", "secret"),
        apple("id", team_id="team", key_id="key", private_key="-----BEGIN PRIVATE KEY-----"),
        oidc("acme", "https://id.example.com", "id", "secret"),
    ]
    policy = SecondFactorPolicy(trust_devices_for=timedelta(days=30))
    with serving(config, oauth=providers, second_factor=policy, **options) as running:
        yield running


def before_signing_in(app: Application, new_page: Callable[[], Page], name: str) -> Iterator[Stop]:
    """The public pages, also with errors on them."""
    page, person = new_page(), Person(app, f"{name}@example.com")
    for stop, path in (
        ("home", "/"),
        ("sign-in", "/auth/sign-in"),
        ("sign-up", "/auth/sign-up"),
        ("forgot-password", "/auth/forgot-password"),
        ("link-dead", "/auth/magic-link?token=none"),
        ("not-found", "/auth/nothing"),
        ("provider-failed", "/auth/sign-in?error=denied&provider=google"),
        ("check-mail-provider", "/auth/check-mail?kind=provider"),
    ):
        page.goto(path)
        yield stop, page
    page.goto("/auth/sign-up")
    page.locator("#email").fill("no address")
    page.locator("#password").fill("short")
    page.locator("#sign-up-button").click()
    expect(page.locator("#email")).to_have_attribute("aria-invalid", "true")
    yield "sign-up-errors", page
    page.goto("/auth/sign-in")
    page.locator("#email").fill(person.email)
    page.locator("#password").fill("a wrong password")
    page.locator("#sign-in-button").click()
    expect(page.locator("#password")).to_have_attribute("aria-invalid", "true")
    yield "sign-in-errors", page
    page.goto("/auth/sign-up")
    page.locator("#email").fill(person.email)
    page.locator("#password").fill(person.password)
    page.locator("#sign-up-button").click()
    page.wait_for_url("**/check-mail?*")
    yield "check-mail", page
    page.goto(app.link(person.email, "verify_email"))
    yield "verify-email", page
    held = [cookie for cookie in page.context.cookies() if cookie["name"].endswith("-sign-up")]
    page.context.clear_cookies(name=held[0]["name"])
    page.reload()
    page.locator("#afresh summary").click()
    yield "verify-email-elsewhere", page
    page.context.add_cookies(held)  # type: ignore[arg-type]
    page.reload()
    page.locator("#form-prove button").click()
    page.wait_for_url("**/sign-in?*")
    yield "verified", page
    page.goto("/auth/forgot-password")
    page.locator("#email").fill(person.email)
    page.locator("#form-forgot-password button.main").click()
    page.wait_for_url("**/check-mail?*")
    yield "check-mail-reset", page
    page.goto(app.link(person.email, "reset_password"))
    yield "reset-password", page
    page.goto("/auth/sign-in")
    page.locator("#email").fill(person.email)
    page.locator("#link-button").click()
    page.wait_for_url("**/check-mail?*")
    page.goto(app.link(person.email, "magic_link"))
    yield "magic-link", page
    page.goto("/auth/sign-in")
    page.locator("#email").fill(person.email)
    page.locator("#code-button").click()
    page.wait_for_url("**/email-code*")
    yield "email-code", page
    page.locator("#code").fill("1234")
    page.locator("#form-email-code button").click()
    expect(page.locator("#code")).to_have_attribute("aria-invalid", "true")
    yield "email-code-error", page
    # Another user signs in where somebody is signed in.
    other = Person(app, f"other-{name}@example.com")
    other.exist()
    app.run(app.torii.magic_link.send(other.email))
    code = re.search(r"\d{4} \d{4}", app.mail(person.email, "email_code").text)
    assert code is not None
    page.locator("#code").fill(code[0])
    page.locator("#form-email-code button").click()
    page.wait_for_url("**/")
    page.goto("/auth/sign-in?again=1")
    other.sign_in(page)
    page.wait_for_url("**/switch*")
    yield "switch", page


def with_a_brand(app: Application, new_page: Callable[[], Page], name: str) -> Iterator[Stop]:
    """A few pages in another application's colours, and in German, whose texts are longer."""
    page, person = new_page(), Person(app, f"{name}@example.com")
    person.exist()
    for path in ("sign-in", "sign-up"):
        page.goto(f"/auth/{path}")
        yield f"branded-{path}", page
    person.sign_in(page)
    page.goto("/auth/account")
    yield "branded-account", page
    page.locator("#form-language button[value=de]").click()
    yield "german-account", page
    page.locator("#form-sign-out button").click()
    yield "german-sign-in", page


def of_an_account(app: Application, new_page: Callable[[], Page], name: str) -> Iterator[Stop]:
    """The account pages, empty, full, with errors, and with a name and an address as long as some people have."""
    page, person = new_page(), Person(app, f"{name}.with-an-address-that-is-rather-long-for-a-phone@example.com")
    person.exist(name=_LONG[:60])
    person.sign_in(page)
    on_account(page)
    yield "account-empty", page
    page.goto("/")
    yield "home-signed-in", page
    page.goto("/auth/account")
    authenticator(page)
    page.locator("#new-passkey-name").fill("My laptop, with a name as long as some people like them")
    page.locator("#add-passkey-button").click()
    expect(page.locator("#notice")).to_be_visible()
    page.locator("#add-app button").click()
    expect(page.locator("#secret")).to_be_visible()
    yield "set-up", page
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.locator("#code").fill("12345")
    page.keyboard.press("Enter")
    expect(page.locator("#code")).to_have_attribute("aria-invalid", "true")
    yield "set-up-error", page
    page.locator("#code").fill(TOTP(secret).now())
    page.keyboard.press("Enter")
    expect(page.locator("#codes-saved")).to_be_visible()
    yield "recovery-codes", page
    page.locator("#codes-saved").click()
    page.locator("#new-email").fill(f"new-{name}@example.com")
    page.locator("#form-email button").click()
    expect(page.locator("#notice")).to_be_visible()
    second = new_page()
    second.goto("/auth/sign-in?next=/auth/account")
    second.locator("#email").fill(person.email)
    second.locator("#password").fill(person.password)
    second.locator("#sign-in-button").click()
    second.wait_for_url("**/second-factor*")
    yield "second-factor", second
    second.locator("#code").fill("000000")
    second.keyboard.press("Enter")
    expect(second.locator("#code")).to_have_attribute("aria-invalid", "true")
    yield "second-factor-error", second
    second.goto("/auth/second-factor?way=recovery")
    yield "second-factor-recovery", second
    page.goto("/auth/account")
    yield "account-full", page
    page.locator("#passkey-list summary").nth(0).click()
    page.locator("#passkey-list summary").nth(1).click()
    page.locator("#current-password").fill("wrong")
    page.locator("#new-password").fill("a brand new password")
    page.locator("#form-password button[type=submit]").click()
    expect(page.locator("#current-password")).to_have_attribute("aria-invalid", "true")
    yield "account-errors", page
    page.goto(app.link(f"new-{name}@example.com", "change_email"))
    yield "change-email", page
    page.goto("/auth/account/delete")
    yield "account-delete", page
    page.goto("/auth/sign-in?again=1&next=/auth/account")
    yield "sign-in-again", page
    page.goto("/auth/second-factor/again?next=/auth/account")
    yield "second-factor-again", page


def of_the_admin_area(app: Application, new_page: Callable[[], Page], name: str) -> Iterator[Stop]:
    """The admin area, with one user who has everything and with forms that are filled in wrongly."""
    admin, person = Person(app, "admin@example.com"), Person(app, f"{name}@example.com")
    page, guest = new_page(), new_page()
    admin.exist()
    person.exist(name=_LONG[:60])
    guest.goto("/auth/sign-in")
    for password in ("a wrong password", person.password):
        guest.locator("#email").fill(person.email)
        guest.locator("#password").fill(password)
        guest.locator("#sign-in-button").click()
        guest.wait_for_load_state()
    admin.sign_in(page)
    on_account(page)
    page.goto("/admin")
    yield "admin-users", page
    page.goto("/admin?q=nobody-has-this")
    yield "admin-users-none", page
    page.goto("/admin/new")
    page.locator("#email").fill("nobody")
    page.locator("#form-new-user button").click()
    expect(page.locator("#email-error")).to_be_visible()
    yield "admin-create-errors", page
    page.goto(f"/admin?q={person.email}")
    page.locator("#users a").click()
    yield "admin-user", page
    page.locator("#lock summary").click()
    yield "admin-user-lock", page
    page.locator("#edit-user").click()
    page.locator("#metadata").fill("{not JSON")
    page.locator("#form-edit-user button.main").click()
    expect(page.locator("#metadata-error")).to_be_visible()
    yield "admin-edit-errors", page
    page.go_back()
    page.go_back()
    page.locator("#delete-user").click()
    yield "admin-delete", page
    page.goto("/admin/activity")
    yield "admin-activity", page
