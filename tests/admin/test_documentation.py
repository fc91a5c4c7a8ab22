"""The commands on the pages about tables, autoscaling, backups, transfer and secrets run as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torii_dynamodb.cli.app import app
from torii_dynamodb.local.engines import LocalEngine

DOCS = Path(__file__).resolve().parents[2] / "docs" / "admin"


@pytest.mark.parametrize("page", ["tables", "autoscaling", "backups", "transfer", "secrets"])
def test_every_command_of_the_page_works(
    page: str, moto_engine: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each command succeeds, in the order of the page, with the files that the page shows."""
    for name, value in moto_engine.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORII_TABLE_PREFIX", table_prefix)
    monkeypatch.setenv("NEW_SECRET", "new-" + "n" * 40)
    monkeypatch.setenv("OLD_SECRET", "old-" + "o" * 40)
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for toml in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
        (tmp_path / "tables.toml").write_text(toml)
    runner = CliRunner()
    if page != "tables":
        assert runner.invoke(app, ["tables", "ensure"]).exit_code == 0
    commands = re.findall(r"^\$ torii-dynamodb (.*?)(?:\s+#.*)?$", text, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        arguments = shlex.split(re.sub(r"\b(torii\d|copy)\b", rf"{table_prefix}\1", command))
        done = runner.invoke(app, arguments)
        # The first look at tables that are not there yet finds just that.
        expected = (0, 1) if arguments[:2] in (["tables", "diff"], ["tables", "status"]) else (0,)
        assert done.exit_code in expected, f"{command}: {done.output}"
    if page == "tables":
        assert runner.invoke(app, ["tables", "diff", "--options", "tables.toml"]).exit_code == 0
