"""Finding and installing Dynoxide: where it is searched, and what happens if npm fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torii_dynamodb.local import (
    DYNOXIDE_VERSION,
    EngineError,
    Installation,
    LocalEngine,
    dynoxide_package,
    find_dynoxide,
    install_dynoxide,
    places,
)
from torii_dynamodb.local import (
    dynoxide as module,
)


def test_the_binary_named_in_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TORII_DYNOXIDE takes precedence over all other places, and is refused if it does not name an executable."""
    binary = tmp_path / "dynoxide"
    monkeypatch.setenv("TORII_DYNOXIDE", str(binary))
    with pytest.raises(EngineError, match="not an executable file"):
        find_dynoxide()
    binary.write_text("#!/bin/sh\n", encoding="ascii")
    binary.chmod(0o755)
    assert find_dynoxide() == binary


def _executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    path.chmod(0o755)
    return path


def test_nothing_in_the_working_directory_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs in the working directory are never run, not even if PATH contains relative folders."""
    package = dynoxide_package()
    assert package is not None
    for place in ("node_modules", ".engines/node_modules"):
        _executable(tmp_path / place / package / "dynoxide")
    for name in ("dynoxide", "npm", "bin/dynoxide", "bin/npm"):
        _executable(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "own_checkout", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", ".engines")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", ":.:bin:./bin")
    assert find_dynoxide() is None
    assert "npm is not on the PATH" in install_dynoxide().reason
    with pytest.raises(EngineError, match=r"searched: TORII_DYNOXIDE, the absolute folders of PATH, .*home"):
        LocalEngine("dynoxide").start()
    monkeypatch.setenv("PATH", f".:{tmp_path / 'bin'}")
    assert find_dynoxide() == tmp_path / "bin" / "dynoxide"


@pytest.mark.parametrize(
    ("source", "settings", "ours"),
    [
        ("src", '[project]\nname = "torii-dynamodb"\n', True),
        ("src", '[project]\nname = "shop"\n', False),
        ("vendor", '[project]\nname = "torii-dynamodb"\n', False),
        ("src", None, False),
    ],
)
def test_only_our_own_checkout_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, settings: str | None, ours: bool
) -> None:
    """A copy of the library inside another project does not make that project our checkout."""
    monkeypatch.setattr(places, "__file__", str(tmp_path / source / "torii_dynamodb" / "local" / "places.py"))
    if settings is not None:
        (tmp_path / "pyproject.toml").write_text(settings, encoding="ascii")
    assert places.own_checkout() == (tmp_path if ours else None)


def test_installing_without_npm_gives_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without npm nothing is raised: the result has no path, and its reason names npm."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install_dynoxide(tmp_path / "engines") == Installation(
        path=None, reason="npm is not on the PATH (it comes with Node.js)"
    )


def _fake_npm(folder: Path, script: str) -> None:
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    npm.chmod(0o755)


def test_a_failing_npm_is_quoted_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """npm's output on failure becomes the reason; no partial installation is left."""
    _fake_npm(tmp_path, "echo 'npm error code E404' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = tmp_path / "engines"
    result = install_dynoxide(target)
    assert result.path is None
    assert "npm error code E404" in result.reason
    assert list(target.iterdir()) == []


def test_installing_moves_the_binary_into_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fetched package ends up in npm's layout below the prefix; a second call fetches nothing."""
    package = dynoxide_package()
    assert package is not None
    version = DYNOXIDE_VERSION
    _fake_npm(
        tmp_path,
        f'echo x >> {tmp_path}/calls; mkdir -p "$3/node_modules/{package}"; cd "$3/node_modules/{package}"; '
        f"printf '#!/bin/sh\\necho dynoxide {version}\\n' > dynoxide; chmod +x dynoxide",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = tmp_path / "engines"
    first, second = install_dynoxide(target), install_dynoxide(target)
    assert first.path == second.path == target / "node_modules" / package / "dynoxide"
    assert (tmp_path / "calls").read_text(encoding="ascii") == "x\n"
    assert [entry.name for entry in target.iterdir()] == ["node_modules"]
