"""The commands on a real engine, as a person or a script calls them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from tests.ports import reserved_port
from typer.testing import CliRunner, Result

from torii_dynamodb import DynamoDbHandle, DynamoDbStorage, NewSession, NewUser, User
from torii_dynamodb._rules.hashing import Argon2Hasher
from torii_dynamodb._sync.client import Client
from torii_dynamodb.cli.app import app
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewFactor

Run = Callable[..., Result]
TOOL = [sys.executable, "-m", "torii_dynamodb.cli"]


@pytest.fixture
def layout() -> str:
    """Five tables; a test that is parametrised with ``layout`` gets the other one, too."""
    return "tables"


@pytest.fixture
def run(dynoxide: LocalEngine, table_prefix: str, layout: str) -> Run:
    """Runs a command against Dynoxide, with its own table prefix."""

    def call(*arguments: str, stdin: str | None = None, **changes: str | None) -> Result:
        tables = {"TORII_TABLE_PREFIX": table_prefix, "TORII_LAYOUT": layout}
        environment = {**dynoxide.environment, **tables, "COLUMNS": "80", **changes}
        return CliRunner().invoke(app, list(arguments), input=stdin, env=environment)

    return call


@pytest.fixture
def storage(dynoxide: LocalEngine, table_prefix: str, layout: str) -> Iterator[DynamoDbHandle]:
    """The tables that the commands of a test see."""
    with DynamoDbStorage().initialize(
        dynoxide.config(table_prefix=table_prefix, layout=layout, session_cleanup="off")
    ) as handle:
        yield handle


@pytest.fixture
def ada(storage: DynamoDbHandle) -> User:
    """A user with an IDNA address and a name that would reverse a terminal's line."""
    return storage.create_user(NewUser(email="Ada@Bücher.example", name="Ada \u202eLovelace"))


def signed_in(storage: DynamoDbHandle, user: User) -> str:
    """The token of a new session."""
    ends = datetime.now(UTC) + timedelta(days=1)
    session = storage.create_session(
        NewSession(user_id=user.id, expires_at=ends, user_agent="Browser/1", ip_address="192.0.2.7"), user=user
    )
    assert session.token
    return session.token


def test_tables_are_created_told_and_deleted(run: Run, table_prefix: str) -> None:
    """Missing tables are exit code 1; ensure creates them, repeatably; status is then OK; delete leaves nothing."""
    missing = run("tables", "status")
    assert missing.exit_code == 1
    assert missing.stdout.count("MISSING") == 5
    assert run("tables", "ensure").stdout.count("created") == 5
    again = run("tables", "ensure", "--json")
    assert [table["created"] for table in json.loads(again.stdout)["tables"]] == [False] * 5
    well = run("tables", "status", "--json")
    assert well.exit_code == 0
    told = json.loads(well.stdout)
    assert told["ok"] is True
    assert [table["ttl"] for table in told["tables"]] == [None, "expires_at", None, "expires_at", "expires_at"]
    gone = run("tables", "delete", "--yes", "--json")
    assert len(json.loads(gone.stdout)["deleted"]) == 5
    assert run("tables", "status").exit_code == 1
    assert table_prefix in run("tables", "delete", "--yes").stdout


def test_nothing_is_deleted_unasked(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """Without --yes and without a terminal, delete refuses with exit code 2 and deletes nothing."""
    done = run("tables", "delete")
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert storage.get_user(ada.id) == ada


def test_a_table_of_another_shape_is_told(run: Run, dynoxide: LocalEngine, table_prefix: str) -> None:
    """ensure and status name the table, what is found and what is expected."""
    client = Client(dynoxide.config())
    client.call(
        "CreateTable",
        {
            "TableName": f"{table_prefix}_users",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )
    client.close()
    ensured = run("tables", "ensure")
    assert ensured.exit_code == 3
    status = run("tables", "status")
    assert status.exit_code == 1
    for told in (ensured.stderr, status.stdout):
        assert f"table {table_prefix}_users: key found: pk (S); expected: id (S)" in told


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_a_user_is_found_by_id_and_by_any_spelling(run: Run, ada: User) -> None:
    """show takes an ID, or an address in any spelling, and escapes direction characters in user data."""
    for who in (ada.id, "ADA@xn--bcher-kva.example"):
        done = run("users", "show", who)
        assert done.exit_code == 0
        assert ada.id in done.stdout
        assert "\u202e" not in done.stdout
        assert "Ada \\u202eLovelace" in done.stdout
    told = json.loads(run("users", "show", ada.id, "--json").stdout)
    assert told["email"] == "ada@xn--bcher-kva.example"
    assert told["sessions"] == 0
    assert not {"session_epoch", "password_version"} & set(told)


@pytest.mark.parametrize("who", ["nobody@mail.example", "usr_nobody"])
def test_a_user_that_is_not_there_is_exit_code_5(run: Run, storage: DynamoDbHandle, who: str) -> None:
    """A look-up without a result says so, for scripts by the exit code."""
    assert storage is not None
    done = run("users", "show", who)
    assert done.exit_code == 5
    assert done.stderr == f"error: there is no user {who}\n"


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_users_are_listed_page_by_page(run: Run, storage: DynamoDbHandle) -> None:
    """Following next_cursor, or --all, yields everybody once."""
    ids = {storage.create_user(NewUser(email=f"user{number}@mail.example")).id for number in range(7)}
    found: list[str] = []
    cursor: list[str] = []
    while True:
        page = json.loads(run("users", "list", "--limit", "3", "--json", *cursor).stdout)
        found += [user["id"] for user in page["users"]]
        if page["next_cursor"] is None:
            break
        cursor = ["--cursor", page["next_cursor"]]
    assert sorted(found) == sorted(ids)
    every = run("users", "list", "--limit", "2", "--all")
    assert every.stdout.count("@mail.example") == 7
    assert "7 users." in every.stdout


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_sessions_are_listed_and_revoked(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """One session is ended by its ID, all by --all; neither the list nor the JSON contains a token."""
    first, second, third = (signed_in(storage, ada) for _ in range(3))
    listed = run("sessions", "list", ada.email, "--json")
    sessions = json.loads(listed.stdout)["sessions"]
    assert len(sessions) == 3
    text = run("sessions", "list", ada.id).stdout
    assert "3 sessions" in text
    for secret in (first, second, third):
        assert secret not in listed.stdout + text
    victim = sessions[0]["id"]
    assert run("sessions", "revoke", ada.id, victim).exit_code == 0
    assert run("sessions", "revoke", ada.id, victim).exit_code == 5
    assert sum(storage.get_session(token) is not None for token in (first, second, third)) == 2
    assert run("sessions", "revoke", ada.id, "--all", "--yes").exit_code == 0
    assert all(storage.get_session(token) is None for token in (first, second, third))


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_second_factors_are_listed_and_removed(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """Shown with the user and in their own list, without a secret; removed one by one or all at once."""
    storage.add_factor(NewFactor(user_id=ada.id, id="app", secret=b"sealed-seed", last_step=1, name="Phone \u202e"))
    storage.set_recovery_codes(ada.id, ["stored-mark-1", "stored-mark-2"])
    storage.use_recovery_code(ada.id, "stored-mark-1")
    storage.use_passkeys_as_factor(ada.id, True)
    listed = run("users", "second-factors", "list", ada.email)
    shown = run("users", "show", ada.id)
    told = json.loads(run("users", "second-factors", "list", ada.id, "--json").stdout)
    assert told["passkeys"] is True
    assert [(one["id"], one["kind"], one["codes_left"]) for one in told["second_factors"]] == [
        ("recovery", "recovery", 1),
        ("app", "totp", None),
    ]
    known = json.loads(run("users", "show", ada.id, "--json").stdout)
    assert known["second_factors"] == told["second_factors"]
    assert known["factors"] == ["passkey", "recovery", "totp#app"]
    for text in (listed.stdout, shown.stdout):
        assert "1 recovery code," in text
        assert "app: Phone \\u202e" in text
        assert "passkeys count as one" in text
    for secret in ("sealed-seed", "stored-mark"):
        assert secret not in listed.stdout + shown.stdout + json.dumps([told, known])
    remove = ("users", "second-factors", "remove", ada.id)
    assert run(*remove, "app").exit_code == 2
    assert run(*remove, "app", "--yes").exit_code == 0
    assert run(*remove, "app", "--yes").exit_code == 5
    done = run(*remove, "--all", "--yes")
    assert "all second factors removed" in done.stdout
    assert "No mail was sent" in done.stderr
    assert run(*remove, "--all", "--yes").exit_code == 5
    assert "has no second factors" in run("users", "second-factors", "list", ada.id).stdout
    left = storage.get_user(ada.id)
    assert left is not None
    assert left.factors == frozenset()


@pytest.mark.parametrize("arguments", [[], ["app", "--all"]])
def test_removing_wants_one_factor_or_all(run: Run, arguments: list[str]) -> None:
    """Neither a second factor nor --all, or both, is wrong usage; nothing is guessed."""
    assert run("users", "second-factors", "remove", "ada@mail.example", *arguments, "--yes").exit_code == 2


@pytest.mark.parametrize("arguments", [[], ["x" * 64, "--all"]])
def test_revoke_wants_one_or_all(run: Run, arguments: list[str]) -> None:
    """Neither a session nor --all, or both, is wrong usage; nothing is guessed."""
    assert run("sessions", "revoke", "ada@mail.example", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "changes", "code", "told"),
    [
        (["users", "list"], {}, 3, "torii-dynamodb tables ensure"),
        (["users", "list"], {"AWS_ACCESS_KEY_ID": None}, 3, "no AWS credentials found"),
        (["users", "list", "--endpoint-url", "http://127.0.0.1:{closed}"], {}, 7, "no connection to"),
        (["users", "list", "--endpoint-url", "nonsense"], {}, 2, "endpoint_url"),
        (["users", "list", "--region", "Nowhere!"], {}, 2, "not a valid region name"),
        (["users", "list", "--profile", "nope"], {}, 2, "no AWS profile 'nope'"),
        (["users", "list", "--cursor", "***"], {}, 2, "cursor"),
        (["users", "show", "no@good@address"], {}, 2, "email"),
        (["tables", "ensure", "--table-prefix", "a b"], {}, 2, "give 3 to 255"),
        (
            ["users", "list"],
            {"AWS_ENDPOINT_URL_DYNAMODB": None, "AWS_REGION": None, "AWS_DEFAULT_REGION": None},
            3,
            "no AWS region",
        ),
        (
            ["users", "list"],
            {"AWS_PROFILE": "nope", "AWS_ENDPOINT_URL_DYNAMODB": None, "AWS_REGION": None, "AWS_DEFAULT_REGION": None},
            3,
            "profile",
        ),
    ],
)
def test_wrong_input_is_one_line_and_an_exit_code(
    run: Run, arguments: list[str], changes: dict[str, str | None], code: int, told: str
) -> None:
    """Each mistake gets one line on stderr that names it, its exit code, and no traceback."""
    with reserved_port() as closed:
        done = run(*(argument.format(closed=closed) for argument in arguments), **changes)
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which does not outlive the block, even if the test fails."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(process: subprocess.Popen[str], until: str) -> list[str]:
    """The output of a process, up to a line with this beginning."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        found.append(line.rstrip("\n"))
        if line.startswith(until):
            break
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_local_stays_up_and_keeps_its_data(tmp_path: Path, number: signal.Signals, table_prefix: str) -> None:
    """local prints what to export, answers until Ctrl-C or SIGTERM, ends with 0, and finds its file again."""
    path = tmp_path / "kept.db"
    for turn in range(2):
        with ended(subprocess.Popen(
            [*TOOL, "local", "--engine", "dynoxide", "--db-path", str(path)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )) as process:  # fmt: skip
            printed = lines_of(process, "export AWS_SECRET_ACCESS_KEY")
            environment = dict(line.removeprefix("export ").split("=", 1) for line in printed)
            assert set(environment) == {
                "AWS_ENDPOINT_URL_DYNAMODB", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
            }  # fmt: skip
            ensured = CliRunner().invoke(app, ["tables", "ensure", "--table-prefix", table_prefix], env=environment)
            assert ensured.stdout.count("created") == (5 if turn == 0 else 0), ensured.output
            process.send_signal(number)
            assert process.wait(timeout=30) == 0


def test_local_runs_a_program(tmp_path: Path) -> None:
    """local -- COMMAND runs it with the engine's variables and a secret, passes SIGTERM on, and ends with its code."""
    program = "import os, sys; print(os.environ['AWS_ENDPOINT_URL_DYNAMODB'], len(os.environ['TORII_SECRET']))"
    command = [*TOOL, "local", "--engine", "dynoxide", "--"]
    environment = {name: value for name, value in os.environ.items() if name != "TORII_SECRET"}
    with ended(subprocess.Popen(
        [*command, sys.executable, "-c", f"{program}; sys.stdout.flush(); import time; time.sleep(60)"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    )) as process:  # fmt: skip
        (line,) = lines_of(process, "http://127.0.0.1:")
        assert line.endswith(" 43")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    failed = CliRunner().invoke(app, ["local", "--engine", "dynoxide", sys.executable, "-c", "raise SystemExit(7)"])
    assert failed.exit_code == 7
    missing = CliRunner().invoke(app, ["local", "--engine", "dynoxide", str(tmp_path / "nothing")])
    assert missing.exit_code == 2, missing.output


def demo(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The demo in its own process."""
    environment = {**os.environ, "COLUMNS": "80", **changes}
    return subprocess.run(
        [*TOOL, "demo", "--hashing", "owasp", *arguments],
        capture_output=True, text=True, timeout=110, check=False, env=environment,
    )  # fmt: skip


@pytest.fixture
def told_by_demo(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[dict[str, Any], str]]:
    """Runs the demo in this process, with cheap hashes; returns its JSON and its other output."""
    weak = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("torii_dynamodb.cli.demo._hasher", lambda *_: (weak, "weak, for a test"))

    def run(*arguments: str, **changes: str) -> tuple[dict[str, Any], str]:
        done = CliRunner().invoke(app, ["demo", *arguments, "--json"], env={"COLUMNS": "80", **changes})
        assert done.exit_code == 0, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        return told, done.stderr

    return run


Told = Callable[..., tuple[dict[str, Any], str]]


def operations(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures in the demo's JSON, by operation."""
    return {one["operation"]: one for one in told["operations"]}


def test_the_demo_does_the_main_job_and_finds_it_again(told_by_demo: Told, tmp_path: Path) -> None:
    """All checks pass, the figures match the budgets, and a second run finds the people of the first."""
    arguments = ["--engine", "dynoxide", "--db-path", str(tmp_path / "demo.db"), "--limit", "30"]
    first, _ = told_by_demo(*arguments)
    assert first["ok"]
    assert len(first["findings"]) == 10
    assert (first["registered"], first["found"]) == (28, 0)
    assert [reject["line"] for reject in first["rejected"]] == [23, 28]
    figures = operations(first)
    per = {name: (one["requests"] / one["count"], one["write_units"] / one["count"]) for name, one in figures.items()}
    assert per["register"] == (1, 5)
    # A session with a user agent of over 1 KB takes two units, and the index two more.
    assert per["sign in"][0] == 5
    assert 4 <= per["sign in"][1] < 5
    assert per["sign out"] == (1, 2)
    assert per["sign out everywhere"] == (1, 2)
    assert figures["check a session"]["count"] == 560
    again, _ = told_by_demo(*arguments)
    assert again["ok"]
    assert (again["registered"], again["found"]) == (0, 28)
    assert operations(again)["look up by email"]["count"] == 28


def test_the_demo_prints_plain_text_into_a_file(tmp_path: Path) -> None:
    """Without a terminal: no colour, no bar, the table within 80 columns, and the next steps at the end."""
    done = demo("--engine", "dynoxide", "--db-path", str(tmp_path / "demo.db"), "--limit", "24")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    assert "line 23: is not JSON" in done.stdout
    table = done.stdout.partition("Figures:")[2].partition("In total:")[0]
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "All checks passed" in done.stdout
    assert "README.md" in done.stdout


def test_the_demo_runs_on_moto_without_figures_it_cannot_have(told_by_demo: Told) -> None:
    """On moto all checks pass, too; units are left out, with the reason."""
    told, said = told_by_demo("--engine", "moto", "--limit", "12")
    assert told["ok"]
    assert all(one["read_units"] is None and one["write_units"] is None for one in told["operations"])
    assert "moto" in said


def test_the_demo_runs_on_any_endpoint_and_a_single_table(
    told_by_demo: Told, dynoxide: LocalEngine, table_prefix: str, tmp_path: Path
) -> None:
    """--endpoint-url takes another DynamoDB and --accounts another list; the users stay there, in the one table."""
    path = tmp_path / "accounts.jsonl"
    people = [{"email": f"p{n}@mail.example", "name": f"P {n}", "password": f"password {n}"} for n in range(4)]
    path.write_text("\n".join(map(json.dumps, people)) + "\nnot json\n", encoding="utf-8")
    told, _ = told_by_demo(
        "--endpoint-url", dynoxide.endpoint_url, "--table-prefix", table_prefix, "--layout", "single",
        "--accounts", str(path), **dynoxide.environment,
    )  # fmt: skip
    assert (told["ok"], told["registered"]) == (True, 4)
    config = dynoxide.config(table_prefix=table_prefix, layout="single", create_tables=False)
    with DynamoDbStorage().initialize(config) as storage:
        assert len(storage.list_users().items) == 4


def test_serve_runs_on_a_single_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example application starts on one table in the given file, responds, and stops at SIGTERM."""
    from torii_dynamodb.fastapi.example import server

    serve, statuses = server.run, list[int]()

    def visit(port: int) -> None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
                statuses.append(response.status)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def run(served: FastAPI, listener: socket.socket, *, ready: Callable[[], None]) -> None:
        visitor = threading.Thread(target=visit, args=(listener.getsockname()[1],))

        def begin() -> None:
            ready()
            visitor.start()

        serve(served, listener, ready=begin)
        visitor.join()

    monkeypatch.setattr(server, "run", run)
    path = tmp_path / "serve.db"
    place = ["--engine", "dynoxide", "--db-path", str(path)]
    done = CliRunner().invoke(app, ["serve", *place, "--layout", "single"])
    assert done.exit_code == 0, done.output
    assert statuses == [200]
    with LocalEngine("dynoxide", db_path=path) as engine, closing(Client(engine.config())) as client:
        assert client.call("ListTables", {})["TableNames"] == ["serve"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "contains an account"),
        (b"nonsense\n", "contains an account"),
        (b'{"email": "ren\xe9@mail.example"}\n', "is not UTF-8"),
    ],
)
def test_a_list_that_cannot_be_used_stops_the_demo_at_once(tmp_path: Path, content: bytes | None, told: str) -> None:
    """A missing, empty, wholly malformed or wrongly encoded list is exit code 2, before any engine is started."""
    path = tmp_path / "accounts.jsonl"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(app, ["demo", "--accounts", str(path)])
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_ctrl_c_half_way_loses_nothing(tmp_path: Path) -> None:
    """Interrupted while people sign up: exit code 130, no traceback, and the next run continues."""
    database = str(tmp_path / "demo.db")
    with ended(subprocess.Popen(
        [*TOOL, "demo", "--hashing", "default", "--engine", "dynoxide", "--db-path", database],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )) as process:  # fmt: skip
        # Three hundred hashes lie ahead of it.
        lines_of(process, "Hashing")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "Stopped. Everything written so far" in out
    assert err == "error: interrupted\n"
    told = json.loads(demo("--engine", "dynoxide", "--db-path", database, "--limit", "12", "--json").stdout)
    assert told["ok"]
    assert told["registered"] + told["found"] == 12


def test_rows_that_cannot_be_read_are_named(run: Run, storage: DynamoDbHandle, ada: User) -> None:
    """A user row that something else wrote is reported on stderr, or in the JSON; the others are listed."""
    item = {"id": "usr_broken"}
    storage.transact_write(
        lambda builder: builder.put(storage.config.table_name("users"), item), allow_torii_tables=True
    )
    listed = run("users", "list")
    assert listed.exit_code == 0
    assert ada.id in listed.stdout
    assert "1 user." in listed.stdout
    assert "usr_broken" in listed.stderr
    told = json.loads(run("users", "list", "--json").stdout)
    assert [user["id"] for user in told["users"]] == [ada.id]
    assert [one["key"] for one in told["corrupt"]] == ["usr_broken"]
