"""Every page, in light and dark, wide and narrow: axe finds no barriers, and nothing overflows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect
from tests.browser.application import Application
from tests.browser.person import Person, authenticator
from tests.oidc.provider import MODULES

Contexts = Callable[..., BrowserContext]

_AXE = MODULES / "axe-core" / "axe.min.js"
# Findings of these kinds are barriers; "minor" and "moderate" are only printed.
_SEVERE = ("serious", "critical")
_PHONE: ViewportSize = {"width": 360, "height": 740}


class Looker:
    """Checks pages with axe in light and dark, and takes pictures if requested.

    Args:
        page: The page.
        folder: Where pictures go; ``None``: none are taken.
    """

    def __init__(self, page: Page, folder: Path | None) -> None:
        self.page = page
        self._folder = folder
        self.findings: list[str] = []
        self.seen: list[str] = []
        self._axe = _AXE.read_text(encoding="utf-8")

    def look(self, name: str) -> None:
        """Check the page in its present state."""
        self.seen.append(name)
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            self.page.emulate_media(color_scheme=scheme)
            self._picture(f"{name}-{scheme}")
            # Through the debugger, so that the page's Content-Security-Policy stays as it is.
            self.page.evaluate(self._axe)
            # Only colours differ in dark mode.
            rules = ", runOnly: ['color-contrast']" if scheme == "dark" else ""
            found = self.page.evaluate(f"axe.run(document, {{resultTypes: ['violations']{rules}}})")
            self._note(f"{name} ({scheme})", found["violations"])
        self.page.emulate_media(color_scheme="light")
        usual = self.page.viewport_size
        assert usual is not None
        self.page.set_viewport_size(_PHONE)
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.findings.append(f"{name}: on a phone something sticks out to the side")
        self._picture(f"{name}-phone")
        self.page.set_viewport_size(usual)
        problems = self.page.evaluate(
            "[document.documentElement.lang, document.title, document.querySelectorAll('h1').length]"
        )
        if not problems[0] or not problems[1] or problems[2] != 1:
            self.findings.append(f"{name}: language, title and one heading: {problems}")

    def _picture(self, name: str) -> None:
        if self._folder is not None:
            self.page.screenshot(path=self._folder / f"{name}.png", full_page=True, animations="disabled")

    def _note(self, where: str, violations: list[dict[str, Any]]) -> None:
        for found in violations:
            nodes = [node["html"] for node in found["nodes"]]
            text = f"{where}: {found['impact']}: {found['id']}: {json.dumps(nodes)[:300]}"
            if found["impact"] in _SEVERE:
                self.findings.append(text)


@contextmanager
def looking(page: Page, folder: Path | None) -> Iterator[Looker]:
    """Check pages, and report all findings at the end."""
    if not _AXE.is_file():
        pytest.fail("axe-core is not installed: run 'make setup' (needs npm)")
    looker = Looker(page, folder)
    yield looker
    assert looker.findings == []


def test_pages_before_signing_in(page: Page, app: Application, person: Person, pictures: Path | None) -> None:
    """The public pages, also with errors on them, have no serious findings."""
    with looking(page, pictures) as looker:
        for name, path in (
            ("home", "/"),
            ("sign-in", "/auth/sign-in"),
            ("sign-up", "/auth/sign-up"),
            ("forgot-password", "/auth/forgot-password"),
            ("check-mail", "/auth/check-mail?kind=sign-up"),
            ("link-dead", "/auth/magic-link?token=none"),
            ("not-found", "/auth/nothing"),
            ("provider-failed", "/auth/sign-in?error=denied"),
        ):
            page.goto(path)
            looker.look(name)
        page.goto("/auth/sign-up")
        page.get_by_label("Email address").fill("no address")
        page.get_by_role("button", name="Sign up").click()
        looker.look("sign-up-errors")
        person.sign_in(page, "a wrong password")
        looker.look("sign-in-errors")
        page.goto("/auth/sign-up")
        page.get_by_label("Email address").fill(person.email)
        page.get_by_label("Password").fill(person.password)
        page.get_by_role("button", name="Sign up").click()
        page.goto(app.link(person.email, "verify_email"))
        looker.look("verify-email")
        held = [cookie for cookie in page.context.cookies() if cookie["name"].endswith("-sign-up")]
        page.context.clear_cookies(name=held[0]["name"])
        page.reload()
        page.locator("#afresh summary").click()
        looker.look("verify-email-elsewhere")
        page.context.add_cookies(held)  # type: ignore[arg-type]
        page.reload()
        page.get_by_role("button", name="Verify address").click()
        looker.look("verified")
        app.run(app.torii.password.send_reset(person.email))
        page.goto(app.link(person.email, "reset_password"))
        looker.look("reset-password")
        app.run(app.torii.magic_link.send(person.email))
        page.goto(app.link(person.email, "magic_link"))
        looker.look("magic-link")
        assert len(looker.seen) == 15


def test_pages_of_an_account(page: Page, app: Application, person: Person, pictures: Path | None) -> None:
    """The account pages, full, empty and with errors on them, have no serious findings."""
    with looking(page, pictures) as looker:
        person.arrive(page)
        looker.look("account")
        authenticator(page)
        page.get_by_label("Name of the new passkey").fill("My laptop, with a name as long as some people like them")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.locator("#notice")).to_contain_text("passkey was added")
        page.get_by_label("Rename").click()
        page.get_by_label("Remove").click()
        looker.look("account-passkey")
        page.get_by_label("Current password").fill("wrong")
        page.get_by_label("New password").fill("a brand new password")
        page.get_by_role("button", name="Change password").click()
        looker.look("account-errors")
        page.get_by_label("New email address").fill(f"new-{person.email}")
        page.get_by_role("button", name="Change email address").click()
        page.goto(app.link(f"new-{person.email}", "change_email"))
        looker.look("change-email")
        page.goto("/auth/account/delete")
        looker.look("account-delete")
        page.goto("/")
        looker.look("home-signed-in")
        page.goto("/auth/sign-in?again=1&next=/auth/account")
        looker.look("sign-in-again")


def test_headers(page: Page) -> None:
    """Pages load nothing from elsewhere, run no inline script, cannot be framed or cached, and send no referrer."""
    page.goto("/auth/sign-in")
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    answer = page.reload()
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer", "strict-origin")
    assert loaded
    assert all(url.startswith("http://localhost:") for url in loaded)
