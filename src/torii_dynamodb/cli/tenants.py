"""``torii-dynamodb tenants``: list tenants, export one, delete one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from torii_dynamodb._rules import validation
from torii_dynamodb.admin.capacity import CapacityMeter
from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.tenants import TenantItems, count_tenant, delete_tenant, list_tenants
from torii_dynamodb.cli.reporting import DryRun, Rate, reporting
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
    spent,
    with_cache,
)
from torii_dynamodb.cli.transfer import Compressed, Directory, Eventual, Segments, WithSessions, run_export
from torii_dynamodb.config import TableName

__all__ = ["app"]

app = new_group("List tenants, export one, delete one with everything in it.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant.", show_default=False)]

_NOUNS: Mapping[TableName, tuple[str, str]] = {
    "users": ("user", "users"),
    "sessions": ("session", "sessions"),
    "identities": ("identity", "identities"),
    "tokens": ("token", "tokens"),
    "login_attempts": ("attempt", "attempts"),
}


@app.command("list")
@connected
def list_all(
    connection: Connection,
    every: Annotated[
        bool,
        typer.Option(
            "--all-tables", help="Read sessions, tokens and attempts, too. A single table is always read as a whole."
        ),
    ] = False,
    rate: Rate = None,
    as_json: Json = False,
) -> None:
    """List the tenants that have items. This reads the tables, so the cost grows with the size of all tenants."""
    meter = CapacityMeter()
    config = connection.config(on_call=meter)
    with open_client(config) as client, reporting() as report:
        found = list_tenants(config, client, every_table=every, rate=Pacer(rate), report=report)
    read = _units(meter)[0]
    if as_json:
        facts = [{"tenant": one.tenant, "users": one.users, "items": one.items} for one in found]
        emit({"tenants": facts, "read_units": read})
        return
    if found:
        table = make_table("tenant", "users", "items", right=("users", "items"))
        for one in found:
            table.add_row(one.tenant, f"{one.users:,}", f"{one.total:,}")
        show(table)
    say(f"{counted(len(found), 'tenant')}. {spent(read, 'read')}.")
    if found and len(found[0].items) < 5:
        note("The items are users and identities. --all-tables also counts sessions, tokens and attempts.")


@app.command("export")
@connected
def export(
    connection: Connection,
    name: _Name,
    directory: Directory,
    segments: Segments = 4,
    compression: Compressed = "gzip",
    rate: Rate = None,
    eventual: Eventual = False,
    sessions: WithSessions = True,
    as_json: Json = False,
) -> None:
    """Write everything of one tenant to a directory, in the format of the command export; import reads it.

    It reads all tables from beginning to end. After an interruption, run it again to resume. The files contain password
    hashes.
    """
    run_export(
        connection,
        directory,
        tenant=validation.tenant(name),
        segments=segments,
        compression=compression,
        rate=rate,
        eventual=eventual,
        sessions=sessions,
        as_json=as_json,
    )


@app.command("delete")
@connected
@with_cache
def delete(
    connection: Connection,
    name: _Name,
    yes: Yes = False,
    dry_run: DryRun = False,
    rate: Rate = None,
    as_json: Json = False,
) -> None:
    """Delete everything of one tenant: its users first, which ends their sessions, then the rest.

    Stop routing requests to the tenant before. It reads all tables, once to count and twice or three times to delete
    and to see that nothing is left; --yes does not count. After an interruption, run it again. This cannot be undone,
    except from a backup or an export.
    """
    validation.tenant(name)
    meter = CapacityMeter()
    config = connection.config(on_call=meter)
    with open_client(config) as client, reporting() as report:
        found = None if yes and not dry_run else count_tenant(config, client, name, rate=Pacer(rate), report=report)
    if found is not None and (dry_run or not found.total):
        read = _units(meter)[0]
        if as_json:
            emit({"tenant": name, "dry_run": dry_run, "would_delete": found.items, "read_units": read})
        elif found.total:
            say(f"Would delete {_described(found)} of the tenant {name}. {spent(read, 'read')}.")
        else:
            say(f"The tenant {name} has no items.")
        return
    if found is not None:
        confirm(f"Delete {_described(found)} of the tenant {name}? This cannot be undone.", yes=yes)
    with connection.cache() as cache, open_client(config) as client, reporting() as report:
        done = delete_tenant(config, client, name, rate=Pacer(rate), cache=cache, report=report)
    read, written = _units(meter)
    if as_json:
        emit({"ok": done.empty, "report": done, "read_units": read, "write_units": written})
    else:
        gone = TenantItems(tenant=name, items=done.deleted)
        cost = f"{spent(read, 'read')}, {spent(written, 'write')}."
        say(
            f"Deleted {_described(gone)} of the tenant {name}. {cost}"
            if gone.total
            else f"The tenant {name} has no items. {cost}"
        )
        if done.empty and gone.total:
            say("Nothing of it is left.")
    if not done.empty:
        fail(
            f"the tenant {name} is still being written to: stop routing requests to it, and run this again",
            ExitCode.FAILED,
        )


def _described(found: TenantItems) -> str:
    counts = ", ".join(counted(count, *_NOUNS[table]) for table, count in found.items.items() if count)
    return f"{counted(found.total, 'item')} ({counts})"


def _units(meter: CapacityMeter) -> tuple[float, float]:
    """The read and write units of the calls so far."""
    used = meter.report().operations
    return sum(use.read_units for use in used), sum(use.write_units for use in used)
