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

from tests.faults import cache_catalogue as of_cache  # noqa: E402
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
    "1": "success, and the tables show exactly one application (for a read: the right result)",
    "T": "the same refusal as without the fault, and nothing is written",
    "U0": "`Unavailable`, with attempts, cause and request id; the tables are unchanged",
    "U1": "`Unavailable`, likewise; the write was applied, once and entirely, which the caller cannot know",
    "U+": "`Unavailable` between two separate writes; calling again completes them",
    "H0": "`Throttled`, likewise; the tables are unchanged",
    "H+": "`Throttled` between two separate writes; calling again completes them",
    "D0": "`AccessDenied`, after at most two requests; the tables are unchanged",
    "·": "cannot occur: the operation sends no request that the fault applies to",
}
GROUPS = [
    ("The connection", [f"F{n}" for n in range(1, 12)]),
    ("DynamoDB's responses", [f"F{n}" for n in range(12, 27)]),
]

CACHE_SHORT = {
    "from the cache": "C",
    "from DynamoDB": "D",
    "done": "1",
    "ended everywhere": "1",
    "ended within max_age": "L",
    "CacheUnavailable, ended everywhere": "R",
    "CacheUnavailable, other hosts within max_age": "RL",
}
CACHE_MEANING = {
    "C": "the right answer, from the cache",
    "D": "the right answer, from DynamoDB",
    "1": "done; an ended session passes no check that begins afterwards, at any host",
    "R": "`CacheUnavailable`: DynamoDB has the result, and the session passes at no host, which the caller cannot know",
    "RL": "`CacheUnavailable`: DynamoDB has the result; other hosts may accept the session until its entry is "
    "`max_age` old, the call is repeated, or this host can reach the cache again and checks a session",
    "L": "done, but the removal is lost: hosts may accept the session until its entry is `max_age` old",
}
CACHE = """\
## The cache

With [a cache](cache.md), on a real server behind a proxy of its own (`tests/faults/cache_proxy.py`). One host has the
fault; a second one reaches the cache directly, and a third one does so a `max_age` later. Each operation begins with a
session that is in the cache, if it is not said otherwise, and the fault lasts. No ended session ever passes at the
third host, nor at the host that ended it, except under C14 and C21.

The last two columns say for how long a call waits for the cache at most, beyond what DynamoDB takes. T is
`connect_timeout` + `timeout`; in blocking code, `timeout` counts twice. After a failure, the circuit breaker keeps
checks from the cache, so that they wait for nothing: see
[the cache](cache.md#when-the-cache-cannot-be-used). A refresh waits for T at most.
"""

INTRODUCTION = """\
# Faults survived

Made by `make faults` from `tests/faults`; the tests fail if an outcome differs.

A fault proxy (`tests/fault_proxy.py`) runs between the library and Dynoxide. Each operation of the contract is called
under each fault: once with a fault that passes (it affects the first try of every request of the call) and once with
one that lasts (it affects every try of every write; if the operation only reads, of every read). Afterwards all five
tables are read past the library and compared, attribute by attribute, with a run without faults from the same tables,
clock and random bytes. For faults that engines do not have (throttling, conflicts, expired credentials, a wrong clock,
unprocessed items) the proxy sends DynamoDB's responses.

The asynchronous library runs all cases. The blocking one differs only in transport and threads; it runs the plain case
of each write under the faults that concern those.

{amounts} Each cell shows the outcome if the fault passes / if it lasts.
"""
OUTAGE = """\
## An outage is not amplified

Everything fails, and every call may retry three times. All calls of a handle share the retry quota (500 tokens, 5 per
retry); without it, each call would send four requests.
"""
END = """
However long it lasts, an outage costs one request per call and 100 retries in total; successful calls fill the quota
again.

## Beside the matrix

- Another writer comes in between a write and its retry, for every write outside transactions and for the transactions
  whose effect can change meanwhile: `tests/faults/_async/test_in_between.py`.
- The cache: several processes race revocations against checks, a real failover loses a removal, a process is killed
  before it sends one: `tests/cache/test_race.py`, `tests/cache/test_lost.py`; `make race` runs 10,000 and 50 rounds.
- Cancelled callers, closed handles, threads: `tests/faults/test_cancellation.py`.
- kill -9 of the engine under mixed load: `tests/faults/crash.py`; `make soak` runs it for a minute.
- Random and mutated input against every parser: `tests/fuzz`; `make fuzz` runs a million.
"""


def record() -> None:
    """Run the tests, and keep what they saw."""
    with tempfile.TemporaryDirectory() as folder:
        tests = [f"tests/faults/_async/test_{name}.py" for name in ("matrix", "conditions", "cache")]
        command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", *tests]
        subprocess.run(command, cwd=ROOT, env={**os.environ, RECORDING: folder}, check=True)
        merge(Path(folder))


def merge(folder: Path) -> None:
    """Keep what a run of the tests saw."""
    operations: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    cache: dict[str, Any] = {}
    kinds = {"figure": figures, "cache": cache}
    for path in sorted(folder.glob("*.json")):
        kinds.get(path.name.partition("_")[0], operations).update(json.loads(path.read_text("utf-8")))
    ordered = {operation.name: operations[operation.name] for operation in OPERATIONS}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(outcomes)}" for name, outcomes in ordered.items())
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(cache[name])}" for name in of_cache.TROUBLES)
    shown = json.dumps(dict(sorted(figures.items())), indent=1)
    text = f'{{"figures": {shown},\n"cache": {{\n{rows}\n}},\n"operations": {{\n{lines}\n}}}}\n'
    PATH.write_text(text, encoding="utf-8")


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
    if list(found["cache"]) != list(of_cache.TROUBLES):
        wrong.append("the faults of the cache are not those of the catalogue")
    for name, outcomes in found["cache"].items():
        wrong += [
            f"{name}: an empty cell for {operation!r}"
            for operation in of_cache.OPERATIONS
            if outcomes.get(operation) not in CACHE_SHORT
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
    out += _cache(found["cache"])
    out += [OUTAGE, "| | |", "|---|---|"]
    out += [f"| {name.partition(', ')[2]} | {value} |" for name, value in found["figures"].items()]
    out.append(END)
    return "\n".join(out)


def _cache(found: dict[str, dict[str, str]]) -> list[str]:
    out = [CACHE, "| | |", "|---|---|"]
    out += [f"| {short} | {meaning} |" for short, meaning in CACHE_MEANING.items()]
    heads = [*of_cache.OPERATIONS, "a check waits", "an end waits"]
    out += ["", f"| | fault | {' | '.join(heads)} |", f"|---|---|{'---|' * len(heads)}"]
    for name, trouble in of_cache.TROUBLES.items():
        cells = [CACHE_SHORT[found[name][operation]] for operation in of_cache.OPERATIONS]
        out.append(f"| {name} | {trouble.title} | {' | '.join(cells)} | {trouble.check} | {trouble.end} |")
    return [*out, ""]


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
