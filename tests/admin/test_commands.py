"""The commands of the control plane: what they print, what they refuse, and with which exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.admin.populated import people
from typer.testing import CliRunner

from torii_dynamodb.cli.app import app
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine


class Commands:
    """Runs commands on one engine and prefix."""

    def __init__(self, engine: LocalEngine, prefix: str, patch: pytest.MonkeyPatch) -> None:
        for name, value in engine.environment.items():
            patch.setenv(name, value)
        patch.setenv("TORII_TABLE_PREFIX", prefix)
        patch.setenv("COLUMNS", "200")
        self.prefix, self.patch = prefix, patch

    def run(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == code, f"{done.exit_code}: {done.output}"
        return done.output

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == code, f"{done.exit_code}: {done.output}"
        return json.loads(done.stdout)


@pytest.fixture
def on_d(dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands on Dynoxide."""
    return Commands(dynoxide, table_prefix, monkeypatch)


@pytest.fixture
def on_m(moto_engine: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands on moto."""
    return Commands(moto_engine, table_prefix, monkeypatch)


def test_tables_from_plan_to_delete(on_d: Commands, tmp_path: Path) -> None:
    """plan, ensure, diff, status, migrate and delete, with options from a file and from the command line."""
    options = tmp_path / "tables.toml"
    options.write_text('billing = "on_demand"\n[tags]\nteam = "identity"\n')
    with_file = ("--options", str(options))
    assert on_d.run("tables", "diff", *with_file, code=1).count("create table") == 5
    assert len(on_d.json("tables", "ensure", "--dry-run", *with_file)["steps"]) == 8
    assert on_d.json("tables", "status", code=1)["ok"] is False
    assert all(one["created"] for one in on_d.json("tables", "ensure", *with_file)["tables"])
    assert "already existed and is up to date" in on_d.run("tables", "ensure", *with_file)
    assert "are up to date" in on_d.run("tables", "diff", *with_file)
    assert on_d.json("tables", "plan", "--tag", "team=other", *with_file)["fits"] is False
    assert on_d.json("tables", "migrate")["report"]["target_version"] == 1
    on_d.run("tables", "ensure", "--deletion-protection")
    assert "deletion protection is on" in on_d.run("tables", "delete", "--yes", code=3)
    on_d.run("tables", "ensure", "--no-deletion-protection")
    assert len(on_d.json("tables", "delete", "--dry-run")["would_delete"]) == 5
    assert "give --yes" in on_d.run("tables", "delete", code=2)
    assert on_d.json("tables", "status")["ok"] is True
    assert len(on_d.json("tables", "delete", "--yes")["deleted"]) == 5
    assert "There are no tables" in on_d.run("tables", "delete", "--yes")


def test_advice_names_the_single_table(on_d: Commands) -> None:
    """A command that is advised has the layout's options."""
    place = ["--layout", "single", "--table", f"{on_d.prefix}_shop", "--sort-key", "range", "--ttl-attribute", "ttl"]
    missing = on_d.run("tables", "status", *place, code=1)
    assert f"tables ensure --table-prefix {on_d.prefix} --layout single --table {on_d.prefix}_shop" in missing
    assert "--sort-key range --ttl-attribute ttl" in missing
    assert "--endpoint-url" not in missing


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--billing", "free"], "billing: 'free'"),
        (["--read-capacity", "5"], "--read-capacity and --write-capacity together"),
        (["--tag", "novalue"], "KEY=VALUE"),
        (["--billing", "on_demand", "--read-capacity", "1", "--write-capacity", "1"], "an on-demand table has none"),
        (["--region", "Not A Region"], "is not a valid region name"),
    ],
)
def test_wrong_options_are_said(on_d: Commands, arguments: list[str], told: str) -> None:
    """An invalid option ends with exit code 2 and its name; no table is created."""
    assert told in on_d.run("tables", "ensure", *arguments, code=2)
    assert on_d.json("tables", "status", code=1)["tables"][0]["status"] == "MISSING"


def test_a_wrong_options_file_is_said(on_d: Commands, tmp_path: Path) -> None:
    """For a missing file, a truncated one and an unknown key, the message names the file."""
    assert "none.toml" in on_d.run("tables", "plan", "--options", str(tmp_path / "none.toml"), code=2)
    bad = tmp_path / "bad.toml"
    for text in ("billing = ", 'biling = "on_demand"'):
        bad.write_text(text)
        assert "bad.toml" in on_d.run("tables", "plan", "--options", str(bad), code=2)


COMMANDS = [
    ["tables", "plan"],
    ["tables", "ensure"],
    ["tables", "diff"],
    ["tables", "status"],
    ["tables", "migrate"],
    ["tables", "delete", "--yes"],
    ["autoscaling", "enable"],
    ["autoscaling", "schedule", "users", "read", "n", "rate(5 minutes)", "--min", "1"],
    ["backup", "pitr", "status"],
    ["backup", "pitr", "on"],
    ["backup", "create", "s"],
    ["backup", "list"],
    ["backup", "delete", "s", "--yes"],
    ["backup", "restore", "--set", "s", "--to-prefix", "x"],
    ["backup", "restore", "--at", "latest", "--to-prefix", "x"],
    ["export", "{tmp}/x"],
    ["verify"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_credentials_and_no_endpoint_are_said(on_d: Commands, command: list[str], tmp_path: Path) -> None:
    """Without credentials: exit code 3 and how to give them. With nothing at the endpoint: exit code 7."""
    arguments = [one.format(tmp=tmp_path) for one in command]
    on_d.patch.delenv("AWS_ACCESS_KEY_ID")
    on_d.patch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no AWS credentials found" in on_d.run(*arguments, code=3)
    on_d.patch.setenv("AWS_ACCESS_KEY_ID", "x")
    on_d.patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    on_d.patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    assert "no success" in on_d.run(*arguments, code=7)


class Refusing(BaseHTTPRequestHandler):
    """Answers every request as AWS does if a permission is missing."""

    def do_POST(self) -> None:
        """Refuse."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b'{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not authorized to perform"}'
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", "REQ-1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a server that refuses everything."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_missing_permission_is_said(on_d: Commands, refusing: str, command: list[str], tmp_path: Path) -> None:
    """Exit code 4, the action to allow, and AWS' request ID; nothing is left behind."""
    told = on_d.run(*(one.format(tmp=tmp_path) for one in command), "--endpoint-url", refusing, code=4)
    assert "allow the action dynamodb:" in told
    assert "REQ-1" in told
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "command",
    [
        ["tables", "migrate"],
        ["autoscaling", "enable"],
        ["backup", "pitr", "status"],
        ["backup", "create", "s"],
        ["backup", "restore", "--at", "latest", "--to-prefix", "x"],
        ["export", "{tmp}/x"],
        ["verify"],
    ],
    ids=" ".join,
)
def test_missing_tables_are_said(on_m: Commands, command: list[str], tmp_path: Path) -> None:
    """Without tables (as with a wrong Region): exit code 3, and the command that creates them."""
    told = on_m.run(*(one.format(tmp=tmp_path) for one in command), code=3)
    assert "torii-dynamodb tables ensure" in told


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_backups_from_recovery_to_restore(on_m: Commands, on_moto: DynamoDbConfig) -> None:
    """Recovery on and off, a set made, listed, restored, verified, deleted; --yes answers every question."""
    on_m.patch.setenv("TORII_LAYOUT", on_moto.layout)
    count = len(on_moto.tables)
    people(on_moto, 2)
    assert len(on_m.json("backup", "pitr", "on", "--days", "7", "--dry-run")["would_change"]) == count
    assert not any(one["enabled"] for one in on_m.json("backup", "pitr", "status")["tables"])
    assert on_m.json("backup", "pitr", "on", "--days", "7")["enabled"] is True
    assert all(one["enabled"] for one in on_m.json("backup", "pitr", "status")["tables"])
    assert len(on_m.json("backup", "create", "nightly", "--dry-run")["would_back_up"]) == count
    assert "no backup sets" in on_m.run("backup", "list")
    assert on_m.json("backup", "create", "nightly")["complete"] is True
    assert "already" in on_m.run("backup", "create", "nightly", code=6)
    assert "already" in on_m.run("backup", "create", "nightly", "--dry-run", code=6)
    assert "nightly" in on_m.run("backup", "list")
    new = on_m.prefix + "r"
    restore = ("backup", "restore", "--set", "nightly", "--to-prefix", new)
    assert "restore from" in on_m.run(*restore, "--dry-run")
    weekly = ("backup", "restore", "--set", "weekly", "--to-prefix", new, "--dry-run")
    assert "there is no backup set 'weekly'" in on_m.run(*weekly, code=5)
    long_ago = ("backup", "restore", "--at", "2020-01-01T00:00:00Z", "--to-prefix", new, "--dry-run")
    assert "cannot be restored" in on_m.run(*long_ago, code=2)
    assert on_m.json(*restore)["ok"] is True
    again = on_m.json(*restore)
    assert (again["ok"], again["restore"]["users"]) == (True, 0)
    assert on_m.json("verify", "--table-prefix", new)["verification"]["valid_sessions"] == 0
    instant = ("backup", "restore", "--at", "latest", "--to-prefix", on_m.prefix + "i")
    assert "all agree" in on_m.run(*instant)
    assert "no UTC offset" in on_m.run("backup", "restore", "--at", "2026-01-01T00:00:00", "--to-prefix", "x", code=2)
    assert "give --set" in on_m.run("backup", "restore", "--to-prefix", "x", code=2)
    assert "give --yes" in on_m.run("backup", "delete", "nightly", code=2)
    on_m.run("backup", "delete", "nightly", "--yes")
    assert "there is no backup set" in on_m.run("backup", "delete", "nightly", "--yes", code=5)
    assert len(on_m.json("backup", "pitr", "off", "--dry-run")["would_change"]) == count
    assert all(one["enabled"] for one in on_m.json("backup", "pitr", "status")["tables"])
    on_m.run("backup", "pitr", "off", "--yes")
    assert "point-in-time recovery is off" in on_m.run(
        "backup", "restore", "--at", "latest", "--to-prefix", "new", code=3
    )


def test_autoscaling_from_enable_to_disable(on_m: Commands) -> None:
    """On-demand tables are refused; provisioned ones are scaled, scheduled, shown, and no longer scaled."""
    on_m.run("tables", "ensure")
    assert "by itself" in on_m.run("autoscaling", "enable", code=3)
    on_m.run("tables", "ensure", "--billing", "provisioned", "--read-capacity", "5", "--write-capacity", "5")
    assert len(on_m.json("autoscaling", "enable", "--dry-run")["would_register"]) == 14
    assert on_m.run("autoscaling", "status").count("not scaled") == 14
    assert len(on_m.json("autoscaling", "enable", "--max", "100")["registered"]) == 14
    schedule = (
        "autoscaling",
        "schedule",
        "users",
        "read",
        "am",
        "cron(0 8 * * ? *)",
        "--min",
        "20",
        "--index",
        "email-index",
    )
    assert on_m.json(*schedule, "--dry-run")["replaced"] is False
    assert "am: cron" not in on_m.run("autoscaling", "status")
    on_m.run(*schedule)
    assert "am: cron(0 8 * * ? *)" in on_m.run("autoscaling", "status")
    assert "give read or write" in on_m.run("autoscaling", "unschedule", "users", "both", "am", code=2)
    unschedule = ("autoscaling", "unschedule", "users", "read", "am", "--index", "email-index")
    assert "would be removed" in on_m.run(*unschedule, "--dry-run")
    assert "removed" in on_m.run(*unschedule)
    assert "no scheduled action" in on_m.run(*unschedule, code=5)
    assert "utilisation" in on_m.run("autoscaling", "enable", "--target", "99", code=2)
    assert "give --yes" in on_m.run("autoscaling", "disable", code=2)
    assert len(on_m.json("autoscaling", "disable", "--yes")["deregistered"]) == 14
    assert "Nothing is scaled" in on_m.run("autoscaling", "disable", "--yes")


def test_export_and_import(on_d: Commands, on_dynoxide: DynamoDbConfig, tmp_path: Path) -> None:
    """Exported, imported under another prefix, and verified there; wrong directories are reported."""
    people(on_dynoxide, 3)
    made = on_d.json("export", str(tmp_path / "x"), "--segments", "2")
    assert made["items"]["users"] == 3
    assert "already contains a complete export" in on_d.run("export", str(tmp_path / "x"), code=6)
    assert on_d.json("import", str(tmp_path / "x"), "--dry-run")["would_import"][f"{on_d.prefix}_users"] == 3
    assert "not empty" in on_d.run("import", str(tmp_path / "x"), code=6)
    other = ("--table-prefix", on_d.prefix + "n")
    on_d.run("tables", "ensure", *other)
    assert "read back and equal" in on_d.run("import", str(tmp_path / "x"), *other)
    assert on_d.json("verify", *other)["verification"]["valid_sessions"] == 3
    assert "no export" in on_d.run("import", str(tmp_path / "none"), *other, code=2)
    assert "gzip or none" in on_d.run("export", str(tmp_path / "y"), "--compression", "zip", code=2)


@pytest.mark.parametrize("group", [[], ["tables"], ["autoscaling"], ["backup"], ["backup", "pitr"]])
def test_help_reads_well_at_every_level(on_d: Commands, group: list[str]) -> None:
    """Every command of a group has a line of help, and every command's own help says more."""
    told = on_d.run(*group, "--help")
    assert "Usage" in told


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_tenants_from_list_to_delete(on_d: Commands, dynoxide: LocalEngine, layout: str, tmp_path: Path) -> None:
    """list, export, delete and import, in either layout: what they print is what happens."""
    on_d.patch.setenv("TORII_LAYOUT", layout)
    config = dynoxide.config(table_prefix=on_d.prefix, layout=layout)
    on_d.run("tables", "ensure")
    assert "no tenants" in on_d.run("tenants", "list")
    people(config, 1)
    people(config, 2, "acme")
    people(config, 1, "zen")
    listed = on_d.json("tenants", "list")
    assert [(one["tenant"], one["users"]) for one in listed["tenants"]] == [("acme", 2), ("zen", 1)]
    assert listed["read_units"] > 0
    assert on_d.json("tenants", "list", "--all-tables")["tenants"][1]["items"]["sessions"] == 1
    exported = on_d.run("tenants", "export", "acme", str(tmp_path / "acme"))
    assert "users: 2 items" in exported
    assert "of the tenant acme" in exported
    assert "12 items (2 users" in on_d.run("tenants", "delete", "acme", "--dry-run")
    assert on_d.json("tenants", "delete", "acme", "--dry-run")["would_delete"]["users"] == 2
    assert "Delete 12 items (2 users" in on_d.run("tenants", "delete", "acme", code=2)
    deleted = on_d.run("tenants", "delete", "acme", "--yes")
    assert "Deleted 12 items" in deleted
    assert "Nothing of it is left" in deleted
    assert "The tenant acme has no items" in on_d.run("tenants", "delete", "acme", "--yes")
    assert "The tenant acme has no items" in on_d.run("tenants", "delete", "acme")
    assert "All of it into the tenant acme" in on_d.run("import", str(tmp_path / "acme"), "--dry-run")
    assert "cannot be imported into the tenant b" in on_d.run("import", str(tmp_path / "acme"), "--tenant", "b", code=3)
    assert "not both" in on_d.run("import", str(tmp_path / "acme"), "--tenant", "b", "--no-tenant", code=2)
    imported = on_d.run("import", str(tmp_path / "acme"))
    assert "Imported into the tenant acme" in imported
    assert "12 items read back and equal" in imported
    assert on_d.json("tenants", "list")["tenants"] == listed["tenants"]


def test_a_policy_for_a_tenant(on_d: Commands) -> None:
    """iam policy names the tenant's keys, or the variable for the caller's tag."""
    for option, keys in (("--tenant", "@acme#*"), ("--tenant-tag", "@${aws:PrincipalTag/acme}#*")):
        assert keys in on_d.run("iam", "policy", option, "acme")
        assert f"torii{keys}" in on_d.run("iam", "policy", option, "acme", "--layout", "single")
    assert "only the role runtime" in on_d.run("iam", "policy", "--tenant", "acme", "--role", "admin", code=2)
