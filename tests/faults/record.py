"""What the matrix said last: the tests compare what they see with it, and `make faults` writes it anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

PATH = Path(__file__).with_name("matrix.json")
RECORDING = "TORII_FAULTS_RECORD"

Outcomes = dict[str, list[str]]


def compare(operation: str, outcomes: Outcomes) -> None:
    """Fail unless the outcomes are the recorded ones; while recording, note them instead."""
    folder = os.environ.get(RECORDING)
    if folder:
        name = "".join(letter if letter.isalnum() else "_" for letter in operation)
        Path(folder, f"{name}.json").write_text(json.dumps({operation: outcomes}), encoding="utf-8")
        return
    known: Outcomes = json.loads(PATH.read_text(encoding="utf-8"))["operations"].get(operation, {})
    changed = {fault: outcome for fault, outcome in outcomes.items() if known.get(fault) != outcome}
    assert not changed, f"not as docs/fault-matrix.md says: {changed}; run 'make faults' if this is meant"


def figure(name: str, value: str) -> None:
    """Fail unless a figure is the recorded one; while recording, note it instead."""
    folder = os.environ.get(RECORDING)
    if folder:
        mark = "".join(letter if letter.isalnum() else "_" for letter in name)
        Path(folder, f"figure_{mark}.json").write_text(json.dumps({name: value}), encoding="utf-8")
        return
    known: dict[str, str] = json.loads(PATH.read_text(encoding="utf-8"))["figures"]
    assert known.get(name) == value, f"not as docs/fault-matrix.md says: {value}; run 'make faults' if this is meant"
