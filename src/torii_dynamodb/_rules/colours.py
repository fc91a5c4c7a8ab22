"""Colours that people can read on (WCAG 2.2, 1.4.3), derived from the ones that an application chose."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["READABLE", "Palette", "contrast", "normal", "palette"]

READABLE = 4.5
"""The contrast that text must have: level AA."""

_BLACK, _WHITE = "#000000", "#ffffff"


def normal(colour: str) -> str | None:
    """Return ``#RGB`` or ``#RRGGBB`` in lower case as ``#rrggbb``; ``None`` for anything else."""
    found = re.fullmatch(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", colour.lower())
    if found is None:
        return None
    digits = found[0][1:]
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [value / 255 for value in _parts(colour)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def _mixed(colour: str, other: str, percent: int) -> str:
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{(one * (100 - percent) + two * percent) // 100:02x}" for one, two in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours that follow from an accent.

    Args:
        fill: The background of the main button: the accent itself.
        on_fill: The text on it: black or white, whichever has more contrast. It always has enough.
        fill_strong: The button's background under the pointer.
        link: The accent as the colour of text, made darker or lighter until it can be read.
        link_strong: A link under the pointer.
    """

    fill: str
    on_fill: str
    fill_strong: str
    link: str
    link_strong: str


def palette(accent: str, *backs: str) -> Palette:
    """Derive colours from an accent that can be read on all of these backgrounds.

    Args:
        accent: The accent, as ``#rrggbb``.
        backs: The backgrounds that links are on, either all light or all dark.
    """
    on_fill = max(_WHITE, _BLACK, key=lambda text: contrast(text, accent))
    # Away from the backgrounds.
    towards = max(_BLACK, _WHITE, key=lambda end: min(contrast(end, back) for back in backs))
    link = next(
        mixed
        for mixed in (_mixed(accent, towards, percent) for percent in range(0, 101, 4))
        if mixed == towards or min(contrast(mixed, back) for back in backs) >= READABLE
    )
    return Palette(
        fill=accent,
        on_fill=on_fill,
        fill_strong=_mixed(accent, _BLACK if on_fill == _WHITE else _WHITE, 20),
        link=link,
        link_strong=_mixed(link, towards, 25),
    )
