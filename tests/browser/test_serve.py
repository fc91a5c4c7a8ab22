"""``torii-dynamodb serve`` as somebody new meets it: a console and a browser."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.person import PASSWORD, authenticator

_SECONDS = 40.0


class Console:
    """The process, and what it writes.

    Args:
        process: The process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._seen: list[str] = []
        threading.Thread(target=self._read, args=[process], daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line)

    def find(self, pattern: str) -> str:
        """What is written next that fits; waited for."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            self._seen.append(line)
            found = re.search(pattern, line)
            if found is not None:
                return found[0]
        raise AssertionError(f"{pattern} was not written: {''.join(self._seen)[-3000:]}")


@pytest.fixture
def console(tmp_path: Path, dynoxide: object) -> Iterator[Console]:
    # Its data in a file of its own: the default one may be somebody's.
    command = [sys.executable, "-P", "-m", "torii_dynamodb.cli", "serve", "--db-path", str(tmp_path / "serve.db")]
    process = subprocess.Popen(
        [*command, "--engine", "dynoxide", "--no-install"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield Console(process)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()


def test_a_new_users_first_minutes(console: Console, browser: Browser) -> None:
    """Open the address, sign up, get the mail on the console, sign in, add a passkey, sign out everywhere."""
    url = console.find(r"http://localhost:\d+")
    context = browser.new_context(base_url=url)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("E-mail address").fill("new@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(console.find(r"http://localhost:\S+token=\S+"))
    page.get_by_role("button", name="Verify the address").click()
    page.get_by_label("E-mail address").fill("new@example.com")
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
