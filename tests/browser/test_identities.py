"""Passkeys, with Chromium's own authenticator, and sign-in through an OpenID provider, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import httpx
from playwright.sync_api import BrowserContext, Page, expect
from tests.browser.application import Application
from tests.browser.person import Person, authenticator, on_account, on_sign_in
from tests.oidc.provider import sign_in

Contexts = Callable[..., BrowserContext]


def add_passkey(page: Page, name: str) -> None:
    """Add a passkey on the account page."""
    page.get_by_label("Name of the new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#notice")).to_contain_text("passkey was added")


def test_passkey(page: Page, person: Person) -> None:
    """Add a passkey, sign in with it, rename it and remove it; then it no longer signs in."""
    person.arrive(page)
    session, device = authenticator(page)
    add_passkey(page, "My laptop")
    expect(page.locator("#passkey-list")).to_contain_text("My laptop")
    held = session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
    assert [credential["isResidentCredential"] for credential in held] == [True]
    assert held[0]["rpId"] == "localhost"
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("link", name="Account", exact=True)).to_be_visible()
    page.goto("/auth/account")
    on_account(page)
    expect(page.locator("#passkey-list")).to_contain_text("last used")
    page.get_by_label("Rename My laptop").click()
    page.get_by_label("New name").fill("The <b>old</b> laptop")
    page.get_by_role("button", name="Save name").click()
    expect(page.locator("#passkey-list")).to_contain_text("The <b>old</b> laptop")
    page.get_by_label("Remove The <b>old</b> laptop").click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.locator("#notice")).to_contain_text("passkey was removed")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator(".error")).to_contain_text("The passkey was not accepted")
    on_sign_in(page)


def test_a_passkey_a_second_time(page: Page, person: Person) -> None:
    """A device that already has a passkey for the account says so; a second device adds another, which signs in."""
    person.arrive(page)
    session, device = authenticator(page, autofill=True)
    add_passkey(page, "First")
    page.get_by_label("Name of the new passkey").fill("Second")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#add-passkey [role=status]")).to_contain_text("already has a passkey for this account")
    session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device})
    authenticator(page, autofill=True)
    add_passkey(page, "Second")
    expect(page.locator("#passkey-list > li")).to_have_count(2)
    # The sign-in page lets the browser offer passkeys, and this one picks one by itself.
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("link", name="Account", exact=True)).to_be_visible()


def test_a_person_who_is_not_verified(page: Page, person: Person) -> None:
    """Without fingerprint, face or PIN the device creates no passkey, and the page says so."""
    person.arrive(page)
    session, device = authenticator(page)
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#add-passkey [role=status]")).to_contain_text("That was cancelled")
    expect(page.get_by_role("button", name="Add a passkey")).to_be_enabled()
    expect(page.locator("#passkey-list")).to_have_count(0)


def test_a_cloned_passkey(page: Page, person: Person) -> None:
    """A passkey whose counter goes back is refused, because it was copied."""
    person.arrive(page)
    session, device = authenticator(page)
    add_passkey(page, "Copied")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("link", name="Account", exact=True)).to_be_visible()
    held = session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"][0]
    assert held["signCount"] >= 2
    session.send("WebAuthn.removeCredential", {"authenticatorId": device, "credentialId": held["credentialId"]})
    session.send("WebAuthn.addCredential", {"authenticatorId": device, "credential": {**held, "signCount": 0}})
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator(".error")).to_contain_text("not accepted")


def through(page: Page, email: str, *, subject: str, verified: bool = True, answer: str = "Allow") -> None:
    """Sign in at the provider."""
    expect(page.get_by_role("heading", name="Sign in to continue to app")).to_be_visible()
    page.get_by_label("Subject").fill(subject)
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Name").fill("Grace Hopper")
    page.get_by_label("The address is verified").set_checked(verified)
    page.get_by_role("button", name=answer).click()


def test_sign_in_through_a_provider(page: Page, person: Person) -> None:
    """A new person signs up through the provider, returns to the requested page, and can add a password."""
    page.goto("/auth/sign-in?next=/auth/account")
    page.get_by_role("button", name="Continue with").click()
    through(page, person.email, subject=person.email)
    on_account(page)
    expect(page.locator("#current-email")).to_have_text(person.email)
    expect(page.locator("#profile-name")).to_have_value("Grace Hopper")
    expect(page.get_by_text("You don't have a password yet")).to_be_visible()
    page.get_by_label("New password").fill(person.password)
    page.get_by_role("button", name="Set a password").click()
    expect(page.locator("#notice")).to_contain_text("password was changed")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto("/auth/sign-in?next=/auth/account")
    person.sign_in(page)
    on_account(page)


def test_two_tabs(page: Page, person: Person) -> None:
    """Two tabs of one browser that begin concurrently both succeed, in the reverse order."""
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto("/auth/sign-in?next=/auth/account")
        tab.get_by_role("button", name="Continue with").click()
        expect(tab.get_by_role("heading", name="Sign in to continue to app")).to_be_visible()
    for tab in (other, page):
        through(tab, person.email, subject=person.email)
        expect(tab.locator("#current-email")).to_have_text(person.email)


def test_refused_at_the_provider(page: Page, app: Application, person: Person) -> None:
    """A person who refuses returns to the sign-in page, which explains it; nobody is signed in."""
    page.goto("/auth/sign-in")
    page.get_by_role("button", name="Continue with").click()
    through(page, person.email, subject=person.email, answer="Deny")
    expect(page.locator("#provider-error")).to_contain_text("was not allowed to tell us who you are")
    assert page.url.startswith(f"{app.url}/auth/sign-in")
    on_sign_in(page)


def test_an_address_that_the_provider_is_not_sure_of(
    page: Page, new_context: Contexts, app: Application, person: Person
) -> None:
    """A link is mailed to the address, and works only in the browser where the sign-in began."""
    page.goto("/auth/sign-in?next=/auth/account")
    page.get_by_role("button", name="Continue with").click()
    through(page, person.email, subject=person.email, verified=False)
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    link = app.link(person.email, "confirm_provider")
    other = new_context().new_page()
    other.goto(link)
    expect(other.get_by_role("heading", name="Open this link in your other browser")).to_be_visible()
    page.goto(link)
    page.get_by_role("button", name="Create account and sign in").click()
    expect(page.locator("#current-email")).to_have_text(person.email)
    expect(page.locator("#connected-list")).to_be_visible()


def test_login_csrf(page: Page, app: Application, person: Person) -> None:
    """An attacker's response from the provider, opened in another browser, signs nobody in there."""
    begun = httpx.post(f"{app.url}/api/auth/oauth/test-id/begin")
    brought = sign_in(begun.json()["url"], sub=person.email, email=person.email)
    page.goto(f"/api/auth/oauth/test-id/callback?{urlencode(brought)}")
    expect(page.locator("#provider-error")).to_contain_text("started in another browser")
    on_sign_in(page)


def test_connect_and_disconnect(page: Page, new_context: Contexts, person: Person) -> None:
    """A user connects an account with another address, signs in with it elsewhere, and disconnects it."""
    person.arrive(page)
    page.get_by_role("button", name="Connect").click()
    through(page, f"other-{person.email}", subject=person.email, verified=False)
    expect(page.locator("#notice")).to_contain_text("The account was connected")
    other = new_context().new_page()
    other.goto("/auth/sign-in?next=/auth/account")
    other.get_by_role("button", name="Continue with").click()
    through(other, f"other-{person.email}", subject=person.email, verified=False)
    expect(other.locator("#current-email")).to_have_text(person.email)
    page.get_by_label("Disconnect").first.click()
    page.get_by_role("button", name="Disconnect account").click()
    expect(page.locator("#notice")).to_contain_text("disconnected")
    expect(page.locator("#connected-list")).to_have_count(0)
