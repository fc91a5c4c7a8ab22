"""The recorded matrix: the tests compare their results with it, and `make faults` writes it."""

from __future__ import annotations

import json
import os
from pathlib import Path

PATH = Path(__file__).with_name("matrix.json")
RECORDING = "TORII_FAULTS_RECORD"

Outcomes = dict[str, list[str]]


def compare(operation: str, outcomes: Outcomes) -> None:
    """Fail unless the outcomes are the recorded ones; while recording, record them instead."""
    folder = os.environ.get(RECORDING)
    if folder:
        name = "".join(letter if letter.isalnum() else "_" for letter in operation)
        Path(folder, f"{name}.json").write_text(json.dumps({operation: outcomes}), encoding="utf-8")
        return
    known: Outcomes = json.loads(PATH.read_text(encoding="utf-8"))["operations"].get(operation, {})
    changed = {fault: outcome for fault, outcome in outcomes.items() if known.get(fault) != outcome}
    assert not changed, f"docs/fault-matrix.md says otherwise: {changed}; run 'make faults' if intended"


def compare_cache(trouble: str, outcomes: dict[str, str]) -> None:
    """Fail unless the outcomes under a fault of the cache are the recorded ones; while recording, record them."""
    folder = os.environ.get(RECORDING)
    if folder:
        Path(folder, f"cache_{trouble}.json").write_text(json.dumps({trouble: outcomes}), encoding="utf-8")
        return
    known: dict[str, str] = json.loads(PATH.read_text(encoding="utf-8"))["cache"].get(trouble, {})
    assert outcomes == known, "docs/fault-matrix.md says otherwise; run 'make faults' if intended"


def figure(name: str, value: str) -> None:
    """Fail unless a figure is the recorded one; while recording, record it instead."""
    folder = os.environ.get(RECORDING)
    if folder:
        mark = "".join(letter if letter.isalnum() else "_" for letter in name)
        Path(folder, f"figure_{mark}.json").write_text(json.dumps({name: value}), encoding="utf-8")
        return
    known: dict[str, str] = json.loads(PATH.read_text(encoding="utf-8"))["figures"]
    assert known.get(name) == value, f"docs/fault-matrix.md says otherwise: {value}; run 'make faults' if intended"
