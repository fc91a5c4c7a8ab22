"""The example applications on Flask, Django and Starlette, each as its file says to run it, walked alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.console import Console, running
from tests.browser.person import PASSWORD, authenticator
from tests.browser.test_second_factor import set_up
from tests.ports import reserved_port

from torii_dynamodb.local.engines import LocalEngine

EXAMPLES = Path(__file__).parents[2] / "examples"
# The command of each application, and what it says once it serves.
COMMANDS = {
    "flask_app": (["-m", "flask", "run", "--port", "{port}"], "Running on"),
    "django_app": (["app.py", "runserver", "--noreload", "{port}"], "Quit the server"),
    "starlette_app": (["-m", "uvicorn", "app:app", "--port", "{port}"], "startup complete"),
}


@pytest.fixture(params=COMMANDS)
def console(request: pytest.FixtureRequest, dynoxide: LocalEngine, table_prefix: str) -> Iterator[Console]:
    """One of the applications, on new tables."""
    command, ready = COMMANDS[request.param]
    with reserved_port() as port:
        url = f"http://localhost:{port}"
        environment = {**os.environ, **dynoxide.environment, "TORII_SECRET": "s" * 43, "PYTHONUNBUFFERED": "1"}
        environment |= {"BASE_URL": url, "TABLE_PREFIX": table_prefix, "PYTHONDONTWRITEBYTECODE": "1"}
        line = [sys.executable, *(part.format(port=port) for part in command)]
        with running(line, env=environment, cwd=EXAMPLES / request.param) as console:
            console.url = url
            console.find(ready)
            yield console


def sign_in(page: Page) -> None:
    """Fill in the sign-in page and submit it."""
    page.get_by_label("Email address").fill("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_persons_way(console: Console, browser: Browser) -> None:
    """Sign up by mail, use the application's own page, add a passkey and a second factor, leave, and come back."""
    context = browser.new_context(base_url=console.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Email address").fill("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.goto(console.find(r"http://localhost:\S+token=\S+"))
    page.get_by_role("button", name="Verify address").click()
    # A page that needs somebody leads to the sign-in page, and back.
    page.goto("/notes")
    sign_in(page)
    page.get_by_label("New note").fill("<b>remember</b>")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("listitem")).to_have_text("<b>remember</b>")
    page.get_by_role("button", name="Delete all").click()  # signed in recently
    expect(page.get_by_role("listitem")).to_have_count(0)
    page.goto("/")
    expect(page.get_by_role("heading")).to_have_text("Hello Ada Lovelace")
    page.get_by_role("link", name="Account").click()
    authenticator(page)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#notice")).to_contain_text("passkey was added")
    # A page that needs a second factor leads to where it is set up, and back.
    page.goto("/vault")
    _, codes = set_up(page)
    page.locator("#codes-saved").click()
    expect(page.get_by_role("heading")).to_have_text("Vault")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading")).to_have_text("Hello")
    # With the password comes the second step; a passkey is both at once.
    page.get_by_role("link", name="Sign in").click()
    sign_in(page)
    expect(page.get_by_role("heading", name="Notes")).to_have_count(0)
    page.get_by_role("link", name="Use a recovery code").click()
    page.get_by_label("Recovery code").fill(codes[0])
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("heading")).to_have_text("Notes")
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading")).to_have_text("Notes")
    page.goto("/vault")
    expect(page.get_by_role("heading")).to_have_text("Vault")
    context.close()
