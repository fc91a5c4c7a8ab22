"""QR codes for authenticator apps, as inline SVG."""

from __future__ import annotations

__all__ = ["qr_code"]


def qr_code(uri: str, *, css_class: str | None = None) -> str:
    """Draw a URI.

    Args:
        uri: The ``otpauth://`` URI. Nothing of it is text in the SVG.
        css_class: The class of the ``svg`` element.

    Raises:
        ImportError: ``segno`` is not installed (the extra ``pages``).
    """
    import segno

    # Without a size: the page decides. Dark on light in every colour scheme: not every app reads it inverted.
    return segno.make_qr(uri, error="m").svg_inline(omitsize=True, border=4, light="#fff", svgclass=css_class)
