"""The contestants, their environments, and how to talk to their processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / ".bench"
SCRIPTS = ROOT / "benchmarks" / "contestants"
COLD = ROOT / "benchmarks" / "cold"

# Every Python contestant runs on this process's interpreter, with the same settings.
AWS = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NODE_NO_WARNINGS": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to do the flows.

    Args:
        key: Its name in the results.
        label: Its name in the tables.
        environment: The folder below ``.bench`` that its packages are in.
        script: The worker's script, with its arguments; empty if only its cold start is measured.
        cold: The script of its cold start, with its arguments; empty if it has none.
        kind: ``ours``, ``peer`` (in Python), ``node`` or ``floor``.
        asynchronous: Whether it runs on an event loop.
        tables: The prefix of its tables, and the key of the contestant whose sessions it checks.
        only: The flows it takes part in; empty for all it has.
    """

    key: str
    label: str
    environment: str
    script: tuple[str, ...] = ()
    cold: tuple[str, ...] = ()
    kind: str
    asynchronous: bool = True
    tables: str = ""
    only: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        return self.tables or self.key

    def command(self, folder: Path, script: tuple[str, ...]) -> list[str]:
        path = str(folder / script[0])
        if self.kind == "node":
            return ["node", path, str(BENCH / self.environment), *script[1:]]
        return [str(BENCH / self.environment / "bin" / "python"), path, *script[1:]]


CONTESTANTS: tuple[Contestant, ...] = (
    Contestant(
        key="ours_async",
        label="torii-dynamodb, async",
        environment="ours",
        script=("ours.py", "async", "merged"),
        cold=("ours_async.py",),
        kind="ours",
    ),
    Contestant(
        key="ours_async_alone",
        label="torii-dynamodb, async, reads not merged",
        environment="ours",
        script=("ours.py", "async", "alone"),
        kind="ours",
        only=("check",),
    ),
    Contestant(
        key="ours_sync",
        label="torii-dynamodb, sync",
        environment="ours",
        script=("ours.py", "sync", "merged"),
        cold=("ours_sync.py",),
        kind="ours",
        asynchronous=False,
    ),
    Contestant(
        key="ours_lambda",
        label="torii-dynamodb, sync, the Lambda example",
        environment="ours",
        cold=("ours_lambda.py",),
        kind="ours",
        asynchronous=False,
        tables="ours_sync",
    ),
    Contestant(
        key="ours_sync_alone",
        label="torii-dynamodb, sync, reads not merged",
        environment="ours",
        script=("ours.py", "sync", "alone"),
        kind="ours",
        asynchronous=False,
        only=("check",),
    ),
    Contestant(
        key="aiodynamo",
        label="aiodynamo by hand",
        environment="aiodynamo",
        script=("aiodynamo_by_hand.py",),
        cold=("aiodynamo_by_hand.py",),
        kind="peer",
    ),
    Contestant(
        key="aiobotocore",
        label="aiobotocore by hand",
        environment="aiobotocore",
        script=("aiobotocore_by_hand.py",),
        cold=("aiobotocore_by_hand.py",),
        kind="peer",
    ),
    Contestant(
        key="boto3",
        label="boto3 by hand",
        environment="boto3",
        script=("boto3_by_hand.py",),
        cold=("boto3_by_hand.py",),
        kind="peer",
        asynchronous=False,
    ),
    Contestant(
        key="powertools",
        label="Powertools' idempotency layer",
        environment="powertools",
        cold=("powertools_idempotency.py",),
        kind="peer",
        asynchronous=False,
    ),
    Contestant(
        key="pynamodb",
        label="PynamoDB by hand",
        environment="pynamodb",
        script=("pynamodb_by_hand.py",),
        cold=("pynamodb_by_hand.py",),
        kind="peer",
        asynchronous=False,
    ),
    Contestant(
        key="fastapi_users",
        label="fastapi-users-db-dynamodb",
        environment="fastapi_users",
        script=("fastapi_users_db.py",),
        cold=("fastapi_users_db.py",),
        kind="peer",
    ),
    Contestant(
        key="authjs",
        label="@auth/dynamodb-adapter (Node)",
        environment="node",
        script=("authjs.mjs",),
        cold=("authjs.mjs",),
        kind="node",
    ),
    Contestant(
        key="floor",
        label="one bare aiohttp POST",
        environment="floor",
        script=("floor.py", "aiohttp"),
        cold=("floor.py",),
        kind="floor",
        tables="ours_async",
    ),
    Contestant(
        key="floor_httptools",
        label="one bare POST, asyncio and httptools",
        environment="floor",
        script=("floor.py", "httptools"),
        kind="floor",
        tables="ours_async",
    ),
)

BETTER_AUTH = Contestant(
    key="better_auth",
    label="better-auth, secondary storage (Node)",
    environment="better_auth",
    script=("better_auth.mjs",),
    kind="node",
)
"""It does not store anything in DynamoDB, so only the cache is compared with it."""

BY_KEY = {contestant.key: contestant for contestant in (*CONTESTANTS, BETTER_AUTH)}


class WorkerError(RuntimeError):
    """A contestant failed to carry out a command."""


class Worker:
    """A contestant's process. It works only on command, and is idle while others are measured."""

    def __init__(self, contestant: Contestant, log: Path) -> None:
        self.contestant = contestant
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                contestant.command(SCRIPTS, contestant.script),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=clean_environment(),
                text=True,
            )
        self.flows: tuple[str, ...] = ()
        self.tokens: list[str] = []

    def tell(self, order: str, **what: Any) -> dict[str, Any]:
        """Send a command and wait until it is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": order, **what}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise WorkerError(f"{self.contestant.key} ended at {order!r}; see {self._log}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.contestant.key}, {order} {what}: {answer['error']}; see {self._log}")
        done: dict[str, Any] = answer["ok"]
        return done

    def open(self, endpoint: str, prefix: str | None = None) -> None:
        found = self.tell("open", endpoint=endpoint, prefix=prefix or self.contestant.prefix)
        only = self.contestant.only
        self.flows = tuple(flow for flow in found["flows"] if not only or flow in only)

    def seed(self, **what: Any) -> None:
        self.tokens = self.tell("seed", **what)["tokens"]

    def adopt(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.tell("adopt", tokens=tokens)

    def stop(self) -> None:
        """Kill the process."""
        if self._process.poll() is None:
            try:
                self.tell("close")
                self._process.wait(10)
            except (WorkerError, subprocess.TimeoutExpired):
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def clean_environment() -> dict[str, str]:
    """Return the environment variables for a contestant."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return kept | AWS


def versions() -> dict[str, str]:
    """Return the versions of the packages that are measured."""
    code = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    )
    wanted = {"boto3", "botocore", "pynamodb", "aiobotocore", "aiodynamo", "aiohttp", "orjson", "httptools"}
    wanted |= {"aws-lambda-powertools", "fastapi-users-db-dynamodb", "torii-dynamodb", "urllib3"}
    found = {"python": sys.version.split()[0]}
    for environment in sorted({contestant.environment for contestant in CONTESTANTS}):
        python = BENCH / environment / "bin" / "python"
        if python.exists():
            shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
            for name, version in json.loads(shown).items():
                if name.lower() in wanted:
                    found[f"{environment}: {name}"] = version
    for folder, package in (
        ("node", "@auth/dynamodb-adapter"),
        ("node", "@aws-sdk/client-dynamodb"),
        ("better_auth", "better-auth"),
        ("better_auth", "ioredis"),
    ):
        file = BENCH / folder / "node_modules" / package / "package.json"
        if file.exists():
            found[f"node: {package}"] = json.loads(file.read_text(encoding="utf-8"))["version"]
    return found
