"""``torii-dynamodb tables``: create, look at and delete the five tables."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import typer
from rich.text import Text

from torii_dynamodb._core import tables as rules
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.tables import Tables
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
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
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.schema import SCHEMA

__all__ = ["app"]

app = new_group("The five tables: create, look at, delete.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """What a table is found to be.

    Args:
        table: Its name without the prefix.
        name: Its name on DynamoDB.
        status: DynamoDB's word for it (``ACTIVE``, ...); ``MISSING`` if there is none.
        items: How many items DynamoDB says it holds; real DynamoDB counts every six hours or so.
        bytes: How large DynamoDB says it is, as old as the count.
        ttl: The attribute after which items expire; ``None`` if none do.
        problems: What is not as it must be, a sentence each.
    """

    table: TableName
    name: str
    status: str
    items: int = 0
    bytes: int = 0
    ttl: str | None = None
    problems: list[str] = field(default_factory=list[str])

    @property
    def ok(self) -> bool:
        """Whether the library can work with it."""
        return not self.problems


@app.command()
@connected
def ensure(connection: Connection, as_json: Json = False) -> None:
    """Create what is missing, wait until it can be used, and verify what was there.

    On demand billing, with indexes and TTL. Safe to run again, and from many places at once. A table of another
    shape is left as it is, and said so (exit code 3).
    """
    config = connection.config()
    with _opened(config) as tables:
        created = tables.ensure()
    if as_json:
        emit({"tables": [{"table": one, "name": config.table_name(one), "created": one in created} for one in TABLES]})
        return
    for one in TABLES:
        say(f"{config.table_name(one)}: {'created' if one in created else 'was there, and is as it must be'}")


@app.command()
@connected
def status(connection: Connection, as_json: Json = False) -> None:
    """Tell what the tables are, and what is wrong with them (exit code 1 if anything is)."""
    config = connection.config()
    with _opened(config) as tables:
        found = [_look_at(tables, config, one) for one in TABLES]
    if as_json:
        emit({"ok": all(one.ok for one in found), "tables": found})
    else:
        _show(found)
    if not all(one.ok for one in found):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
@connected
def delete(connection: Connection, yes: Yes = False, as_json: Json = False) -> None:
    """Delete all five tables and everybody in them. Asks first; there is no way back without a backup."""
    config = connection.config()
    with _opened(config) as tables:
        found: list[TableName] = [one for one in TABLES if tables.describe(one) is not None]
        if found:
            names = ", ".join(config.table_name(one) for one in found)
            if not yes:
                note(f"To be deleted, on {_where(config)}: {names}")
            confirm(f"Delete {len(found)} tables and everything in them?", yes=yes)
            found = tables.delete()
    if as_json:
        emit({"deleted": [config.table_name(one) for one in found]})
    elif not found:
        say(f"There are no tables with the prefix {config.table_prefix!r}.")
    else:
        for one in found:
            say(f"{config.table_name(one)}: deleted")


@contextmanager
def _opened(config: DynamoDbConfig) -> Generator[Tables]:
    client = Client(config)
    try:
        yield Tables(client, config)
    finally:
        client.close()


def _where(config: DynamoDbConfig) -> str:
    from torii_dynamodb._aws import resolve_endpoint

    region, url = resolve_endpoint(config)
    return f"{url} (region {region})"


def _look_at(tables: Tables, config: DynamoDbConfig, table: TableName) -> TableStatus:
    name = config.table_name(table)
    described = tables.describe(table)
    if described is None:
        problem = f"table {name} is missing; create it with: torii-dynamodb tables ensure"
        return TableStatus(table=table, name=name, status="MISSING", problems=[problem])
    schema = SCHEMA[table]
    problems = rules.differences(described, schema, name)
    if not rules.is_active(described):
        problems.append(f"table {name} cannot be used yet")
    ttl = tables.time_to_live(table)
    if schema.ttl is not None:
        wrong = rules.ttl_difference(ttl, schema.ttl, name)
        problems += [wrong] if wrong else []
    return TableStatus(
        table=table,
        name=name,
        status=str(described.get("TableStatus", "?")),
        items=int(described.get("ItemCount") or 0),
        bytes=int(described.get("TableSizeBytes") or 0),
        ttl=None if rules.ttl_is_off(ttl) else str(ttl.get("AttributeName")),
        problems=problems,
    )


def _show(found: list[TableStatus]) -> None:
    table = make_table("table", "status", "items", "bytes", "TTL", "as it must be", right=("items", "bytes"))
    for one in found:
        there = one.status != "MISSING"
        table.add_row(
            one.name,
            Text(one.status, style="" if one.status == "ACTIVE" else "yellow"),
            f"{one.items:,}" if there else "",
            f"{one.bytes:,}" if there else "",
            one.ttl or "",
            Text("yes", style="green") if one.ok else Text("no", style="bold red"),
        )
    show(table)
    for one in found:
        for problem in one.problems:
            say(f"- {problem}")
