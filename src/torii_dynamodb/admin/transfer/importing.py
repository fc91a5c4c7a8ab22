"""An export into tables, and what was written read back."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.sizes import item_size
from torii_dynamodb._core.times import epoch_seconds
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._wire.json import DecodeError, loads, object_of
from torii_dynamodb.admin.progress import Report, silent
from torii_dynamodb.admin.scanning import RateLimit
from torii_dynamodb.admin.transfer.files import (
    Counter,
    IntegrityError,
    canonical,
    check_files,
    chunks_of,
    identity_of,
    read_items,
    read_manifest,
    where_of,
    write_json,
)
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.schema import SCHEMA, SCHEMA_VERSION

__all__ = ["ImportReport", "import_"]


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
    files = check_files(directory, manifest, report)
    state = _ImportState(config, client, directory)
    resumed = state.load()
    if not resumed and not overwrite:
        _require_empty(config, client)
    limit = rate or RateLimit(None)
    totals: dict[TableName, int | None] = {table: int(manifest["tables"][table]["items"]) for table in TABLES}
    counter = Counter(report, "import", totals)
    written = Counter(silent, "", {})

    def worker(table: TableName, name: str) -> Callable[[], None]:
        return lambda: _import_file(config, client, directory, table, name, state, limit, counter, written)

    gather(*(worker(table, name) for table, name in files), limit=workers)
    verified: int | None = None
    expired = 0
    if read_back:
        verified, expired = _read_back(config, client, directory, files, Counter(report, "read back", totals))
    state.remove()
    return ImportReport(
        items={table: int(manifest["tables"][table]["items"]) for table in TABLES},
        written=sum(written.done.values()),
        units=limit.spent,
        verified=verified,
        expired=expired,
        resumed=resumed,
    )


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
    """How many lines of each file are written to one target. Kept beside the export.

    A table that was deleted and made anew since is another target: nothing of what was written is in it.
    """

    def __init__(self, config: DynamoDbConfig, client: Client, directory: Path) -> None:
        names = [config.table_name(table) for table in TABLES]
        parts = [where_of(config), *names, *(identity_of(client, name) for name in names)]
        target = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
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
            write_json(self._path, self._lines)

    def begin(self) -> None:
        with self._lock:
            write_json(self._path, self._lines)

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
    counter: Counter,
    written: Counter,
) -> None:
    full_name, copies = config.table_name(table), 1 + len(SCHEMA[table].indexes)
    skip = state.done(name)
    counter.add(table, skip)
    lines = skip
    for chunk in chunks_of(read_items(directory / name), skip):
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
    config: DynamoDbConfig, client: Client, directory: Path, files: Sequence[tuple[TableName, str]], counter: Counter
) -> tuple[int, int]:
    verified = expired = 0
    now = epoch_seconds(config.clock())
    for table, name in files:
        schema = SCHEMA[table]
        keys = [schema.hash_key] + ([schema.range_key] if schema.range_key is not None else [])
        for chunk in chunks_of(read_items(directory / name), 0):
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


def _expires(item: Item, attribute: str) -> float:
    return float(item.get(attribute, {}).get("N", "inf"))
