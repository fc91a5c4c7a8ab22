"""docs/fault-matrix.md shows the recorded results and has no empty cell."""

from __future__ import annotations

import json

from tests.faults.record import PATH
from tools.fault_matrix import PAGE, page, problems


def test_the_page_is_what_the_tests_saw() -> None:
    """Every operation has an outcome under every fault, and the page is made from them."""
    found = json.loads(PATH.read_text(encoding="utf-8"))
    assert not problems(found)
    assert PAGE.read_text(encoding="utf-8") == page(found), "run python tools/fault_matrix.py"
