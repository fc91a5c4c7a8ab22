"""``torii-dynamodb autoscaling``: Application Auto Scaling of provisioned tables and their indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from torii_dynamodb.admin.autoscaling import AutoscalingAdmin, Direction, ScheduledAction, Target, TargetState, targets
from torii_dynamodb.admin.options import Autoscaling, Scaling, TableOptions
from torii_dynamodb.cli.reporting import DryRun, moment, read_options
from torii_dynamodb.cli.support import (
    Connection,
    Json,
    Yes,
    confirm,
    connected,
    counted,
    emit,
    make_table,
    new_group,
    options_given,
    say,
    show,
)
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import NotFound, ValidationError

__all__ = ["app"]

app = new_group(
    "Autoscaling of provisioned tables and their indexes. On-demand tables do not need it, and are refused."
)

_DEFAULT = Scaling()


@app.command()
@connected
def enable(
    connection: Connection,
    minimum: Annotated[int, typer.Option("--min", help="The fewest units.")] = _DEFAULT.minimum,
    maximum: Annotated[int, typer.Option("--max", help="The most units; this caps the bill.")] = _DEFAULT.maximum,
    target: Annotated[float, typer.Option(help="Target utilisation in percent, 20 to 90.")] = _DEFAULT.target,
    scale_in_cooldown: Annotated[int, typer.Option(help="Seconds between decreases.")] = _DEFAULT.scale_in_cooldown,
    scale_out_cooldown: Annotated[int, typer.Option(help="Seconds between increases.")] = _DEFAULT.scale_out_cooldown,
    indexes: Annotated[bool, typer.Option(help="Whether to scale the indexes, too.")] = True,
    options_file: Annotated[
        Path | None,
        typer.Option("--options", metavar="FILE", help="TOML or JSON file with [autoscaling], instead of the above."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Register all tables and indexes, reads and writes, with a target-tracking policy. Safe to run again."""
    with options_given():
        scaling = Scaling(
            minimum=minimum,
            maximum=maximum,
            target=target,
            scale_in_cooldown=scale_in_cooldown,
            scale_out_cooldown=scale_out_cooldown,
        )
    options = TableOptions(autoscaling=Autoscaling(read=scaling, write=scaling, indexes=indexes))
    if options_file is not None:
        options = read_options(options_file)
    with AutoscalingAdmin.open(connection.config()) as admin:
        wanted = admin.plan(options) if dry_run else admin.register(options)
    if as_json:
        key = "would_register" if dry_run else "registered"
        emit({key: [{**one.key, "scaling": scaled} for one, scaled in wanted]})
        return
    for one, scaled in wanted:
        verb = "would be scaled" if dry_run else "scaled"
        say(f"{one}: {verb} from {scaled.minimum} to {scaled.maximum} units at {scaled.target:g} %")


@app.command()
@connected
def status(connection: Connection, as_json: Json = False) -> None:
    """Show what is registered: limits, policies, scheduled actions."""
    with AutoscalingAdmin.open(connection.config()) as admin:
        admin.require_tables()
        found = admin.describe()
    if as_json:
        emit({"targets": [_as_mapping(one) for one in found]})
        return
    table = make_table("target", "units", "utilisation", "cool-down in/out", "scheduled", right=("units",))
    for one in found:
        scaling = one.scaling
        if scaling is None:
            table.add_row(str(one.target), "not scaled", "", "", "")
            continue
        cooldowns = f"{scaling.scale_in_cooldown} s / {scaling.scale_out_cooldown} s"
        table.add_row(
            str(one.target),
            f"{scaling.minimum} to {scaling.maximum}",
            f"{scaling.target:g} %" if one.tracked else "no policy",
            cooldowns if one.tracked else "",
            ", ".join(f"{action.name}: {action.schedule}" for action in one.actions),
        )
    show(table)


@app.command()
@connected
def disable(connection: Connection, yes: Yes = False, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Remove autoscaling, with its policies and scheduled actions. The capacities stay as they are. Asks first."""
    with AutoscalingAdmin.open(connection.config()) as admin:
        scaled = [one for one in admin.describe() if one.scaling is not None]
        removed = [one.target for one in scaled]
        if not removed:
            # Targets outlive their tables; if there are neither, the prefix may be mistyped.
            admin.require_tables()
        if removed and not dry_run:
            confirm(f"Remove autoscaling from {counted(len(removed), 'target')}?", yes=yes)
            removed = admin.deregister(scaled)
    if as_json:
        emit({"would_deregister" if dry_run else "deregistered": [one.key for one in removed]})
        return
    if not removed:
        say("Nothing is scaled.")
    for one in removed:
        say(f"{one}: {'would no longer be' if dry_run else 'no longer'} scaled")


@app.command()
@connected
def schedule(
    connection: Connection,
    scaled: Annotated[str, typer.Argument(metavar="TABLE", help="users, sessions, ...; table, if it is single.")],
    direction: Annotated[str, typer.Argument(help="read or write")],
    name: Annotated[str, typer.Argument(help="The action's name.")],
    when: Annotated[str, typer.Argument(help="at(...), rate(...) or cron(...), in UTC.")],
    index: Annotated[str | None, typer.Option(help="An index of the table, instead of the table itself.")] = None,
    minimum: Annotated[int | None, typer.Option("--min", help="The fewest units from then on.")] = None,
    maximum: Annotated[int | None, typer.Option("--max", help="The most units from then on.")] = None,
    start: Annotated[str | None, typer.Option(help="When a recurring action begins.", metavar="MOMENT")] = None,
    end: Annotated[str | None, typer.Option(help="When a recurring action ends.", metavar="MOMENT")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Change the limits of one target at set times, once or repeatedly. Replaces an action with the same name."""
    config = connection.config()
    target = _target(config, scaled, index, direction)
    action = ScheduledAction(
        name=name,
        schedule=when,
        minimum=minimum,
        maximum=maximum,
        start=None if start is None else moment(start),
        end=None if end is None else moment(end),
    )
    with AutoscalingAdmin.open(config) as admin:
        replaced = admin.schedule(target, action, dry_run=dry_run)
    if as_json:
        emit({**target.key, "would_schedule" if dry_run else "action": action, "replaced": replaced})
    else:
        how = "would replace the action of that name" if dry_run else "replaced the action of that name"
        say(f"{target}: {name} {'would run ' if dry_run else ''}at {when}" + (f", {how}" if replaced else ""))


@app.command()
@connected
def unschedule(
    connection: Connection,
    scaled: Annotated[str, typer.Argument(metavar="TABLE", help="users, sessions, ...; table, if it is single.")],
    direction: Annotated[str, typer.Argument(help="read or write")],
    name: Annotated[str, typer.Argument(help="The action's name.")],
    index: Annotated[str | None, typer.Option(help="An index of the table, instead of the table itself.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove a scheduled action (exit code 5 if there is none of that name)."""
    config = connection.config()
    target = _target(config, scaled, index, direction)
    with AutoscalingAdmin.open(config) as admin:
        removed = admin.unschedule(target, name, dry_run=dry_run)
    if not removed:
        raise NotFound("scheduled action", f"{target}: there is no scheduled action {name!r}")
    if as_json:
        emit({**target.key, "would_remove" if dry_run else "removed": name})
    else:
        say(f"{target}: {name} {'would be removed' if dry_run else 'removed'}")


def _target(config: DynamoDbConfig, table: str, index: str | None, direction: str) -> Target:
    if table not in config.tables:
        raise ValidationError("table", f"{table!r}: give one of {', '.join(config.tables)}")
    if direction not in get_args(Direction):
        raise ValidationError("direction", f"{direction!r}: give read or write")
    every = [one for one in targets(config) if one.table == table and one.direction == direction]
    for one in every:
        if one.index == index:
            return one
    known = ", ".join(one.index for one in every if one.index is not None) or "none"
    raise ValidationError("index", f"{index!r}: {table} has {known}")


def _as_mapping(one: TargetState) -> dict[str, object]:
    return {**one.target.key, "scaling": one.scaling, "tracked": one.tracked, "actions": one.actions}
