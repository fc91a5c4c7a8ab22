"""``torii-dynamodb global-tables``: replicas in other Regions."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.global_tables import NOTES, add_replica, list_replicas, remove_replica
from torii_dynamodb.cli.reporting import DryRun, reporting, tell_changes
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    Yes,
    confirm,
    connected,
    counted,
    emit,
    make_table,
    new_group,
    say,
    show,
)

__all__ = ["app"]

app = new_group("Replicas of the tables in other Regions (global tables, 2019.11.21). See docs/global-tables.md.")

To = Annotated[str, typer.Argument(metavar="REGION", help="The other Region.")]


@app.command()
@connected
def add(
    connection: Connection,
    to: To,
    kms_key: Annotated[str | None, typer.Option("--kms-key", help="The replica's key there.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replicate all tables to a Region, and wait. After an interruption, run it again."""
    config = connection.config()
    with open_client(config) as client, reporting() as report:
        done = add_replica(client, config, to, kms_key=kms_key, dry_run=dry_run, report=report)
    if as_json:
        emit({"dry_run": dry_run, "changes": done, "notes": NOTES})
        return
    tell_changes(done, dry_run=dry_run, as_json=False, nothing="All replicas exist already.")
    for line in NOTES:
        say(f"- {line}")


@app.command()
@connected
def remove(connection: Connection, to: To, yes: Yes = False, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Delete the replicas in a Region, and wait. The tables in other Regions stay. Asks first."""
    config = connection.config()
    with open_client(config) as client:
        done = remove_replica(client, config, to, dry_run=True)
        if done and not dry_run:
            confirm(
                f"Delete {counted(len(done), 'replica')} in {to}? Applications that use them will stop working.",
                yes=yes,
            )
            with reporting() as report:
                done = remove_replica(client, config, to, report=report)
    tell_changes(done, dry_run=dry_run, as_json=as_json, nothing=f"There are no replicas in {to}.")


@app.command("list")
@connected
def list_command(connection: Connection, as_json: Json = False) -> None:
    """List the replicas (exit code 1 if one cannot be used)."""
    config = connection.config()
    with open_client(config) as client:
        found = list_replicas(client, config)
    usable = all(one.usable for one in found)
    if as_json:
        emit({"ok": usable, "replicas": found})
    elif not found:
        say("There are no replicas.")
    else:
        table = make_table("table", "region", "status", "key")
        for one in found:
            status = Text(one.status, style="green" if one.usable else "yellow")
            table.add_row(one.name, one.region, status, one.kms_key or "")
        show(table)
    if not usable:
        raise typer.Exit(ExitCode.FAILED)
