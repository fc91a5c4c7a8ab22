"""Every page, in light and dark, wide and narrow: axe finds no barriers, and nothing overflows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize
from tests.browser import tour
from tests.browser.application import Application
from tests.oidc.provider import MODULES

from torii_dynamodb.local.engines import LocalEngine

Contexts = Callable[..., BrowserContext]

_AXE = MODULES / "axe-core" / "axe.min.js"
# Findings of these kinds are barriers; "minor" and "moderate" are only printed.
_SEVERE = ("serious", "critical")
_numbers = count(1)
_PHONE: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def app(dynoxide: LocalEngine) -> Iterator[Application]:
    """The example application with everything that has a page."""
    with tour.application(dynoxide.config(table_prefix=f"b{os.getpid()}tour")) as running:
        yield running


class Looker:
    """Checks pages with axe in light and dark, and their width on a phone."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self._axe = _AXE.read_text(encoding="utf-8")

    def look(self, name: str, page: Page) -> None:
        """Check a page in its present state."""
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            # Through the debugger, so that the page's Content-Security-Policy stays as it is.
            page.evaluate(self._axe)
            # Only colours differ in dark mode.
            rules = ", runOnly: ['color-contrast']" if scheme == "dark" else ""
            found = page.evaluate(f"axe.run(document, {{resultTypes: ['violations']{rules}}})")
            self._note(f"{name} ({scheme})", found["violations"])
        page.emulate_media(color_scheme="light")
        usual = page.viewport_size
        assert usual is not None
        page.set_viewport_size(_PHONE)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.findings.append(f"{name}: on a phone something sticks out to the side")
        page.set_viewport_size(usual)
        problems = page.evaluate(
            "[document.documentElement.lang, document.title, document.querySelectorAll('h1').length]"
        )
        if not problems[0] or not problems[1] or problems[2] != 1:
            self.findings.append(f"{name}: language, title and one heading: {problems}")

    def _note(self, where: str, violations: list[dict[str, Any]]) -> None:
        for found in violations:
            nodes = [node["html"] for node in found["nodes"]]
            text = f"{where}: {found['impact']}: {found['id']}: {json.dumps(nodes)[:300]}"
            if found["impact"] in _SEVERE:
                self.findings.append(text)


@pytest.mark.parametrize("part", [tour.before_signing_in, tour.of_an_account, tour.of_the_admin_area])
def test_every_page(part: Callable[..., Iterator[tour.Stop]], new_context: Contexts, app: Application) -> None:
    """Full, empty and with errors on them, in light and dark, wide and narrow, pages have no serious findings."""
    if not _AXE.is_file():
        pytest.fail("axe-core is not installed: run 'make setup' (needs npm)")
    looker = Looker()
    for name, page in part(app, lambda: new_context().new_page(), f"look{next(_numbers)}"):
        looker.look(name, page)
    assert looker.findings == []


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
