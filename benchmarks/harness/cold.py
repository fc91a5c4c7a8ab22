"""Cold starts: from the start of a process to its first session check, and what its imports take of that."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.harness import stage
from benchmarks.harness.chart import Bar, bars
from benchmarks.harness.contestants import BENCH, BY_KEY, COLD, CONTESTANTS, clean_environment
from benchmarks.harness.figures import ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, at_most, digits, shown

TITLE = "Cold start"
ENVIRONMENTS = tuple(dict.fromkeys(one.environment for one in CONTESTANTS if one.cold))

_AIMS = {"ours_async": 0.35, "ours_sync": 0.3}

_INTRO = "From the start of the process to the response to its first session check, compared with boto3 by hand.\n"

_OURS = "from torii_dynamodb import Credentials, DynamoDbConfig, NewSession, NewUser, {0}DynamoDbStorage, {0}Torii"

IMPORTS = {
    "ours_async": ("ours", "import asyncio; " + _OURS.format("Async")),
    "ours_sync": ("ours", _OURS.format("")),
    "boto3": ("boto3", "import boto3"),
    "aiobotocore": ("aiobotocore", "from aiobotocore.session import get_session"),
    "aiodynamo": (
        "aiodynamo",
        "import aiohttp; from aiodynamo.client import Client; from aiodynamo.http.aiohttp import AIOHTTP",
    ),
    "pynamodb": ("pynamodb", "from pynamodb.models import Model"),
    "fastapi_users": (
        "fastapi_users",
        "from fastapi_users_db_dynamodb.access_token import DynamoDBAccessTokenDatabase",
    ),
    "floor": ("floor", "import aiohttp, orjson"),
}


def measure(bench: Bench) -> dict[str, Any]:
    """Measure both, interleaved: every contestant is started once in a round."""
    spawns = bench.rounds(11)
    return {"starts": _starts(bench, spawns), "imports": _imports(spawns)}


def _starts(bench: Bench, spawns: int) -> dict[str, dict[str, list[float]]]:
    """Measure from the process's start to its first checked session, in milliseconds, and the CPU used."""
    entries = [one for one in CONTESTANTS if one.cold and one.key not in bench.without]
    found: dict[str, dict[str, list[float]]] = {one.key: {"ms": [], "cpu_ms": []} for one in entries}
    with stage.contestants(bench, [one.key for one in entries]) as (endpoint, workers):
        for number in range(-1, spawns):  # the first round fills the caches, and is not counted
            for key in turns([one.key for one in entries], number):
                one = BY_KEY[key]
                owner = workers.get(key) or workers.get(one.tables)
                token = "" if owner is None else owner.tokens[number]
                variables = {"ENDPOINT": endpoint, "PREFIX": one.prefix, "TOKEN": token}
                wall, cpu = _spawn(one.command(COLD, one.cold), variables)
                if number >= 0:
                    found[key]["ms"].append(round(wall * 1e3, 2))
                    found[key]["cpu_ms"].append(round(cpu * 1e3, 2))
    return found


def _spawn(command: list[str], variables: dict[str, str]) -> tuple[float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_environment() | variables)
    assert process.stdout is not None
    said = process.stdout.readline()
    wall = time.perf_counter() - began
    process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if said.strip() != b"ok" or process.returncode:
        raise RuntimeError(f"{command}: said {said!r}, exit code {process.returncode}")
    return wall, used.ru_utime + used.ru_stime


def _imports(spawns: int) -> dict[str, list[float]]:
    """Measure how long the imports that a program needs take, in milliseconds, within the process."""
    found: dict[str, list[float]] = {key: [] for key in IMPORTS if (BENCH / IMPORTS[key][0]).exists()}
    for number in range(-1, spawns):
        for key in turns(list(found), number):
            environment, code = IMPORTS[key]
            timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
            python = str(BENCH / environment / "bin" / "python")
            done = subprocess.run(
                [python, "-c", timed], capture_output=True, text=True, check=True, env=clean_environment()
            )
            if number >= 0:
                found[key].append(round(float(done.stdout) * 1e3, 2))
    return found


def report(found: Mapping[str, Any]) -> Report:
    """Compare all with boto3 by hand."""
    starts, imports = found["starts"], found["imports"]
    targets = [
        at_most(
            f"cold start, {key[5:]}: time to the first session check against boto3 by hand",
            aim,
            ratio(starts[key]["ms"], starts["boto3"]["ms"]) if {key, "boto3"} <= starts.keys() else None,
            first=True,
        )
        for key, aim in _AIMS.items()
    ]
    if "boto3" not in starts:
        return Report(targets=targets)
    rows = [
        (
            BY_KEY[key].label,
            shown(ratio(one["ms"], starts["boto3"]["ms"])),
            shown(ratio(one["cpu_ms"], starts["boto3"]["cpu_ms"])),
        )
        for key, one in sorted(starts.items(), key=lambda pair: median(pair[1]["ms"]))
    ]
    names = [
        (BY_KEY[key].label if key != "floor" else "aiohttp", shown(ratio(one, imports["boto3"])))
        for key, one in sorted(imports.items(), key=lambda pair: median(pair[1]))
    ]
    tables = [
        Table(title="First check", head=("", "time", "CPU"), rows=rows),
        Table(
            title="Import",
            note="The names that a program needs, compared with `import boto3`.",
            head=("", "time"),
            rows=names,
        ),
    ]
    return Report(intro=_INTRO, targets=targets, tables=tables, charts={"benchmarks-cold-start": _chart(starts)})


def _chart(cold: Mapping[str, Any]) -> str:
    entries = []
    for key, found in sorted(cold.items(), key=lambda pair: median(pair[1]["ms"])):
        one = ratio(found["ms"], cold["boto3"]["ms"])
        kind = {"ours": "ours", "floor": "floor"}.get(BY_KEY[key].kind, "peer")
        entries.append(Bar(BY_KEY[key].label, one.median, one.low, one.high, f"{digits(one.median)} ×", kind))
    return bars(
        "Cold start: from the process' start to its first session check",
        "Compared with boto3 by hand, started in turns. Shorter is better; the dashed line is the target.",
        "×",
        entries,
        aim=_AIMS["ours_async"],
    )
