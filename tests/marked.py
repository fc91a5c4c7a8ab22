"""A language whose translations are marked, to find texts that nobody can translate."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest

from torii_dynamodb.languages import Language, Languages

OPEN, CLOSE = "⟦", "⟧"
# The same word in both languages.
_ALIKE = (
    "Name", "Passkey", "Passkeys", "Browser", "Browser: %(name)s", "ID", "(optional)",
    "April", "August", "September", "November",
)  # fmt: skip
_READ_OUT = ("aria-label", "title", "placeholder", "alt")


@contextmanager
def marking() -> Generator[None]:
    """Mark every message that the German catalogue has, ``⟦like this⟧``. Whatever else is translated stays unmarked."""
    german = Languages().language("de")
    find = Language.translate

    def translate(
        _: Language, message: str, plural: str | None = None, count: int | None = None, *, markup: bool = False
    ) -> str:
        text = message if plural is None or count == 1 else plural
        known = find(german, message, plural, count, markup=markup) != text or text in _ALIKE
        return f"{OPEN}{text}{CLOSE}" if known else text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Language, "translate", translate)
        yield


class Unmarked(HTMLParser):
    """Finds the texts of a page that are not marked.

    Attributes:
        found: The texts.

    Args:
        page: The page, or plain text.
        data: Patterns of what is data, and not to be translated.
    """

    def __init__(self, page: str, data: tuple[str, ...]) -> None:
        super().__init__()
        self.found: list[str] = []
        self._data = re.compile("|".join(data))
        self._depth = 0
        self._hidden = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        for name, value in attrs:
            if value and (name in _READ_OUT or (name.startswith("data-") and " " in value)):
                self._note(self._outside(value, 0)[0])

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            text, self._depth = self._outside(data, self._depth)
            self._note(text)

    @staticmethod
    def _outside(text: str, depth: int) -> tuple[str, int]:
        outside = ""
        for char in text:
            depth += (char == OPEN) - (char == CLOSE)
            outside += char if depth == 0 and char != CLOSE else " "
        return outside, depth

    def _note(self, text: str) -> None:
        rest = self._data.sub(" ", text)
        if re.search(r"[^\W\d_]{2}", rest):
            self.found.append(" ".join(rest.split()))
