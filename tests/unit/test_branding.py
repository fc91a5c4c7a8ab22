"""Brands: what is refused, and colours that people can read on."""

from __future__ import annotations

from itertools import product

import pytest

from torii_dynamodb._rules.colours import READABLE, contrast, palette
from torii_dynamodb.branding import Brand
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi.pages.theme import theme_of
from torii_dynamodb.mail.appearance import appearance

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><script>alert(1)</script></svg>'


def test_contrast_is_that_of_wcag() -> None:
    """Black on white is 21:1, and #767676 on white is the lightest grey with 4.5:1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)
    assert contrast("#ffffff", "#777777") < READABLE


def test_any_accent_can_be_read() -> None:
    """Whatever the accent, the button's text and links have enough contrast, also when pointed at."""
    for parts in product(range(0, 256, 51), repeat=3):
        accent = "#" + "".join(f"{part:02x}" for part in parts)
        for backs in (("#ffffff", "#f6f7f9"), ("#1a2029", "#12161c")):
            made = palette(accent, *backs)
            assert contrast(made.on_fill, made.fill) >= READABLE
            assert contrast(made.on_fill, made.fill_strong) >= READABLE
            for back in backs:
                assert contrast(made.link, back) >= READABLE
                assert contrast(made.link_strong, back) >= READABLE


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"accent": "red"}, "give a colour like #1d5fbf"),
        ({"accent": "#12345"}, "give a colour like #1d5fbf"),
        ({"accent": "#fff;}body{display:none"}, "give a colour like #1d5fbf"),
        ({"accent_dark": "#fff\n"}, "give a colour like #1d5fbf"),
        ({"accent": 0xFF0000}, "accent: give text or None"),
        ({"background": "#888888"}, "background: '#888888': text on it (#56606d) would have a contrast of 1.8:1"),
        ({"background": "#445566"}, "4.5:1 is required (WCAG 2.2, level AA): give a lighter colour"),
        ({"background_dark": "#ffffff"}, "give a darker colour"),
        ({"logo": "javascript:alert(1)"}, "logo: 'javascript:alert(1)': give a path like"),
        ({"logo": "//evil.example/logo.png"}, "give a path"),
        ({"logo": 'https://a.example/"onerror="x'}, "with other characters as %XX"),
        ({"logo": "https://a.example/x.png, https://b.example/y.png"}, "with other characters as %XX"),
        ({"logo": "http://a.example/logo.png"}, "give an https:// URL"),
        ({"logo": "data:image/png;base64,AAAA"}, "give a path"),
        ({"logo": "<img src=x>"}, "an SVG must begin with <svg"),
        ({"logo": SVG + "x" * 100_000}, "at most 100000 characters"),
        ({"logo_dark": "/dark.png"}, "logo_dark: give logo, too"),
        ({"terms_url": "mailto:a@example.com"}, "give a path"),
        ({"support_url": "mailto:a@example.com?bcc=b@example.com"}, "give a path"),
        ({"support_url": "tel:123"}, "mailto:help@example.com"),
        ({"footer": "x" * 501}, "at most 500 characters, not 501"),
    ],
)
def test_what_cannot_be_used_is_refused(options: dict[str, str], told: str) -> None:
    """The message names the option and what to give; nothing gets into a style sheet, a header or an attribute."""
    with pytest.raises(ConfigurationError) as refused:
        Brand(**options)
    assert told in str(refused.value)


def test_a_theme_contains_what_differs() -> None:
    """Without a brand there is no style sheet; with one it has colours only, and its version follows the content."""
    assert theme_of(Brand()).files == {}
    blue, red = (theme_of(Brand(accent=accent)).files["theme.css"] for accent in ("#00F", "#f00"))
    assert b"--accent:#0000ff;" in blue.content
    assert b"prefers-color-scheme: dark" in blue.content
    assert blue.version != red.version
    # A light background is not behind the light text of dark mode.
    light = theme_of(Brand(background="#faf5ff")).files["theme.css"].content
    assert light == b"@media (prefers-color-scheme: light){:root{--back:#faf5ff;}}\n"
    drawn = theme_of(Brand(logo=SVG, icon="https://cdn.example.com/icon.png"))
    assert drawn.files["logo.svg"].content == SVG.encode()
    assert drawn.images == {"logo": None, "icon": "https://cdn.example.com/icon.png"}
    assert drawn.origins == ("https://cdn.example.com",)


def test_mails_get_full_urls_and_no_svg() -> None:
    """Paths are those of the application; an SVG, which mail programs do not show, is left out."""
    made = appearance(Brand(logo="/logo.png", terms_url="/terms", footer="Example Ltd"), "https://app.example.com/")
    assert (made["logo"], made["terms_url"]) == ("https://app.example.com/logo.png", "https://app.example.com/terms")
    assert made["footer"] == "Example Ltd"
    for logo in (SVG, "/logo.svg", "https://cdn.example.com/logo.SVG?v=1"):
        assert appearance(Brand(logo=logo), "https://app.example.com")["logo"] is None
