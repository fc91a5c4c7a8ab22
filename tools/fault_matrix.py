"""Write docs/fault-matrix.md: every operation of the contract under every fault, and how it ended.

python tools/fault_matrix.py             from tests/faults/matrix.json, which the tests compare themselves with
python tools/fault_matrix.py --record    run the tests first, and write what they saw to that file
python tools/fault_matrix.py --check     write nothing; fail if the page is not what the file says, or a cell is empty
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.faults._async.operations import OPERATIONS  # noqa: E402
from tests.faults.catalogue import TROUBLES  # noqa: E402
from tests.faults.record import PATH, RECORDING  # noqa: E402

PAGE = ROOT / "docs" / "fault-matrix.md"

SHORT = {
    "once": "1",
    "true outcome": "T",
    "cannot occur": "·",
    "Unavailable, unchanged": "U0",
    "Unavailable, applied once": "U1",
    "Unavailable, completed by a repeated call": "U+",
    "Throttled, unchanged": "H0",
    "Throttled, completed by a repeated call": "H+",
    "AccessDenied, unchanged": "D0",
}
MEANING = {
    "1": "success, and the tables hold exactly one application (for a read: the right answer)",
    "T": "the refusal that is true without the fault too, and nothing is written",
    "U0": "`Unavailable`, with attempts, cause and request id; the tables are as they were",
    "U1": "`Unavailable`, likewise; the write was applied, once and whole, and nobody could learn it",
    "U+": "`Unavailable` between two writes that stand each for itself; calling again completes them",
    "H0": "`Throttled`, likewise; the tables are as they were",
    "H+": "`Throttled` between two writes that stand each for itself; calling again completes them",
    "D0": "`AccessDenied`, after two requests at most; the tables are as they were",
    "·": "cannot occur: the operation sends no request of the kind that the fault happens to",
}
GROUPS = [
    ("The connection", [f"F{n}" for n in range(1, 12)]),
    ("DynamoDB's own answers", [f"F{n}" for n in range(12, 27)]),
]

INTRODUCTION = """\
# Faults survived

Made by `make faults` from `tests/faults`; the tests fail when an outcome is another.

The fault proxy (`tests/fault_proxy.py`) stands between the library and Dynoxide. Each operation of the
contract is called under each fault, once with a fault that passes (every request of the call meets it on its first
try) and once with one that lasts (every write meets it on every try; for an operation that only reads, every read).
Afterwards all five tables are read past the library, and compared attribute by attribute with a run without faults from
the same tables, the same clock and the same random bytes. What engines do not do by themselves (throttling, conflicts,
expired credentials, a wrong clock, unprocessed items) is told by the proxy in DynamoDB's own words.

The asynchronous library meets all of it; the blocking one, which shares everything but transport and threads with it,
the plain case of each write under the faults in which those have a part.

{amounts} In each cell: how it ends when the fault passes / when it lasts.
"""
OUTAGE = """\
## An outage is not amplified

Everything fails, every call may retry three times; the retry quota (500 tokens, 5 a retry) is shared by all calls of a
handle. Without it, each call would send four requests.
"""
END = """
However long it lasts, an outage costs one request a call and 100 retries in all; the quota fills again with the calls
that succeed.

## Beside the matrix

- Another writer comes in between the write and its retry, for every write that is no transaction and for the
  transactions whose effect can change meanwhile: `tests/faults/_async/test_in_between.py`.
- Cancelled callers, closed handles, threads: `tests/faults/test_cancellation.py`.
- kill -9 of the engine under mixed load: `tests/faults/crash.py`; `make soak` runs it for a minute.
- Random and mutated input against every parser: `tests/fuzz`; `make fuzz` runs a million.
"""


def record() -> None:
    """Run the tests, and keep what they saw."""
    with tempfile.TemporaryDirectory() as folder:
        tests = ["tests/faults/_async/test_matrix.py", "tests/faults/_async/test_conditions.py"]
        command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", *tests]
        subprocess.run(command, cwd=ROOT, env={**os.environ, RECORDING: folder}, check=True)
        merge(Path(folder))


def merge(folder: Path) -> None:
    """Keep what a run of the tests saw."""
    operations: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        (figures if path.name.startswith("figure_") else operations).update(json.loads(path.read_text("utf-8")))
    ordered = {operation.name: operations[operation.name] for operation in OPERATIONS}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(outcomes)}" for name, outcomes in ordered.items())
    shown = json.dumps(dict(sorted(figures.items())), indent=1)
    PATH.write_text(f'{{"figures": {shown},\n"operations": {{\n{lines}\n}}}}\n', encoding="utf-8")


def problems(found: dict[str, Any]) -> list[str]:
    """What is missing in the record."""
    operations = found["operations"]
    wrong = [f"no row for {operation.name!r}" for operation in OPERATIONS if operation.name not in operations]
    known = {operation.name for operation in OPERATIONS}
    wrong += [f"a row for {name!r}, which is no operation" for name in operations if name not in known]
    for name, outcomes in operations.items():
        wrong += [
            f"{name}: an empty cell under {fault}"
            for fault in TROUBLES
            if len(outcomes.get(fault, ())) != 2 or not all(cell in SHORT for cell in outcomes[fault])
        ]
    return wrong


def page(found: dict[str, Any]) -> str:
    """The page."""
    operations: dict[str, Any] = found["operations"]
    cells = sum(len(outcomes) for outcomes in operations.values())
    occur = sum(cell[0] != "cannot occur" for outcomes in operations.values() for cell in outcomes.values())
    amounts = f"{len(operations)} cases of operations under {len(TROUBLES)} faults: {cells} cells; {occur} can occur."
    out = [INTRODUCTION.format(amounts=amounts), "| | |", "|---|---|"]
    out += [f"| {short} | {MEANING[short]} |" for short in MEANING]
    out += ["", "| fault | |", "|---|---|"]
    out += [f"| {name} | {trouble.title} |" for name, trouble in TROUBLES.items()]
    out.append("")
    for title, names in GROUPS:
        out += [f"## {title}", "", f"| operation | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
        for operation, outcomes in operations.items():
            row = [_cell(outcomes[name]) for name in names]
            out.append(f"| `{operation}` | {' | '.join(row)} |")
        out.append("")
    out += [OUTAGE, "| | |", "|---|---|"]
    out += [f"| {name.partition(', ')[2]} | {value} |" for name, value in found["figures"].items()]
    out.append(END)
    return "\n".join(out)


def _cell(outcome: list[str]) -> str:
    once, lasting = (SHORT[part] for part in outcome)
    return once if once == lasting else f"{once} / {lasting}"


def main() -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/fault-matrix.md.")
    parser.add_argument("--record", action="store_true", help="run the tests first")
    parser.add_argument("--merge", metavar="FOLDER", type=Path, help="take what a recording run left in a folder")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything would change")
    arguments = parser.parse_args()
    if arguments.record:
        record()
    elif arguments.merge:
        merge(arguments.merge)
    found = json.loads(PATH.read_text(encoding="utf-8"))
    wrong = problems(found)
    if not wrong:
        text = page(found)
        if arguments.check and (not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text):
            wrong = [f"{PAGE.relative_to(ROOT)} is not what the record says: run python tools/fault_matrix.py"]
        elif not arguments.check:
            PAGE.parent.mkdir(exist_ok=True)
            PAGE.write_text(text, encoding="utf-8")
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
