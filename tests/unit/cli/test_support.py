"""What the commands share: exit codes, messages, JSON, and text that is safe for a terminal."""

from __future__ import annotations

import inspect
import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from torii_dynamodb import errors
from torii_dynamodb.admin.control import Occupied
from torii_dynamodb.cli import main, support
from torii_dynamodb.cli.app import app
from torii_dynamodb.cli.demo_figures import Figures
from torii_dynamodb.cli.support import (
    Commands,
    Connection,
    ExitCode,
    Json,
    WrongOption,
    connected,
    emit,
    exit_code_of,
    plain,
)
from torii_dynamodb.local import EngineError, EngineOptionError

MADE = [
    (errors.ValidationError("email", "is empty"), ExitCode.USAGE),
    (errors.ConfigurationError("no region"), ExitCode.CONFIGURATION),
    (EngineError("no engine"), ExitCode.CONFIGURATION),
    (EngineOptionError("port 80 is taken"), ExitCode.USAGE),
    (WrongOption("--tag: no"), ExitCode.USAGE),
    (Occupied("there is one"), ExitCode.CONFLICT),
    (errors.AccessDenied("no"), ExitCode.ACCESS),
    (errors.NotFound("user", "no"), ExitCode.NOT_FOUND),
    (errors.AlreadyExists("email", "taken"), ExitCode.CONFLICT),
    (errors.VersionConflict("changed"), ExitCode.CONFLICT),
    (errors.LastSignInMethod("last"), ExitCode.CONFLICT),
    (errors.TooManyIdentities("many", limit=90), ExitCode.CONFLICT),
    (errors.TooManyFactors("many", limit=5), ExitCode.CONFLICT),
    (errors.TransactionFailed("no", reasons=[]), ExitCode.CONFLICT),
    (errors.Unavailable("down", attempts=4), ExitCode.UNAVAILABLE),
    (errors.Throttled("slow", attempts=4), ExitCode.UNAVAILABLE),
    (errors.InvalidCredentials("no"), ExitCode.REFUSED),
    (errors.InvalidToken("no"), ExitCode.REFUSED),
    (errors.InvalidCode("no"), ExitCode.REFUSED),
    (errors.SecondFactorRequired("no"), ExitCode.REFUSED),
    (errors.Revoked("signed out"), ExitCode.REFUSED),
    (errors.ProviderDisconnected("no longer"), ExitCode.REFUSED),
    (errors.RequestRejected("no", aws_code="X"), ExitCode.REJECTED),
    (errors.CorruptItem("users", "id", "no"), ExitCode.REJECTED),
    (errors.ItemTooLarge("big", size=1, limit=0, largest=[]), ExitCode.REJECTED),
    (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    (FileNotFoundError(2, "No such file or directory", "x.jsonl"), ExitCode.USAGE),
    (ZeroDivisionError("hush hush"), ExitCode.INTERNAL),
]


@pytest.mark.parametrize(("error", "code"), MADE, ids=lambda one: type(one).__name__)
def test_an_error_is_one_line_and_an_exit_code(error: BaseException, code: ExitCode) -> None:
    """Whatever a command raises: one line on stderr, nothing on stdout, no traceback, the error's exit code."""
    failing = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise error

    @failing.command()
    def other() -> None: ...

    done = CliRunner().invoke(failing, ["fail"])
    assert done.exit_code == code
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr


def test_every_error_of_the_library_has_a_code_of_its_branch() -> None:
    """Every public error has its own exit code."""
    kinds = [
        kind for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ToriiError) and kind is not errors.ToriiError
    ]  # fmt: skip
    assert len(kinds) >= 18
    for kind in kinds:
        assert exit_code_of(kind.__new__(kind)) != ExitCode.FAILED, kind


def test_the_request_id_is_told() -> None:
    """An AWS error shows the request ID for AWS support."""
    failing = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise errors.AccessDenied("not allowed", request_id="ABC123")

    @failing.command()
    def other() -> None: ...

    assert "ABC123" in CliRunner().invoke(failing, ["fail"]).stderr


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ada", "Ada"),
        ("渡辺 美咲", "渡辺 美咲"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\r\nb", "a\\r\\nb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_text_of_strangers_cannot_steer_a_terminal(given: str, shown: str) -> None:
    """Escape sequences, line breaks and direction overrides are shown, not obeyed; letters stay."""
    assert plain(given) == shown


def test_json_leaves_out_what_repr_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret field of a dataclass stays out of JSON; datetimes, sets, bytes and mappings are converted."""

    @dataclass(frozen=True)
    class Thing:
        at: datetime
        names: frozenset[str]
        raw: bytes
        more: MappingProxyType[str, int]
        token: str = field(repr=False)

    moment = datetime(2026, 1, 2, tzinfo=UTC)
    emit(Thing(moment, frozenset({"b", "a"}), b"\x01", MappingProxyType({"n": 1}), "hush"))
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"at": moment.isoformat(), "names": ["a", "b"], "raw": "01", "more": {"n": 1}}


def test_a_connected_command_has_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options and TORII_TABLE_PREFIX reach the command as one Connection; its own parameters stay."""
    monkeypatch.setenv("TORII_TABLE_PREFIX", "from_env")
    seen: list[tuple[Connection, str, bool]] = []
    own = typer.Typer()

    @own.command()
    @connected
    def look(connection: Connection, who: str, as_json: Json = False) -> None:
        seen.append((connection, who, as_json))

    done = CliRunner().invoke(own, ["ada", "--region", "eu-west-1", "--json", "--endpoint-url", "http://localhost:1"])
    assert done.exit_code == 0, done.output
    connection = Connection(region="eu-west-1", endpoint_url="http://localhost:1", table_prefix="from_env")
    assert seen == [(connection, "ada", True)]
    assert connection.config().table_name("users") == "from_env_users"


def test_five_tables_can_be_chosen_where_the_environment_names_a_single_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``--layout tables`` replaces all that the environment says about a single table; advice then says so, too."""
    for name, value in {"LAYOUT": "single", "TABLE": "app", "TTL_ATTRIBUTE": "ttl", "PARTITION_KEY": "pk"}.items():
        monkeypatch.setenv(f"TORII_{name}", value)
    seen: list[Connection] = []
    own = typer.Typer()

    @own.command()
    @connected
    def look(connection: Connection) -> None:
        seen.append(connection)

    for arguments in (["--layout", "tables"], [], ["--layout", "tables", "--table", "other"]):
        assert CliRunner().invoke(own, arguments).exit_code == 0
    assert seen[0] == Connection()
    assert seen[0].flags() == {"layout": "--layout tables"}
    assert seen[1].config().table_name("table") == "app"
    with pytest.raises(WrongOption, match="table has an effect only with"):
        seen[2].config()


def test_a_profile_that_is_not_there_is_named() -> None:
    """--profile with an unknown name says so, before anything is requested."""
    with pytest.raises(WrongOption, match="no AWS profile 'nope'"):
        Connection(profile="nope").config()


def commands(group: typer.Typer) -> list[list[str]]:
    """Every group and command below the root, as arguments."""
    found: list[list[str]] = [[]]
    for command in group.registered_commands:
        assert command.callback is not None
        found.append([command.name or command.callback.__name__])
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        found += [[str(sub.name), *rest] for rest in commands(sub.typer_instance)]
    return found


@pytest.mark.parametrize("arguments", commands(app), ids=" ".join)
def test_help_reads_at_every_level(arguments: list[str]) -> None:
    """Every group and command has help with its own sentence, in 80 columns."""
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    assert done.output.lstrip().startswith("Usage: ")
    before_the_options = re.split("[╭+]", done.output, maxsplit=1)[0].split("\n", 3)[-1]
    assert len(before_the_options.strip()) > 10
    assert max(len(line) for line in done.output.splitlines()) <= 80


def test_without_the_extra_it_says_what_to_install() -> None:
    """Without typer, the entry point names the extra instead of failing with an import error."""
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'typer' else find(name, *more)\n"
        "from torii_dynamodb.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'torii-dynamodb[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_percentiles_are_by_nearest_rank() -> None:
    """The p-th percentile is a measured time that p percent did not exceed."""
    figures = Figures(seconds=[float(second) for second in range(200, 0, -1)])
    assert (figures.percentile(50), figures.percentile(99), figures.percentile(100)) == (100.0, 198.0, 200.0)
    assert Figures().percentile(99) == 0.0
    assert Figures(seconds=[3.0]).percentile(50) == 3.0


def test_the_exit_codes_are_in_the_help() -> None:
    """The root's help explains every exit code that a script can get."""
    for code in ExitCode:
        if code != ExitCode.INTERNAL:
            assert f"{code.value} " in support.EXIT_CODES_HELP


@pytest.mark.parametrize("width", [50, 80, 200])
def test_no_word_is_broken_in_a_terminal(width: int) -> None:
    """Addresses and IDs stay whole at any width; if a table is too narrow for them, each row becomes a paragraph."""
    listing = typer.Typer()
    ids = ["usr_0123456789abcdef0123456789abcdef", "usr_fedcba9876543210fedcba9876543210"]
    addresses = ["ada.lovelace@analytical-engine.example", "grace@example.com"]

    @listing.command()
    def look() -> None:
        table = support.make_table("id", "e-mail", "name")
        for id_, address in zip(ids, addresses, strict=True):
            table.add_row(id_, address, "Ada King, Countess of Lovelace")
        support.show(table)

    environment = {"COLUMNS": str(width), "FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}
    shown = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner().invoke(listing, [], env=environment).output)
    lines = shown.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    for word in [*ids, *addresses]:
        assert any(word in line for line in lines), shown


@pytest.mark.parametrize(
    ("text", "options", "shown"),
    [
        ("run torii-dynamodb tables ensure first", {"table_prefix": "shop"}, "tables ensure --table-prefix shop first"),
        ("`torii-dynamodb tables ensure`", {"table_prefix": "torii"}, "`torii-dynamodb tables ensure`"),
        ("torii-dynamodb tables ensure --pitr", {"profile": "a b"}, "tables ensure --profile 'a b' --pitr"),
        ("torii-dynamodb cost units", {"table_prefix": "shop"}, "torii-dynamodb cost units"),
        ("torii-dynamodb iam policy", {"endpoint_url": "http://x", "table_prefix": "s"}, "iam policy --table-prefix s"),
        ("torii-dynamodb users list", {"table_names": {"users": "u"}}, "users list --table-name users=u"),
        ("torii-dynamodb users list", {"tenant": "acme"}, "users list --tenant acme"),
        ("run torii-dynamodb tables ensure", {"tenant": "acme"}, "run torii-dynamodb tables ensure"),
    ],
)
def test_advised_commands_have_the_options_in_use(text: str, options: Any, shown: str) -> None:
    """An advised command gets the connection options that it accepts, in the right place; others do not change."""
    support._ROOT.set(typer.main.get_command(app))  # type: ignore[arg-type]
    support._FLAGS.set(Connection(**options).flags())
    assert shown in support.advised(text)


def test_being_terminated_is_like_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM interrupts a command, so that it removes what it has half written."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("torii_dynamodb.cli.app.app", lambda **_: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(KeyboardInterrupt):
            main()
    finally:
        signal.signal(signal.SIGTERM, before)
