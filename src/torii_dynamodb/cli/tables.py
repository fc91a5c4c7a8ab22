"""``torii-dynamodb tables``: plan, create, change, inspect, upgrade and delete the tables."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from torii_dynamodb.admin.control import open_client, where_of
from torii_dynamodb.admin.migrations import MigrationReport, Migrator
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.tables import AdminTables, Plan, TableStatus
from torii_dynamodb.cli.reporting import DryRun, Rate, reporting, with_table_options
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    Yes,
    confirm,
    connected,
    counted,
    emit,
    fail,
    make_table,
    new_group,
    note,
    say,
    show,
    with_cache,
)
from torii_dynamodb.config import TABLES, DynamoDbConfig

__all__ = ["app"]

app = new_group("The tables: plan, create, change, inspect, upgrade, delete.")


@app.command()
@connected
@with_table_options
def plan(connection: Connection, options: TableOptions, as_json: Json = False) -> None:
    """Show what `ensure` would do with the same options. Nothing is changed.

    Exit code 3 if there is a difference that DynamoDB cannot change in place.
    """
    with AdminTables.open(connection.config()) as tables:
        found = tables.plan(options)
    _tell(found, as_json=as_json)
    if found.obstacles:
        raise typer.Exit(ExitCode.CONFIGURATION)


@app.command()
@connected
@with_table_options
def diff(connection: Connection, options: TableOptions, as_json: Json = False) -> None:
    """Like `plan`, for scripts: exit code 1 if the tables differ from the schema or the options."""
    with AdminTables.open(connection.config()) as tables:
        found = tables.plan(options)
    _tell(found, as_json=as_json)
    if not found.fits:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
@connected
@with_table_options
def ensure(connection: Connection, options: TableOptions, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Create missing tables, change what differs, and wait until the tables are ready.

    Safe to run again, and from several places at once. If there is a difference that DynamoDB cannot change in place,
    nothing is changed (exit code 3).
    """
    config = connection.config()
    with AdminTables.open(config) as tables:
        if dry_run:
            found = tables.plan(options)
            _tell(found, as_json=as_json)
            if found.obstacles:
                raise typer.Exit(ExitCode.CONFIGURATION)
            return
        with reporting() as report:
            done = tables.ensure(options, report=report)
    created = {step.table for step in done.steps if step.effect == "create"}
    for step in done.left_out:
        note(f"Left out, because this endpoint does not offer it: {step.summary}. Expired rows are refused, but stay.")
    if as_json:
        emit(
            {
                "tables": [
                    {"table": one, "name": config.table_name(one), "created": one in created} for one in config.tables
                ],
                "done": [step.summary for step in done.steps],
                "left_out": [step.summary for step in done.left_out],
            }
        )
        return
    for one in config.tables:
        changes = [step.summary for step in done.steps if step.table == one and step.effect == "change"]
        if one in created:
            say(f"{config.table_name(one)}: created")
        elif not changes:
            say(f"{config.table_name(one)}: already existed and is up to date")
        else:
            say(f"{config.table_name(one)}: changed")
        for change in changes:
            say(f"- {change}")


@app.command()
@connected
def status(connection: Connection, as_json: Json = False) -> None:
    """Show the tables and what is wrong with them (exit code 1 if anything is)."""
    with AdminTables.open(connection.config()) as tables:
        found = tables.status()
    ok = all(one.ok for one in found)
    if as_json:
        emit({"ok": ok, "tables": found})
    else:
        _show(found)
    if not ok:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
@connected
@with_cache
def migrate(
    connection: Connection,
    dry_run: DryRun = False,
    rate: Rate = None,
    segments: Annotated[
        int, typer.Option(help="How many segments of a table are read in parallel.", min=1, max=1000)
    ] = 4,
    as_json: Json = False,
) -> None:
    """Upgrade items that an older release wrote. After an interruption, run it again to resume.

    Exit code 1 if there are items that a newer release wrote.
    """
    config = connection.config()
    with connection.cache() as cache, open_client(config) as client, reporting() as report:
        migrator = Migrator(config, client, segments=segments, rate=Pacer(rate), cache=cache)
        found = migrator.run(dry_run=dry_run, report=report)
    if as_json:
        emit({"dry_run": dry_run, "report": found})
    else:
        _show_migration(config, found, dry_run=dry_run)
    newer = sum(found.newer.values())
    if newer:
        fail(f"{newer} items have a newer schema version than {found.target_version}: upgrade this program")


@app.command()
@connected
@with_cache
def delete(
    connection: Connection,
    items_only: Annotated[
        bool,
        typer.Option("--items-only", help="Delete only the library's items: for a table that others use, too."),
    ] = False,
    rate: Rate = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete the tables with all users, and the progress of `streams consume`.

    Asks first. Without a backup, this cannot be undone. A single table that contains others' items is not deleted: with
    --items-only, only the library's items in it are. After an interruption, run that again.
    """
    config = connection.config()
    with connection.cache() as cache, AdminTables.open(config, cache=cache) as tables:
        if items_only:
            if not dry_run:
                if not yes:
                    note(f"Tables at {where_of(config)}: {', '.join(config.table_name(one) for one in config.tables)}")
                confirm("Delete all users, sessions and everything else of the library in them?", yes=yes)
            with reporting() as report:
                counts = tables.delete_items(dry_run=dry_run, rate=Pacer(rate), report=report)
            if as_json:
                emit({"would_delete_items" if dry_run else "deleted_items": counts})
                return
            for one, count in counts.items():
                say(f"{one}: {counted(count, 'item')} {'would be deleted' if dry_run else 'deleted'}")
            return
        if rate is not None:
            fail("--rate is for --items-only: a table is deleted as a whole", ExitCode.USAGE)
        names = tables.to_delete()
        if dry_run:
            tables.require_unshared()
        elif names:
            if not yes:
                note(f"To be deleted at {where_of(config)}: {', '.join(names)}")
            confirm(f"Delete {counted(len(names), 'table')}, with all items?", yes=yes)
            names = tables.delete()
    if as_json:
        emit({"would_delete" if dry_run else "deleted": names})
    elif not names:
        if config.layout == "single":
            say(f"There is no table {config.table_name('table')}.")
        else:
            say(f"There are no tables with the prefix {config.table_prefix!r}.")
    else:
        for name in names:
            say(f"{name}: {'would be deleted' if dry_run else 'deleted'}")


def _tell(found: Plan, *, as_json: bool) -> None:
    if as_json:
        emit({"fits": found.fits, "steps": found.steps, "obstacles": found.obstacles})
        return
    if found.fits:
        say("The tables are up to date.")
    for step in found.steps:
        say(f"{'+' if step.effect == 'create' else '~'} {step.summary}")
    for obstacle in found.obstacles:
        say(f"! {obstacle}", style="bold red")


def _show(found: list[TableStatus]) -> None:
    table = make_table("table", "status", "billing", "items", "bytes", "TTL", "PITR", "OK", right=("items", "bytes"))
    for one in found:
        there = one.status != "MISSING"
        recovery = {True: "on", False: "off", None: "not offered"}[one.point_in_time_recovery]
        table.add_row(
            one.name,
            Text(one.status, style="" if one.status == "ACTIVE" else "yellow"),
            (one.billing or "").replace("_", " "),
            f"{one.items:,}" if there else "",
            f"{one.bytes:,}" if there else "",
            "not offered" if "ttl" in one.not_offered else one.ttl or "",
            recovery if there else "",
            Text("yes", style="green") if one.ok else Text("no", style="bold red"),
        )
    show(table)
    for one in found:
        for problem in one.problems:
            say(f"- {problem}")


def _show_migration(config: DynamoDbConfig, found: MigrationReport, *, dry_run: bool) -> None:
    table = make_table(
        "table", "items", "to upgrade" if dry_run else "upgraded", right=("items", "to upgrade", "upgraded")
    )
    for one in TABLES:
        count = found.due[one] if dry_run else found.upgraded[one]
        name = one if config.layout == "single" else config.table_name(one)
        table.add_row(name, f"{found.looked_at[one]:,}", f"{count:,}")
    show(table)
    say(f"Schema version: {found.target_version}")
