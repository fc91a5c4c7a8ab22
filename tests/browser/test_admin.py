"""The admin area in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect
from tests.browser.application import Application
from tests.browser.person import Person, on_account, on_sign_in

Contexts = Callable[..., BrowserContext]


def test_an_administrators_day(page: Page, new_context: Contexts, app: Application) -> None:
    """Search for a user, view it, end its sessions, lock, unlock and delete it, and look at the charts."""
    admin, person = Person(app, "admin@example.com"), Person(app, f"user-{id(page)}@example.com")
    admin.arrive(page)
    user = new_context().new_page()
    person.exist()
    person.sign_in(user, "a wrong password")
    expect(user.locator(".error")).to_be_visible()
    person.sign_in(user)
    on_account(user)
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="New user").click()
    page.get_by_label("Email address").fill("nobody")
    page.get_by_role("button", name="Create user").click()
    expect(page.locator("#email-error")).to_be_visible()
    page.get_by_label("Email address").fill(f"new-{id(page)}@example.com")
    page.get_by_label("Name (optional)").fill("Nora New")
    page.get_by_role("button", name="Create user").click()
    expect(page.locator("#notice")).to_contain_text("we sent an invitation")
    page.get_by_role("link", name="Edit user").click()
    page.get_by_label("Metadata").fill('{"plan": "pro"}')
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notice")).to_contain_text("saved")
    page.locator("summary", has_text="Verify address").click()
    page.get_by_role("button", name="Verify", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("verified")
    page.get_by_role("link", name="Users").click()
    page.get_by_role("searchbox").fill("nora")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#users")).to_contain_text("Nora New")
    page.get_by_role("searchbox").fill(person.email)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=person.email).click()
    expect(page.locator("#session-list > li")).to_have_count(1)
    page.locator("summary", has_text="End all sessions").click()
    page.get_by_role("button", name="End all").click()
    expect(page.locator("#notice")).to_contain_text("sessions of this user have ended")
    on_sign_in(user)
    page.locator("summary", has_text="Lock account").click()
    page.get_by_role("button", name="Lock", exact=True).click()
    expect(page.locator("#state")).to_contain_text("locked")
    person.sign_in(user)
    expect(user.locator(".error")).to_contain_text("locked")
    page.get_by_role("button", name="Unlock account").click()
    expect(page.locator("#state")).to_contain_text("active")
    person.sign_in(user)
    on_account(user)
    page.get_by_role("link", name="Delete user").click()
    page.get_by_label("Yes, delete this user").check()
    page.get_by_role("button", name="Delete user").click()
    expect(page.locator("#notice")).to_contain_text("The user and everything that belonged to it was deleted")
    on_sign_in(user)
    page.get_by_role("link", name="Activity").click()
    expect(page.locator("#chart-sign-ins")).to_be_visible()
    expect(page.locator("#operation-list")).to_contain_text("TransactWriteItems")


def test_nobody_else(page: Page, app: Application, person: Person) -> None:
    """For anyone who is not an administrator there is no admin area and no link to it, signed in or not."""
    page.goto("/admin")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    person.arrive(page)
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    for path in ("/admin", "/admin/activity", "/admin/users/usr_0"):
        page.goto(path)
        expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
