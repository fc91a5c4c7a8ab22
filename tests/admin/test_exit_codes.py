"""One table of exit codes: each kind of mistake ends every command with the same code, and says what is wrong."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.admin.populated import people
from tests.fault_proxy import FaultProxy, service_error
from typer.testing import CliRunner, Result

from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.cli.app import app
from torii_dynamodb.cli.support import EXIT_CODES_HELP, ExitCode
from torii_dynamodb.config import TABLES
from torii_dynamodb.local.engines import LocalEngine

# Every command that asks DynamoDB, with the least that it needs, and what it ends with where there are no tables.
CONNECTED: dict[str, tuple[str, ExitCode]] = {
    "autoscaling disable": ("", ExitCode.CONFIGURATION),
    "autoscaling enable": ("", ExitCode.CONFIGURATION),
    "autoscaling schedule": ("users read nightly cron(0) --min 1", ExitCode.CONFIGURATION),
    "autoscaling status": ("", ExitCode.CONFIGURATION),
    "autoscaling unschedule": ("users read nightly", ExitCode.NOT_FOUND),
    "backup create": ("nightly", ExitCode.CONFIGURATION),
    "backup delete": ("nightly --yes", ExitCode.NOT_FOUND),
    "backup list": ("", ExitCode.CONFIGURATION),
    "backup pitr off": ("--yes", ExitCode.CONFIGURATION),
    "backup pitr on": ("", ExitCode.CONFIGURATION),
    "backup pitr status": ("", ExitCode.CONFIGURATION),
    "backup restore": ("--set nightly --to-prefix restored", ExitCode.NOT_FOUND),
    "capacity report": ("", ExitCode.CONFIGURATION),
    "cost measure": ("--dry-run", ExitCode.OK),
    "export": ("{folder}/export", ExitCode.CONFIGURATION),
    "global-tables add": ("eu-west-3", ExitCode.CONFIGURATION),
    "global-tables list": ("", ExitCode.CONFIGURATION),
    "global-tables remove": ("eu-west-3 --yes", ExitCode.CONFIGURATION),
    "import": ("{folder}/made", ExitCode.CONFIGURATION),
    "layout move": ("--to single", ExitCode.CONFIGURATION),
    "secrets reseal": ("--secret env:APP_SECRET", ExitCode.CONFIGURATION),
    "sessions list": ("ada@example.com", ExitCode.CONFIGURATION),
    "sessions revoke": ("ada@example.com --all --yes", ExitCode.CONFIGURATION),
    "streams consume": ("", ExitCode.CONFIGURATION),
    "streams disable": ("--yes", ExitCode.CONFIGURATION),
    "streams enable": ("", ExitCode.CONFIGURATION),
    "streams status": ("", ExitCode.CONFIGURATION),
    "tables delete": ("--yes", ExitCode.OK),
    "tables diff": ("", ExitCode.FAILED),
    "tables ensure": ("--dry-run", ExitCode.OK),
    "tables migrate": ("", ExitCode.CONFIGURATION),
    "tables plan": ("", ExitCode.OK),
    "tables status": ("", ExitCode.FAILED),
    "tenants delete": ("acme --yes", ExitCode.CONFIGURATION),
    "tenants export": ("acme {folder}/acme", ExitCode.CONFIGURATION),
    "tenants list": ("", ExitCode.CONFIGURATION),
    "users create": ("ada@example.com", ExitCode.CONFIGURATION),
    "users delete": ("ada@example.com --yes", ExitCode.CONFIGURATION),
    "users export": ("{folder}/exported.jsonl", ExitCode.CONFIGURATION),
    "users import": ("{folder}/people.jsonl --format jsonl", ExitCode.CONFIGURATION),
    "users list": ("", ExitCode.CONFIGURATION),
    "users lock": ("ada@example.com --yes", ExitCode.CONFIGURATION),
    "users reset": ("ada@example.com --print-link --base-url https://app.example.com", ExitCode.CONFIGURATION),
    "users search": ("ada", ExitCode.CONFIGURATION),
    "users second-factors list": ("ada@example.com", ExitCode.CONFIGURATION),
    "users second-factors remove": ("ada@example.com --all --yes", ExitCode.CONFIGURATION),
    "users set-password": ("ada@example.com --password-stdin --yes", ExitCode.CONFIGURATION),
    "users show": ("ada@example.com", ExitCode.CONFIGURATION),
    "users sign-out": ("ada@example.com --yes", ExitCode.CONFIGURATION),
    "users unlock": ("ada@example.com", ExitCode.CONFIGURATION),
    "users update": ("ada@example.com --name Ada", ExitCode.CONFIGURATION),
    "users verify": ("ada@example.com --yes", ExitCode.CONFIGURATION),
    "verify": ("", ExitCode.CONFIGURATION),
}
# Those that ask nothing of DynamoDB, or an engine of their own.
OTHERS = {
    "cache clear": "",
    "cost estimate": "",
    "cost prices": "",
    "cost units": "",
    "demo": "--limit 1",
    "iam policy": "",
    "local": "",
    "serve": "",
    "template application": "",
    "template cdk-json": "",
    "template cloudformation": "",
    "template sam": "",
    "template terraform": "",
}
# Asks another service first, which has no idea of tables; or nothing at all before it is certain.
NOT_ASKED_FIRST = {"cost measure"}


def every_command() -> set[str]:
    """All commands of the application, by their words."""
    found: set[str] = set()

    def walk(command: Any, words: tuple[str, ...]) -> None:
        if not hasattr(command, "commands"):
            found.add(" ".join(words))
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def run(line: str, *more: str, **environment: str | None) -> Result:
    """Run a command line."""
    environment = {"COLUMNS": "200", "APP_SECRET": "s" * 43, **environment}
    return CliRunner().invoke(app, [*line.split(), *more], env=environment)


def told(done: Result, code: ExitCode, what: str) -> None:
    """The command ended with this code and one line with the message, without a traceback."""
    assert done.exit_code == code, f"{done.exit_code}: {done.output}"
    assert re.search(what, done.output), done.output
    assert "Traceback" not in done.output


def line_of(command: str, folder: Path) -> str:
    """The command with what it needs."""
    (folder / "people.jsonl").write_text('{"email": "ada@example.com"}\n')
    return f"{command} {CONNECTED[command][0].format(folder=folder)}"


@pytest.fixture
def folder(tmp_path: Path, moto_engine: LocalEngine, table_prefix: str) -> Path:
    """A folder with an export in it, of tables that are gone."""
    config = moto_engine.config(table_prefix=f"{table_prefix}x", max_connections=1)
    client = Client(config)
    tables = AdminTables(config, client)
    tables.ensure()
    done = run(f"export {tmp_path}/made --table-prefix {config.table_prefix}", **moto_engine.environment)
    assert done.exit_code == 0, done.output
    tables.delete()
    client.close()
    return tmp_path


@pytest.fixture
def environment(moto_engine: LocalEngine, table_prefix: str) -> dict[str, str]:
    """The variables that point commands at moto and a prefix without tables."""
    return {**moto_engine.environment, "TORII_TABLE_PREFIX": table_prefix}


def test_no_command_is_left_out() -> None:
    """The tables above name every command."""
    assert every_command() == set(CONNECTED) | set(OTHERS)


def test_the_codes_are_documented() -> None:
    """The page has a row for every code, with its meaning in the words of the code, and the help names them, too."""
    page = (Path(__file__).parents[2] / "docs" / "admin" / "commands.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", page, re.MULTILINE))
    assert rows == {str(int(code)): code.name for code in ExitCode}
    for code in set(ExitCode) - {ExitCode.INTERNAL}:
        assert f" {int(code)} " in EXIT_CODES_HELP


@pytest.mark.parametrize("command", sorted([*CONNECTED, *OTHERS]))
def test_an_unknown_option_is_wrong_usage(command: str) -> None:
    """2, for every command."""
    told(run(f"{command} --nonsense"), ExitCode.USAGE, "nonsense")


@pytest.mark.parametrize("command", sorted(CONNECTED))
@pytest.mark.parametrize(
    ("option", "what"),
    [
        ("--table-prefix a/b", "give 3 to 255 of the characters"),
        ("--table-name people=x", "no such table: .?people"),
        ("--table-name users", "give TABLE=NAME"),
        ("--region Nowhere!", "region"),
        ("--endpoint-url nonsense", "endpoint_url"),
        ("--profile nope", "no AWS profile 'nope'"),
    ],
)
def test_an_option_that_cannot_be_used_is_wrong_usage(
    command: str, option: str, what: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    """2, for every command and every connection option; no request is made."""
    told(run(line_of(command, tmp_path), *option.split(), **environment), ExitCode.USAGE, what)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("tables plan --tag team", "give KEY=VALUE"),
        ("tables plan --billing yearly", "billing"),
        ("tables plan --recovery-days 99 --pitr", "recovery_days"),
        ("tables plan --read-capacity 3", "together"),
        ("tables ensure --options {folder}/bad.toml", "bad.toml"),
        ("tables ensure --options {folder}/none.toml", "none.toml"),
        ("autoscaling enable --options {folder}/bad.toml", "bad.toml"),
        ("autoscaling enable --options {folder}/empty.toml", "they contain no autoscaling"),
        ("autoscaling enable --min 9 --max 2", "the minimum not above the maximum"),
        ("autoscaling schedule users read nightly often --min 1", "schedule"),
        ("autoscaling schedule people read nightly cron(0) --min 1", "give one of users"),
        ("backup restore --to-prefix restored", "give --set NAME, or --at"),
        ("backup restore --to-prefix a/b --set nightly", "a/b_users"),
        ("backup restore --to-prefix restored --at yesterday", "give an instant like"),
        ("backup pitr on --days 99", "recovery_days"),
        ("backup create a/b", "name"),
        ("template sam --options {folder}/bad.toml", "bad.toml"),
        ("template sam --table-prefix a/b", "give 3 to 255 of the characters"),
        ("template sam --table-name people=x", "no such table: .?people"),
        ("iam policy --role king", "no role"),
        ("iam policy --role backup --restore-prefix *", "give 3 to 255 of the characters"),
        ("iam policy --table-prefix a/b", "give 3 to 255 of the characters"),
        ("cost estimate --region mars-1", "mars-1"),
        ("cost estimate --prices {folder}/bad.toml", "bad.toml"),
        ("cost estimate --units {folder}/bad.toml", "bad.toml"),
        ("cost estimate --prices {folder}/none.json", "none.json"),
        ("cost estimate --users -1", "users"),
        ("cost estimate --table-class GOLD", "GOLD|STANDARD"),
        ("export {folder}/x --compression zip", "give gzip or none"),
        ("export {folder}/x --rate 0", "rate"),
        ("import {folder}/nowhere", "there is no export"),
        ("import {folder}/nowhere --dry-run", "there is no export"),
        ("users list --cursor usr_0123456789", "cursor"),
        ("users show no@good@address", "email"),
        ("sessions revoke ada@example.com", "give one session"),
        ("tables delete", "give --yes"),
        ("global-tables add us-east-1", "in us-east-1 already"),
        ("local --engine moto --db-path {folder}/x.db", "moto keeps nothing"),
        ("local --engine dynoxide --db-path {folder}", "db_path"),
        ("local --engine dynoxide --port {taken}", "taken"),
        ("serve --engine dynoxide --port {taken}", "{taken}"),
        ("demo --region eu-west-1", "need --endpoint-url"),
        ("demo --accounts {folder}/none.jsonl", "none.jsonl"),
        ("demo --engine dynoxide --db-path {folder} --limit 1", "db_path"),
    ],
)
def test_what_was_given_and_cannot_be_used_is_wrong_usage(
    line: str, what: str, tmp_path: Path, moto_engine: LocalEngine, table_prefix: str
) -> None:
    """2: a value, a combination, a missing or wrong file, a port or a place that is taken."""
    (tmp_path / "bad.toml").write_bytes(b'tags = { team = "\xe9" }\n')
    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    environment = {**moto_engine.environment, "TORII_TABLE_PREFIX": table_prefix}
    if line == "tables delete":
        assert run("tables ensure", **environment).exit_code == 0
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        line, what = (text.replace("{folder}", str(tmp_path)).replace("{taken}", port) for text in (line, what))
        told(run(line, **environment), ExitCode.USAGE, what)


@pytest.mark.parametrize("command", sorted(CONNECTED))
def test_missing_tables(command: str, folder: Path, environment: dict[str, str], moto_engine: LocalEngine) -> None:
    """3 wherever tables are needed; the message names the table and the command that creates it, with its options.

    Nothing is created, so that a mistyped prefix leaves nothing behind.
    """
    code = CONNECTED[command][1]
    done = run(line_of(command, folder), **environment)
    assert done.exit_code == code, f"{done.exit_code}: {done.output}"
    if code is ExitCode.CONFIGURATION:
        prefix = environment["TORII_TABLE_PREFIX"]
        told(done, code, f"{prefix}_[a-z]+.*torii-dynamodb tables ensure --table-prefix {prefix}")
    client = Client(moto_engine.config())
    names = client.call("ListTables", {})["TableNames"]
    client.close()
    assert not [name for name in names if name.startswith(f"{environment['TORII_TABLE_PREFIX']}_")]


@pytest.mark.parametrize("command", sorted(set(CONNECTED) - NOT_ASKED_FIRST))
def test_no_region_and_no_credentials_are_configuration(command: str, tmp_path: Path) -> None:
    """3, for every command: they come from the machine, not from the command line."""
    line = line_of(command, tmp_path)
    if command == "import":
        (tmp_path / "made").mkdir()
        _an_empty_export(tmp_path / "made")
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    told(run(line, **keys), ExitCode.CONFIGURATION, "region")
    told(run(line, "--region", "eu-west-1"), ExitCode.CONFIGURATION, "credentials")


def _an_empty_export(folder: Path) -> None:
    tables = {table: {"items": 0, "files": []} for table in TABLES}
    manifest = {"format": "torii-dynamodb export", "format_version": 1, "schema_version": 1, "tables": tables}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("fault", "code", "what"),
    [
        ("AccessDeniedException", ExitCode.ACCESS, "AccessDenied"),
        ("ThrottlingException", ExitCode.UNAVAILABLE, "hrottl"),
        ("ServiceUnavailable", ExitCode.UNAVAILABLE, "navailable"),
        ("ValidationException", ExitCode.REJECTED, "ValidationException"),
    ],
)
def test_what_dynamodb_answers(fault: str, code: ExitCode, what: str, folder: Path, moto_engine: LocalEngine) -> None:
    """4 not allowed, 7 throttled or down, 9 rejected for its contents: the same for every command.

    Those that are retried for a while are tested with one command for each client: ours, and boto3.
    """
    retried = code is ExitCode.UNAVAILABLE
    with FaultProxy(moto_engine.endpoint_url) as proxy:
        proxy.inject(service_error(fault, 503 if fault == "ServiceUnavailable" else 400), times=None)
        for command in (
            ["tables status", "autoscaling disable"] if retried else sorted(set(CONNECTED) - NOT_ASKED_FIRST)
        ):
            done = run(line_of(command, folder), "--endpoint-url", proxy.url, **moto_engine.environment)
            assert done.exit_code == code, f"{command}: {done.exit_code}: {done.output}"
            told(done, code, what)


def test_what_is_there_already_is_a_conflict(moto_engine: LocalEngine, table_prefix: str, tmp_path: Path) -> None:
    """6: a backup set, an export, a full table, a table in the way of a restore."""
    environment = {**moto_engine.environment, "TORII_TABLE_PREFIX": table_prefix}
    people(moto_engine.config(table_prefix=table_prefix), 1)
    assert run("backup create nightly", **environment).exit_code == 0
    assert run(f"export {tmp_path}/x", **environment).exit_code == 0
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    for line, what in (
        ("backup create nightly", "already"),
        (f"export {tmp_path}/x", "already contains a complete export"),
        (f"export {tmp_path}/full", "not empty"),
        (f"import {tmp_path}/x", "not empty"),
        (f"backup restore --set nightly --to-prefix {table_prefix}", "these are its source"),
        ("cost measure", "tables already exist"),
    ):
        told(run(line, **environment), ExitCode.CONFLICT, what)


def test_what_is_named_and_not_there(moto_engine: LocalEngine, table_prefix: str) -> None:
    """5: a user, a session, a backup set, a scheduled action."""
    environment = {**moto_engine.environment, "TORII_TABLE_PREFIX": table_prefix}
    people(moto_engine.config(table_prefix=table_prefix), 1)
    for line in (
        "users show nobody@example.com",
        "users show usr_nobody",
        "sessions list nobody@example.com",
        "sessions revoke nobody@example.com --all --yes",
        f"sessions revoke user0@example.com {'0' * 64} --yes",
        "backup delete nightly --yes",
        "backup restore --set nightly --to-prefix restored",
        "autoscaling unschedule users read nightly",
    ):
        told(run(line, **environment), ExitCode.NOT_FOUND, "no |not ")


def test_the_names_of_tables_are_honoured_by_every_command(moto_engine: LocalEngine, table_prefix: str) -> None:
    """With table_names, tables are found, shown, filled, exported and deleted under those names."""
    names = {table: f"{table_prefix}.of.{table}" for table in TABLES}
    options = [word for table, name in names.items() for word in ("--table-name", f"{table}={name}")]
    told(run("tables ensure", *options, **moto_engine.environment), ExitCode.OK, f"{table_prefix}.of.users: created")
    people(moto_engine.config(table_names=names), 1)
    told(run("users list", *options, **moto_engine.environment), ExitCode.OK, "user0@example.com")
    spaced = " ".join(f"{table}={name}" for table, name in names.items())
    everywhere = {**moto_engine.environment, "TORII_TABLE_NAMES": spaced}
    told(run("verify", **everywhere), ExitCode.OK, "1 user,")
    told(run("iam policy", **everywhere), ExitCode.OK, f"table/{table_prefix}.of.sessions")
    told(run("template sam", **everywhere), ExitCode.OK, f"{table_prefix}.of.tokens")
    missing = run("streams status", "--table-name", f"users={table_prefix}.none", **moto_engine.environment)
    told(missing, ExitCode.CONFIGURATION, f"tables ensure --table-name users={table_prefix}.none")
    told(run("tables delete --yes", **everywhere), ExitCode.OK, f"{table_prefix}.of.users: deleted")
