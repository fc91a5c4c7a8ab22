"""``torii-dynamodb streams``: turn the tables' streams on, print events."""

from __future__ import annotations

import json
import sys
from time import monotonic
from typing import Annotated

import typer
from rich.text import Text

from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.streams import (
    LeaseLost,
    StreamConsumer,
    StreamEvent,
    disable_streams,
    enable_streams,
    stream_status,
    to_dict,
)
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
    fail,
    make_table,
    new_group,
    plain,
    say,
    show,
)
from torii_dynamodb.clock import system_clock

__all__ = ["app"]

app = new_group("Changes of users and sessions, as events (DynamoDB Streams).")


@app.command()
@connected
def enable(connection: Connection, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Turn the streams on, with old and new images. Tables that already have one are left alone."""
    config = connection.config()
    with open_client(config) as client, reporting() as report:
        done = enable_streams(client, config, dry_run=dry_run, report=report)
    tell_changes(done, dry_run=dry_run, as_json=as_json, nothing="All streams are already on.")


@app.command()
@connected
def disable(connection: Connection, yes: Yes = False, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Turn the streams off. Later changes are not recorded. Asks first."""
    config = connection.config()
    with open_client(config) as client:
        done = disable_streams(client, config, dry_run=True)
        if done and not dry_run:
            confirm(f"Turn off {counted(len(done), 'stream')}? All their readers stop receiving changes.", yes=yes)
            with reporting() as report:
                done = disable_streams(client, config, report=report)
    tell_changes(done, dry_run=dry_run, as_json=as_json, nothing="All streams are already off.")


@app.command()
@connected
def status(connection: Connection, as_json: Json = False) -> None:
    """Show the streams (exit code 1 if events cannot be made from one)."""
    config = connection.config()
    with open_client(config) as client:
        found = stream_status(client, config)
    usable = all(one.usable for one in found)
    if as_json:
        emit({"ok": usable, "streams": found})
    else:
        table = make_table("table", "stream", "view", "ARN")
        for one in found:
            on = Text("on", style="green") if one.usable else Text("on" if one.enabled else "off", style="yellow")
            table.add_row(one.name, on, one.view_type or "", one.arn or "")
        show(table)
    if not usable:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
@connected
def consume(
    connection: Connection,
    name: Annotated[str, typer.Option("--name", help="The consumer's name; progress is stored under it.")] = "cli",
    from_now: Annotated[bool, typer.Option("--from-now", help="At the first start, skip earlier events.")] = False,
    idle: Annotated[
        float | None,
        typer.Option("--idle-seconds", min=0.0, help="End after this long without events. Default: run until Ctrl-C."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print events as they happen, continuing where it last stopped.

    With --json, one JSON object per line, for a pipe. Progress is stored in the table PREFIX_stream_checkpoints. After
    an interruption, an event may be printed again, with the same ID.
    """
    config = connection.config()
    last = monotonic()

    class Printer:
        def handle(self, event: StreamEvent, /) -> None:
            nonlocal last
            last = monotonic()
            told = to_dict(event)
            if as_json:
                sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
                sys.stdout.flush()
                return
            rest = ", ".join(
                f"{field}={plain(value)}"
                for field, value in told.items()
                if field not in ("type", "id", "at", "user_id") and value is not None
            )
            say(f"{told['at']}  {event.type:<22} {plain(event.user_id or '-')}  {rest}")

    since = system_clock() if from_now else None
    with StreamConsumer(config, Printer(), name=name, since=since) as consumer:
        try:
            consumer.run(stop=lambda: idle is not None and monotonic() - last > idle, pause=min(1.0, (idle or 1.0) / 4))
        except LeaseLost as lost:
            fail(str(lost), ExitCode.CONFLICT)
