"""The engine is killed under mixed load: a short run of `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.crash import crash


@pytest.mark.usefixtures("dynoxide")
async def test_no_acknowledged_write_is_lost_by_a_crash(tmp_path: Path) -> None:
    """Under load, kill -9 and a restart on the same file, twice: every acknowledged write and invariant holds."""
    tally = await crash(tmp_path, 0, pause=0.5, kills=2)
    assert not tally.wrong, tally.wrong[:10]
    assert tally.kills == 2
    assert tally.acknowledged > 100
    assert tally.checked > 100
