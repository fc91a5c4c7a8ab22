"""What pages look like by their settings: a style sheet and images, under URLs that change with their contents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from torii_dynamodb._rules.colours import palette
from torii_dynamodb._rules.origins import origin_of
from torii_dynamodb.branding import Brand

__all__ = ["File", "Theme", "library_files", "theme_of"]

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
# Of pages.css, where links are on either.
_LIGHT, _DARK = ("#ffffff", "#f6f7f9"), ("#1a2029", "#12161c")
_IMAGES: tuple[Literal["logo", "logo_dark", "icon"], ...] = ("logo", "logo_dark", "icon")


@dataclass(frozen=True)
class File:
    """A file that pages load.

    Args:
        content: What it contains.
        media_type: Its type.
    """

    content: bytes
    media_type: str

    @cached_property
    def version(self) -> str:
        """What its URL ends with, so that caches never serve an older one."""
        return sha256(self.content).hexdigest()[:16]


@lru_cache(maxsize=1)
def library_files() -> dict[str, File]:
    """The library's own files by name."""
    paths = (path for path in _FOLDER.iterdir() if path.suffix in _TYPES)
    return {path.name: File(path.read_bytes(), _TYPES[path.suffix]) for path in paths}


@dataclass(frozen=True, slots=True)
class Theme:
    """A brand, ready for pages.

    Args:
        files: The files that are made from it, by name.
        images: For ``logo``, ``logo_dark`` and ``icon``: the path or URL; ``None`` for one of ``files``.
        origins: Other sites that images are loaded from.
    """

    files: dict[str, File]
    images: dict[str, str | None]
    origins: tuple[str, ...]


@lru_cache(maxsize=1024)  # one per tenant
def theme_of(brand: Brand) -> Theme:
    """Return the theme of a brand."""
    files: dict[str, File] = {}
    images: dict[str, str | None] = {}
    for name in _IMAGES:
        image = getattr(brand, name)
        if image is None:
            continue
        is_svg = image.lstrip().startswith("<")
        images[name] = None if is_svg else image
        if is_svg:
            files[f"{name}.svg"] = File(image.encode(), _TYPES[".svg"])
    styles = _styles(brand)
    if styles:
        files["theme.css"] = File(styles.encode(), _TYPES[".css"])
    origins = {origin_of("logo", url) for url in images.values() if url is not None and not url.startswith("/")}
    return Theme(files, images, tuple(sorted(origins)))


def _styles(brand: Brand) -> str:
    # Brand has checked that these are colours, so nothing else can get into the style sheet.
    dark_accent = brand.accent_dark or brand.accent
    light = _variables(brand.accent, brand.background, _LIGHT)
    dark = _variables(dark_accent, brand.background_dark, _DARK)
    schemes = {"light": light, "dark": dark}
    return "".join(
        f"@media (prefers-color-scheme: {scheme}){{:root{{{variables}}}}}\n"
        for scheme, variables in schemes.items()
        if variables
    )


def _variables(accent: str | None, background: str | None, backs: tuple[str, str]) -> str:
    found: dict[str, str] = {} if background is None else {"back": background}
    if accent is not None:
        made = palette(accent, backs[0], background or backs[1])
        found |= {
            "accent": made.fill,
            "on-accent": made.on_fill,
            "accent-strong": made.fill_strong,
            "link": made.link,
            "link-strong": made.link_strong,
        }
    return "".join(f"--{name}:{colour};" for name, colour in found.items())
