"""Whether a user matches what an administrator typed."""

from __future__ import annotations

import unicodedata

from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import User

__all__ = ["matches", "search_words"]

_MOST = 256  # characters, as in a name


def search_words(text: str) -> list[str]:
    """Return the words to look for.

    Raises:
        ValidationError: There are none, or the text is longer than any name.
    """
    words = _folded(text).split()
    if not words:
        raise ValidationError("text", "is empty: give part of a name or an address")
    if len(text) > _MOST:
        raise ValidationError("text", f"has {len(text)} characters: give at most {_MOST}")
    return words


def matches(user: User, words: list[str]) -> bool:
    """Whether each word is part of the user's name or address. Case and accents do not count."""
    text = _folded(f"{user.name or ''} {user.email} {user.email_as_given}")
    return all(word in text for word in words)


def _folded(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    return "".join(one for one in parts if not unicodedata.combining(one)).casefold()
