"""The tests named on the threats page exist, and its requirements are complete."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "threats.md"
_STATES = {"met", "not met", "default off", "yours"}


@cache
def names_in(path: Path) -> set[str]:
    """The names of the tests in a file, including those in classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")}


def test_each_named_test_exists() -> None:
    """Every ``file::test`` on the page is a test of that file, and there are many."""
    named = set(re.findall(r"`([\w/]+)::(\w+)`", _PAGE.read_text(encoding="utf-8")))
    assert len(named) > 80
    missing = []
    for file, name in sorted(named):
        kit = _ROOT / "src" / "torii_dynamodb" / "testing" / f"_{file}.py"
        path = kit if file.startswith("conformance/") else _ROOT / "tests" / f"{file}.py"
        if not path.is_file() or name not in names_in(path):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_each_requirement_has_a_state() -> None:
    """Each requirement has a unique number, a level from 1 to 3, one of the four states and an explanation."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in _PAGE.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| \d+\.\d+\.\d+ ", line)
    ]
    numbers = [row[0] for row in rows]
    assert len(numbers) == len(set(numbers))
    assert {number.partition(".")[0] for number in numbers} == {"6", "7", "9", "10"}
    for number, level, _, state, shown in rows:
        assert level in ("1", "2", "3"), number
        assert state in _STATES, number
        assert shown, number
