"""The commands for streams, IAM, templates, cost, capacity and replicas: what they print, and wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from torii_dynamodb import DynamoDbStorage, NewUser
from torii_dynamodb.cli.app import app
from torii_dynamodb.testing.engines import LocalEngine


def run(*arguments: str, engine: LocalEngine | None = None, prefix: str = "torii", code: int = 0) -> Any:
    environment = dict(engine.environment) if engine else {}
    found = CliRunner().invoke(app, [*arguments], env={**environment, "TORII_TABLE_PREFIX": prefix})
    assert found.exit_code == code, found.output
    return found


@pytest.mark.parametrize("group", ["streams", "iam", "template", "cost", "capacity", "global-tables"])
def test_each_group_explains_itself(group: str) -> None:
    """Help is there at every level."""
    assert group in run("--help").output
    assert "Commands" in run(group, "--help").output


def test_streams_from_enable_to_consume(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Planned, enabled, seen in status, consumed as JSON lines, disabled only when told so."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)) as storage:
        planned = json.loads(
            run("streams", "enable", "--dry-run", "--json", engine=dynoxide, prefix=table_prefix).stdout
        )
        assert planned["dry_run"]
        assert len(planned["changes"]) == 4
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
    """A missing table is exit code 3, with its name and what creates it."""
    found = run(*arguments, engine=dynoxide, prefix=table_prefix, code=3)
    assert f"{table_prefix}_users" in found.stderr
    assert "tables ensure" in found.stderr


def test_consuming_without_streams_says_so(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Exit code 3, and the command that switches them on."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)):
        pass
    found = run("streams", "consume", "--idle-seconds", "0.1", engine=dynoxide, prefix=table_prefix, code=3)
    assert "streams enable" in found.stderr


def test_templates_take_options_from_a_file(tmp_path: Path) -> None:
    """TOML and JSON are read; a key that does not exist is named, with exit code 3; so is a file that is no TOML."""
    path = tmp_path / "tables.toml"
    path.write_text('billing = "provisioned"\ncapacity = {read = 7, write = 8}\n', encoding="utf-8")
    made = json.loads(run("template", "terraform", "--options", str(path), prefix="shop").stdout)
    assert made["resource"]["aws_dynamodb_table"]["users"]["read_capacity"] == 7
    path.write_text("bilinig = 1\n", encoding="utf-8")
    assert "bilinig" in run("template", "sam", "--options", str(path), code=3).stderr
    path.write_text("= 1\n", encoding="utf-8")
    run("template", "sam", "--options", str(path), code=3)


def test_policies_are_printed_ready_for_aws() -> None:
    """The document and nothing else; a role that does not exist is exit code 2, and the roles are named."""
    document = json.loads(run("iam", "policy", "--account", "123456789012", "--region", "eu-west-1").stdout)
    assert document["Version"] == "2012-10-17"
    assert "stream-consumer" in run("iam", "policy", "--role", "root", code=2).stderr


def test_costs_as_text_json_and_svg(tmp_path: Path) -> None:
    """All three say the same total; a region without prices is exit code 3; a negative number exit code 2."""
    chart = tmp_path / "cost.svg"
    told = json.loads(run("cost", "estimate", "--checks", "60000000", "--json", "--svg", str(chart)).stdout)
    total = f"{told['estimate']['on_demand'] + told['estimate']['storage']:,.2f} USD"
    assert total in run("cost", "estimate", "--checks", "60000000").stdout
    assert total in chart.read_text(encoding="utf-8")
    assert "mars-1" in run("cost", "estimate", "--region", "mars-1", code=3).stderr
    run("cost", "estimate", "--users", "-1", code=2)
    run("cost", "estimate", "--table-class", "GOLD", code=2)


def test_capacity_from_cloudwatch(moto_engine: LocalEngine, table_prefix: str) -> None:
    """Every table and index is in the report."""
    told = json.loads(run("capacity", "report", "--json", engine=moto_engine, prefix=table_prefix).stdout)
    assert len(told["tables"]) == 7
