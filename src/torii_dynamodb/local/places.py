"""Folders of this machine: the checkout of this library, and the user's own."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["own_checkout", "xdg_folder"]


def own_checkout() -> Path | None:
    """Return the checkout of this library that contains this file; ``None`` if it is installed in another way.

    A copy inside another project (``pip install --target``) does not count: that project's files are not ours.
    """
    source = Path(__file__).resolve().parents[2]
    try:
        settings = (source.parent / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return source.parent if source.name == "src" and '\nname = "torii-dynamodb"\n' in settings else None


def xdg_folder(variable: str, default: str) -> Path:
    """Return a folder of the XDG Base Directory Specification, which says to ignore relative values."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / default
