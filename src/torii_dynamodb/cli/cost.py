"""``torii-dynamodb cost``: the monthly cost of the tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from torii_dynamodb._files import write_private
from torii_dynamodb.admin.cost import Estimate, Workload, bars, estimate, load_prices, load_units, svg
from torii_dynamodb.admin.measuring import measure
from torii_dynamodb.admin.options import TableClass
from torii_dynamodb.cli.reporting import DryRun
from torii_dynamodb.cli.support import (
    Connection,
    Json,
    LayoutName,
    LayoutOption,
    connected,
    emit,
    make_table,
    new_group,
    options_given,
    say,
    show,
    units,
)

__all__ = ["app"]

app = new_group("The monthly cost of the tables, from measured units.")

_D = Workload()


@app.command("estimate")
def estimate_command(
    users: Annotated[int, typer.Option(help="Number of users.")] = _D.users,
    sign_ups: Annotated[float, typer.Option(help="Registrations a month.")] = _D.sign_ups,
    sign_ins: Annotated[float, typer.Option(help="Password sign-ins a month.")] = _D.sign_ins,
    second_factor_sign_ins: Annotated[
        float, typer.Option(help="Password sign-ins with a second factor a month.")
    ] = _D.second_factor_sign_ins,
    oauth_sign_ins: Annotated[float, typer.Option(help="Sign-ins with OAuth a month.")] = _D.oauth_sign_ins,
    checks: Annotated[float, typer.Option(help="Session checks a month.")] = _D.checks,
    refreshes: Annotated[float, typer.Option(help="Session refreshes a month.")] = _D.refreshes,
    sign_outs: Annotated[float, typer.Option(help="Sign-outs a month.")] = _D.sign_outs,
    sign_outs_everywhere: Annotated[
        float, typer.Option(help="Sign-outs of all sessions at once, a month.")
    ] = _D.sign_outs_everywhere,
    password_changes: Annotated[float, typer.Option(help="Password changes a month.")] = _D.password_changes,
    tokens: Annotated[float, typer.Option(help="One-time tokens a month, issued and used.")] = _D.tokens,
    email_codes: Annotated[float, typer.Option(help="Mailed codes a month, issued and used.")] = _D.email_codes,
    session_days: Annotated[float, typer.Option(help="Lifetime of a session, in days.")] = _D.session_days,
    regions: Annotated[int, typer.Option(help="Number of Regions.")] = _D.regions,
    table_class: Annotated[str, typer.Option(help="STANDARD or STANDARD_INFREQUENT_ACCESS.")] = _D.table_class,
    eventual: Annotated[bool, typer.Option("--eventual", help="Eventually consistent reads.")] = False,
    peak: Annotated[float, typer.Option(help="The busiest hour, as a multiple of the average.")] = _D.peak,
    pitr: Annotated[bool, typer.Option("--pitr", help="With point-in-time recovery.")] = False,
    layout: LayoutOption = LayoutName.TABLES,
    region: Annotated[str, typer.Option(help="The Region for the prices.")] = "us-east-1",
    prices: Annotated[Path | None, typer.Option(help="Your own price file.")] = None,
    measured: Annotated[Path | None, typer.Option("--units", help="Your own units, from cost measure.")] = None,
    chart: Annotated[Path | None, typer.Option("--svg", help="Also write the chart to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Estimate the monthly cost: by flow and in total, on demand and provisioned, and where they break even.

    Without the free tier, data transfer and taxes. Check the prices: those that come with the library are from January
    2025, for us-east-1.
    """
    workload = Workload(
        users=users,
        sign_ups=sign_ups,
        sign_ins=sign_ins,
        second_factor_sign_ins=second_factor_sign_ins,
        oauth_sign_ins=oauth_sign_ins,
        checks=checks,
        refreshes=refreshes,
        sign_outs=sign_outs,
        sign_outs_everywhere=sign_outs_everywhere,
        password_changes=password_changes,
        tokens=tokens,
        email_codes=email_codes,
        session_days=session_days,
        regions=regions,
        table_class=cast("TableClass", _one_of(table_class)),
        consistent=not eventual,
        peak=peak,
        point_in_time_recovery=pitr,
    )
    with options_given():
        rates = load_prices(prices)

        def estimated(one: LayoutName) -> Estimate:
            return estimate(workload, region=region, prices=rates, units=load_units(measured, one.value))

        found = estimated(layout)
        # A file that was given contains the units of one layout.
        other = None if measured is not None else estimated(next(one for one in LayoutName if one is not layout))
    if chart is not None:
        write_private(chart, svg(found).encode())
    if as_json:
        emit({"workload": workload, "estimate": found, "cheaper": found.cheaper, "other_layout": other})
        return
    # Leaves room for the longest label and the amounts.
    for line in bars(found, width=max(4, min(40, Console().width - 50))):
        say(line)
    say()
    say(f"Cheaper: {found.cheaper.replace('_', ' ')}.", style="bold")
    say(
        f"Provisioned is cheaper while the busiest hour stays below {found.break_even_peak:.1f} times the average "
        "(for large workloads: each table and index needs at least one unit)."
    )
    about = f", {found.prices_note}" if found.prices_note else ""
    if other is not None:
        say(_compared(found, other))
    say(f"Prices for {found.region} as of {found.prices_as_of}{about}.")
    say("Without the free tier, data transfer and taxes.")


def _compared(found: Estimate, other: Estimate) -> str:
    names = {"tables": "five tables", "single": "a single table"}

    def total(one: Estimate, requests: float) -> str:
        return f"{requests + one.storage:,.2f} {one.currency}"

    costs = f"{total(other, other.on_demand)} on demand, {total(other, other.provisioned)} provisioned"
    mine = found.on_demand + found.storage
    change = (other.on_demand + other.storage) / mine - 1 if mine else 0.0
    told = (
        f"{abs(change):.0%} {'less' if change < 0 else 'more'} on demand" if round(change, 2) else "the same on demand"
    )
    return f"With {names[other.layout]} instead: {costs} ({told})."


@app.command("measure")
@connected
def measure_command(
    connection: Connection,
    engine: Annotated[str, typer.Option("--engine", help="The engine's name, for the record.")] = "unknown",
    out: Annotated[Path | None, typer.Option("--out", help="Write units.json to this file.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run every flow and record what it consumes. Use an emulator, and a table prefix used for nothing else.

    It creates tables with users, and deletes the tables afterwards; existing tables are refused. DynamoDB and Dynoxide
    count capacity correctly; moto does not.
    """
    config = connection.config()
    if dry_run:
        names = [config.table_name(table) for table in config.tables]
        if as_json:
            emit({"would_make_and_delete": names})
        else:
            say(f"Would be created, and deleted again: {', '.join(names)}")
        return
    found = measure(config, engine=engine)
    if out is not None:
        write_private(out, f"{json.dumps(found, indent=2)}\n".encode())
    if as_json:
        emit(found)
        return
    right = ("requests", "read units", "write units")
    table = make_table("flow", "reads", *right, right=right)
    for mode, flows in found["flows"].items():
        for flow, used in flows.items():
            table.add_row(flow, mode, str(used["requests"]), units(used["read"]), units(used["write"]))
    show(table)


@app.command("prices")
def prices_command(as_json: Json = False) -> None:
    """Print the prices that come with the library, as a file to copy and edit. Always JSON."""
    emit(load_prices())


@app.command("units")
def units_command(layout: LayoutOption = LayoutName.TABLES, as_json: Json = False) -> None:
    """Print the measured units that come with the library. Always JSON."""
    kept = load_units(layout=layout.value)
    emit({mode: {flow: asdict(used) for flow, used in flows.items()} for mode, flows in kept.items()})


def _one_of(table_class: str) -> str:
    if table_class not in ("STANDARD", "STANDARD_INFREQUENT_ACCESS"):
        raise typer.BadParameter("give STANDARD or STANDARD_INFREQUENT_ACCESS", param_hint="--table-class")
    return table_class
