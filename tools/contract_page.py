"""Write ``docs/contract.md``: every clause of the storage contract, and the tests of the kit that prove it.

    python tools/contract_page.py            write
    python tools/contract_page.py --check    say what is wrong, and fail

Wrong is: a clause without a test, a test that cites a clause that does not exist, two clauses of one id, two tests of
one name (in the suite one would hide the other), a test without a docstring, a page that is not as it should be.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = Path("src/torii_dynamodb/_async/contract.py")
KIT = Path("src/torii_dynamodb/testing/_conformance")
PAGE = Path("docs/contract.md")

# What the contract's module docstring says of all methods: it holds throughout, so it stands at no method.
THROUGHOUT = {
    "INPUT-1": "Bad arguments raise ValidationError before anything is read or written.",
    "INPUT-2": "An item over DynamoDB's 400 KB raises ItemTooLarge before anything is sent.",
}

_CLAUSE = re.compile(r"^([A-Z]+-\d+): (.*)$")


@dataclass
class Clause:
    """A clause.

    Args:
        name: Its id.
        text: What it says.
        tests: The tests that cite it.
    """

    name: str
    text: str
    tests: list[Test] = field(default_factory=list)


@dataclass
class Section:
    """A method of a Protocol (or what holds throughout), with its clauses."""

    protocol: str
    summary: str
    method: str
    clauses: list[Clause]


@dataclass(frozen=True)
class Test:
    """A test of the kit."""

    name: str
    claim: str
    path: str
    line: int
    cites: tuple[str, ...]


def clauses_in(docstring: str) -> list[Clause]:
    """The clauses that a docstring lists under ``Clauses:``."""
    found: list[Clause] = []
    inside = False
    for line in docstring.splitlines():
        text = line.strip()
        if text == "Clauses:":
            inside = True
        elif inside and (match := _CLAUSE.match(text)):
            found.append(Clause(match[1], match[2]))
        elif inside and text and found:
            found[-1].text += f" {text}"
        elif not text:
            inside = False
    return found


def first_line(docstring: str | None) -> str:
    """The first paragraph, in one line."""
    return " ".join((docstring or "").strip().split("\n\n")[0].split())


def read_contract(root: Path) -> list[Section]:
    """All methods that have clauses, in the contract's order."""
    tree = ast.parse((root / CONTRACT).read_text(encoding="utf-8"))
    sections = [
        Section("Throughout", "", "", [Clause(name, text) for name, text in THROUGHOUT.items()]),
    ]
    for protocol in tree.body:
        if not isinstance(protocol, ast.ClassDef):
            continue
        for method in protocol.body:
            if isinstance(method, ast.AsyncFunctionDef):
                found = clauses_in(ast.get_docstring(method) or "")
                if found:
                    summary = first_line(ast.get_docstring(protocol))
                    sections.append(Section(protocol.name.removeprefix("Async"), summary, method.name, found))
    return sections


def read_tests(root: Path) -> list[Test]:
    """All tests of the kit."""
    tests: list[Test] = []
    for path in sorted((root / KIT).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_"):
                claim = first_line(ast.get_docstring(node))
                tests.append(Test(node.name, claim, path.name, node.lineno, tuple(_cited(node))))
    return tests


def _cited(test: ast.AsyncFunctionDef | ast.FunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "clause":
            for argument in decorator.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def join(sections: list[Section], tests: list[Test]) -> list[str]:
    """Hang the tests on their clauses; what is wrong, in words."""
    problems: list[str] = []
    clauses: dict[str, Clause] = {}
    for section in sections:
        for clause in section.clauses:
            if clause.name in clauses:
                problems.append(f"{CONTRACT}: {clause.name} occurs twice")
            clauses[clause.name] = clause
    names: dict[str, Test] = {}
    for test in tests:
        where = f"{KIT / test.path}:{test.line}: {test.name}"
        if test.name in names:
            problems.append(f"{where}: {names[test.name].path} has a test of this name, too; in the suite one hides it")
        names[test.name] = test
        if not test.claim:
            problems.append(f"{where}: has no docstring that states its claim")
        if not test.cites:
            problems.append(f"{where}: cites no clause")
        for cited in test.cites:
            if cited in clauses:
                clauses[cited].tests.append(test)
            else:
                problems.append(f"{where}: cites {cited}, which the contract does not have")
    problems += [f"{CONTRACT}: no test cites {name}" for name, clause in clauses.items() if not clause.tests]
    return problems


def render(sections: list[Section], tests: list[Test]) -> str:
    """The page."""
    count = sum(len(section.clauses) for section in sections)
    lines = [
        "# The storage contract, clause by clause",
        "",
        "<!-- Made by tools/contract_page.py. Do not edit. -->",
        "",
        f"{count} clauses, {len(tests)} tests (many run with several values; all run over several storages).",
        "A clause is what a method's docstring in `torii_dynamodb.contract` promises;",
        "a test cites the clauses that it proves.",
        "`torii_dynamodb.testing.conformance` runs them over a storage of your own.",
    ]
    protocol = ""
    for section in sections:
        if section.protocol != protocol:
            protocol = section.protocol
            lines += ["", f"## {protocol}"]
            if section.summary:
                lines += ["", section.summary]
        if section.method:
            lines += ["", f"### `{section.method}`"]
        for clause in section.clauses:
            lines += ["", f"**{clause.name}** {clause.text}", ""]
            lines += [f"- `{test.name}`: {test.claim}" for test in sorted(clause.tests, key=lambda test: test.name)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/contract.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page would change")
    check = parser.parse_args(arguments).check
    sections, tests = read_contract(root), read_tests(root)
    problems = join(sections, tests)
    text = render(sections, tests)
    page = root / PAGE
    if not check:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    elif not page.exists() or page.read_text(encoding="utf-8") != text:
        problems.append(f"{PAGE}: not what contract and kit say; run: python tools/contract_page.py")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
