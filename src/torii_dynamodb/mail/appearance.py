"""What mails look like: the variables of their layout, from the brand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torii_dynamodb._rules.colours import palette
from torii_dynamodb.branding import Brand

__all__ = ["appearance"]

_ACCENT, _DARK_ACCENT = "#1d5fbf", "#8ab8ff"  # those of pages.css
_CARD, _DARK_CARD = "#ffffff", "#1a2029"


@lru_cache(maxsize=1024)  # one per tenant
def appearance(brand: Brand, base_url: str) -> dict[str, Any]:
    """Return the variables of the layout. The styles contain only colours that ``Brand`` has checked.

    Args:
        brand: The brand.
        base_url: Where its paths are.
    """
    light = palette(brand.accent or _ACCENT, _CARD)
    dark = palette(brand.accent_dark or brand.accent or _DARK_ACCENT, _DARK_CARD)

    def full(url: str | None) -> str | None:
        return base_url.rstrip("/") + url if url is not None and url.startswith("/") else url

    logo = brand.logo
    if logo is not None and (logo.lstrip().startswith("<") or logo.partition("?")[0].lower().endswith(".svg")):
        logo = None
    return {
        "logo": full(logo),
        "terms_url": full(brand.terms_url),
        "privacy_url": full(brand.privacy_url),
        "support_url": full(brand.support_url),
        "footer": brand.footer,
        "light": light,
        "dark": dark,
        "button_style": f"display:inline-block;padding:11px 20px;border-radius:8px;background:{light.fill};"
        f"color:{light.on_fill};font-weight:600;text-decoration:none",
        "title_style": "margin:0 0 16px;font-size:20px;line-height:1.3",
        "soft_style": "color:#56606d;font-size:14px",
    }
