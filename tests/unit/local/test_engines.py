"""Local engines start, answer, keep their data if told to, and leave nothing behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from torii_dynamodb.local import (
    EngineError,
    EngineKind,
    EngineOptionError,
    Installation,
    LocalEngine,
    engines,
    start_engine,
)

KINDS: list[EngineKind] = ["dynoxide", "moto"]


def call(engine: LocalEngine, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Send a request without the library's own client and return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=10)
    try:
        scope = f"{engine.credentials.access_key_id}/20260101/{engine.region}/dynamodb/aws4_request"
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}",
        }
        connection.request("POST", "/", body=json.dumps(payload), headers=headers)
        answer = connection.getresponse()
        body: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, body
        return body
    finally:
        connection.close()


def make_table(engine: LocalEngine, name: str) -> None:
    """Create a table with only a key."""
    call(
        engine,
        "CreateTable",
        {
            "TableName": name,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )


def is_gone(pid: int) -> bool:
    """Whether no process has that id, or only a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


def wait_until_gone(pid: int) -> None:
    """Poll until the process is gone; fail after ten seconds."""
    deadline = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_answers_inside_the_with_block_and_is_gone_after_it(kind: EngineKind) -> None:
    """Entering waits until the engine answers; leaving ends the process and reaps it."""
    with LocalEngine(kind) as engine:
        assert engine.running
        assert call(engine, "ListTables", {}) == {"TableNames": []}
        pid = engine.pid
    assert not engine.running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_taken_port_is_named(kind: EngineKind) -> None:
    """If the requested port is taken, an error names it; start() does not hang or use the other server."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port} on 127.0.0.1 is taken"):
            LocalEngine(kind, port=port).start()


def test_a_lost_port_race_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process takes the free port before the engine binds it, the engine gets another port."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        free = engines._free_port
        offers = iter([taken, taken])
        monkeypatch.setattr(engines, "_free_port", lambda: next(offers, None) or free())
        with LocalEngine("dynoxide") as engine:
            assert engine.port != taken
            assert call(engine, "ListTables", {}) == {"TableNames": []}


@pytest.mark.parametrize("kill", [False, True])
def test_dynoxide_keeps_its_data_in_the_file_it_was_given(tmp_path: Path, kill: bool) -> None:
    """With db_path, a restart (orderly or by SIGKILL) keeps the tables and the port; missing folders are created."""
    with LocalEngine("dynoxide", db_path=tmp_path / "new" / "torii.db") as engine:
        assert engine.persistent
        make_table(engine, "kept")
        port, pid = engine.port, engine.pid
        engine.restart(kill=kill)
        assert (engine.port, engine.pid != pid) == (port, True)
        assert call(engine, "ListTables", {}) == {"TableNames": ["kept"]}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX file modes")
def test_only_its_owner_can_read_the_database(tmp_path: Path) -> None:
    """The file and its journal are 0600 in a folder of 0700, even if an older run left them readable for everybody."""
    folder = tmp_path / "data"
    database = folder / "torii.db"
    before = os.umask(0)
    try:
        with LocalEngine("dynoxide", db_path=database) as engine:
            make_table(engine, "kept")
            assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
            engine.kill()
            for one in folder.iterdir():
                one.chmod(0o644)
            engine.start()
            assert call(engine, "ListTables", {}) == {"TableNames": ["kept"]}
            make_table(engine, "more")
            assert {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == dict.fromkeys(
                [one.name for one in folder.iterdir()], 0o600
            )
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_dying_engine_says_why(tmp_path: Path) -> None:
    """The error of an engine that ends at once contains its exit code and its output."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database, though it is long enough to be taken for one" * 20)
    with pytest.raises(EngineError, match=r"exit code 1: .*not a valid SQLite database"):
        LocalEngine("dynoxide", db_path=broken).start()


def test_a_database_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A folder in its place, or a file in its folder's place, is an error with the path, before anything is run."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "torii.db"):
        with pytest.raises(EngineOptionError, match=f"db_path: {tmp_path}.*directory"):
            LocalEngine("dynoxide", db_path=path).start()


def test_a_silent_engine_is_given_up(tmp_path: Path) -> None:
    """An engine that never answers is stopped at its deadline, with an error that says so."""
    binary = tmp_path / "dynoxide"
    binary.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    binary.chmod(0o755)
    engine = LocalEngine("dynoxide", binary=binary, start_timeout=0.2)
    with pytest.raises(EngineError, match=r"did not answer on port \d+ within 0.2 s"):
        engine.start()
    assert not engine.running


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_does_not_outlive_a_killed_owner(kind: EngineKind) -> None:
    """When the owner is killed with SIGKILL, its engine ends by itself."""
    code = (
        "import sys; from torii_dynamodb.local.engines import LocalEngine;"
        f"engine = LocalEngine({kind!r}).start(); print(engine.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not is_gone(pid)
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)
    wait_until_gone(pid)


def test_an_engine_starts_once() -> None:
    """A second start() is an error; a second stop() is not; a stopped engine can be started again."""
    engine = LocalEngine("dynoxide")
    with pytest.raises(EngineError, match="not started"):
        _ = engine.endpoint_url
    with engine:
        with pytest.raises(EngineError, match="already running"):
            engine.start()
        engine.stop()
        engine.stop()
        engine.start()
        assert call(engine, "ListTables", {}) == {"TableNames": []}


def test_the_configuration_points_at_the_engine(dynoxide: LocalEngine, table_prefix: str) -> None:
    """config() contains endpoint, region, credentials and prefix, and takes further fields."""
    config = dynoxide.config(table_prefix=table_prefix, retry_attempts=7)
    assert (config.endpoint_url, config.region) == (dynoxide.endpoint_url, dynoxide.region)
    assert (config.table_prefix, config.retry_attempts) == (table_prefix, 7)
    assert config.credentials == dynoxide.credentials
    assert dynoxide.environment["AWS_ENDPOINT_URL_DYNAMODB"] == f"http://127.0.0.1:{dynoxide.port}"


def test_moto_refuses_a_database_file(tmp_path: Path) -> None:
    """A database file for moto is an error at once."""
    with pytest.raises(EngineError, match="moto keeps nothing"):
        LocalEngine("moto", db_path=tmp_path / "x.db")


def _hide_dynoxide(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setattr(engines, "find_dynoxide", lambda: None)
    monkeypatch.setattr(engines, "install_dynoxide", lambda: Installation(path=None, reason=reason))


def test_auto_falls_back_to_moto_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If Dynoxide is not available, moto starts; `why` says why, and that no data is kept."""
    _hide_dynoxide(monkeypatch, "no npm here")
    with start_engine(db_path=tmp_path / "x.db") as engine:
        assert engine.kind == "moto"
        assert not engine.persistent
        assert "no npm here" in engine.why
        assert "loses its data" in engine.why


def test_auto_prefers_dynoxide(tmp_path: Path) -> None:
    """If Dynoxide is found it is used, with its database file."""
    with start_engine(db_path=tmp_path / "x.db", install=False) as engine:
        assert (engine.kind, engine.persistent) == ("dynoxide", True)
        assert str(engine.binary) in engine.why


def test_no_engine_at_all_is_an_error_with_both_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """With neither engine, the error says why for each, and what to install."""
    _hide_dynoxide(monkeypatch, "no npm here")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"no npm here.*pip install 'torii-dynamodb\[local\]'"):
        start_engine()
    with pytest.raises(EngineError, match="Dynoxide is not available: no npm here"):
        start_engine("dynoxide")
