"""The contestants' own virtual environments and npm folder, below ``.bench``: no peer enters ``.venv``."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Collection
from pathlib import Path

from benchmarks.harness.contestants import BENCH, ROOT

REQUIREMENTS = ROOT / "benchmarks" / "requirements"


def prepare(wanted: Collection[str]) -> None:
    """Create those of the environments that are missing or out of date. If none is, no registry is contacted."""
    BENCH.mkdir(exist_ok=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # Installed in place, so only a change of its dependencies makes it out of date.
    _python("ours", ["-e", str(ROOT)], json.dumps(project["dependencies"]).encode())
    for file in sorted(REQUIREMENTS.glob("*.txt")):
        if file.stem in wanted:
            _python(file.stem, ["-r", str(file)], file.read_bytes())
    for file in sorted(REQUIREMENTS.glob("*/package.json")):
        if file.parent.name in wanted:
            _node(BENCH / file.parent.name, file)


def _python(name: str, arguments: list[str], wanted: bytes) -> None:
    folder = BENCH / name
    mark = _mark(wanted + sys.version.encode())
    stamp = folder / ".stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == mark:
        return
    print(f"Installing {name} into {folder.relative_to(ROOT)} ...", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", "install"]
    subprocess.run([*pip, *arguments], check=True)
    stamp.write_text(mark, encoding="utf-8")


def _node(folder: Path, package: Path) -> None:
    mark = _mark(package.read_bytes())
    stamp = folder / ".stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == mark:
        return
    if shutil.which("npm") is None:
        raise SystemExit(
            "the benchmarks need Node.js with npm (or leave out its contestants: --without authjs,better_auth)"
        )
    print(f"Installing {package.parent.name} into {folder.relative_to(ROOT)} ...", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(package, folder / "package.json")
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    stamp.write_text(mark, encoding="utf-8")


def _mark(wanted: bytes) -> str:
    return hashlib.sha256(wanted).hexdigest()
