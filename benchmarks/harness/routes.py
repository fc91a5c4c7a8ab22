"""Routes that need a signed-in user: the server's CPU a request, beside a route that asks nobody."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness.chart import Bar, bars
from benchmarks.harness.contestants import BENCH, ROOT, clean_environment
from benchmarks.harness.figures import ratio, turns
from benchmarks.harness.parts import Bench, Report, Table, at_most, digits, shown
from torii_dynamodb.local import start_engine

TITLE = "Authenticated routes"
ENVIRONMENTS = ("routes",)

CONNECTIONS = (1, 32)

LABELS = {
    "bare": "FastAPI, nobody is asked",
    "ours": "torii-dynamodb, `Depends(auth.current_user)`",
    "by_hand": "by hand: one BatchGetItem by aiobotocore",
    "users_dynamodb": "FastAPI Users, database strategy, its DynamoDB adapter",
    "users_sqlite": "FastAPI Users, database strategy, SQLAlchemy and SQLite",
    "authx_jwt": "AuthX, a signed token, no storage",
    "bare_starlette": "Starlette, nobody is asked",
    "ours_starlette": "torii-dynamodb, `ToriiMiddleware` on Starlette",
    "bare_flask": "Flask, nobody is asked",
    "ours_flask": "torii-dynamodb, `@login_required` and `current_user` on Flask",
    "bare_django": "Django, nobody is asked",
    "ours_django": "torii-dynamodb, `@login_required` and `request.user` on Django",
}
_BARE = {"ours_starlette": "bare_starlette", "ours_flask": "bare_flask", "ours_django": "bare_django"}
_BLOCKING = ("bare_flask", "ours_flask", "bare_django", "ours_django")
_AIMED = {
    "ours": "route with `current_user`",
    "ours_starlette": "`ToriiMiddleware`",
    "ours_flask": "Flask",
    "ours_django": "Django",
}
_AIMS = {1: 1.9, 32: 1.5}

_INTRO = """The CPU that the server's process uses for a request of `GET /me`, as a multiple of the same route without
authentication in the same round. FastAPI and Starlette run on uvicorn as `pip install uvicorn` installs it (asyncio,
h11), with one worker and without an access log. Flask and Django use the blocking services and run on Waitress, in one
process with its default of four threads, so at 32 connections most requests wait for a thread. `wrk` sends the
requests, with the session's cookie. The engine's own CPU is not counted.
"""
_NOTE = """Both columns are ratios of CPU. Starlette, Flask and Django are each compared with a bare route of the same
framework on the same server. A bare route of Django has the middleware of [Django](../django.md), apart from ours.
"""


@dataclass(frozen=True, slots=True)
class _Server:
    process: subprocess.Popen[bytes]
    port: int
    header: str

    def cpu(self) -> float:
        """Return the seconds of CPU that the process has used, in user and system mode."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, connections: int, seconds: float) -> float:
        """Send requests for that long; return the CPU of each, in microseconds."""
        before = self.cpu()
        url = f"http://127.0.0.1:{self.port}/me"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}", "-H", self.header, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said or "Socket errors" in said:
            raise RuntimeError(f"port {self.port}: {said}")
        count = int(next(line for line in said.splitlines() if "requests in" in line).split()[0])
        return (self.cpu() - before) / count * 1e6


def measure(bench: Bench) -> dict[str, Any]:
    """Serve all of them at the same time, and load them in turns."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed (Debian's package is called wrk)")
    keys = [key for key in LABELS if key not in bench.without]
    found: dict[str, dict[str, list[float]]] = {key: {str(one): [] for one in CONNECTIONS} for key in keys}
    with ExitStack() as stack:
        endpoint = stack.enter_context(start_engine("dynoxide")).endpoint_url
        servers = {key: stack.enter_context(_serving(key, endpoint, bench.log)) for key in keys}
        for server in servers.values():
            server.load(max(CONNECTIONS), 1)
        for number in range(bench.rounds(7)):
            for connections in CONNECTIONS:
                for key in turns(keys, number):
                    used = servers[key].load(connections, 1 if bench.quick else 2)
                    found[key][str(connections)].append(round(used, 1))
    return {"cpu_us": found}


@contextmanager
def _serving(key: str, endpoint: str, log: Path) -> Iterator[_Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, log.open("ab") as errors:
        ready = Path(folder) / "ready"
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "benchmarks" / "routes")])
        python = str(BENCH / "routes" / "bin" / "python")
        process = subprocess.Popen(
            [python, "-W", "ignore", "-m", *_command(key, port)],
            env=clean_environment() | {"ENDPOINT": endpoint, "READY": str(ready), "PYTHONPATH": paths},
            stderr=errors,
        )
        try:
            yield _Server(process, port, _announced(key, process, ready, port))
        finally:
            process.terminate()
            process.wait()


def _command(key: str, port: int) -> list[str]:
    if key in _BLOCKING:
        return ["waitress", f"--listen=127.0.0.1:{port}", f"{key}:app"]
    options = ["--port", str(port), "--loop", "asyncio", "--http", "h11", "--log-level", "error", "--no-access-log"]
    return ["uvicorn", f"{key}:app", *options]


def _announced(key: str, process: subprocess.Popen[bytes], ready: Path, port: int) -> str:
    for _ in range(1_200):
        if process.poll() is not None:
            raise RuntimeError(f"{key}: exit code {process.returncode}; see the log")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return ready.read_text(encoding="utf-8")
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{key}: it does not listen")


def report(found: Mapping[str, Any]) -> Report:
    """Compare each with the bare route of its framework."""
    used = found["cpu_us"]
    ratios = {
        (key, connections): ratio(used[key][str(connections)], used[_BARE.get(key, "bare")][str(connections)])
        for key in used
        for connections in CONNECTIONS
        if _BARE.get(key, "bare") in used and not key.startswith("bare")
    }
    targets = [
        at_most(
            f"{what}, at {connections} connection{'s' * (connections > 1)}: the server's CPU against a bare route",
            aim,
            ratios.get((key, connections)),
            first=key == "ours",
        )
        for key, what in _AIMED.items()
        for connections, aim in _AIMS.items()
    ]
    order = sorted({key for key, _ in ratios}, key=lambda key: median(used[key]["1"]))
    rows = [(LABELS[key], *(shown(ratios[key, connections]) for connections in CONNECTIONS)) for key in order]
    head = ("", *(f"{connections} connection{'s' * (connections > 1)}" for connections in CONNECTIONS))
    entries = [
        Bar(
            LABELS[key].replace("`", ""),
            ratios[key, 1].median,
            ratios[key, 1].low,
            ratios[key, 1].high,
            f"{digits(ratios[key, 1].median)} ×",
            "ours" if key.startswith("ours") else "peer",
        )
        for key in order
    ]
    chart = bars(
        "Authenticated routes: the server's CPU for a request",
        "Compared with the same route without authentication, one connection. Shorter is better.",
        "×",
        entries,
        aim=_AIMS[1],
    )
    tables = [Table(title="CPU of a request", note=_NOTE, head=head, rows=rows)]
    return Report(intro=_INTRO, targets=targets, tables=tables, charts={"benchmarks-routes": chart} if entries else {})
