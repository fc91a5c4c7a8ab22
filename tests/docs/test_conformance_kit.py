"""The modules shown on the page about the conformance kit run as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.blocks import programs

BLOCKS = programs("docs/conformance-kit.md")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_the_modules_shown_pass(block: str, tmp_path: Path) -> None:
    """Each module shown passes in an empty folder, with only the plugins of the `testing` extra."""
    (tmp_path / "test_mine.py").write_text(block, encoding="utf-8")
    options = ["-q", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider"]
    if "conformance" in block:  # a part of the kit is enough
        options += ["-k", "token or address or one_wins"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_mine.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TORII_RACE_ROUNDS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-2000:]
    passed = re.search(r"(\d+) passed", found.stdout)
    assert passed is not None, found.stdout[-500:]
    assert int(passed[1]) >= (10 if "conformance" in block else 2)
