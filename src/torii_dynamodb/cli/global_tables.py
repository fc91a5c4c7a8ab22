"""``torii-dynamodb global-tables``: replicas in other regions."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.global_tables import NOTES, add_replica, list_replicas, remove_replica
from torii_dynamodb.cli.support import (
    Connection,
    Json,
    Yes,
    confirm,
    connected,
    emit,
    make_table,
    new_group,
    note,
    say,
    show,
)

__all__ = ["app"]

app = new_group("Replicas of the tables in other regions (global tables, 2019.11.21). See docs/global-tables.md.")

To = Annotated[str, typer.Argument(metavar="REGION", help="The other region.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; print what would change.")]


@app.command()
@connected
def add(
    connection: Connection,
    to: To,
    kms_key: Annotated[str | None, typer.Option("--kms-key", help="The replica's key there.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replicate all five tables to a region and wait. Run it again after an interruption."""
    config = connection.config()
    client = Client(config)
    try:
        done = add_replica(client, config, to, kms_key=kms_key, dry_run=dry_run, report=note)
    finally:
        client.close()
    if as_json:
        emit({"dry_run": dry_run, "changes": done, "notes": NOTES})
        return
    say(f"{len(done)} changes {'would be' if dry_run else 'were'} made." if done else "All replicas are there.")
    for line in NOTES:
        say(f"- {line}")


@app.command()
@connected
def remove(connection: Connection, to: To, yes: Yes = False, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Delete the replicas in a region and wait. The tables elsewhere stay."""
    config = connection.config()
    client = Client(config)
    try:
        done = remove_replica(client, config, to, dry_run=True)
        if done and not dry_run:
            confirm(f"Delete {len(done)} replicas in {to}? Who reads there will find nothing.", yes=yes)
            done = remove_replica(client, config, to, report=note)
    finally:
        client.close()
    if as_json:
        emit({"dry_run": dry_run, "changes": done})
        return
    say(f"{len(done)} replicas {'would be' if dry_run else 'were'} deleted." if done else f"No replica is in {to}.")


@app.command("list")
@connected
def list_command(connection: Connection, as_json: Json = False) -> None:
    """Tell which replicas there are (exit code 1 if one cannot be used)."""
    config = connection.config()
    client = Client(config)
    try:
        found = list_replicas(client, config)
    finally:
        client.close()
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
        raise typer.Exit(1)
