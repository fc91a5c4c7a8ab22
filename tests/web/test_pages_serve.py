"""``torii-dynamodb serve`` as a process: it serves, keeps registrations, and stops when told to."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SECONDS = 60.0


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, once it has printed its URL, and that URL."""
    command = [sys.executable, "-m", "torii_dynamodb.cli", "serve", "--db-path", str(folder / "serve.db"), *options]
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, text=True)
        try:
            deadline = time.monotonic() + _SECONDS
            found = None
            while found is None:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
                found = re.search(r"Open (http://localhost:\d+)", log.read_text())
            yield process, found[1]
        finally:
            process.kill()
            process.wait()


def status(address: str, path: str, host: str | None = None) -> tuple[int, str | None]:
    """The status of a page, and where it redirects."""
    port = int(address.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host or f"localhost:{port}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["Location"]
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    """The pages are at the printed URL, other host names redirect there, and Ctrl-C stops it cleanly."""
    with serving(tmp_path) as (process, address):
        for path in ("/", "/auth/sign-in", "/auth/static/pages.css"):
            assert status(address, path) == (200, None)
        assert status(address, "/nothing")[0] == 404
        assert status(address, "/admin")[0] == 404
        assert status(address, "/auth/sign-in?next=/x", host="127.0.0.1") == (307, f"{address}/auth/sign-in?next=/x")
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    said = (tmp_path / "log").read_text()
    assert "Stopped." in said
    assert "Traceback" not in said
    assert stat.S_IMODE((tmp_path / "serve.secret").stat().st_mode) == 0o600


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """For a port that is taken it prints one line and exits with the code for wrong usage."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "torii_dynamodb.cli", "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, cwd=tmp_path, env=dict(os.environ)
        )
    assert done.returncode == 2
    assert "choose another --port" in done.stderr
