"""Every block of code in the documents is checked: Python by type checkers, commands by their options, data by parsers.

What a block does when it runs is the subject of other tests, which find their blocks in the module ``blocks``, too.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import symtable
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django.template
import jinja2
import pytest
import typer
import uvicorn
import yaml  # type: ignore[import-untyped]
from babel.messages.pofile import read_po
from tests.docs import given
from tests.docs.blocks import PAGES, ROOT, Block, all_blocks

from torii_dynamodb.cli.app import app

BLOCKS = all_blocks()
PYRIGHT = ["readme_*.py", "docs_second_factors_*.py", "docs_tenants_*.py", "docs_tutorial_*.py"]
"""The pages that show whole programs, without packages that take pyright long (boto3, fastapi-users)."""
SHELL = ("bash", "console", "sh")


def of(*languages: str) -> list[Block]:
    """The blocks of these languages that are to be checked."""
    return [block for block in BLOCKS if block.language in languages and block.reason is None]


# --- Python -------------------------------------------------------------------------------------


def test_python_passes_strict_type_checkers(tmp_path: Path) -> None:
    """mypy --strict has nothing to say about any block, nor has pyright in strict mode about the whole programs.

    A block is a module, whose free names come from earlier blocks of its page or from ``given``. Lines are the page's.
    """
    shutil.copy(ROOT / "tests" / "docs" / "given.py", tmp_path / "given.py")
    homes: dict[str, dict[str, str]] = {}
    files: list[str] = []
    for block in of("python"):
        page = homes.setdefault(block.page, {})
        module = f"{re.sub(r'[^a-z0-9]', '_', block.page.removesuffix('.md').lower())}_{block.line}"
        source, defined = as_module(block, page)
        page |= dict.fromkeys(defined, module)
        (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
        files.append(f"{tmp_path}/{module}.py")
    for module in ("accounts", "app"):  # what the tutorial calls its files
        (tmp_path / f"{module}.py").write_text("from given import *\n", encoding="utf-8")
    settings: dict[str, Any] = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT / "src")], "include": PYRIGHT}
    settings["reportUnusedImport"] = False  # a block may import for the next one
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    commands = (
        # Django has no types, so neither have its decorators.
        ["mypy", "--strict", "--implicit-reexport", "--allow-untyped-decorators", *files],
        ["pyright", "-p", str(tmp_path), "--pythonpath", sys.executable],
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,  # mypy's settings and cache are there
            env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "MYPYPATH": str(tmp_path)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for command in commands
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(said)


def test_imports_exist() -> None:
    """Every name that a block imports from the library exists. Type checkers accept any of a module that loads late."""
    for block in of("python"):
        tree = compile(block.code, str(block), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("torii_dynamodb"):
                for name in node.names:
                    found = hasattr(import_module(str(node.module)), name.name)
                    assert found or find_spec(f"{node.module}.{name.name}"), f"{block}: {node.module}.{name.name}"


def as_module(block: Block, page: dict[str, str]) -> tuple[str, set[str]]:
    """A block as a module whose lines are the page's, and the names that it defines for the blocks below it."""
    code, head = block.code, ""
    try:
        compile(code, str(block), "exec", dont_inherit=True)
    except SyntaxError:  # "await" and "async with" belong in a function, which the page leaves out
        code, head = textwrap.indent(code, "    "), "async def shown() -> None:"
    table = symtable.symtable(f"{head}\n{code}", str(block), "exec")
    defined = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    imports = [
        f"from {page.get(name, 'given')} import {name}"
        for name in sorted(set(_free(table)) - defined)
        if name in page or name in given.__all__
    ]
    return "\n" * (block.line - 3) + f"{'; '.join(imports)}\n{head}\n{code}", defined - {"shown"}


def _free(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_global() or (table.get_type() == "module" and symbol.is_referenced()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _free(child)


# --- Commands -----------------------------------------------------------------------------------

OTHERS = {
    "aws bin/kc.sh firebase jq psql sam": "programs of other systems, which are not installed here",
    ". cat cd cp curl export git mkdir unset sudo while do done": "the shell's and the system's",
    "python python3 flask gunicorn": "run the reader's own files",
}
"""Programs whose arguments are not checked, and why."""


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a block, as words, without the variables that are set for them."""
    text = re.sub(r"\\\n\s*", " ", block.code)
    if block.language == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    for words in _shell_lines(text):
        line = shlex.shlex(words, posix=True, punctuation_chars=";|&<>")
        line.whitespace_split = True
        command: list[str] = []
        for word in [*line, ";"]:
            if not re.fullmatch("[;|&]+", word):
                command.append(word)
            elif command:
                yield without_settings(command)
                command = []


def _shell_lines(text: str) -> Iterator[str]:
    """The lines of a shell's text; a quoted text may have several."""
    waiting = ""
    for line in text.splitlines():
        waiting += line + "\n"
        try:
            shlex.split(waiting, comments=True)
        except ValueError:
            continue
        yield waiting
        waiting = ""
    assert not waiting, f"a quote is not closed: {waiting}"


def without_settings(words: list[str]) -> list[str]:
    """A command without the variables before it and the redirections after it."""
    start = next((n for n, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)), len(words))
    end = next((n for n, word in enumerate(words) if re.fullmatch("[<>]+", word)), len(words))
    return words[start:end]


def check_click(command: Any, arguments: list[str]) -> None:  # typer has a click of its own
    """Fail unless the command, its subcommand, its options and its number of arguments exist."""
    while hasattr(command, "get_command"):
        while arguments and arguments[0].startswith("-"):
            arguments = arguments[1:]
        if arguments in ([], ["..."]):
            return
        name, arguments = arguments[0], arguments[1:]
        found = command.get_command(command.context_class(command), name)
        assert found is not None, f"there is no command {name}"
        command = found
    parser = command.make_parser(command.context_class(command))
    if "..." not in arguments:
        given_values, rest, _ = parser.parse_args(list(arguments))
        assert rest == [] or command.allow_extra_args, rest
        wanted = [one.name for one in command.params if one.param_type_name == "argument" and one.required]
        assert not arguments or "--help" in arguments or all(map(given_values.get, wanted)), "an argument is missing"


def check_pip(arguments: list[str]) -> None:
    """Fail unless every extra of ours exists."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for named in re.findall(r"torii-dynamodb\[([\w,-]+)\]", " ".join(arguments)):
        assert set(named.split(",")) <= set(extras), named


def check_make(arguments: list[str]) -> None:
    """Fail unless every target exists."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word for word in arguments if "=" not in word} <= targets


@cache
def cli() -> Any:
    """The library's command line."""
    return typer.main.get_command(app)


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "torii-dynamodb": lambda arguments: check_click(cli(), arguments),
    "uvicorn": lambda arguments: check_click(uvicorn.main, arguments),
    "pip": check_pip,
    "make": check_make,
    "twine": lambda arguments: None,
    "pytest": lambda arguments: None,
    "pybabel": lambda arguments: None,  # test_translations_page.py runs them
}


@pytest.mark.parametrize("block", of(*SHELL), ids=str)
def test_commands_exist_with_their_options(block: Block) -> None:
    """Every command of a console exists, with the options and the number of arguments that are shown."""
    found = list(commands(block))
    assert found, "a console without a line that begins with $"
    for words in found:
        check_command(words)


def check_command(words: list[str]) -> None:
    """Fail unless a command is known, and its options exist."""
    program = words[0].rpartition("/")[2] if words[0].startswith(".venv/") else words[0]
    if program in CHECKS:
        try:
            CHECKS[program](words[1:])
        except Exception as error:  # noqa: BLE001 - a usage error of either click
            pytest.fail(f"{shlex.join(words)}: {error}")
    else:
        assert program in " ".join(OTHERS).split(), f"{shlex.join(words)}: is not checked; see OTHERS"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_exist(page: Path) -> None:
    """So does every command of the library and of make that a sentence or a table shows as code."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for shown in re.findall(r"`((?:torii-dynamodb|make|uvicorn) [^`\n]+)`", text):
        words = re.sub(r"\[[^]]*\]|…", "", shown).split("|")[0]
        check_command(without_settings(shlex.split(words)))


# --- Data ---------------------------------------------------------------------------------------


def check_json(text: str) -> None:
    """One value or several, one after another."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        _, end = decoder.raw_decode(text)
        text = text[end:].strip()


def check_yaml(text: str) -> None:
    """With the tags of CloudFormation."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))
    yaml.load(text, Loader)


def check_csv(text: str) -> None:
    """Every row has as many fields as the head."""
    assert len({len(row) for row in csv.reader(text.splitlines())}) == 1


def check_javascript(text: str) -> None:
    """Node.js, which the tests need for their engine, can read it as a module."""
    command = ["node", "--input-type=module", "--check"]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=60)


PARSERS: dict[str, Callable[[str], object]] = {
    "po": lambda text: read_po(text.splitlines(), abort_invalid=True),
    "csv": check_csv,
    "html": jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse,
    "html+django": django.template.Engine().from_string,
    "js": check_javascript,
    "json": check_json,
    "text": str,
    "toml": tomllib.loads,
    "yaml": check_yaml,
}


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language not in (*SHELL, "python")], ids=str)
def test_data_can_be_read(block: Block) -> None:
    """Everything else names a language whose parser accepts it."""
    if block.reason is None:
        assert block.language in PARSERS, f"no parser for {block.language!r}; add one, or use text"
        PARSERS[block.language](block.code)


def test_reasons_are_few() -> None:
    """Every block is checked, except where a comment before it says why not."""
    skipped = [block for block in BLOCKS if block.reason is not None]
    assert len(skipped) <= 3, [f"{block}: {block.reason}" for block in skipped]
