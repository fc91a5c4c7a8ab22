"""Passwords made of words that an attacker would try: the application's name, the user's address and name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["is_built_from", "words_of"]

_LEAST = 3  # characters; shorter words are part of too many others
_PARTS = re.compile(r"[\W\d_]+")


def words_of(*texts: str | None) -> frozenset[str]:
    """Return the words of names and addresses, in lower case."""
    parts = {part for text in texts if text for part in _PARTS.split(_folded(text))}
    return frozenset(part for part in parts if len(part) >= _LEAST)


def is_built_from(password: str, words: Iterable[str]) -> bool:
    """Whether a password's letters consist only of the given words, with any digits and signs between or within."""
    letters = _PARTS.sub("", _folded(password))
    rest = letters
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, " ")
    return bool(letters) and not rest.strip()


def _folded(text: str) -> str:
    # Compatible forms are one: full-width letters, and accents that are characters of their own.
    return unicodedata.normalize("NFKC", text).casefold()
