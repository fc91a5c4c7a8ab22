"""The admin area in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect
from tests.browser.application import Application
from tests.browser.person import Person, on_account, on_sign_in

Contexts = Callable[..., BrowserContext]


def test_an_administrators_day(page: Page, new_context: Contexts, app: Application) -> None:
    """Find a user, end its sessions, lock, unlock and delete it, and see the charts; the user's browser notices."""
    admin, person = Person(app, "admin@example.com"), Person(app, f"user-{id(page)}@example.com")
    admin.arrive(page)
    user = new_context().new_page()
    person.exist()
    person.sign_in(user, "a wrong password")
    expect(user.locator(".error")).to_be_visible()
    person.sign_in(user)
    on_account(user)
    page.get_by_role("link", name="Admin").click()
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
