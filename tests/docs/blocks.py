"""The code that the documents show: found once, here, for every test that checks or runs it.

A fence may follow a comment ``<!-- not checked: reason -->``, for code that this library's tests cannot judge.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(
    r"(?:^ *<!-- not checked: (?P<reason>.+?) -->\n\n?)?"
    r"^(?P<indent> *)```(?P<language>\S*)(?P<info>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Args:
        page: The page, relative to the repository.
        line: The line of its first line of code.
        language: What the fence names.
        section: The heading of second level that it is below; empty before the first.
        code: What it shows, without the fence's indentation.
        reason: Why it is not checked, if it is not.
    """

    page: str
    line: int
    language: str
    section: str
    code: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def blocks(page: str, language: str | None = None, *, section: str | None = None) -> tuple[Block, ...]:
    """The blocks of a page, in order: those of a language, below a heading, or all."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[Block] = []
    for fence in _FENCE.finditer(text):
        headings = re.findall(r"^## (.+)$", text[: fence.start()], re.MULTILINE)
        line = text.count("\n", 0, fence.start("code")) + 1
        code = textwrap.dedent(fence["code"])
        assert not fence["info"].strip(), f"{page}:{line}: write the language only, and reasons in a comment"
        found.append(Block(page, line, fence["language"], headings[-1] if headings else "", code, fence["reason"]))
    return tuple(block for block in found if language in (None, block.language) and section in (None, block.section))


def programs(page: str, *, section: str | None = None) -> list[str]:
    """The Python that a page shows, block by block."""
    return [block.code for block in blocks(page, "python", section=section)]


def all_blocks() -> list[Block]:
    """The blocks of all pages."""
    return [block for page in PAGES for block in blocks(page.relative_to(ROOT).as_posix())]
