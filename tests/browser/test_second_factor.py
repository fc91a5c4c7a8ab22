"""Two-step verification and typed codes in a real browser, and what axe finds on their pages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pyotp.totp import TOTP
from tests.browser.application import Application, serving
from tests.browser.person import Person, authenticator, on_account, on_sign_in
from tests.browser.test_flows import press_until

from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.policies import SecondFactorPolicy

Contexts = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def app(dynoxide: LocalEngine) -> Iterator[Application]:
    """The example application, where devices can be trusted and some people must have a second factor."""
    policy = SecondFactorPolicy(
        trust_devices_for=timedelta(days=30), required=lambda user: user.email.startswith("must")
    )
    with serving(dynoxide.config(table_prefix=f"b{os.getpid()}factors"), second_factor=policy) as running:
        yield running


def app_code(secret: str, *, later: int = 0) -> str:
    """What the app shows now, or so many steps later. Each step is accepted once, also one step ahead of time."""
    return TOTP(secret).at(datetime.now(UTC) + timedelta(seconds=30 * later))


def set_up(page: Page) -> tuple[str, list[str]]:
    """Enter the code on the set-up page, and return the key and the recovery codes that are shown."""
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_label("Code", exact=True).fill(app_code(secret))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    codes = page.locator("#recovery-codes code").all_inner_texts()
    assert len(codes) == 10
    return secret, codes


def give(page: Page, code: str) -> None:
    """Give a recovery code on the page of the second step."""
    page.get_by_role("link", name="Use a recovery code").click()
    page.get_by_label("Recovery code").fill(code)
    page.locator("main button[type=submit]").click()


def sign_out(page: Page) -> None:
    """Sign out."""
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("signed out")


def test_an_authenticator_app(page: Page, new_context: Contexts, person: Person) -> None:
    """Set an app up, sign in with it by keyboard, trust the device, step up, and come back with a recovery code."""
    person.arrive(page)
    page.get_by_label("Name of the authenticator app").fill("My phone")
    page.get_by_role("button", name="Set up an authenticator app").click()
    expect(page.locator("svg.qr")).to_be_visible()
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Code", exact=True).fill("12345")
    page.keyboard.press("Enter")
    expect(page.locator("[aria-invalid]")).to_be_focused()
    assert page.locator("#secret").inner_text() == secret
    seed, codes = set_up(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as a file").click()
    assert download.value.suggested_filename == "recovery-codes.txt"
    saved = download.value.path().read_text(encoding="utf-8")
    assert all(code in saved for code in codes)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#codes-status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()").split() == codes
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    expect(page.locator("#recovery-codes")).to_be_visible()
    page.emulate_media(media="screen")
    page.get_by_role("link", name="I've saved my recovery codes").click()
    expect(page.locator("#notice")).to_contain_text("app was added")
    expect(page.locator("#codes-left")).to_contain_text("10 left")
    sign_out(page)

    page.goto("/auth/sign-in?next=/auth/account")
    person.sign_in(page)
    expect(page.get_by_role("heading", name="Two-step verification")).to_be_visible()
    press_until(page, "#code")
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.locator("[aria-invalid]")).to_be_focused()
    code = app_code(seed, later=1)
    press_until(page, "#code")
    page.keyboard.type(f"{code[:3]} {code[3:]}")
    press_until(page, "#trust")
    page.keyboard.press("Space")
    press_until(page, "#form-second-factor button")
    page.keyboard.press("Enter")
    on_account(page)
    sign_out(page)

    # The device is trusted: the password is enough here, and nowhere else.
    page.goto("/auth/sign-in?next=/auth/account")
    person.sign_in(page)
    on_account(page)
    page.goto("/auth/second-factor/again?next=/auth/account")
    give(page, codes[0])
    on_account(page)
    expect(page.locator("#codes-left")).to_contain_text("9 left")

    other = new_context(java_script_enabled=False).new_page()
    other.goto("/auth/sign-in?next=/auth/account")
    person.sign_in(other)
    give(other, codes[0])
    expect(other.locator(".error")).to_contain_text("already used")
    other.get_by_label("Recovery code").fill(codes[1])
    other.locator("main button[type=submit]").click()
    on_account(other)
    other.locator("#remove-app-form, [id^=remove-app-]").first.locator("summary").click()
    other.get_by_role("button", name="Remove app").click()
    expect(other.locator("#notice")).to_contain_text("app was removed")


def test_a_passkey_as_the_second_step(page: Page, person: Person) -> None:
    """A passkey becomes the second step after the password, and for stepping up."""
    person.arrive(page)
    authenticator(page)
    page.get_by_label("Name of the new passkey").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#notice")).to_contain_text("passkey was added")
    page.get_by_role("button", name="Use passkeys as the second step").click()
    page.get_by_role("link", name="I've saved my recovery codes").click()
    expect(page.locator("#notice")).to_contain_text("passkeys can now be the second step")
    sign_out(page)
    page.goto("/auth/sign-in?next=/auth/account")
    person.sign_in(page)
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
    on_sign_in(page)
    person.sign_in(page)
    page.get_by_role("button", name="Use a passkey").click()
    on_account(page)
    page.goto("/auth/second-factor/again?next=/auth/account")
    page.get_by_role("button", name="Use a passkey").click()
    on_account(page)


def test_a_required_second_factor_and_a_typed_code(
    page: Page, new_context: Contexts, app: Application, person: Person
) -> None:
    """Whoever must have a second factor sets it up first; later a code from an email is one step of two."""
    must = Person(app, f"must-{person.email}")
    must.exist()
    page.goto("/auth/sign-in?next=/auth/account")
    must.sign_in(page)
    expect(page.get_by_role("heading", name="Set up two-step verification")).to_be_visible()
    _, codes = set_up(page)
    page.get_by_role("link", name="I've saved my recovery codes").click()
    on_account(page)

    other = new_context().new_page()
    other.goto("/auth/sign-in?next=/auth/account")
    other.get_by_label("Email address").fill(must.email)
    other.get_by_role("button", name="Email me a code").click()
    found = re.search(r"\d{4} \d{4}", app.mail(must.email, "email_code").text)
    assert found is not None
    other.get_by_label("Code", exact=True).fill("1234")
    other.get_by_role("button", name="Sign in", exact=True).click()
    expect(other.locator(".error")).to_contain_text("wrong or has expired")
    other.get_by_label("Code", exact=True).fill(found[0])
    other.get_by_role("button", name="Sign in", exact=True).click()
    give(other, codes[0])
    on_account(other)


def test_a_double_click_sends_a_code_once(page: Page, person: Person) -> None:
    """A code works once: sent twice, the second answer would hide the recovery codes, or that the code was right."""
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)

    slow = page.context.new_cdp_session(page)
    slow.send("Network.enable")
    network = {"offline": False, "latency": 500, "downloadThroughput": -1, "uploadThroughput": -1}
    slow.send("Network.emulateNetworkConditions", network)

    def twice(name: str) -> None:
        posts.clear()
        page.get_by_role("button", name=name, exact=True).dblclick(delay=100)

    person.arrive(page)
    page.get_by_role("button", name="Set up an authenticator app").click()
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_label("Code", exact=True).fill(app_code(secret))
    twice("Turn on")
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    assert len(posts) == 1
    page.get_by_role("link", name="I've saved my recovery codes").click()
    sign_out(page)
    page.goto("/auth/sign-in?next=/auth/account")
    person.sign_in(page)
    page.get_by_label("Code", exact=True).fill(app_code(secret, later=1))
    twice("Sign in")
    on_account(page)
    assert len(posts) == 1
