"""The commands for streams, IAM, templates, cost, capacity and replicas: what they print, and wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from torii_dynamodb import DynamoDbStorage, NewUser
from torii_dynamodb.cli.app import app
from torii_dynamodb.local.engines import LocalEngine


def run(*arguments: str, engine: LocalEngine | None = None, prefix: str = "torii", code: int = 0) -> Any:
    environment = dict(engine.environment) if engine else {}
    found = CliRunner().invoke(app, [*arguments], env={**environment, "TORII_TABLE_PREFIX": prefix})
    assert found.exit_code == code, found.output
    return found


@pytest.mark.parametrize("group", ["streams", "iam", "template", "cost", "capacity", "global-tables"])
def test_each_group_explains_itself(group: str) -> None:
    """There is help at every level."""
    assert group in run("--help").output
    assert "Commands" in run(group, "--help").output


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_streams_from_enable_to_consume(
    dynoxide: LocalEngine, table_prefix: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned, enabled, shown in status, consumed as JSON lines, and disabled only with --yes."""
    monkeypatch.setenv("TORII_LAYOUT", layout)
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix, layout=layout)) as storage:
        planned = json.loads(
            run("streams", "enable", "--dry-run", "--json", engine=dynoxide, prefix=table_prefix).stdout
        )
        assert planned["dry_run"]
        assert len(planned["changes"]) == (1 if layout == "single" else 4)
        run("streams", "status", engine=dynoxide, prefix=table_prefix, code=1)
        run("streams", "enable", engine=dynoxide, prefix=table_prefix)
        run("streams", "status", "--json", engine=dynoxide, prefix=table_prefix)
        storage.create_user(NewUser(email="ada@example.com", id="usr_ada"))
    arguments = ("streams", "consume", "--idle-seconds", "0.2", "--json")
    first = run(*arguments, engine=dynoxide, prefix=table_prefix).stdout.splitlines()
    assert [json.loads(line)["type"] for line in first] == ["user.created"]
    assert not run(*arguments, engine=dynoxide, prefix=table_prefix).stdout
    run("streams", "disable", engine=dynoxide, prefix=table_prefix, code=2)
    run("streams", "disable", "--yes", engine=dynoxide, prefix=table_prefix)


@pytest.mark.parametrize(
    "arguments",
    [("streams", "enable"), ("streams", "status"), ("global-tables", "list"), ("global-tables", "add", "eu-west-1")],
)
def test_without_tables_the_command_to_run_is_named(
    dynoxide: LocalEngine, table_prefix: str, arguments: tuple[str, ...]
) -> None:
    """A missing table is exit code 3, with its name and the command that creates it."""
    found = run(*arguments, engine=dynoxide, prefix=table_prefix, code=3)
    assert f"{table_prefix}_users" in found.stderr
    assert "tables ensure" in found.stderr


def test_consuming_without_streams_says_so(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Exit code 3, and the command that turns them on."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)):
        pass
    found = run("streams", "consume", "--idle-seconds", "0.1", engine=dynoxide, prefix=table_prefix, code=3)
    assert "streams enable" in found.stderr


def test_templates_take_options_from_a_file(tmp_path: Path) -> None:
    """TOML and JSON are read; a key that does not exist is named, with exit code 2; so is a file that is not TOML."""
    path = tmp_path / "tables.toml"
    path.write_text('billing = "provisioned"\ncapacity = {read = 7, write = 8}\n', encoding="utf-8")
    made = json.loads(run("template", "terraform", "--options", str(path), prefix="shop").stdout)
    assert made["resource"]["aws_dynamodb_table"]["users"]["read_capacity"] == 7
    path.write_text("bilinig = 1\n", encoding="utf-8")
    assert "bilinig" in run("template", "sam", "--options", str(path), code=2).stderr
    path.write_text("= 1\n", encoding="utf-8")
    run("template", "sam", "--options", str(path), code=2)


def test_policies_are_printed_ready_for_aws() -> None:
    """Only the document; an unknown role is exit code 2, and the message names the roles."""
    document = json.loads(run("iam", "policy", "--account", "123456789012", "--region", "eu-west-1").stdout)
    assert document["Version"] == "2012-10-17"
    assert "stream-consumer" in run("iam", "policy", "--role", "root", code=2).stderr


def test_costs_as_text_json_and_svg(tmp_path: Path) -> None:
    """All three show the same total; a Region without prices is exit code 2, and so is a negative number."""
    chart = tmp_path / "cost.svg"
    told = json.loads(run("cost", "estimate", "--checks", "60000000", "--json", "--svg", str(chart)).stdout)
    total = f"{told['estimate']['on_demand'] + told['estimate']['storage']:,.2f} USD"
    assert total in run("cost", "estimate", "--checks", "60000000").stdout
    assert total in chart.read_text(encoding="utf-8")
    assert "mars-1" in run("cost", "estimate", "--region", "mars-1", code=2).stderr
    run("cost", "estimate", "--users", "-1", code=2)
    run("cost", "estimate", "--table-class", "GOLD", code=2)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_capacity_from_cloudwatch(
    moto_engine: LocalEngine, table_prefix: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every table and index is in the report; missing tables are an error, not zeros."""
    monkeypatch.setenv("TORII_LAYOUT", layout)
    name = table_prefix if layout == "single" else f"{table_prefix}_users"
    missing = run("capacity", "report", engine=moto_engine, prefix=table_prefix, code=3)
    assert f"there is no table {name} " in missing.stderr
    run("tables", "ensure", engine=moto_engine, prefix=table_prefix)
    told = json.loads(run("capacity", "report", "--json", engine=moto_engine, prefix=table_prefix).stdout)
    assert len(told["tables"]) == (1 if layout == "single" else 7)


def test_what_an_emulator_leaves_out_is_said(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Autoscaling, backups and CloudWatch on Dynoxide: exit code 9; the message says that it is not offered."""
    run("tables", "ensure", engine=dynoxide, prefix=table_prefix)
    for command in (["autoscaling", "status"], ["backup", "list"], ["capacity", "report"]):
        told = run(*command, engine=dynoxide, prefix=table_prefix, code=9)
        assert "does not offer" in told.stderr


def test_measuring_has_a_dry_run_and_leaves_nothing(dynoxide: LocalEngine, table_prefix: str, tmp_path: Path) -> None:
    """The dry run names the tables; a run writes units that an estimate accepts, and deletes its tables."""
    told = run("cost", "measure", "--dry-run", "--json", engine=dynoxide, prefix=table_prefix)
    assert len(json.loads(told.stdout)["would_make_and_delete"]) == 5
    out = str(tmp_path / "units.json")
    run("cost", "measure", "--out", out, engine=dynoxide, prefix=table_prefix)
    run("tables", "status", engine=dynoxide, prefix=table_prefix, code=1)
    assert "not compared with the live page" in run("cost", "estimate", "--units", out).stdout


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    """Options, prices and units in another encoding end with exit code 2 and the file's name."""
    path = tmp_path / "latin.toml"
    path.write_bytes(b'tags = { team = "\xe9" }\n')
    for command in (
        ["template", "sam", "--options"],
        ["cost", "estimate", "--prices"],
        ["cost", "estimate", "--units"],
    ):
        assert "latin.toml" in run(*command, str(path), code=2).stderr


def test_templates_switch_on_the_streams_that_events_are_made_of(tmp_path: Path) -> None:
    """Four tables, as with `streams enable`, including tables with their own options."""
    path = tmp_path / "tables.toml"
    path.write_text("[per_table.users]\ndeletion_protection = true\n", encoding="utf-8")
    made = json.loads(run("template", "terraform", "--streams", "--options", str(path)).stdout)
    tables = made["resource"]["aws_dynamodb_table"]
    assert {name for name, table in tables.items() if table.get("stream_enabled")} == {
        "users",
        "sessions",
        "identities",
        "tokens",
    }
    assert tables["users"]["deletion_protection_enabled"] is True
