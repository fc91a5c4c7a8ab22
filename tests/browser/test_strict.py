"""``SameSite=Strict`` cookies, which browsers do not send with a navigation that another site started."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.person import Person, on_account
from tests.browser.test_identities import through


@pytest.fixture(scope="module")
def web() -> dict[str, Any]:
    """Strict cookies. The provider at 127.0.0.1 is a different site from localhost."""
    return {"same_site": "strict"}


def test_a_provider(page: Page, person: Person) -> None:
    """An account can be connected, and a person who signs in with it is signed in at once on return."""
    person.arrive(page)
    page.get_by_role("button", name="Connect").click()
    through(page, person.email, subject=person.email)
    expect(page.locator("#notice")).to_contain_text("The account was connected")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto("/auth/sign-in?next=/auth/account")
    # The provider remembers the person and sends the browser back by itself.
    page.get_by_role("button", name="Continue with").click()
    on_account(page)
