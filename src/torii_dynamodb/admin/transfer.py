"""Portable export and import: all tables as JSON lines, one item a line in DynamoDB's own JSON.

An export is a directory::

    export.json              what is exported, and how; written first
    users/part-0000.jsonl.gz one file a segment of a parallel scan
    users/part-0000.state    how far it is; only until it is complete
    manifest.json            every file with its items, bytes and SHA-256; written last: no manifest, no export

Items go through unchanged, so that an import gives back exactly what was exported: hashes stay hashes, numbers keep
every digit. An export is not a snapshot (DynamoDB's ``Scan`` never is): for one instant of all tables, restore them to
it (:mod:`torii_dynamodb.admin.backups`) and export those, or stop writing meanwhile.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from torii_dynamodb._aws import resolve_endpoint
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.sizes import item_size
from torii_dynamodb._core.times import epoch_seconds, to_text
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._wire.json import DecodeError, dumps, list_of, loads, object_of
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import RateLimit, scan
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError, ToriiError, ValidationError
from torii_dynamodb.schema import SCHEMA, SCHEMA_VERSION

__all__ = ["FORMAT_VERSION", "Compression", "ExportReport", "ImportReport", "IntegrityError", "export", "import_"]

Compression = Literal["gzip", "none"]

FORMAT_VERSION: Final = 1
_FORMAT = "torii-dynamodb export"
_START, _MANIFEST = "export.json", "manifest.json"
# Several batches at once, and few enough that an interruption repeats little.
_CHUNK = 200
_SETS = frozenset({"SS", "NS", "BS"})


class IntegrityError(ToriiError):
    """An export is damaged or incomplete, or the tables do not hold what was imported. The message says where."""

    code = "integrity_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export came to.

    Args:
        directory: Where it is.
        items: Items by table.
        bytes: Size of all files.
        units: Read units that this run took.
        resumed: Whether it went on with one that was interrupted.
    """

    directory: Path
    items: dict[TableName, int]
    bytes: int
    units: float
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import came to.

    Args:
        items: Items by table, those of an interrupted run included.
        written: Items that this run wrote.
        units: Write units that this run took, estimated from the items' sizes.
        verified: Items that were read back and found equal; ``None`` if it was not asked for.
        expired: Items not found again that TTL may have deleted: their time has come.
        resumed: Whether it went on with one that was interrupted.
    """

    items: dict[TableName, int]
    written: int
    units: float
    verified: int | None
    expired: int
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    table: TableName
    segment: int
    compression: Compression

    @property
    def path(self) -> str:
        return f"{self.table}/part-{self.segment:04}.jsonl{'.gz' if self.compression == 'gzip' else ''}"

    @property
    def state(self) -> str:
        return f"{self.table}/part-{self.segment:04}.state"


@dataclass(slots=True)
class _Counter:
    report: Report
    verb: str
    totals: dict[TableName, int | None]
    done: dict[TableName, int] = field(default_factory=dict[TableName, int])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, table: TableName, count: int) -> None:
        with self.lock:
            self.done[table] = self.done.get(table, 0) + count
            task = f"{self.verb} {table}"
            self.report(Progress(task=task, done=self.done[table], total=self.totals.get(table)))


def export(
    config: DynamoDbConfig,
    client: Client,
    directory: Path,
    *,
    segments: int = 4,
    compression: Compression = "gzip",
    rate: RateLimit | None = None,
    consistent: bool = True,
    report: Report = silent,
) -> ExportReport:
    """Write all tables to a directory. Run again after an interruption, it goes on where it was.

    Args:
        config: Where the tables are.
        client: The client.
        directory: Where to; made if missing, readable for its owner alone (it holds password hashes).
        segments: How many parts of a table are read at once. Going on, those it was begun with are kept.
        compression: ``"gzip"`` or ``"none"``.
        rate: Limits the reads, in capacity units.
        consistent: Strong reads; eventual ones cost half.
        report: Told how far it is.

    Raises:
        ConfigurationError: A table is missing.
        IntegrityError: The directory holds a complete export already, or one of something else.
    """
    if not 1 <= segments <= 1000:
        raise ValidationError("segments", f"{segments}: give 1 to 1000")
    limit = rate or RateLimit(None)
    start, resumed = _begin(config, client, directory, segments, compression)
    parts = [
        _Part(table=table, segment=segment, compression=start["compression"])
        for table in TABLES
        for segment in range(start["segments"])
    ]
    counter = _Counter(report, "export", {table: _estimate(client, config.table_name(table)) for table in TABLES})

    def worker(part: _Part) -> Callable[[], dict[str, Any]]:
        return lambda: _export_part(
            config, client, directory, part, len(parts) // len(TABLES), limit, counter, consistent=consistent
        )

    files = gather(*(worker(part) for part in parts), limit=start["segments"])
    items: dict[TableName, int] = dict.fromkeys(TABLES, 0)
    for part, one in zip(parts, files, strict=True):
        items[part.table] += one["items"]
    manifest = {
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
    _write_json(directory / _MANIFEST, manifest)
    for part in parts:
        (directory / part.state).unlink(missing_ok=True)
    size = sum(one["bytes"] for one in files)
    return ExportReport(directory=directory, items=items, bytes=size, units=limit.spent, resumed=resumed)


def import_(
    config: DynamoDbConfig,
    client: Client,
    directory: Path,
    *,
    overwrite: bool = False,
    workers: int = 4,
    rate: RateLimit | None = None,
    read_back: bool = True,
    report: Report = silent,
) -> ImportReport:
    """Write an export into the configuration's tables. Run again after an interruption, it goes on where it was.

    For tables that nothing else writes to meanwhile. All files are checked before the first item is written.

    Args:
        config: Where to. The tables must exist (``tables ensure``).
        client: The client.
        directory: The export.
        overwrite: Whether tables that hold items already are taken; an item of the same key is replaced.
        workers: How many files are read at once.
        rate: Limits the writes, in capacity units, estimated from the items' sizes.
        read_back: Whether every item is read back and compared.
        report: Told how far it is.

    Raises:
        ConfigurationError: A table is missing; it is not empty; or a newer release made the export.
        IntegrityError: The export is damaged or not complete (nothing was written), or an item read back differs.
    """
    manifest = read_manifest(directory)
    if int(manifest.get("schema_version", 0)) > SCHEMA_VERSION:
        raise ConfigurationError(
            f"the export holds items of schema version {manifest['schema_version']}, this release knows up to "
            f"{SCHEMA_VERSION}; install the release that made it, or a later one"
        )
    files = _check_files(directory, manifest, report)
    state = _ImportState(config, directory)
    resumed = state.load()
    if not resumed and not overwrite:
        _require_empty(config, client)
    limit = rate or RateLimit(None)
    totals: dict[TableName, int | None] = {table: int(manifest["tables"][table]["items"]) for table in TABLES}
    counter = _Counter(report, "import", totals)
    written = _Counter(silent, "", {})

    def worker(table: TableName, name: str) -> Callable[[], None]:
        return lambda: _import_file(config, client, directory, table, name, state, limit, counter, written)

    gather(*(worker(table, name) for table, name in files), limit=workers)
    verified: int | None = None
    expired = 0
    if read_back:
        verified, expired = _read_back(config, client, directory, files, _Counter(report, "read back", totals))
    state.remove()
    return ImportReport(
        items={table: int(manifest["tables"][table]["items"]) for table in TABLES},
        written=sum(written.done.values()),
        units=limit.spent,
        verified=verified,
        expired=expired,
        resumed=resumed,
    )


def read_manifest(directory: Path) -> dict[str, Any]:
    """An export's manifest.

    Raises:
        IntegrityError: There is none: this is no export, or one that is not complete.
    """
    try:
        manifest = object_of(loads((directory / _MANIFEST).read_bytes()))
    except FileNotFoundError as error:
        if (directory / _START).exists():
            raise IntegrityError(f"the export in {directory} is not complete; run the export again") from error
        raise IntegrityError(f"there is no export in {directory} (no {_MANIFEST})") from error
    except DecodeError as error:
        raise IntegrityError(f"{directory / _MANIFEST} is damaged: no JSON") from error
    if manifest.get("format") != _FORMAT:
        raise IntegrityError(f"{directory / _MANIFEST} is of no export of this library")
    if int(manifest.get("format_version", 0)) > FORMAT_VERSION:
        raise ConfigurationError(
            f"the export has format {manifest['format_version']}; this release reads up to {FORMAT_VERSION}"
        )
    return manifest


def _begin(
    config: DynamoDbConfig, client: Client, directory: Path, segments: int, compression: Compression
) -> tuple[dict[str, Any], bool]:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = {table: config.table_name(table) for table in TABLES}
    # Also makes sure that they exist before anything is written.
    for name in source.values():
        client.call("Scan", {"TableName": name, "Limit": 1})
    where = _where(config)
    if (directory / _MANIFEST).exists():
        raise IntegrityError(f"{directory} holds a complete export already; give another directory")
    try:
        start = object_of(loads((directory / _START).read_bytes()))
    except FileNotFoundError:
        pass
    except DecodeError as error:
        raise IntegrityError(f"{directory / _START} is damaged; delete the directory and begin again") from error
    else:
        if start.get("source") != source or start.get("where") != where:
            raise IntegrityError(
                f"{directory} holds the beginning of an export of other tables ({start.get('where')}); "
                "give another directory"
            )
        return start, True
    if any(directory.iterdir()):
        raise IntegrityError(f"{directory} is not empty; give another directory")
    for table in TABLES:
        (directory / table).mkdir(mode=0o700)
    start = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "schema_version": SCHEMA_VERSION,
        "started_at": to_text(config.clock()),
        "where": where,
        "source": source,
        "segments": segments,
        "compression": compression,
    }
    _write_json(directory / _START, start)
    return start, False


def _export_part(
    config: DynamoDbConfig,
    client: Client,
    directory: Path,
    part: _Part,
    segments: int,
    rate: RateLimit,
    counter: _Counter,
    *,
    consistent: bool,
) -> dict[str, Any]:
    path, state_path = directory / part.path, directory / part.state
    state: dict[str, Any] = {"next_key": None, "items": 0, "bytes": 0, "done": False}
    if state_path.exists():
        state = object_of(loads(state_path.read_bytes()))
        counter.add(part.table, state["items"])
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        # What was written after the last state is of a page that will be read again.
        file.truncate(state["bytes"])
        file.seek(state["bytes"])
        if not state["done"]:
            pages = scan(
                client,
                config.table_name(part.table),
                rate=rate,
                segment=part.segment,
                segments=segments,
                start=state["next_key"],
                consistent=consistent,
            )
            for page in pages:
                lines = b"".join(dumps(item) + b"\n" for item in page.items)
                if lines:
                    # Each page is a gzip member of its own: members can be cut off and appended.
                    file.write(gzip.compress(lines, mtime=0) if part.compression == "gzip" else lines)
                    file.flush()
                    os.fsync(file.fileno())
                state = {
                    "next_key": page.next_key,
                    "items": state["items"] + len(page.items),
                    "bytes": file.tell(),
                    "done": page.next_key is None,
                }
                _write_json(state_path, state)
                counter.add(part.table, len(page.items))
    return {"name": part.path, "items": state["items"], "bytes": state["bytes"], "sha256": _sha256(path)}


def _where(config: DynamoDbConfig) -> str:
    region, url = resolve_endpoint(config)
    return f"{url} (region {region})"


def _estimate(client: Client, name: str) -> int | None:
    try:
        count = client.call("DescribeTable", {"TableName": name})["Table"].get("ItemCount")
    except Exception:  # noqa: BLE001 - an estimate for the progress bar is worth no permission and no failure
        return None
    return int(count) if count else None


def _check_files(directory: Path, manifest: dict[str, Any], report: Report) -> list[tuple[TableName, str]]:
    files: list[tuple[TableName, str]] = []
    for table in TABLES:
        listed = object_of(object_of(manifest.get("tables")).get(table))
        if not listed:
            raise IntegrityError(f"{directory / _MANIFEST} does not list {table}")
        for one in listed["files"]:
            path = directory / str(one["name"])
            if not path.resolve().is_relative_to(directory.resolve()):
                raise IntegrityError(f"{directory / _MANIFEST} names a file outside of the export: {one['name']}")
            if not path.is_file():
                raise IntegrityError(f"{path} is missing")
            if _sha256(path) != one["sha256"]:
                raise IntegrityError(f"{path} is damaged: its SHA-256 is not the manifest's")
            files.append((table, str(one["name"])))
            report(Progress(task="check files", done=len(files), unit="files"))
    return files


def _require_empty(config: DynamoDbConfig, client: Client) -> None:
    filled = [
        config.table_name(table)
        for table in TABLES
        if client.call("Scan", {"TableName": config.table_name(table), "Limit": 1, "ConsistentRead": True})["Items"]
    ]
    if filled:
        raise ConfigurationError(
            f"not empty: {', '.join(filled)}; import under another table_prefix, or with overwrite (--overwrite) "
            "replace items of the same key"
        )


class _ImportState:
    """How many lines of each file are written to one target. Kept beside the export."""

    def __init__(self, config: DynamoDbConfig, directory: Path) -> None:
        names = [config.table_name(table) for table in TABLES]
        target = hashlib.sha256("\n".join([_where(config), *names]).encode()).hexdigest()[:16]
        self._path = directory / f"import-{target}.state"
        self._lines: dict[str, int] = {}
        self._lock = threading.Lock()

    def load(self) -> bool:
        try:
            self._lines = {name: int(count) for name, count in object_of(loads(self._path.read_bytes())).items()}
        except FileNotFoundError:
            return False
        except DecodeError:
            self._lines = {}
        return True

    def done(self, name: str) -> int:
        return self._lines.get(name, 0)

    def note(self, name: str, lines: int) -> None:
        with self._lock:
            self._lines[name] = lines
            _write_json(self._path, self._lines)

    def begin(self) -> None:
        with self._lock:
            _write_json(self._path, self._lines)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def _import_file(
    config: DynamoDbConfig,
    client: Client,
    directory: Path,
    table: TableName,
    name: str,
    state: _ImportState,
    rate: RateLimit,
    counter: _Counter,
    written: _Counter,
) -> None:
    full_name, copies = config.table_name(table), 1 + len(SCHEMA[table].indexes)
    skip = state.done(name)
    counter.add(table, skip)
    lines = skip
    for chunk in _chunks(_items(directory / name), skip):
        if not lines:
            # Written before the first item, so that tables half filled by us are known as such.
            state.begin()
        rate.wait()
        client.batch_write([(full_name, {"PutRequest": {"Item": item}}) for item in chunk])
        rate.spend(sum(math.ceil(item_size(item) / 1024) for item in chunk) * copies)
        lines += len(chunk)
        state.note(name, lines)
        counter.add(table, len(chunk))
        written.add(table, len(chunk))


def _read_back(
    config: DynamoDbConfig, client: Client, directory: Path, files: Sequence[tuple[TableName, str]], counter: _Counter
) -> tuple[int, int]:
    verified = expired = 0
    now = epoch_seconds(config.clock())
    for table, name in files:
        schema = SCHEMA[table]
        keys = [schema.hash_key] + ([schema.range_key] if schema.range_key is not None else [])
        for chunk in _chunks(_items(directory / name), 0):
            asked = [(config.table_name(table), {key.name: item[key.name] for key in keys}) for item in chunk]
            for item, found in zip(chunk, client.batch_get(asked, consistent=True), strict=True):
                if found is not None and canonical(found) == canonical(item):
                    verified += 1
                elif found is None and schema.ttl is not None and _expires(item, schema.ttl) <= now:
                    expired += 1
                else:
                    key = ", ".join(str(next(iter(item[one.name].values()))) for one in keys)
                    what = "is missing" if found is None else "differs"
                    raise IntegrityError(f"{config.table_name(table)}: the imported item {key} {what} when read back")
            counter.add(table, len(chunk))
    return verified, expired


def canonical(value: Any) -> Any:
    """A value in which equal items are equal: DynamoDB keeps no order of a set."""
    pairs, every = object_of(value), list_of(value)
    if pairs:
        return {name: sorted(inner) if name in _SETS else canonical(inner) for name, inner in pairs.items()}
    return [canonical(inner) for inner in every] if every else value


def _expires(item: Item, attribute: str) -> float:
    return float(item.get(attribute, {}).get("N", "inf"))


def _items(path: Path) -> Iterator[Item]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for line in file:
            yield object_of(loads(line))


def _chunks(items: Iterator[Item], skip: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    for index, item in enumerate(items):
        if index < skip:
            continue
        chunk.append(item)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, value: Any) -> None:
    """Write a file so that it is there as a whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(dumps(value))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
