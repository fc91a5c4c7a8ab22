"""Generate the blocking twins: each module in an ``_async`` folder gets one in the ``_sync`` folder beside it.

    python tools/unasync.py            write
    python tools/unasync.py --check    report what differs, and rules that nothing uses, and fail

Code is translated token by token: ``async`` and ``await`` are dropped, names are mapped by :data:`NAMES`, then by
:data:`CLASS`, also in strings and comments. Modules in ``_sync`` without the header are written by hand, and their
namesakes in ``_async`` are not translated.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Every folder X with an `X/_async` that has a twin `X/_sync`.
FOLDERS = [
    "src/torii_dynamodb",
    "src/torii_dynamodb/testing",
    "tests/cache",
    "tests/faults",
    "tests/integration/storage",
    "tests/integration/wire",
    "tests/services",
]

HEADER = "# Generated from {source} by tools/unasync.py. Do not edit.\n"
MARK = "# Generated from "

# Names that CLASS does not cover. Each must be in use somewhere.
NAMES = {
    "_async": "_sync",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "aiter_raw": "iter_raw",
    "asynccontextmanager": "contextmanager",
}

# AsyncClient -> Client, AsyncIterator -> Iterator.
CLASS = re.compile(r"Async([A-Z]\w*)")

_WORD = re.compile(r"\w+")
# In prose, only what is certainly code: "await" is dropped before a call, not before a noun.
_PROSE = ((re.compile(r"\basync (?=(?:with|for|def)\b)"), ""), (re.compile(r"\bawait (?=[\w.]+[(\[])"), ""))


class Translator:
    """Translates modules, and records which rules were used."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def name(self, word: str) -> str:
        """Translate a name."""
        if word in NAMES:
            self.used.add(word)
            return NAMES[word]
        return CLASS.sub(r"\1", word)

    def prose(self, text: str) -> str:
        """Translate a string or a comment."""
        for pattern, replacement in _PROSE:
            text = pattern.sub(replacement, text)
        return _WORD.sub(lambda found: self.name(found.group()), text)

    def module(self, text: str) -> str:
        """Translate a module."""
        lines = text.splitlines(keepends=True)
        out: list[str] = []
        row, column = 1, 0
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        closers = _awaitable_closers(tokens)
        index = 0
        while index < len(tokens):
            token = tokens[index]
            (start_row, start_column), (end_row, end_column) = token.start, token.end
            out.append(_between(lines, row, column, start_row, start_column))
            row, column = end_row, end_column
            if token.type == tokenize.NAME and token.string in ("async", "await"):
                following = tokens[index + 1]
                row, column = following.start  # the space after it is dropped, too
                if following.start[0] != end_row:
                    row, column = end_row, end_column
            elif token.type == tokenize.NAME and token.string == "Awaitable" and tokens[index + 1].string == "[":
                index += 1  # Awaitable[X] -> X
                row, column = tokens[index].end
            elif index in closers:
                pass
            elif token.type == tokenize.NAME:
                out.append(self.name(token.string))
            elif token.type in (tokenize.STRING, tokenize.COMMENT) or token.type == _FSTRING_MIDDLE:
                out.append(self.prose(token.string))
            elif token.type not in (tokenize.DEDENT, tokenize.ENDMARKER):
                out.append(token.string)
            index += 1
        # Awaitable is no longer used: drop its import.
        return re.sub(r"(from collections\.abc import [^\n]*)", _without_awaitable, "".join(out))


_FSTRING_MIDDLE = getattr(tokenize, "FSTRING_MIDDLE", -1)


def _without_awaitable(found: re.Match[str]) -> str:
    start, _, names = found.group(1).partition(" import ")
    kept = list(dict.fromkeys(name for name in names.split(", ") if name != "Awaitable"))
    return f"{start} import {', '.join(kept)}" if kept else ""


def _awaitable_closers(tokens: list[tokenize.TokenInfo]) -> set[int]:
    closers: set[int] = set()
    for index, token in enumerate(tokens[:-1]):
        if token.string == "Awaitable" and tokens[index + 1].string == "[":
            depth = 0
            for position in range(index + 1, len(tokens)):
                depth += {"[": 1, "]": -1}.get(tokens[position].string, 0)
                if depth == 0:
                    closers.add(position)
                    break
    return closers


def _between(lines: list[str], row: int, column: int, to_row: int, to_column: int) -> str:
    if row > len(lines):
        return ""
    if row == to_row:
        return lines[row - 1][column:to_column]
    rest = [lines[row - 1][column:], *lines[row : to_row - 1]]
    if to_row <= len(lines):
        rest.append(lines[to_row - 1][:to_column])
    return "".join(rest)


def is_generated(path: Path) -> bool:
    """Whether a file in ``_sync`` was generated."""
    with path.open(encoding="utf-8") as file:
        return file.readline().startswith(MARK)


def tidy(files: dict[Path, str]) -> dict[Path, str]:
    """Format with ruff like the sources: shorter names change line breaks and the order of imports."""
    with tempfile.TemporaryDirectory() as name:
        copies = {Path(name) / str(number) / path.name: path for number, path in enumerate(files)}
        for copy, path in copies.items():
            copy.parent.mkdir()
            copy.write_text(files[path], encoding="utf-8")
        for arguments in (["check", "--select", "I", "--fix"], ["format"]):
            command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--no-cache"]
            command += ["--config", str(ROOT / "pyproject.toml"), name]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            if done.returncode != 0:
                message = done.stdout + done.stderr
                for copy, path in copies.items():
                    message = message.replace(str(copy), f"the twin {path}")
                raise SystemExit(message)
        return {path: copy.read_text(encoding="utf-8") for copy, path in copies.items()}


def translate(root: Path, folders: Iterable[str]) -> tuple[dict[Path, str], set[str]]:
    """Return all twins as they should be, by path, and the rules that were used."""
    translator = Translator()
    files: dict[Path, str] = {}
    for folder in folders:
        sources = root / folder / "_async"
        for source in sorted(sources.rglob("*.py")):
            target = root / folder / "_sync" / source.relative_to(sources)
            if target.exists() and target.stat().st_size and not is_generated(target):
                continue
            text = HEADER.format(source=source.relative_to(root).as_posix()) + "\n"
            files[target] = text + translator.module(source.read_text(encoding="utf-8"))
    return tidy(files), translator.used


def orphans(root: Path, folders: Iterable[str], files: dict[Path, str]) -> list[Path]:
    """Return the twins whose source is gone."""
    return [
        path
        for folder in folders
        for path in sorted((root / folder / "_sync").rglob("*.py"))
        if path not in files and is_generated(path)
    ]


def main(arguments: list[str] | None = None, root: Path = ROOT, folders: Iterable[str] = tuple(FOLDERS)) -> int:
    """Write or check, and return the exit status."""
    parser = argparse.ArgumentParser(description="Generate the blocking twins of the asynchronous modules.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything would change")
    check = parser.parse_args(arguments).check
    files, used = translate(root, folders)
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    lost = orphans(root, folders, files)
    if not check:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        for path in lost:
            path.unlink()
        print(f"{len(files)} twins, {len(stale)} written, {len(lost)} removed")
        return 0
    problems = [f"{path.relative_to(root)}: differs from its source" for path in stale]
    problems += [f"{path.relative_to(root)}: its source is gone" for path in lost]
    problems += [f"tools/unasync.py: nothing uses the rule for {name!r}" for name in sorted(set(NAMES) - used)]
    for problem in problems:
        print(problem)
    if problems:
        print("run: python tools/unasync.py")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
