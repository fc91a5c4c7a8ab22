"""Every flow of the pages in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect
from tests.browser.application import Application
from tests.browser.person import Person, on_account, on_sign_in

Contexts = Callable[..., BrowserContext]


def test_sign_up_to_sign_out(page: Page, person: Person) -> None:
    """Sign up, open the mail, verify, sign in, see the account, sign out; the back button shows nothing."""
    person.sign_up(page)
    page.goto("/auth/account")
    person.sign_in(page)
    on_account(page)
    expect(page.locator("#current-email")).to_have_text(person.email)
    expect(page.get_by_text("verified", exact=True)).to_be_visible()
    page.get_by_label("Name", exact=False).first.fill("Countess Lovelace")
    page.get_by_role("button", name="Save profile").click()
    expect(page.locator("#notice")).to_contain_text("profile was saved")
    expect(page.locator("#profile-name")).to_have_value("Countess Lovelace")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("signed out")
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    on_sign_in(page)


def test_cookies(page: Page, person: Person) -> None:
    """The session cookie is ``__Host-``, ``Secure``, ``HttpOnly`` and ``SameSite=Lax``; scripts see no cookie."""
    person.arrive(page)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    session = cookies["__Host-torii"]
    assert session["secure"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert session["path"] == "/"
    assert all(cookie["httpOnly"] and cookie["secure"] for cookie in cookies.values())
    assert page.evaluate("document.cookie") == ""


def test_wrong_password_and_lockout(new_context: Contexts, page: Page, person: Person) -> None:
    """A wrong password looks like an unknown address; after five, a stranger has to wait and the owner does not."""
    person.arrive(page)
    stranger = new_context().new_page()
    stranger.goto("/auth/sign-in")
    stranger.get_by_label("Email address").fill("nobody@example.com")
    stranger.get_by_label("Password", exact=True).fill("a wrong password")
    stranger.get_by_role("button", name="Sign in", exact=True).click()
    unknown = stranger.locator(".error").inner_text()
    for _ in range(5):
        person.sign_in(stranger, "a wrong password")
        assert stranger.locator(".error").inner_text() == unknown
        # The input is still there, except for the password.
        expect(stranger.get_by_label("Email address")).to_have_value(person.email)
        expect(stranger.get_by_label("Password", exact=True)).to_have_value("")
    person.sign_in(stranger)
    expect(stranger.locator(".error")).to_contain_text("too many attempts")
    expect(stranger.locator(".error")).to_contain_text("Wait")
    # The owner's browser has signed in before.
    page.get_by_role("button", name="Sign out", exact=True).click()
    person.sign_in(page)
    expect(page.get_by_role("link", name="Account", exact=True)).to_be_visible()


def test_forgotten_password(new_context: Contexts, page: Page, person: Person) -> None:
    """A reset signs in here and out everywhere else; the old password and the link no longer work."""
    person.arrive(page)
    other = new_context().new_page()
    other.goto("/auth/sign-in")
    other.get_by_role("link", name="Forgot your password?").click()
    other.get_by_label("Email address").fill(person.email)
    other.get_by_role("button", name="Send link").click()
    expect(other.get_by_role("heading", name="Check your email")).to_be_visible()
    link = person.app.link(person.email, "reset_password")
    other.goto(link)
    other.get_by_label("New password").fill("short")
    other.get_by_role("button", name="Save new password").click()
    expect(other.locator(".error")).to_contain_text("password")
    other.get_by_label("New password").fill("a brand new password")
    other.get_by_role("button", name="Save new password").click()
    expect(other.locator("#notice")).to_contain_text("password was changed")
    on_sign_in(page)
    person.sign_in(page)
    expect(page.locator(".error")).to_contain_text("wrong")
    person.sign_in(page, "a brand new password")
    on_account(page)
    other.goto(link)
    expect(other.get_by_role("heading", name="This link no longer works")).to_be_visible()
    person.app.mail(person.email, "password_changed")


def test_a_link_to_an_unknown_address(page: Page, app: Application) -> None:
    """Requests for an unknown address look the same, and no reset mail is sent."""
    for field, button in (("/auth/forgot-password", "Send link"), ("/auth/sign-in", "Email me a link")):
        page.goto(field)
        page.get_by_label("Email address").fill("unknown@example.com")
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    app.mail("unknown@example.com", "magic_link")
    assert [mail.template for mail in app.mails("unknown@example.com")] == ["magic_link"]


def test_magic_link(new_context: Contexts, page: Page, person: Person) -> None:
    """A mailed link signs in after a click, once; merely visiting it (as mail scanners do) does not use it up."""
    person.exist()
    page.goto("/auth/sign-in")
    page.get_by_label("Email address").fill(person.email)
    page.get_by_role("button", name="Email me a link").click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    link = person.app.link(person.email, "magic_link")
    scanner = new_context().new_page()
    scanner.goto(link)
    on_sign_in(scanner)
    page.goto(link)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.goto("/auth/account")
    on_account(page)
    scanner.goto(link)
    expect(scanner.get_by_role("heading", name="This link no longer works")).to_be_visible()


def test_change_of_password(new_context: Contexts, page: Page, person: Person) -> None:
    """The current password is required; this browser stays signed in, others do not."""
    person.arrive(page)
    other = new_context().new_page()
    person.sign_in(other)
    on_account(other)
    page.get_by_label("Current password").fill("a wrong password")
    page.get_by_label("New password").fill("a brand new password")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".error")).to_contain_text("The current password is wrong")
    page.get_by_label("Current password").fill(person.password)
    page.get_by_label("New password").fill("a brand new password")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("#notice")).to_contain_text("password was changed")
    on_sign_in(other)


def test_change_of_address(new_context: Contexts, page: Page, person: Person) -> None:
    """The new address takes effect when its link is used; the old one is notified."""
    person.arrive(page)
    new = f"new-{person.email}"
    page.get_by_label("New email address").fill(new)
    page.get_by_role("button", name="Change email address").click()
    expect(page.locator("#notice")).to_contain_text("link to the new address")
    expect(page.locator("#current-email")).to_have_text(person.email)
    page.goto(person.app.link(new, "change_email"))
    page.get_by_role("button", name="Change email address").click()
    expect(page.locator("#notice")).to_contain_text("was changed")
    expect(page.locator("#current-email")).to_have_text(new)


def test_devices(new_context: Contexts, page: Page, person: Person) -> None:
    """Each device is listed; one, all others or all can be signed out, which takes effect at once."""
    person.arrive(page)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    others = [new_context(user_agent=agent).new_page() for _ in range(2)]
    for other in others:
        person.sign_in(other)
        on_account(other)
    page.reload()
    rows = page.locator("#device-list > li")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="this device")).to_have_count(1)
    expect(rows.filter(has_text="Firefox on Linux")).to_have_count(2)
    rows.nth(1).get_by_role("button").click()
    expect(page.locator("#notice")).to_contain_text("That device was signed out")
    expect(page.locator("#device-list > li")).to_have_count(2)
    page.get_by_role("button", name="Sign out all other devices").click()
    expect(page.locator("#notice")).to_contain_text("All other devices were signed out")
    expect(page.locator("#device-list > li")).to_have_count(1)
    for other in others:
        on_sign_in(other)


def test_sign_out_everywhere(new_context: Contexts, page: Page, person: Person) -> None:
    """After "Sign out everywhere" in one browser, the next click in another finds nobody signed in."""
    person.arrive(page)
    other = new_context().new_page()
    person.sign_in(other)
    on_account(other)
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.locator("#notice")).to_contain_text("signed out on all devices")
    other.get_by_role("button", name="Save profile").click()
    expect(other.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    on_sign_in(page)


def test_deletion(page: Page, person: Person) -> None:
    """After a confirmation the account is deleted, and the address is free."""
    person.arrive(page)
    page.get_by_role("link", name="Delete account").click()
    page.get_by_role("button", name="Delete account").click()
    expect(page.locator(".error")).to_contain_text("Tick the box")
    page.get_by_label("Yes, delete my account").check()
    page.get_by_role("button", name="Delete account").click()
    expect(page.locator("#notice")).to_contain_text("was deleted")
    person.sign_in(page)
    expect(page.locator(".error")).to_contain_text("wrong")


def test_a_taken_address(page: Page, person: Person) -> None:
    """Signing up with a taken address looks the same, and the owner is notified by mail."""
    person.exist()
    page.goto("/auth/sign-up")
    page.get_by_label("Email address").fill(person.email)
    page.get_by_label("Password", exact=True).fill("another good password")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    person.app.mail(person.email, "account_exists")


def test_javascript_off(new_context: Contexts, person: Person) -> None:
    """Without JavaScript everything works except passkeys, which say so."""
    page = new_context(java_script_enabled=False).new_page()
    person.sign_up(page)
    page.goto("/auth/account")
    person.sign_in(page)
    on_account(page)
    # Chromium shows it if scripts are disabled in its settings, but not if Playwright disables them.
    assert "requires JavaScript" in page.content()
    expect(page.locator("#add-passkey")).to_be_hidden()
    page.get_by_role("button", name="Save profile").click()
    expect(page.locator("#notice")).to_contain_text("profile was saved")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    assert "Passkeys require JavaScript" in page.content()


def test_keyboard_only(page: Page, person: Person) -> None:
    """Signing in, saving the profile and signing out need no mouse, and the focus is visible."""
    person.exist()
    page.goto("/auth/sign-in?next=/auth/account")
    press_until(page, "#email")
    page.keyboard.type(person.email)
    press_until(page, "#password")
    page.keyboard.type(person.password)
    page.keyboard.press("Enter")
    on_account(page)
    press_until(page, "#profile-name")
    page.keyboard.press("Control+A")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    expect(page.locator("#profile-name")).to_have_value("By keyboard")
    press_until(page, "#form-sign-out button")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("signed out")


def test_what_scripts_add_to_a_form(page: Page, person: Person) -> None:
    """After an error its field has the focus; a button shows the password, which is sent as a password."""
    page.goto("/auth/sign-up")
    page.get_by_label("Email address").fill("no address")
    page.locator("#password").fill(person.password)
    show = page.get_by_role("button", name="Show password")
    show.click()
    expect(page.locator("#password")).to_have_attribute("type", "text")
    expect(page.locator("#password")).to_have_attribute("autocomplete", "new-password")
    expect(show).to_have_attribute("aria-pressed", "true")
    page.evaluate("addEventListener('submit', () => document.title = document.querySelector('#password').type)")
    page.evaluate("addEventListener('submit', (event) => event.preventDefault())")
    page.get_by_role("button", name="Sign up").click()
    expect(page).to_have_title("password")
    page.reload()
    page.get_by_label("Email address").fill("no address")
    page.keyboard.press("Enter")
    expect(page.locator("#email")).to_be_focused()
    expect(page.locator("#email")).to_have_attribute("aria-invalid", "true")
    assert page.title().startswith("Error: ")


def press_until(page: Page, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(selector).evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{selector} cannot be reached by the Tab key")


def test_password_managers_work(page: Page) -> None:
    """Password fields hide their text, declare their purpose, and accept pasted text, even 64 characters."""
    for path, kinds in (
        ("/auth/sign-in", {"password": "current-password"}),
        ("/auth/sign-up", {"password": "new-password"}),
    ):
        page.goto(path)
        for field, kind in kinds.items():
            place = page.locator(f"#{field}")
            assert place.get_attribute("type") == "password"
            assert place.get_attribute("autocomplete") == kind
            assert place.get_attribute("maxlength") is None
            place.focus()
            # A paste inserts the whole text at once.
            page.keyboard.insert_text("p" * 64)
            expect(place).to_have_value("p" * 64)
        assert (page.locator("#email").get_attribute("autocomplete") or "").startswith("username")
