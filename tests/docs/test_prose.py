"""Phrases that readers stumbled over do not come back. CONTRIBUTING.md, "Writing", has the rules behind them."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PLACES = ("src", "tests", "docs", "examples", "benchmarks", "tools", "README.md", "CHANGELOG.md", "SECURITY.md")
_ENDINGS = {".py", ".md", ".html", ".txt", ".js"}

# Each phrase, and what to write instead. Only phrases that are wrong wherever they occur: no test replaces a reader.
_PHRASES = {
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"(?<!there )is no (?:valid|usable|longer than)": "is not a valid ...",
    r"is none to": "does not ...",
    r"no way back": "this can't be undone",
    r"look into your": "check your",
    r"at most so (?:many|often|long)": "at most N",
    r"comes? to nothing": "fails",
    r"sign in otherwise": "sign in another way",
    r"what an? [\w ]{1,20} came to": "the result of",
    r"hand(?:s|ed|ing)? out": "return, issue",
    r"nothing but": "only",
    r"of one's own": "your own",
    r"is so not": "so it is not",
    r"false page": "a fake page",
    r"(?:for|by) who (?:has|is|asks|signs|types|holds)": "for a person who, for a caller that",
    r"answers (?:with|nonsense)": "returns, responds with",
    r"stands? twice": "occurs twice",
    r"(?:allow|enable|permit)s? to": "allow doing, let",
}


def test_no_phrase_comes_back() -> None:
    """No text of the repository has one of the phrases. Generated twins say what their sources say."""
    pattern = re.compile("|".join(rf"\b{phrase}\b" for phrase in _PHRASES), re.IGNORECASE)
    found: list[str] = []
    for file in _files():
        text = file.read_text(encoding="utf-8")
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            (instead,) = [write for phrase, write in _PHRASES.items() if re.fullmatch(phrase, match[0], re.IGNORECASE)]
            found.append(f"{file.relative_to(_ROOT)}:{line}: {match[0]!r}; write: {instead}")
    assert found == []


def _files() -> list[Path]:
    roots = [_ROOT / place for place in _PLACES]
    files = [file for root in roots for file in ([root] if root.is_file() else sorted(root.rglob("*")))]
    skipped = {"_sync", "node_modules", "__pycache__"}
    return [
        file
        for file in files
        if file.suffix in _ENDINGS and file != Path(__file__) and not skipped & set(file.parts) and file.is_file()
    ]
