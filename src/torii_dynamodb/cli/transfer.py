"""``torii-dynamodb export`` and ``import``: all tables as portable files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torii_dynamodb._rules import validation
from torii_dynamodb.admin import transfer
from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.cli.reporting import DryRun, Rate, reporting
from torii_dynamodb.cli.support import (
    Connection,
    Json,
    WrongOption,
    Yes,
    confirm,
    connected,
    counted,
    emit,
    note,
    say,
    spent,
    with_cache,
)
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ValidationError

__all__ = ["Compressed", "Directory", "Eventual", "Segments", "WithSessions", "export", "import_", "run_export"]

Directory = Annotated[Path, typer.Argument(help="The export's directory.", show_default=False)]
Segments = Annotated[int, typer.Option(help="How many segments of a table are read in parallel.", min=1, max=1000)]
Compressed = Annotated[str, typer.Option("--compression", help="gzip or none.")]
Eventual = Annotated[bool, typer.Option("--eventual", help="Eventually consistent reads, at half the cost.")]
WithSessions = Annotated[
    bool, typer.Option("--sessions/--no-sessions", help="Whether sessions are exported, which stay valid.")
]


@connected
def export(
    connection: Connection,
    directory: Directory,
    segments: Segments = 4,
    compression: Compressed = "gzip",
    rate: Rate = None,
    eventual: Eventual = False,
    sessions: WithSessions = True,
    as_json: Json = False,
) -> None:
    """Write all tables to a directory: JSON lines and a manifest with checksums.

    After an interruption, run it again to resume. It is not a snapshot; see the documentation. The files contain
    password hashes.
    """
    run_export(
        connection,
        directory,
        segments=segments,
        compression=compression,
        rate=rate,
        eventual=eventual,
        sessions=sessions,
        as_json=as_json,
    )


def run_export(
    connection: Connection,
    directory: Path,
    *,
    tenant: str | None = None,
    segments: int,
    compression: str,
    rate: float | None,
    eventual: bool,
    sessions: bool,
    as_json: bool,
) -> None:
    """Export all tables, or one tenant, and print what is in the export."""
    if compression not in ("gzip", "none"):
        raise ValidationError("compression", f"{compression!r}: give gzip or none")
    kind: transfer.Compression = "none" if compression == "none" else "gzip"
    config = connection.config()
    with open_client(config) as client, reporting() as report:
        done = transfer.export(
            config,
            client,
            directory,
            segments=segments,
            compression=kind,
            rate=Pacer(rate),
            consistent=not eventual,
            tenant=tenant,
            sessions=sessions,
            report=report,
        )
    if done.segments < segments and not done.resumed:
        note("This endpoint does not divide scans into segments, so each table was read in one.")
    if done.repeated:
        note(f"The endpoint returned {counted(done.repeated, 'item')} more than once; each is in the export once.")
    if as_json:
        emit(done)
        return
    for table in TABLES:
        say(f"{_what(config, table)}: {counted(done.items[table], 'item')}")
    whose = "" if tenant is None else f", of the tenant {tenant}"
    if tenant is not None and not any(done.items.values()):
        note(f"The tenant {tenant} has no items; names are not registered, so check the name.")
    say(f"{directory}: {done.bytes:,} bytes, {spent(done.units, 'read')}{whose}")


def _what(config: DynamoDbConfig, table: TableName) -> str:
    """A kind of item, for people: by its table's name, if it has one of its own."""
    return config.table_name(table) if config.layout == "tables" else table


@connected
@with_cache
def import_(
    connection: Connection,
    directory: Directory,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Import even if the tables are not empty. Asks first.")
    ] = False,
    yes: Yes = False,
    workers: Annotated[int, typer.Option(help="How many files are read in parallel.", min=1, max=64)] = 4,
    rate: Rate = None,
    read_back: Annotated[bool, typer.Option(help="Read every item back and compare.")] = True,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="The tenant to import into. Default: as exported.")
    ] = None,
    no_tenant: Annotated[
        bool, typer.Option("--no-tenant", help="Import a tenant's export as users outside of any tenant.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write an export into empty tables, exactly as it was. Every file is checked first.

    After an interruption, run it again to resume. The export's sessions become valid again.
    """
    if tenant is not None and no_tenant:
        raise WrongOption("give --tenant or --no-tenant, not both")
    if tenant is not None:
        validation.tenant(tenant, "--tenant")
    config = connection.config()
    manifest = transfer.read_manifest(directory)
    whose = None if no_tenant else tenant or manifest.get("tenant")
    if dry_run:
        counts = {_what(config, table): int(manifest["tables"][table]["items"]) for table in TABLES}
        if as_json:
            emit({"would_import": counts, "tenant": whose})
            return
        for name, count in counts.items():
            say(f"{name}: {counted(count, 'item')} would be imported")
        if whose is not None:
            say(f"All of it into the tenant {whose}.")
        return
    if overwrite:
        confirm("Replace items with the same key?", yes=yes)
    with connection.cache() as cache, open_client(config) as client, reporting() as report:
        done = transfer.import_(
            config,
            client,
            directory,
            overwrite=overwrite,
            workers=workers,
            rate=Pacer(rate),
            read_back=read_back,
            tenant=whose or "",
            cache=cache,
            report=report,
        )
    if done.repeated:
        note(f"The export contains {counted(done.repeated, 'item')} more than once; the first of each was written.")
    if as_json:
        emit(done)
        return
    for table in TABLES:
        say(f"{_what(config, table)}: {counted(done.items[table], 'item')}")
    if whose is not None:
        say(f"Imported into the tenant {whose}.")
    if done.verified is not None:
        expired = f", {done.expired:,} have expired" if done.expired else ""
        say(f"{counted(done.verified, 'item')} read back and equal{expired}")
