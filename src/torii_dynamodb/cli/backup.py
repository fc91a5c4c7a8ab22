"""``torii-dynamodb backup``: point-in-time recovery, backup sets, restores, verification."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from torii_dynamodb.admin.backups import Backups, BackupSet
from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.restoring import RestoreReport
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.verify import Verification
from torii_dynamodb.admin.verify import verify as run_verify
from torii_dynamodb.cli.reporting import (
    DryRun,
    OptionsFile,
    Rate,
    moment,
    read_options,
    reporting,
)
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
    options_given,
    plain,
    say,
    show,
    with_cache,
)
from torii_dynamodb.errors import ValidationError

__all__ = ["app", "verify"]

app = new_group("Backups of all tables together: point-in-time recovery, backup sets, restores.")
recovery = new_group("Point-in-time recovery of all tables, to any second of the recovery period.")
app.add_typer(recovery, name="pitr")

_Name = Annotated[str, typer.Argument(help="The set's name.")]


@recovery.command("on")
@connected
def recovery_on(
    connection: Connection,
    days: Annotated[
        int | None, typer.Option(help="Recovery period, 1 to 35 days. Default: unchanged (35 for new tables).")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Turn it on. It reaches back only to this moment."""
    _switch(connection, enabled=True, days=days, dry_run=dry_run, as_json=as_json)


@recovery.command("off")
@connected
def recovery_off(connection: Connection, yes: Yes = False, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Turn it off, and lose what it could have restored. Asks first."""
    if not dry_run:
        confirm("Turn point-in-time recovery off, and lose what it could restore?", yes=yes)
    _switch(connection, enabled=False, days=None, dry_run=dry_run, as_json=as_json)


@recovery.command("status")
@connected
def recovery_status(connection: Connection, as_json: Json = False) -> None:
    """Show whether it is on, and which instants can be restored."""
    with Backups.open(connection.config()) as backups:
        found = backups.recovery()
    if as_json:
        emit({"tables": found})
        return
    table = make_table("table", "recovery", "earliest", "latest", "days", right=("days",))
    for one in found:
        earliest, latest = (at.isoformat(" ", "seconds") if at else "" for at in (one.earliest, one.latest))
        table.add_row(one.name, "on" if one.enabled else "off", earliest, latest, str(one.days or ""))
    show(table)


@app.command()
@connected
def create(connection: Connection, name: _Name, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Back up all tables as one set, and wait until it can be restored. After an interruption, run it again."""
    with Backups.open(connection.config()) as backups:
        if dry_run:
            missing = [backups.config.table_name(one) for one in backups.plan(name)]
            if as_json:
                emit({"would_back_up": missing})
            else:
                say(f"Would be backed up as {name}: {', '.join(missing)}")
            return
        with reporting() as report:
            made = backups.create(name, report=report)
    if as_json:
        emit(_as_mapping(made))
    else:
        say(f"{name}: {counted(len(made.backups), 'table')}, {sum(one.bytes for one in made.backups.values()):,} bytes")


@app.command("list")
@connected
def list_sets(connection: Connection, as_json: Json = False) -> None:
    """List the sets of these tables."""
    with Backups.open(connection.config()) as backups:
        found = backups.sets()
        if not found:
            # Sets outlive their tables; if there are neither, the prefix may be mistyped.
            backups.require_tables()
    if as_json:
        emit({"sets": [_as_mapping(one) for one in found]})
        return
    if not found:
        say("There are no backup sets of these tables.")
        return
    table = make_table("set", "from", "bytes", "can be restored", right=("bytes",))
    for one in found:
        since = min(backup.created_at for backup in one.backups.values())
        size = sum(backup.bytes for backup in one.backups.values())
        state = "yes" if one.complete else f"no, without {', '.join(one.missing)}" if one.missing else "not yet"
        table.add_row(one.name, since.isoformat(" ", "seconds"), f"{size:,}", state)
    show(table)


@app.command()
@connected
def delete(
    connection: Connection, name: _Name, yes: Yes = False, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Delete all backups of a set. Asks first."""
    with Backups.open(connection.config()) as backups:
        found = backups.require(name)
        if not dry_run:
            confirm(f"Delete the backup set {name}?", yes=yes)
            backups.delete(found)
    arns = [one.arn for one in found.every]
    if as_json:
        emit({"would_delete" if dry_run else "deleted": arns})
    else:
        say(f"{name}: {counted(len(arns), 'backup')} {'would be deleted' if dry_run else 'deleted'}")


@app.command()
@connected
@with_cache
def restore(
    connection: Connection,
    to_prefix: Annotated[str, typer.Option("--to-prefix", help="The prefix of the new tables.", metavar="PREFIX")],
    name: Annotated[str | None, typer.Option("--set", help="The backup set to restore.", metavar="NAME")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            help="The instant to restore, with a UTC offset, or 'latest' (point-in-time recovery).",
            metavar="MOMENT",
        ),
    ] = None,
    options_file: OptionsFile = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Restore all tables under a new prefix, and make them safe to use.

    It puts back TTL, point-in-time recovery, tags, streams, autoscaling and deletion protection, ends every session,
    deletes every one-time token, and verifies users, identities and sessions (exit code 1 if they do not agree). After
    an interruption, run the same command again to resume. The source tables are not changed.
    """
    if (name is None) == (at is None):
        raise ValidationError("restore", "give --set NAME, or --at MOMENT")
    options = read_options(options_file)
    instant = None if at is None or at == "latest" else moment(at)
    config = connection.config()
    with options_given():
        replace(config, table_prefix=to_prefix)
    with connection.cache() as cache, Backups.open(config, cache=cache) as backups:
        if dry_run:
            told = backups.plan_restore(to_prefix, backup_set=name, instant=instant, options=options)
            if as_json:
                emit({"would_do": told})
            for line in [] if as_json else told:
                say(f"- {line}")
            return
        with reporting() as report:
            limit = Pacer(rate)
            done = backups.restore(
                to_prefix, backup_set=name, instant=instant, options=options, rate=limit, report=report
            )
    if as_json:
        emit(_restored(done))
    else:
        for one in done.tables:
            say(f"{one}: restored")
        for line in done.put_back:
            say(f"- put back: {line}")
        say(f"- sessions of {done.users} users ended, {done.tokens} one-time tokens deleted")
        _show(done.verification)
    if not done.verification.ok:
        raise typer.Exit(ExitCode.FAILED)


@connected
def verify(connection: Connection, rate: Rate = None, as_json: Json = False) -> None:
    """Check that users, identities and sessions agree (exit code 1 if not). Reads all of them, and changes nothing."""
    config = connection.config()
    with open_client(config) as client, reporting() as report:
        found = run_verify(config, client, rate=Pacer(rate), report=report)
    if as_json:
        emit({"ok": found.ok, "verification": found})
    else:
        _show(found)
    if not found.ok:
        raise typer.Exit(ExitCode.FAILED)


def _switch(connection: Connection, *, enabled: bool, days: int | None, dry_run: bool, as_json: bool) -> None:
    with options_given():
        TableOptions(point_in_time_recovery=enabled, recovery_days=days)
    with Backups.open(connection.config()) as backups:
        tables = backups.set_recovery(enabled=enabled, days=days, dry_run=dry_run)
        changed = [backups.config.table_name(one) for one in tables]
    if as_json:
        emit({"enabled": enabled, "would_change" if dry_run else "changed": changed})
    elif not changed:
        say(f"Point-in-time recovery is already {'on' if enabled else 'off'}.")
    else:
        state = f"{'would be ' if dry_run else ''}{'on' if enabled else 'off'}"
        say(f"Point-in-time recovery {state}: {', '.join(changed)}")


def _show(found: Verification) -> None:
    for finding in found.findings:
        say(f"- {plain(finding.text)}", style="red")
    say(
        f"{counted(found.users, 'user')}, {counted(found.identities, 'identity', 'identities')}, "
        f"{counted(found.sessions, 'session row')} "
        f"({found.valid_sessions:,} valid): {'all agree' if found.ok else f'{len(found.findings)} do not agree'}"
    )


def _as_mapping(one: BackupSet) -> dict[str, object]:
    return {"name": one.name, "complete": one.complete, "missing": one.missing, "backups": list(one.backups.values())}


def _restored(done: RestoreReport) -> dict[str, object]:
    return {"ok": done.verification.ok, "restore": done}
