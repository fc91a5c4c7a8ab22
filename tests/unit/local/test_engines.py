"""Local engines: they start, answer, keep what they should keep, and leave nothing behind."""

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

from torii_dynamodb.local import engines
from torii_dynamodb.local.engines import (
    EngineError,
    EngineKind,
    EngineOptionError,
    Installation,
    LocalEngine,
    dynoxide_package,
    find_dynoxide,
    install_dynoxide,
    start_engine,
)

KINDS: list[EngineKind] = ["dynoxide", "moto"]


def call(engine: LocalEngine, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
    """One unsigned request, by hand: these tests do not lean on the library's own wire."""
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
    """A table with nothing but a key."""
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
    """Whether no process with that id runs, or only its unreaped remains."""
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
    """Entering waits until it answers; leaving ends the process and reaps it."""
    with LocalEngine(kind) as engine:
        assert engine.running
        assert call(engine, "ListTables", {}) == {"TableNames": []}
        pid = engine.pid
    assert not engine.running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_taken_port_is_named(kind: EngineKind) -> None:
    """A port that was asked for and is taken is an error that names it, not a hang and not somebody else's server."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port} on 127.0.0.1 is taken"):
            LocalEngine(kind, port=port).start()


def test_a_lost_port_race_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody takes the free port before the engine binds it, the engine gets another."""
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
    """With db_path a restart, orderly or by SIGKILL, keeps the tables and the port; missing folders are made."""
    with LocalEngine("dynoxide", db_path=tmp_path / "new" / "torii.db") as engine:
        assert engine.persistent
        make_table(engine, "kept")
        port, pid = engine.port, engine.pid
        engine.restart(kill=kill)
        assert (engine.port, engine.pid != pid) == (port, True)
        assert call(engine, "ListTables", {}) == {"TableNames": ["kept"]}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX'")
def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    """The file is 0600 in a folder of 0700, journal included, though an older run left it readable for everybody."""
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
    """The error of an engine that ends at once carries its exit code and its own words."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database, though it is long enough to be taken for one" * 20)
    with pytest.raises(EngineError, match=r"exit code 1: .*not a valid SQLite database"):
        LocalEngine("dynoxide", db_path=broken).start()


def test_a_database_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A folder in its place, or a file where its folder should be, is an error with the path, before anything runs."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "torii.db"):
        with pytest.raises(EngineOptionError, match=f"db_path: {tmp_path}.*directory"):
            LocalEngine("dynoxide", db_path=path).start()


def test_a_silent_engine_is_given_up(tmp_path: Path) -> None:
    """An engine that never answers is ended at its deadline, with an error that says so."""
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
    """A second start() is an error; a second stop() is not; an engine that is stopped starts again."""
    engine = LocalEngine("dynoxide")
    with pytest.raises(EngineError, match="not started"):
        _ = engine.endpoint_url
    with engine:
        with pytest.raises(EngineError, match="runs already"):
            engine.start()
        engine.stop()
        engine.stop()
        engine.start()
        assert call(engine, "ListTables", {}) == {"TableNames": []}


def test_the_configuration_points_at_the_engine(dynoxide: LocalEngine, table_prefix: str) -> None:
    """config() carries endpoint, region, credentials and prefix, takes further fields, and shows no secret."""
    config = dynoxide.config(table_prefix=table_prefix, retry_attempts=7)
    assert (config.endpoint_url, config.region) == (dynoxide.endpoint_url, dynoxide.region)
    assert (config.table_prefix, config.retry_attempts) == (table_prefix, 7)
    assert config.credentials == dynoxide.credentials
    assert dynoxide.environment["AWS_ENDPOINT_URL_DYNAMODB"] == f"http://127.0.0.1:{dynoxide.port}"


def test_moto_refuses_a_database_file(tmp_path: Path) -> None:
    """moto keeps nothing, so asking it to is an error at once."""
    with pytest.raises(EngineError, match="moto keeps nothing"):
        LocalEngine("moto", db_path=tmp_path / "x.db")


def test_the_binary_named_in_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TORII_DYNOXIDE wins over all other places, and is refused when it names no executable."""
    binary = tmp_path / "dynoxide"
    monkeypatch.setenv("TORII_DYNOXIDE", str(binary))
    with pytest.raises(EngineError, match="no executable file"):
        find_dynoxide()
    binary.write_text("#!/bin/sh\n", encoding="ascii")
    binary.chmod(0o755)
    assert find_dynoxide() == binary


def _executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    path.chmod(0o755)
    return path


def test_nothing_in_the_working_directory_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands in a stranger's folder runs none of its programs, by whatever relative PATH either."""
    package = dynoxide_package()
    assert package is not None
    for place in ("node_modules", ".engines/node_modules"):
        _executable(tmp_path / place / package / "dynoxide")
    for name in ("dynoxide", "npm", "bin/dynoxide", "bin/npm"):
        _executable(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "own_checkout", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", ".engines")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", ":.:bin:./bin")
    assert find_dynoxide() is None
    assert "npm is not on the PATH" in install_dynoxide().reason
    with pytest.raises(EngineError, match=r"looked at TORII_DYNOXIDE, the absolute folders of PATH, .*home"):
        LocalEngine("dynoxide").start()
    monkeypatch.setenv("PATH", f".:{tmp_path / 'bin'}")
    assert find_dynoxide() == tmp_path / "bin" / "dynoxide"


@pytest.mark.parametrize(
    ("source", "settings", "ours"),
    [
        ("src", '[project]\nname = "torii-dynamodb"\n', True),
        ("src", '[project]\nname = "shop"\n', False),
        ("vendor", '[project]\nname = "torii-dynamodb"\n', False),
        ("src", None, False),
    ],
)
def test_only_our_own_checkout_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, settings: str | None, ours: bool
) -> None:
    """A copy of the library in somebody else's project does not make that project's files ours."""
    monkeypatch.setattr(engines, "__file__", str(tmp_path / source / "torii_dynamodb" / "testing" / "engines.py"))
    if settings is not None:
        (tmp_path / "pyproject.toml").write_text(settings, encoding="ascii")
    assert engines.own_checkout() == (tmp_path if ours else None)


def _hide_dynoxide(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    monkeypatch.setattr(engines, "find_dynoxide", lambda: None)
    monkeypatch.setattr(engines, "install_dynoxide", lambda: Installation(path=None, reason=reason))


def test_auto_falls_back_to_moto_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where Dynoxide cannot be had, moto starts; `why` has the reason and that nothing is kept."""
    _hide_dynoxide(monkeypatch, "no npm here")
    with start_engine(db_path=tmp_path / "x.db") as engine:
        assert engine.kind == "moto"
        assert not engine.persistent
        assert "no npm here" in engine.why
        assert "keeps nothing" in engine.why


def test_auto_prefers_dynoxide(tmp_path: Path) -> None:
    """Where Dynoxide is found it is used, with its database file."""
    with start_engine(db_path=tmp_path / "x.db", install=False) as engine:
        assert (engine.kind, engine.persistent) == ("dynoxide", True)
        assert str(engine.binary) in engine.why


def test_no_engine_at_all_is_an_error_with_both_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """With neither engine the error says why for each, and what to install."""
    _hide_dynoxide(monkeypatch, "no npm here")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"no npm here.*pip install 'torii-dynamodb\[local\]'"):
        start_engine()
    with pytest.raises(EngineError, match="Dynoxide cannot be had: no npm here"):
        start_engine("dynoxide")


def test_installing_without_npm_gives_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without npm nothing is raised: there is no path, and the reason names npm."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install_dynoxide(tmp_path / "engines") == Installation(
        path=None, reason="npm is not on the PATH (it comes with Node.js)"
    )


def _fake_npm(folder: Path, script: str) -> None:
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    npm.chmod(0o755)


def test_a_failing_npm_is_quoted_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What npm says on failure becomes the reason; no half installation stays behind."""
    _fake_npm(tmp_path, "echo 'npm error code E404' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = tmp_path / "engines"
    result = install_dynoxide(target)
    assert result.path is None
    assert "npm error code E404" in result.reason
    assert list(target.iterdir()) == []


def test_installing_moves_the_binary_into_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fetched package ends up below the prefix as npm would lay it; a second call fetches nothing."""
    package = dynoxide_package()
    assert package is not None
    version = engines.DYNOXIDE_VERSION
    _fake_npm(
        tmp_path,
        f'echo x >> {tmp_path}/calls; mkdir -p "$3/node_modules/{package}"; cd "$3/node_modules/{package}"; '
        f"printf '#!/bin/sh\\necho dynoxide {version}\\n' > dynoxide; chmod +x dynoxide",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = tmp_path / "engines"
    first, second = install_dynoxide(target), install_dynoxide(target)
    assert first.path == second.path == target / "node_modules" / package / "dynoxide"
    assert (tmp_path / "calls").read_text(encoding="ascii") == "x\n"
    assert [entry.name for entry in target.iterdir()] == ["node_modules"]
