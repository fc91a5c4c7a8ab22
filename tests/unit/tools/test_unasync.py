"""The generator of the blocking twins."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[3] / "tools" / "unasync.py"

SOURCE = '''"""Opens an `AsyncClient`: ``await client.call(x)``, then ``async with``. Callers must await the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from package._async.client import AsyncClient


class AsyncThing:
    async def __aenter__(self) -> AsyncThing:
        return self  # see AsyncThing.aclose

    async def each(self, call: Callable[[], Awaitable[list[int]]]) -> AsyncIterator[int]:
        async with AsyncClient() as client:
            async for one in client.aiter_raw():
                yield (await call())[one] + await client.call("await", f"{one} of AsyncThing")
        await client.aclose()
'''

TWIN = '''"""Opens an `Client`: ``client.call(x)``, then ``with``. Callers must await the end."""

from __future__ import annotations

from collections.abc import Iterator, Callable

from package._sync.client import Client


class Thing:
    def __enter__(self) -> Thing:
        return self  # see Thing.close

    def each(self, call: Callable[[], list[int]]) -> Iterator[int]:
        with Client() as client:
            for one in client.iter_raw():
                yield (call())[one] + client.call("await", f"{one} of Thing")
        client.close()
'''


@pytest.fixture
def tool() -> ModuleType:
    """The tool as a module."""
    spec = importlib.util.spec_from_file_location("unasync_under_test", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with one asynchronous module that uses every rule."""
    (tmp_path / "package" / "_async").mkdir(parents=True)
    rest = "\n\n__aexit__ = AsyncThing.__aenter__\nasynccontextmanager = None\n"
    (tmp_path / "package" / "_async" / "thing.py").write_text(SOURCE + rest)
    return tmp_path


def test_every_construction_has_its_twin(tool: ModuleType) -> None:
    """Keywords, names, types, imports, docstrings, comments and strings, line by line; prose is left alone."""
    assert tool.Translator().module(SOURCE) == TWIN


def test_blocking_code_passes_unchanged(tool: ModuleType) -> None:
    """A twin is its own twin."""
    assert tool.Translator().module(TWIN) == TWIN


def test_writing_is_repeatable_and_checked(tool: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check fails before, passes after; writing again changes nothing; a changed twin or source fails it again."""

    def run(*arguments: str) -> int:
        status: int = tool.main(list(arguments), root=tree, folders=["package"])
        return status

    assert run("--check") == 1
    assert run() == 0
    twin = tree / "package" / "_sync" / "thing.py"
    text = twin.read_text()
    assert text.startswith("# Generated from package/_async/thing.py by tools/unasync.py. Do not edit.\n")
    assert run("--check") == 0
    run()
    assert twin.read_text() == text
    twin.write_text(text + "\n# edited\n")
    capsys.readouterr()
    assert run("--check") == 1
    assert "package/_sync/thing.py: differs from its source" in capsys.readouterr().out


def test_a_twin_without_source_is_an_error(tool: ModuleType, tree: Path) -> None:
    """It fails the check, and writing removes it; a module written by hand is never touched."""

    def run(*arguments: str) -> int:
        status: int = tool.main(list(arguments), root=tree, folders=["package"])
        return status

    run()
    twins = tree / "package" / "_sync"
    (twins / "gone.py").write_text((twins / "thing.py").read_text())
    (twins / "by_hand.py").write_text("# mine\n")
    (tree / "package" / "_async" / "by_hand.py").write_text("# theirs\n")
    assert run("--check") == 1
    run()
    assert not (twins / "gone.py").exists()
    assert (twins / "by_hand.py").read_text() == "# mine\n"
    assert run("--check") == 0


def test_an_unused_rule_is_an_error(
    tool: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule that changes nothing any more must go."""
    monkeypatch.setitem(tool.NAMES, "nowhere", "elsewhere")
    tool.main([], root=tree, folders=["package"])
    capsys.readouterr()
    assert tool.main(["--check"], root=tree, folders=["package"]) == 1
    assert "nothing uses the rule for 'nowhere'" in capsys.readouterr().out


def test_the_twins_of_this_repository_are_current(tool: ModuleType) -> None:
    """What is committed is what the sources say."""
    assert tool.main(["--check"]) == 0
