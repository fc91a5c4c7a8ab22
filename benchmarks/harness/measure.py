"""The measurements, all interleaved: in each round, every contestant has a turn on the same engine."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.contestants import BENCH, BY_KEY, COLD, Contestant, Worker, clean_environment
from benchmarks.harness.figures import operations_for, turns

FLOOR = "floor"
CONCURRENCY = (1, 16, 64)
FLOWS = (
    "check",
    "check_batch",
    "register",
    "sign_in",
    "sign_in_lockout",
    "user_by_email",
    "user_by_email_eventual",
    "sign_out",
    "sign_out_everywhere_10",
    "sign_out_everywhere_returns",
    "sign_out_everywhere_10000",
    "link_oauth",
    "delete_user",
)

# Each operation of these needs much work by the engine before it is measured.
_MOST = {"sign_out_everywhere_10": 96, "sign_out_everywhere_returns": 256, "link_oauth": 512, "delete_user": 512}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    Args:
        window: Seconds that one contestant's turn should take.
        rounds: Rounds of a flow.
        check_rounds: Rounds of the session check, which every request of an application pays.
        spawns: Processes started for a cold start or an import, of each.
        flows: Which flows.
        concurrency: At which concurrency.
    """

    window: float = 0.25
    rounds: int = 5
    check_rounds: int = 9
    spawns: int = 11
    flows: tuple[str, ...] = FLOWS
    concurrency: tuple[int, ...] = CONCURRENCY


def flows(workers: Mapping[str, Worker], plan: Plan, say: Say) -> list[dict[str, Any]]:
    """Measure every flow at every concurrency: one entry per contestant, with one figure per round."""
    found: list[dict[str, Any]] = []
    for flow in plan.flows:
        taking_part = [key for key, worker in workers.items() if flow in worker.flows]
        if not taking_part:
            continue
        for concurrency in (1,) if flow == "sign_out_everywhere_10000" else plan.concurrency:
            began = time.monotonic()
            found += _cell(workers, plan, flow, concurrency, taking_part)
            say(f"  {flow} at {concurrency}: {time.monotonic() - began:.0f} s")
    return found


def _cell(
    workers: Mapping[str, Worker], plan: Plan, flow: str, concurrency: int, taking_part: list[str]
) -> list[dict[str, Any]]:
    huge = flow == "sign_out_everywhere_10000"
    names = [*taking_part] if FLOOR in taking_part else [*taking_part, FLOOR]
    flow_of = {key: "check" if key == FLOOR else flow for key in names}
    sizes = {}
    for key in names:
        if huge and key != FLOOR:
            sizes[key] = 1
            continue
        # Warms up the connections, and shows how many operations fill the window.
        first = max(concurrency, 16)
        tried = workers[key].tell("run", flow=flow_of[key], concurrency=concurrency, operations=first)
        most = _MOST.get(flow_of[key], 6000)
        sizes[key] = operations_for(plan.window, tried["wall"] / first, concurrency, most)
    rounds: dict[str, list[dict[str, Any]]] = {key: [] for key in names}
    count = min(plan.rounds, 2) if huge else plan.check_rounds if flow in ("check", "check_batch") else plan.rounds
    for number in range(count):
        for key in turns(names, number):
            rounds[key].append(
                workers[key].tell("run", flow=flow_of[key], concurrency=concurrency, operations=sizes[key])
            )
    return [
        {
            "flow": flow,
            "concurrency": concurrency,
            "contestant": key,
            "operations": sizes[key],
            "cpu_us": [round(one["cpu"] / one["operations"] * 1e6, 2) for one in rounds[key]],
            "per_second": [round(one["operations"] / one["wall"], 1) for one in rounds[key]],
            "p50_ms": [round(one["p50"] * 1e3, 4) for one in rounds[key]],
            "p99_ms": [round(one["p99"] * 1e3, 4) for one in rounds[key]],
        }
        for key in names
    ]


def cold_starts(
    endpoint: str, taking_part: Sequence[Contestant], workers: Mapping[str, Worker], plan: Plan
) -> dict[str, dict[str, list[float]]]:
    """Measure from the process's start to its first checked session, in milliseconds, and the CPU used."""
    entries = [one for one in taking_part if one.cold]
    found: dict[str, dict[str, list[float]]] = {one.key: {"ms": [], "cpu_ms": []} for one in entries}
    for number in range(-1, plan.spawns):  # the first round fills the caches, and is not counted
        for key in turns([one.key for one in entries], number):
            one = BY_KEY[key]
            owner = workers.get(key) or workers.get(one.tables)
            token = "" if owner is None else owner.tokens[number]
            wall, cpu = _spawn(
                one.command(COLD, one.cold), {"ENDPOINT": endpoint, "PREFIX": one.prefix, "TOKEN": token}
            )
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


def imports(plan: Plan) -> dict[str, list[float]]:
    """Measure how long the imports that a program needs take, in milliseconds, within the process."""
    found: dict[str, list[float]] = {key: [] for key in IMPORTS}
    for number in range(-1, plan.spawns):
        for key in turns(list(IMPORTS), number):
            environment, code = IMPORTS[key]
            timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
            python = str(BENCH / environment / "bin" / "python")
            done = subprocess.run(
                [python, "-c", timed], capture_output=True, text=True, check=True, env=clean_environment()
            )
            if number >= 0:
                found[key].append(round(float(done.stdout) * 1e3, 2))
    return found


def memory(
    endpoint: str, workers: Mapping[str, Worker], log: Path, waiters: int, rounds: int
) -> dict[str, list[float]]:
    """Measure the bytes per waiter while that many session checks wait at once, each time in a new process."""
    names = [key for key in ("ours_async", "ours_async_alone", "floor", "aiodynamo") if key in workers]
    found: dict[str, list[float]] = {key: [] for key in names}
    for number in range(rounds):
        for key in turns(names, number):
            worker = Worker(BY_KEY[key], log)
            try:
                worker.open(endpoint)
                worker.adopt(workers[key].tokens)
                found[key].append(round(worker.tell("memory", waiters=waiters)["bytes"] / waiters, 1))
            finally:
                worker.stop()
    return found


def sizes(
    engines: Mapping[int, tuple[str, Callable[[int], str]]], log: Path, rounds: int, operations: int
) -> dict[str, dict[str, list[float]]]:
    """Measure the session check against the number of users stored, in files.

    Args:
        engines: By number of users, the endpoint and a function that returns a user's session token by number.
        log: The file for the workers' errors.
        rounds: How many rounds.
        operations: Checks per round, each for a different user.
    """
    ours: Contestant = BY_KEY["ours_async_alone"]
    workers: dict[int, Worker] = {}
    found: dict[str, dict[str, list[float]]] = {str(size): {"p50_ms": [], "cpu_us": []} for size in engines}
    chosen = random.Random(8)
    try:
        for size, (endpoint, token_of) in engines.items():
            workers[size] = Worker(ours, log)
            workers[size].open(endpoint, "size")
            workers[size].adopt([token_of(number) for number in chosen.sample(range(size), min(size, operations))])
            workers[size].tell("run", flow="check", concurrency=1, operations=operations)
        for number in range(rounds):
            for size in map(int, turns([str(size) for size in engines], number)):
                one = workers[size].tell("run", flow="check", concurrency=1, operations=operations)
                found[str(size)]["p50_ms"].append(round(one["p50"] * 1e3, 4))
                found[str(size)]["cpu_us"].append(round(one["cpu"] / one["operations"] * 1e6, 2))
    finally:
        for worker in workers.values():
            worker.stop()
    return found
