"""Take pictures of every page and mail: ``python tools/screenshots.py --out DIR``.

Each is taken in light and dark, on a desktop and on a phone, and ``DIR/index.html`` shows them side by side. Requires
what the browser tests require: Chromium and Dynoxide (``make setup``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from html import escape
from itertools import chain
from pathlib import Path
from typing import Literal, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from tests.browser import tour
from tests.browser.application import Application
from tests.browser.conftest import FLAGS
from tools.chromium import find_chromium

from torii_dynamodb.branding import Brand
from torii_dynamodb.local import LocalEngine
from torii_dynamodb.mail import TEMPLATES, MailSettings, Templates
from torii_dynamodb.mail.appearance import appearance

Scheme = Literal["light", "dark"]

_SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 800},
    "phone": {"width": 360, "height": 740},
}
_SCHEMES: tuple[Scheme, ...] = ("light", "dark")


_BRAND = Brand(
    logo='<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><rect width="120" height="40" rx="20" '
    'fill="#7c3aed"/><circle cx="20" cy="20" r="9" fill="#fde047"/><path d="M42 20h60" stroke="#fff" '
    'stroke-width="8" stroke-linecap="round"/></svg>',
    accent="#7c3aed",
    background="#faf5ff",
    terms_url="/terms",
    privacy_url="/privacy",
    support_url="mailto:help@example.com",
    footer="Example Ltd, 1 Example Street, London",
)


class Camera:
    """Takes each picture four times.

    Args:
        folder: Where the pictures go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names: list[str] = []

    def take(self, name: str, page: Page) -> None:
        """Take the pictures of a page in its present state."""
        self.names.append(name)
        for size, viewport in _SIZES.items():
            page.set_viewport_size(viewport)
            for scheme in _SCHEMES:
                page.emulate_media(color_scheme=scheme)
                path = self._folder / f"{name}-{size}-{scheme}.png"
                page.screenshot(path=path, full_page=True, animations="disabled")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(_SIZES["desktop"])

    def contact_sheet(self) -> Path:
        """Write the page that shows all pictures side by side, and return its path."""
        rows = "\n".join(
            f"<h2>{escape(name)}</h2>\n<p>"
            + "".join(
                f'<a href="{name}-{size}-{scheme}.png"><img src="{name}-{size}-{scheme}.png" alt="{size}, {scheme}" '
                f'class="{size}" loading="lazy"></a>'
                for size in _SIZES
                for scheme in _SCHEMES
            )
            + "</p>"
            for name in self.names
        )
        path = self._folder / "index.html"
        path.write_text(_SHEET.replace("ROWS", rows), encoding="utf-8")
        return path


_SHEET = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Pages and mails</title>
<style>
body { font: 16px system-ui, sans-serif; margin: 24px; background: #888; color: #000; }
p { display: flex; gap: 12px; align-items: flex-start; }
img.desktop { width: 480px; } img.phone { width: 180px; } img { border: 1px solid #444; }
</style>
ROWS
</html>
"""


def mails(page: Page) -> Iterator[tuple[str, Page]]:
    """Every mail, with what a real one contains."""
    settings = MailSettings(
        sender="Example <no-reply@example.com>", app_name="Torii example", base_url="https://app.example.com"
    )
    link = "https://app.example.com/auth/magic-link?token=torii_t1_" + "3Jk9" * 16
    context = {
        **appearance(settings.brand, settings.base_url),
        "app_name": settings.app_name,
        "base_url": settings.base_url,
        "sign_in_link": settings.url(settings.sign_in_path),
        "when": "28 November 2026 at 17:09 UTC",
        "expires_in": "15 minutes",
        "link": link,
        "language": "en",
        "direction": "ltr",
        "code": "1234 5678",
        "purpose": "magic_link",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        "ip_address": "192.0.2.1",
        "passkey": "My laptop",
        "provider": "Google",
        "provider_email": "ada@example.com",
        "new_email": "ada.lovelace@example.com",
        "factor": "authenticator app",
        "left": 1,
    }
    for name in TEMPLATES:
        page.set_content(Templates().render(name, context).html)
        yield f"mail-{name.replace('_', '-')}", page


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(".screenshots"), metavar="DIR", help="where the pictures go")
    parser.add_argument("--only", default="", metavar="TEXT", help="only pages whose names contain this")
    given = parser.parse_args(arguments)
    folder = cast("Path", given.out)
    folder.mkdir(parents=True, exist_ok=True)
    chromium = find_chromium()
    if chromium is None:
        print("Chromium is not installed: run 'make setup' as root on Debian, or install it", file=sys.stderr)
        return 1
    camera = Camera(folder)
    with (
        LocalEngine("dynoxide") as engine,
        tour.application(engine.config(table_prefix="screenshots")) as app,
        tour.application(engine.config(table_prefix="branded"), brand=_BRAND) as branded,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        for name, page in stops(app, branded, browser):
            if given.only in name:
                camera.take(name, page)
        browser.close()
    print(f"{len(camera.names)} pages: open {camera.contact_sheet()}")
    return 0


def stops(app: Application, branded: Application, browser: Browser) -> Iterator[tuple[str, Page]]:
    """Every page and mail."""

    def new_page(url: str = app.url) -> Page:
        return browser.new_context(base_url=url, viewport=_SIZES["desktop"]).new_page()

    return chain(
        tour.before_signing_in(app, new_page, "grace.hopper"),
        tour.of_an_account(app, new_page, "ada"),
        tour.of_the_admin_area(app, new_page, "katherine.johnson"),
        tour.with_a_brand(branded, lambda: new_page(branded.url), "grace.hopper"),
        mails(new_page()),
    )


if __name__ == "__main__":
    raise SystemExit(main())
