"""Exports all tables to a directory."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._files import make_private_folder, open_private, tighten
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.times import to_text
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._wire.json import DecodeError, dumps, loads, object_of
from torii_dynamodb.admin.control import Control, Occupied, table_identity, where_of
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.progress import Report, silent
from torii_dynamodb.admin.scanning import Pacer, divides, scan
from torii_dynamodb.admin.transfer.files import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    START,
    Compression,
    Counter,
    IntegrityError,
    Part,
    chunks_of,
    read_items,
    sha256_of,
    write_json,
)
from torii_dynamodb.admin.transfer.keys import SeenKeys
from torii_dynamodb.config import TABLES, DynamoDbConfig, StoredTable, TableName
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.schema import SCHEMA_VERSION

__all__ = ["ExportReport", "export"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What is exported: of whom, and which kinds of items."""

    tenant: str | None
    tables: tuple[TableName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The result of an export.

    Args:
        directory: The directory of the export.
        items: Items by table.
        bytes: Size of all files.
        units: Read units that this run consumed.
        resumed: Whether it resumed an interrupted export.
        segments: How many segments of a table were read in parallel: fewer than requested if the endpoint does not
            divide scans into segments.
        repeated: Items that the endpoint returned more than once. Each is in the export once.
    """

    directory: Path
    items: dict[TableName, int]
    bytes: int
    units: float
    resumed: bool
    segments: int
    repeated: int


def export(
    config: DynamoDbConfig,
    client: Client,
    directory: Path,
    *,
    segments: int = 4,
    compression: Compression = "gzip",
    rate: Pacer | None = None,
    consistent: bool = True,
    tenant: str | None = None,
    sessions: bool = True,
    report: Report = silent,
) -> ExportReport:
    """Write all tables to a directory. After an interruption, run it again to resume.

    Args:
        config: Where the tables are.
        client: The client.
        directory: The export's directory; created if missing, readable only by its owner (it contains password
            hashes).
        segments: How many segments of a table are read in parallel. A resumed export keeps its number; endpoints that
            do not divide scans get one.
        compression: ``"gzip"`` or ``"none"``.
        rate: Limits the reads, in capacity units a second.
        consistent: Strongly consistent reads; eventually consistent ones cost half.
        tenant: Only this tenant's items, with its own keys, so that they can be imported into another; ``None``: the
            items of all. It reads the same and costs the same.
        sessions: Whether sessions are exported.
        report: Receives the progress.

    Raises:
        ConfigurationError: A table is missing.
        Occupied: The directory already contains a complete export, or something else.
        IntegrityError: An incomplete export in the directory is damaged; or the endpoint returned one item in two
            segments, so that it may not have returned all items.
    """
    if not 1 <= segments <= 1000:
        raise ValidationError("segments", f"{segments}: give 1 to 1000")
    limit = rate or Pacer(None)
    described = Control(client).require_tables(config)
    identities: dict[StoredTable, str] = {table: table_identity(one) for table, one in described.items()}
    scope = _Scope(
        tenant=None if tenant is None else validation.tenant(tenant),
        tables=tuple(table for table in TABLES if sessions or table != "sessions"),
    )
    start, resumed = _begin(config, client, directory, identities, segments, compression, limit, scope)
    parts = [
        Part(table=table, segment=segment, compression=start["compression"])
        for table in scope.tables
        for segment in range(start["segments"])
    ]
    totals: dict[TableName, int | None] = {
        table: described[table].get("ItemCount") or None for table in TABLES if table in described and tenant is None
    }
    counter = Counter(report, "export", totals)

    def worker(part: Part, seen: SeenKeys) -> Callable[[], dict[str, Any]]:
        return lambda: _export_part(
            Items(config, client, scope.tenant),
            directory,
            part,
            start["segments"],
            limit,
            counter,
            seen,
            consistent=consistent,
        )

    with SeenKeys() as seen:
        files = gather(*(worker(part, seen) for part in parts), limit=start["segments"])
    repeated = sum(one.pop("repeated") for one in files)
    items: dict[TableName, int] = dict.fromkeys(TABLES, 0)
    for part, one in zip(parts, files, strict=True):
        items[part.table] += one["items"]
    manifest: dict[str, Any] = {
        **start,
        "completed_at": to_text(config.clock()),
        "tables": {
            table: {
                "items": items[table],
                "files": [one for part, one in zip(parts, files, strict=True) if part.table == table],
            }
            for table in TABLES
        },
    }
    write_json(directory / MANIFEST, manifest)
    for part in parts:
        (directory / part.state).unlink(missing_ok=True)
    size = sum(one["bytes"] for one in files)
    return ExportReport(
        directory=directory,
        items=items,
        bytes=size,
        units=limit.spent,
        resumed=resumed,
        segments=start["segments"],
        repeated=repeated,
    )


def _begin(
    config: DynamoDbConfig,
    client: Client,
    directory: Path,
    identities: dict[StoredTable, str],
    segments: int,
    compression: Compression,
    rate: Pacer,
    scope: _Scope,
) -> tuple[dict[str, Any], bool]:
    make_private_folder(directory)
    source = {table: config.table_name(table) for table in config.tables}
    # Anything that prevents reading is reported before anything is written.
    for name in source.values():
        client.call("Scan", {"TableName": name, "Limit": 1})
    where = where_of(config)
    if (directory / MANIFEST).exists():
        raise Occupied(f"{directory} already contains a complete export; give another directory")
    try:
        start = object_of(loads((directory / START).read_bytes()))
    except FileNotFoundError:
        pass
    except DecodeError as error:
        raise IntegrityError(f"{directory / START} is damaged; delete the directory and export again") from error
    else:
        if (start.get("source"), start.get("where"), start.get("identities")) != (source, where, identities):
            raise Occupied(
                f"{directory} contains an incomplete export of other tables ({start.get('where')}), or of these before "
                "they were deleted and created again; give another directory"
            )
        if start.get("tenant") != scope.tenant or start.get("tables", list(TABLES)) != list(scope.tables):
            raise Occupied(f"{directory} contains an incomplete export of something else; give another directory")
        return start, True
    if any(directory.iterdir()):
        raise Occupied(f"{directory} is not empty; give another directory")
    tighten(directory)
    # The first table that can tell decides for all of them.
    items = Items(config, client)
    told = (divides(items.client, items.name(table), table, segments, rate=rate) for table in TABLES)
    if next((one for one in told if one is not None), True) is False:
        segments = 1
    for table in TABLES:
        make_private_folder(directory / table)
    start = {
        "format": FORMAT,
        # An older release would import a tenant's items outside of any.
        "format_version": 1 if scope.tenant is None else FORMAT_VERSION,
        "schema_version": SCHEMA_VERSION,
        "started_at": to_text(config.clock()),
        "where": where,
        "source": source,
        "identities": identities,
        "segments": segments,
        "compression": compression,
        **({} if scope.tenant is None else {"tenant": scope.tenant}),
        **({} if scope.tables == TABLES else {"tables": list(scope.tables)}),
    }
    write_json(directory / START, start)
    return start, False


def _export_part(
    items_of: Items,
    directory: Path,
    part: Part,
    segments: int,
    rate: Pacer,
    counter: Counter,
    seen: SeenKeys,
    *,
    consistent: bool,
) -> dict[str, Any]:
    path, state_path = directory / part.path, directory / part.state
    state: dict[str, Any] = {"next_key": None, "items": 0, "bytes": 0, "done": False, "repeated": 0}
    if state_path.exists():
        state = object_of(loads(state_path.read_bytes()))
        counter.add(part.table, state["items"])
    with os.fdopen(open_private(path, os.O_RDWR), "r+b") as file:
        if file.seek(0, os.SEEK_END) < state["bytes"]:
            raise IntegrityError(f"{path} is shorter than its state says; delete the directory and export again")
        # Anything written after the last state belongs to a page that will be read again.
        file.truncate(state["bytes"])
        for chunk in chunks_of(read_items(path), 0):
            _unseen(part, chunk, seen)
        file.seek(state["bytes"])
        if not state["done"]:
            pages = scan(
                items_of.client,
                items_of.name(part.table),
                rate=rate,
                segment=part.segment,
                segments=segments,
                start=state["next_key"],
                consistent=consistent,
            )
            for page in pages:
                items = _unseen(part, page.items, seen)
                lines = b"".join(dumps(item) + b"\n" for item in items)
                if lines:
                    # Each page is a gzip member: members can be cut off and appended.
                    file.write(gzip.compress(lines, mtime=0) if part.compression == "gzip" else lines)
                    file.flush()
                    os.fsync(file.fileno())
                state = {
                    "next_key": page.next_key,
                    "items": state["items"] + len(items),
                    "bytes": file.tell(),
                    "done": page.next_key is None,
                    "repeated": state.get("repeated", 0) + len(page.items) - len(items),
                }
                write_json(state_path, state)
                counter.add(part.table, len(items))
    return {
        "name": part.path,
        "items": state["items"],
        "bytes": state["bytes"],
        "sha256": sha256_of(path),
        "repeated": state.get("repeated", 0),
    }


def _unseen(part: Part, items: list[Item], seen: SeenKeys) -> list[Item]:
    """The items that this segment returns for the first time.

    Raises:
        IntegrityError: Another segment returned one of them.
    """
    before = seen.add(part.table, items, str(part.segment))
    other = next((place for place in before if place is not None and place != str(part.segment)), None)
    if other is not None:
        raise IntegrityError(
            f"segments {other} and {part.segment} of {part.table} both contain an item: this endpoint does not divide "
            "scans as DynamoDB does, and may have left items out; delete the directory and export with one segment "
            "(--segments 1)"
        )
    return [item for item, place in zip(items, before, strict=True) if place is None]
