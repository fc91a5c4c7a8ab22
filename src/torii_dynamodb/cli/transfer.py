"""``torii-dynamodb export`` and ``import``: all tables as portable files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torii_dynamodb.admin import transfer
from torii_dynamodb.admin.control import open_client
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.cli.reporting import DryRun, Rate, reporting
from torii_dynamodb.cli.support import Connection, Json, Yes, confirm, connected, counted, emit, note, say, spent
from torii_dynamodb.config import TABLES
from torii_dynamodb.errors import ValidationError

__all__ = ["export", "import_"]

_Directory = Annotated[Path, typer.Argument(help="The export's directory.", show_default=False)]


@connected
def export(
    connection: Connection,
    directory: _Directory,
    segments: Annotated[
        int, typer.Option(help="How many segments of a table are read in parallel.", min=1, max=1000)
    ] = 4,
    compression: Annotated[str, typer.Option(help="gzip or none.")] = "gzip",
    rate: Rate = None,
    eventual: Annotated[
        bool, typer.Option("--eventual", help="Eventually consistent reads, at half the cost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write all tables to a directory: JSON lines and a manifest with checksums.

    After an interruption, run it again to resume. It is not a snapshot; see the documentation. The files contain
    password hashes.
    """
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
        say(f"{config.table_name(table)}: {counted(done.items[table], 'item')}")
    say(f"{directory}: {done.bytes:,} bytes, {spent(done.units, 'read')}")


@connected
def import_(
    connection: Connection,
    directory: _Directory,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Import even if the tables are not empty. Asks first.")
    ] = False,
    yes: Yes = False,
    workers: Annotated[int, typer.Option(help="How many files are read in parallel.", min=1, max=64)] = 4,
    rate: Rate = None,
    read_back: Annotated[bool, typer.Option(help="Read every item back and compare.")] = True,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write an export into empty tables, exactly as it was. Every file is checked first.

    After an interruption, run it again to resume. The export's sessions become valid again.
    """
    config = connection.config()
    if dry_run:
        manifest = transfer.read_manifest(directory)
        counts = {config.table_name(table): int(manifest["tables"][table]["items"]) for table in TABLES}
        if as_json:
            emit({"would_import": counts})
            return
        for name, count in counts.items():
            say(f"{name}: {counted(count, 'item')} would be imported")
        return
    if overwrite:
        confirm("Replace items with the same key?", yes=yes)
    with open_client(config) as client, reporting() as report:
        done = transfer.import_(
            config,
            client,
            directory,
            overwrite=overwrite,
            workers=workers,
            rate=Pacer(rate),
            read_back=read_back,
            report=report,
        )
    if done.repeated:
        note(f"The export contains {counted(done.repeated, 'item')} more than once; the first of each was written.")
    if as_json:
        emit(done)
        return
    for table in TABLES:
        say(f"{config.table_name(table)}: {counted(done.items[table], 'item')}")
    if done.verified is not None:
        expired = f", {done.expired:,} have expired" if done.expired else ""
        say(f"{counted(done.verified, 'item')} read back and equal{expired}")
