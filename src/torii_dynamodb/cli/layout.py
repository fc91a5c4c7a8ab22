"""``torii-dynamodb layout``: moves everything into a single table, or out of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from torii_dynamodb._aws import resolve_endpoint
from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.cost import load_prices
from torii_dynamodb.admin.layout_move import MovePlan, MoveReport, move_layout, plan_move
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.cli.reporting import DryRun, Rate, reporting
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    LayoutName,
    advising,
    connected,
    counted,
    emit,
    fail,
    new_group,
    note,
    say,
    table_names_of,
    units,
    with_cache,
)

__all__ = ["app"]

app = new_group("Five tables or a single one: move everything from one layout to the other.")

_TO = "Where to"


def _to(flag: str, metavar: str, help_text: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=help_text, rich_help_panel=_TO)


@app.command()
@connected
@with_cache
def move(
    connection: Connection,
    to: Annotated[LayoutName, typer.Option("--to", help="The layout of the target.", rich_help_panel=_TO)],
    to_prefix: Annotated[
        str | None, _to("--to-prefix", "PREFIX", "The target's table prefix. Default: the source's.")
    ] = None,
    to_table_names: Annotated[
        list[str] | None, _to("--to-table-name", "TABLE=NAME", "The full name of one of five tables; can be repeated.")
    ] = None,
    to_table: Annotated[str | None, _to("--to-table", "NAME", "The single table. Default: the table prefix.")] = None,
    to_partition_key: Annotated[str, _to("--to-partition-key", "ATTRIBUTE", "Its partition key.")] = "pk",
    to_sort_key: Annotated[str, _to("--to-sort-key", "ATTRIBUTE", "Its sort key.")] = "sk",
    to_ttl_attribute: Annotated[str, _to("--to-ttl-attribute", "ATTRIBUTE", "Its TTL attribute.")] = "expires_at",
    to_key_prefix: Annotated[
        str, _to("--to-key-prefix", "PREFIX", "What the library's partition keys begin with.")
    ] = "torii",
    prepare: Annotated[
        bool,
        typer.Option("--prepare", help="Copy while the application still writes. The move stays unfinished."),
    ] = False,
    segments: Annotated[
        int, typer.Option(help="How many segments of a table are read in parallel.", min=1, max=1000)
    ] = 4,
    rate: Rate = None,
    prices: Annotated[Path | None, typer.Option(help="Your own price file, for --dry-run.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make the target tables equal to the source. The source, and others' items in the target, are left alone.

    Run it with --prepare while the application runs. Then stop what writes to the source, run it without --prepare, and
    switch the application to the target: the second run copies what has changed and removes what is gone, so nothing
    that was revoked in the meantime becomes valid again. After an interruption, run it again.

    Exit code 1 if the source was still written to, or users, identities and sessions do not agree at the end.
    """
    target = replace(
        connection,
        layout=to,
        table_prefix=to_prefix or connection.table_prefix,
        table_names=table_names_of(to_table_names),
        table=to_table,
        partition_key=to_partition_key,
        sort_key=to_sort_key,
        ttl_attribute=to_ttl_attribute,
        key_prefix=to_key_prefix,
    )
    old, new = connection.config(), target.config()
    # What this command advises concerns the target.
    advising(target)
    with connection.cache() as cache, open_client(old) as source, open_client(new) as other, reporting() as report:
        if dry_run:
            plan = plan_move(old, new, source, other, rate=Pacer(rate), report=report)
            price = _price(plan, resolve_endpoint(new)[0], load_prices(prices))
            show: Callable[[], None] = partial(_show_plan, plan, price, as_json=as_json)
        else:
            done = move_layout(
                old, new, source, other, prepare=prepare, segments=segments, rate=rate, cache=cache, report=report
            )
            show = partial(_show, done, target, prepare=prepare, as_json=as_json)
    # After the progress bars.
    show()


def _price(plan: MovePlan, region: str, prices: Mapping[str, Any]) -> str | None:
    """What a run costs on demand, for people; ``None`` without prices for the Region."""
    rates = prices["regions"].get(region)
    if rates is None:
        return None
    each = rates["on_demand"]["STANDARD"]
    cost = (plan.read_units * each["read_million"] + plan.write_units * each["write_million"]) / 1e6
    return f"{cost:,.2f} {prices['currency']} on demand, with the prices of {prices['as_of']} for {region}"


def _show_plan(plan: MovePlan, price: str | None, *, as_json: bool) -> None:
    if as_json:
        emit({"plan": plan, "price": price})
    else:
        for table, count in plan.items.items():
            say(f"{table}: {counted(count, 'item')}")
        say(f"{plan.bytes:,} bytes. A run consumes about {units(plan.read_units)} read units in both places.")
        fewer = ", less what an earlier run has written" if plan.resumes else ""
        say(f"The target's write units: about {units(plan.write_units)}{fewer}.")
        if price is not None:
            say(f"About {price}.")
    if plan.obstacles:
        fail("; ".join(plan.obstacles), ExitCode.CONFIGURATION)


def _show(done: MoveReport, target: Connection, *, prepare: bool, as_json: bool) -> None:
    findings = () if done.verification is None else done.verification.findings
    if as_json:
        emit({"complete": done.complete, "report": done})
    else:
        for table, count in done.items.items():
            say(f"{table}: {counted(count, 'item')}")
        say(f"{done.written:,} written, {done.removed:,} removed; the rest was equal already.")
        say(f"{units(done.read_units)} read units, {units(done.write_units)} write units.")
    for finding in findings:
        note(f"- {finding.text}")
    if prepare:
        note("Not finished: stop what writes to the source, and run this again without --prepare.")
    elif not done.complete:
        fail(
            f"{counted(done.differing or 0, 'item')} changed in the source during the run: stop what writes to it, and "
            "run this again; do not switch the application before"
        )
    elif findings:
        fail(
            f"the target is equal to the source, but {counted(len(findings), 'item')} in both do not agree; they are "
            "listed above"
        )
    else:
        note("Every item was read back and is equal. Switch the application to the target:")
        for name, value in _settings(target).items():
            note(f"  {name}={value!r}")


def _settings(target: Connection) -> dict[str, object]:
    """What to give ``DynamoDbConfig`` so that it uses the target."""
    names = [one.name for one in fields(target) if getattr(target, one.name) != one.default]
    place = {"region", "endpoint_url", "profile", "tenant", "table_names", "cache_url", "cache_cluster"}
    chosen = {name: getattr(target, name) for name in names if name not in place}
    if target.table_names:
        chosen["table_names"] = dict(target.table_names)
    return {name: str(value) if isinstance(value, LayoutName) else value for name, value in chosen.items()} or {
        "layout": "tables"
    }
