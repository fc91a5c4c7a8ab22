"""Who may import whom: the directions between the layers, read from the source by `ast`.

The rules are in the table RULES. Each is tried on an example that breaks it, to notice a rule that can no longer fail.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "torii_dynamodb"
PACKAGE = "torii_dynamodb"


class When(IntEnum):
    """When an import takes effect; a rule forbids its own kind and all above it."""

    TYPING = 0  # under `if TYPE_CHECKING:`
    CALL = 1  # inside a function
    IMPORT = 2  # as soon as the module is imported


@dataclass(frozen=True)
class Import:
    """One imported module; `from a import b` counts as `a` and as `a.b`, since either may be the module."""

    module: str
    when: When
    line: int


@dataclass(frozen=True)
class Rule:
    """Modules matching `files`, but not `but`, do not import `forbidden` or anything below it."""

    name: str
    files: tuple[str, ...]
    forbidden: tuple[str, ...]
    broken_by: tuple[str, str]
    """An example: a file's path, and source in it that breaks this rule."""
    but: tuple[str, ...] = ()
    since: When = When.TYPING


def own(*parts: str) -> tuple[str, ...]:
    """Return names of modules of this package."""
    return tuple(f"{PACKAGE}.{part}" for part in parts)


IO = (
    "asyncio", "selectors", "socket", "socketserver", "ssl", "http", "urllib.request", "ftplib", "smtplib",
    "subprocess", "threading", "concurrent", "multiprocessing", "signal", "sqlite3", "tempfile", "shutil", "time",
    "aiohttp", "anyio", "httpx", "requests", "urllib3", "httptools",
)  # fmt: skip
AWS = ("boto3", "botocore", "s3transfer", "moto")
OUTER = own("_wsgi", "admin", "aws_lambda", "cli", "django", "fastapi", "flask", "local", "starlette", "testing")

RULES = [
    Rule(
        "the core is pure",
        files=("_core/**",),
        forbidden=(*IO, *AWS, *own("_wire", "_async", "_sync"), *OUTER),
        broken_by=("_core/users.py", "def f():\n    from torii_dynamodb import _wire"),
    ),
    Rule(
        "the rules are pure, and know nothing of what is stored",
        files=("_rules/**",),
        forbidden=(*IO, *AWS, *own("_core", "_wire", "_async", "_sync"), *OUTER),
        broken_by=("_rules/emails.py", "from torii_dynamodb._core import keys"),
    ),
    Rule(
        "the wire does no I/O",
        files=("_wire/**",),
        # It makes the TLS settings for both twins: it reads certificates and connects to nothing.
        but=("_wire/tls.py",),
        forbidden=(*IO, *own("_async", "_sync"), *OUTER),
        broken_by=("_wire/retry.py", "from asyncio import sleep"),
    ),
    Rule(
        "the decisions of the web layer are pure, and know no framework",
        files=("_web/**",),
        # The status codes are in `http`.
        forbidden=(
            *(name for name in IO if name != "http"),
            "http.client",
            "http.server",
            *AWS,
            *own("_core", "_wire", "_async", "_sync"),
            *OUTER,
        ),
        broken_by=("_web/cookies.py", "from torii_dynamodb.fastapi import web"),
    ),
    Rule(
        "configuration, models and errors do not know how they are used",
        files=("config.py", "errors.py", "models/**", "_messages.py"),
        forbidden=own("_core", "_wire", "_async", "_sync"),
        broken_by=("config.py", "if TYPE_CHECKING:\n    from torii_dynamodb._wire.http import ResponseParser"),
    ),
    Rule(
        "storage does not know the services",
        files=("_async/storage/**", "_sync/storage/**"),
        forbidden=own("_async.services", "_sync.services"),
        broken_by=("_async/storage/users.py", "from torii_dynamodb._async import services"),
    ),
    Rule(
        "the async library does not use its twin",
        files=("_async/**",),
        forbidden=own("_sync"),
        broken_by=("_async/client.py", "import torii_dynamodb._sync.client"),
    ),
    Rule(
        "the sync library does not use its twin, nor asyncio",
        files=("_sync/**",),
        forbidden=(*own("_async"), "asyncio", "aiohttp"),
        broken_by=("_sync/client.py", "import asyncio"),
    ),
    Rule(
        "the library does not lean on what surrounds it",
        files=("*.py", "_async/**", "_sync/**"),
        but=("starlette.py",),  # an integration itself
        forbidden=OUTER,
        since=When.IMPORT,
        broken_by=("_async/storage/users.py", "from torii_dynamodb.local.engines import LocalEngine"),
    ),
    Rule(
        "errors of the wire do not leave storage and admin",
        files=("*.py", "_async/services/**", "_sync/services/**", "fastapi/**", "cli/**"),
        # The errors that your own transport has to raise.
        but=("transport.py",),
        forbidden=own("_wire.errors", "_wire.failures"),
        broken_by=("fastapi/routes.py", "from torii_dynamodb._wire import errors"),
    ),
    Rule(
        "only the integrations know FastAPI and Starlette",
        files=("**",),
        but=("fastapi/**", "_wsgi/**", "django/**", "flask/**", "starlette.py", "cli/serve.py", "fastapi_users.py"),
        forbidden=("fastapi", "starlette", "pydantic", "uvicorn", *own("fastapi")),
        broken_by=("_async/services/password.py", "from fastapi import Request"),
    ),
    Rule(
        "what Flask and Django share knows neither, and FastAPI only when called",
        files=("_wsgi/**",),
        forbidden=("fastapi", "starlette", "flask", "django"),
        broken_by=("_wsgi/bridge.py", "from starlette.types import Scope"),
    ),
    Rule(
        "only flask/ knows Flask",
        files=("**",),
        but=("flask/**",),
        forbidden=("flask", "werkzeug", *own("flask")),
        broken_by=("_wsgi/bridge.py", "from flask import Flask"),
    ),
    Rule(
        "only django/ knows Django",
        files=("**",),
        but=("django/**",),
        forbidden=("django", *own("django")),
        broken_by=("_wsgi/bridge.py", "from django.conf import settings"),
    ),
    Rule(
        "only its adapter knows fastapi-users",
        files=("**",),
        but=("fastapi_users.py",),
        forbidden=("fastapi_users", *own("fastapi_users")),
        broken_by=("fastapi/routes.py", "from fastapi_users import models"),
    ),
    Rule(
        "only one module knows Powertools",
        files=("**",),
        but=("aws_lambda/powertools.py",),
        forbidden=("aws_lambda_powertools",),
        broken_by=("aws_lambda/http.py", "from aws_lambda_powertools.event_handler import Response"),
    ),
    Rule(
        "only cli/ draws on the terminal",
        files=("**",),
        but=("cli/**",),
        forbidden=("typer", "rich", "click"),
        broken_by=("admin/cost.py", "from rich.table import Table"),
    ),
    Rule(
        "the AWS SDK is used by admin, local and the credentials alone",
        files=("**",),
        but=("admin/**", "local/**", "_aws.py"),
        forbidden=AWS,
        since=When.CALL,
        broken_by=("_async/storage/users.py", "def f():\n    import boto3"),
    ),
    Rule(
        "and by them only when called",
        files=("admin/**", "local/**", "_aws.py"),
        # That file is the moto process itself; nothing imports it.
        but=("local/_moto_process.py",),
        forbidden=AWS,
        since=When.IMPORT,
        broken_by=("admin/autoscaling.py", "import boto3"),
    ),
]


@cache
def imports_of(source: str, path: str) -> list[Import]:
    """Yield all imports of a module, with relative ones resolved."""
    package = [PACKAGE, *Path(path).parent.parts]

    def walk(node: ast.AST, when: When) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, when, node.lineno)
            return
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield Import(module, when, node.lineno)
            for alias in node.names:
                yield Import(f"{module}.{alias.name}", when, node.lineno)
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for statement in node.body:
                yield from walk(statement, When.TYPING)
            for statement in node.orelse:
                yield from walk(statement, when)
            return
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, min(when, When.CALL) if inside else when)

    return list(walk(ast.parse(source), When.IMPORT))


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path matches one of the patterns; `*` stays in its folder, `**` does not."""
    return any(
        fnmatchcase(path, pattern) and ("**" in pattern or path.count("/") == pattern.count("/"))
        for pattern in patterns
    )


def violations(rule: Rule, path: str, source: str) -> list[str]:
    """Describe what in a module breaks a rule."""
    if not matches(path, rule.files) or matches(path, rule.but):
        return []
    found = [
        f"{path}:{one.line} imports {one.module}"
        for one in imports_of(source, path)
        for name in rule.forbidden
        if one.when >= rule.since and (one.module == name or one.module.startswith(f"{name}."))
    ]
    return list(dict.fromkeys(found))


@cache
def modules() -> list[tuple[str, str]]:
    """Every module of the package: its path below it, and its source."""
    return [
        (path.relative_to(SOURCE).as_posix(), path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))
    ]


def dependencies(sources: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """What each module imports when it is imported or for typing; imports inside functions do not count."""
    trees = {
        ".".join([PACKAGE, *Path(path).with_suffix("").parts]).removesuffix(".__init__"): (path, source)
        for path, source in sources
    }
    found: dict[str, set[str]] = {}
    for name, (path, source) in trees.items():
        imported = {one.module for one in imports_of(source, path) if one.when != When.CALL} & trees.keys()
        # `from package import module` means the module.
        packages = {one for one in imported if any(other.startswith(f"{one}.") for other in imported)}
        found[name] = imported - packages
    return found


def clock_reads(path: str, source: str) -> list[str]:
    """Find where a module takes the time of day or randomness from the machine instead of the configuration."""
    wanted = {
        "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
        "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
        "secrets.token_bytes", "secrets.token_hex", "secrets.token_urlsafe", "os.urandom", "uuid.uuid4",
    }  # fmt: skip
    last = {name.rpartition(".")[2] for name in wanted}
    return [
        f"{path}:{node.lineno} uses {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in last and ast.unparse(node) in wanted
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    """No module imports what its layer must not use."""
    broken = [line for path, source in modules() for line in violations(rule, path, source)]
    assert not broken, f"{rule.name}:\n" + "\n".join(broken)


def test_no_modules_import_each_other() -> None:
    """Imports form no cycle, those for typing only included: each module can be read after those it imports."""
    TopologicalSorter(dependencies(modules())).prepare()


def test_the_cycle_test_can_fail() -> None:
    """Two modules that import each other, one of them for typing only, are found."""
    first = "from torii_dynamodb import models"
    second = "if TYPE_CHECKING:\n    from torii_dynamodb.config import DynamoDbConfig"
    with pytest.raises(CycleError):
        TopologicalSorter(dependencies([("config.py", first), ("models.py", second)])).prepare()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_rule_can_fail(rule: Rule) -> None:
    """Each rule finds the violation in its own example."""
    path, source = rule.broken_by
    assert violations(rule, path, source)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import asyncio", True),
        ("import asyncio.events as e", True),
        ("from . import x", False),
        ("from .. import _wire", True),
        ("from .._wire.errors import X", True),
        ("try:\n    import socket\nexcept ImportError:\n    pass", True),
        ("class C:\n    def f(self):\n        import socket", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import socket", True),
        ("import httplib2", False),
        ("import urllib.parse", False),
        ("from torii_dynamodb._core import keys", False),
    ],
)
def test_every_form_of_import_is_seen(source: str, found: bool) -> None:
    """Plain, aliased, relative, nested and typing-only imports count; names with the same beginning do not."""
    assert bool(violations(RULES[0], "_core/users.py", source)) is found


def test_a_lazy_import_is_told_from_an_eager_one() -> None:
    """A rule about import time allows imports inside functions and for typing only."""
    eager = next(rule for rule in RULES if rule.name == "and by them only when called")
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import boto3\ndef f():\n    import boto3"
    assert not violations(eager, "admin/autoscaling.py", lazy)
    assert violations(eager, "_aws.py", "class C:\n    import boto3")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_exempt_file_exists_for_a_reason(rule: Rule) -> None:
    """An exception to a rule names existing files: a stale one would hide a later violation."""
    for pattern in rule.but:
        assert any(matches(path, [pattern]) for path, _ in modules()), pattern


def test_only_the_clock_asks_the_machine() -> None:
    """Time of day and randomness come from the configuration; only `clock.py` takes them from the machine.

    The shipped test tools and the command line make their own sample data and are exempt.
    """
    exempt = ("clock.py", "testing/**", "cli/**")
    broken = [line for path, source in modules() if not matches(path, exempt) for line in clock_reads(path, source)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "use", ["datetime.now(UTC)", "time.time()", "f(default_factory=datetime.utcnow)", "uuid.uuid4()"]
)
def test_the_clock_rule_can_fail(use: str) -> None:
    """Calls and references to the machine's clock and randomness are found; monotonic time is allowed."""
    assert clock_reads("x.py", f"x = {use}")
    assert not clock_reads("x.py", "x = time.monotonic()")


def imported_by(statement: str) -> set[str]:
    """Return the top-level modules that a new interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


HEAVY = {
    "boto3", "botocore", "aiohttp", "moto", "typer", "click", "rich", "fastapi", "starlette", "pydantic", "argon2",
    "cryptography", "hypothesis", "pyotp", "pytest",
}  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import torii_dynamodb", set[str]()),
        ("from torii_dynamodb import DynamoDbConfig", set[str]()),
        ("from torii_dynamodb import AsyncDynamoDbStorage, DynamoDbStorage", set[str]()),
        ("import torii_dynamodb.local.engines", set[str]()),
        ("import torii_dynamodb.cli", {"typer", "click", "rich"}),
        ("from torii_dynamodb.aws_lambda import LambdaRequest", set[str]()),
    ],
)
def test_an_import_is_light(statement: str, allowed: set[str]) -> None:
    """Importing the library loads no SDK, no web framework and no hash function, which would slow down cold starts."""
    assert imported_by(statement) & HEAVY <= allowed


def test_the_light_import_test_can_fail() -> None:
    """A heavy module that is imported is seen."""
    assert "pytest" in imported_by("import pytest")
