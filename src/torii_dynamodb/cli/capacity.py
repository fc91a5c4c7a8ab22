"""``torii-dynamodb capacity``: consumed capacity."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from torii_dynamodb.admin.capacity import capacity_from_cloudwatch
from torii_dynamodb.admin.control import Control, open_client
from torii_dynamodb.cli.support import Connection, Json, connected, emit, make_table, new_group, note, show, units

__all__ = ["app"]

app = new_group("What the tables consume.")


@app.command()
@connected
def report(
    connection: Connection,
    hours: Annotated[float, typer.Option("--hours", min=0.02, max=360, help="How far back.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Show consumed capacity by table and index, largest first, from CloudWatch (some minutes late).

    For figures by operation, measure inside your program: DynamoDbConfig(on_call=CapacityMeter()).
    """
    config = connection.config()
    found = capacity_from_cloudwatch(config, over=timedelta(hours=hours))
    if not any(one.read_units or one.write_units for one in found.tables):
        # CloudWatch does not tell a missing table from an unused one.
        with open_client(config) as client:
            Control(client).require_tables(config)
    if as_json:
        emit(found)
        return
    table = make_table("table", "read units", "write units", "throttled", right=("read units", "write units"))
    for one in found.tables:
        table.add_row(one.name, units(one.read_units), units(one.write_units), units(one.throttles))
    show(table)
    if found.throttles:
        note("Some requests were throttled: see docs/throttling.md.")
