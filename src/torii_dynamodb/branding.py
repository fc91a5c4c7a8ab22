"""How pages and mails look, and what they link to: one :class:`Brand` for ``PagesConfig`` and ``MailSettings``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb._rules.colours import READABLE, contrast, normal
from torii_dynamodb._rules.origins import origin_of
from torii_dynamodb.errors import ConfigurationError

__all__ = ["Brand"]

_MOST_SVG = 100_000  # characters; a logo has a few thousand
_MOST_URL = 2048
_MOST_FOOTER = 500

# The colours of text on pages, in light and dark: those of pages.css.
_TEXTS = {
    "background": ("#1b2129", "#56606d", "#1d5fbf"),
    "background_dark": ("#e7ebf0", "#a4afbd", "#8ab8ff"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """How pages and mails look, and what they link to.

    An image is a path of this site, an ``https://`` URL, or the text of an SVG. If it is on another site, that site
    learns that somebody looks at a page. Mail programs show PNG and JPEG, but hardly any SVG, so mails show the
    application's name in place of an SVG.

    Colours are ``#rgb`` or ``#rrggbb``. Text on the accent is black or white, and links are made darker or lighter than
    the accent until their contrast is at least 4.5:1 (WCAG 2.2, level AA), so any accent can be used.

    Args:
        logo: The image above pages and mails, in place of the application's name. Give one that is 40 pixels high, or
            twice as high for sharp screens.
        logo_dark: The logo for dark mode; ``None``: the same.
        icon: The image in browser tabs; ``None``: the library's.
        accent: The colour of the main button and of links; ``None``: the library's blue.
        accent_dark: The accent in dark mode; ``None``: the accent.
        background: The colour behind pages; ``None``: the library's.
        background_dark: The same in dark mode.
        terms_url: The terms of service: a path of this site or an ``https://`` URL. It is linked below every page and
            mail, and on the sign-up page.
        privacy_url: The privacy policy, likewise.
        support_url: Where people get help: likewise, or ``mailto:`` with an address.
        footer: A line below every page and mail, such as your company's name and address.

    Raises:
        ConfigurationError: A value cannot be used; the message says which, and what to give instead.
    """

    logo: str | None = None
    logo_dark: str | None = None
    icon: str | None = None
    accent: str | None = None
    accent_dark: str | None = None
    background: str | None = None
    background_dark: str | None = None
    terms_url: str | None = None
    privacy_url: str | None = None
    support_url: str | None = None
    footer: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for option in ("logo", "logo_dark", "icon"):
            image = getattr(self, option)
            if image is not None and not _is_svg(option, image):
                object.__setattr__(self, option, _target(option, image))
        if self.logo_dark is not None and self.logo is None:
            raise ConfigurationError("logo_dark: give logo, too")
        for option in ("accent", "accent_dark", "background", "background_dark"):
            colour = getattr(self, option)
            if colour is not None:
                object.__setattr__(self, option, _colour(option, colour))
        for option, texts in _TEXTS.items():
            back = getattr(self, option)
            for text in texts:
                if back is not None and contrast(back, text) < READABLE:
                    raise ConfigurationError(
                        f"{option}: {back!r}: text on it ({text}) would have a contrast of "
                        f"{contrast(back, text):.1f}:1, but {READABLE}:1 is required (WCAG 2.2, level AA): give a "
                        f"{'darker' if option.endswith('dark') else 'lighter'} colour"
                    )
        for option in ("terms_url", "privacy_url", "support_url"):
            url = getattr(self, option)
            if url is not None:
                object.__setattr__(self, option, _target(option, url, mail=option == "support_url"))
        if self.footer is not None and len(self.footer) > _MOST_FOOTER:
            raise ConfigurationError(f"footer: it must be at most {_MOST_FOOTER} characters, not {len(self.footer)}")


def _is_svg(option: str, image: str) -> bool:
    if not re.match(r"\s*<", image):
        return False
    if "<svg" not in image or 'xmlns="http://www.w3.org/2000/svg"' not in image:
        raise ConfigurationError(f'{option}: an SVG must begin with <svg xmlns="http://www.w3.org/2000/svg" ...>')
    if len(image) > _MOST_SVG:
        raise ConfigurationError(f"{option}: an SVG must be at most {_MOST_SVG} characters, not {len(image)}")
    return True


def _colour(option: str, colour: str) -> str:
    found = normal(colour)
    if found is None:
        raise ConfigurationError(f"{option}: {colour[:40]!r}: give a colour like #1d5fbf")
    return found


def _target(option: str, url: str, *, mail: bool = False) -> str:
    """Return the path or URL as it can stand in an attribute and in the text of a mail."""
    wanted = "a path like /terms, or an https:// URL" + (", or mailto:help@example.com" if mail else "")
    # No comma: it separates the images of a srcset.
    if len(url) > _MOST_URL or not re.fullmatch(r"[A-Za-z0-9._~:/?#\[\]@!$&()*+;=%-]+", url):
        raise ConfigurationError(f"{option}: {url[:80]!r}: give {wanted}, with other characters as %XX")
    if url.startswith("/") and not url.startswith("//"):
        return url
    if mail and re.fullmatch(r"mailto:[^@/]+@[^@/]+", url):
        return url
    if not re.match(r"https?://", url):
        raise ConfigurationError(f"{option}: {url[:80]!r}: give {wanted}")
    origin_of(option, url)
    return url
