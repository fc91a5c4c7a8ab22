"""``torii-dynamodb serve`` for a newcomer: a console and a browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.console import Console, running
from tests.browser.person import PASSWORD, authenticator


@pytest.fixture
def console(tmp_path: Path, dynoxide: object) -> Iterator[Console]:
    # Its data goes to a separate file, because the default one may be in use.
    command = [sys.executable, "-P", "-m", "torii_dynamodb.cli", "serve", "--db-path", str(tmp_path / "serve.db")]
    command += ["--engine", "dynoxide", "--no-install"]
    with running(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as console:
        yield console


def test_a_new_users_first_minutes(console: Console, browser: Browser) -> None:
    """Open the URL, sign up, get the mail on the console, sign in, add a passkey, sign out everywhere."""
    url = console.find(r"http://localhost:\d+")
    context = browser.new_context(base_url=url)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Email address").fill("new@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    page.goto(console.find(r"http://localhost:\S+token=\S+"))
    page.get_by_role("button", name="Verify address").click()
    page.get_by_label("Email address").fill("new@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Account", exact=True).click()
    authenticator(page)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#notice")).to_contain_text("passkey was added")
    page.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("link", name="Account", exact=True)).to_be_visible()
    context.close()
