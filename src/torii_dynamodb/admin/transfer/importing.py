"""Imports an export into tables, and reads back what was written."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.layout import by_tenant
from torii_dynamodb._core.sizes import item_size
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.times import epoch_seconds
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._wire.json import DecodeError, loads, object_of
from torii_dynamodb.admin.caching import clearing
from torii_dynamodb.admin.control import Control, Occupied, table_identity, where_of
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.progress import Report, silent
from torii_dynamodb.admin.scanning import Pacer, key_of, scan
from torii_dynamodb.admin.transfer.files import (
    Counter,
    IntegrityError,
    canonical,
    check_files,
    chunks_of,
    read_items,
    read_manifest,
    write_json,
)
from torii_dynamodb.admin.transfer.keys import SeenKeys
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.schema import SCHEMA, SCHEMA_VERSION

__all__ = ["ImportReport", "import_"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """The result of an import.

    Args:
        items: Items by table, including those of an interrupted run.
        written: Items that this run wrote.
        units: Write units that this run consumed, estimated from the items' sizes.
        verified: Items that were read back and were equal; ``None`` if nothing was read back.
        expired: Items that were not found when read back, but have expired, so that TTL may have deleted them.
        resumed: Whether it resumed an interrupted import.
        repeated: Items that are in the export more than once (an older release wrote such exports if the endpoint
            repeated items). The first of each was written.
    """

    items: dict[TableName, int]
    written: int
    units: float
    verified: int | None
    expired: int
    resumed: bool
    repeated: int


def import_(
    config: DynamoDbConfig,
    client: Client,
    directory: Path,
    *,
    overwrite: bool = False,
    workers: int = 4,
    rate: Pacer | None = None,
    read_back: bool = True,
    tenant: str | None = None,
    cache: Cache | None = None,
    report: Report = silent,
) -> ImportReport:
    """Write an export into the configuration's tables. After an interruption, run it again to resume.

    Nothing else may write to the tables during an import. All files are checked before the first item is written.

    Args:
        config: Where the tables are. They must exist (``tables ensure``).
        client: The client.
        directory: The export.
        overwrite: Whether the tables, or the tenant, may contain items; items with the same key are replaced.
        workers: How many files are read in parallel.
        rate: Limits the writes, in capacity units a second, estimated from the items' sizes.
        read_back: Whether every item is read back and compared.
        tenant: The tenant to import into; ``""``: outside of any; ``None``: as it was exported.
        cache: The application's cache of session checks, which is cleared: it may contain users who are replaced.
        report: Receives the progress.

    Raises:
        ConfigurationError: A table is missing or not empty, or a newer release wrote the export; or it is for another
            tenant than it was exported from, and contains what only that tenant's keys open.
        IntegrityError: The export is damaged or incomplete (nothing was written), or an item read back differs.
        CacheUnavailable: The cache cannot be reached.
    """
    manifest = read_manifest(directory)
    if int(manifest.get("schema_version", 0)) > SCHEMA_VERSION:
        raise ConfigurationError(
            f"the export contains items of schema version {manifest['schema_version']}, this release reads up to "
            f"{SCHEMA_VERSION}; install the release that wrote it, or a later one"
        )
    files = check_files(directory, manifest, report)
    whose = manifest.get("tenant") if tenant is None else tenant or None
    if whose is not None:
        validation.tenant(whose)
    repeated = _repeated(directory, manifest, files, whose)
    target = Items(config, client, whose)
    state = _ImportState(config, client, directory, whose)
    resumed = state.load()
    if not resumed and not overwrite:
        _require_empty(config, target, whose)
    limit = rate or Pacer(None)
    totals: dict[TableName, int | None] = {table: int(manifest["tables"][table]["items"]) for table in TABLES}
    counter = Counter(report, "import", totals)
    written = Counter(silent, "", {})

    def worker(table: TableName, name: str) -> Callable[[], None]:
        lines = repeated.get(name, frozenset())
        return lambda: _import_file(target, directory, table, name, lines, state, limit, counter, written)

    with clearing(cache, config, whose):
        gather(*(worker(table, name) for table, name in files), limit=workers)
    verified: int | None = None
    expired = 0
    if read_back:
        verified, expired = _read_back(config, target, directory, files, repeated, Counter(report, "read back", totals))
    state.remove()
    items: dict[TableName, int] = {table: int(manifest["tables"][table]["items"]) for table in TABLES}
    for table, name in files:
        items[table] -= len(repeated.get(name, ()))
    return ImportReport(
        items=items,
        written=sum(written.done.values()),
        units=limit.spent,
        verified=verified,
        expired=expired,
        resumed=resumed,
        repeated=sum(len(lines) for lines in repeated.values()),
    )


def _repeated(
    directory: Path, manifest: Mapping[str, Any], files: Sequence[tuple[TableName, str]], tenant: str | None
) -> dict[str, frozenset[int]]:
    """By file, the lines whose keys occur earlier in the export. This runs before anything is written.

    Raises:
        IntegrityError: A line is not an item, or a file does not contain as many as the manifest says.
        ConfigurationError: An item cannot be imported into this tenant.
    """
    check = _check_of(manifest.get("tenant"), tenant)
    counts: dict[str, int] = {one["name"]: int(one["items"]) for table in TABLES for one in _files(manifest, table)}
    found: dict[str, frozenset[int]] = {}
    with SeenKeys() as seen:
        for table, name in files:
            line, lines = 0, set[int]()
            try:
                for chunk in chunks_of(read_items(directory / name), 0):
                    check(table, chunk)
                    for before in seen.add(table, chunk, ""):
                        if before is not None:
                            lines.add(line)
                        line += 1
            except (DecodeError, KeyError) as error:
                raise IntegrityError(f"{directory / name} contains a line that is not an item of {table}") from error
            if line != counts[name]:
                raise IntegrityError(f"{directory / name} contains {line} items; the manifest says {counts[name]}")
            if lines:
                found[name] = frozenset(lines)
    return found


def _check_of(origin: str | None, target: str | None) -> Callable[[TableName, list[Item]], None]:
    """Return what refuses items that would mean nothing in another tenant than the one they were exported from."""

    def check(table: TableName, items: list[Item]) -> None:
        if set(by_tenant(table, items)) - {None}:
            raise ConfigurationError(
                f"the export contains the items of tenants, so it cannot be imported into {_named(target)}; export one "
                "tenant with 'torii-dynamodb tenants export'"
            )
        if table == "identities" and any(_is_sealed(item) for item in items):
            raise ConfigurationError(
                f"the export contains second factors or providers' tokens that only {_named(origin)} can open, so it "
                f"cannot be imported into {_named(target)}; 'users export' with --with-seeds and 'users import' move "
                "users with the seeds of their authenticator apps"
            )

    return (lambda _table, _items: None) if origin == target else check


def _is_sealed(item: Item) -> bool:
    # What is sealed or made under the application's secret, from which each tenant's keys are derived.
    return any(name in item for name in ("secret", "codes")) or "sealed" in item.get("tokens", {}).get("M", {})


def _named(tenant: str | None) -> str:
    return "users outside of any tenant" if tenant is None else f"the tenant {tenant}"


def _files(manifest: Mapping[str, Any], table: TableName) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = manifest["tables"][table]["files"]
    return files


def _require_empty(config: DynamoDbConfig, items: Items, tenant: str | None) -> None:
    filled = dict.fromkeys(config.table_name(table) for table in TABLES if _has_items(items, table))
    if filled and tenant is not None:
        raise Occupied(
            f"the tenant {tenant} has items already; import into another tenant, or use overwrite (--overwrite) to "
            "replace items with the same key"
        )
    if filled:
        raise Occupied(
            f"not empty: {', '.join(filled)}; import under another table_prefix, or use overwrite (--overwrite) "
            "to replace items with the same key"
        )


def _has_items(items: Items, table: TableName) -> bool:
    # A shared table may begin with others' items, so the first page may contain none of ours.
    return any(
        page.items for page in scan(items.client, items.name(table), rate=Pacer(None), Limit=1 if items.plain else 1000)
    )


class _ImportState:
    """How many lines of each file have been written to one target. Stored next to the export.

    A table that was deleted and created again is another target: it contains nothing of what was written.
    """

    def __init__(self, config: DynamoDbConfig, client: Client, directory: Path, tenant: str | None) -> None:
        identities = [table_identity(one) for one in Control(client).require_tables(config).values()]
        parts = [where_of(config), *(config.table_name(table) for table in config.tables), *identities]
        parts += [] if tenant is None else [f"@{tenant}"]
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
    items_of: Items,
    directory: Path,
    table: TableName,
    name: str,
    repeated: frozenset[int],
    state: _ImportState,
    rate: Pacer,
    counter: Counter,
    written: Counter,
) -> None:
    full_name, copies = items_of.name(table), 1 + (len(SCHEMA[table].indexes) if items_of.plain else 0)
    skip = state.done(name)
    counter.add(table, skip)
    lines = skip
    for chunk in chunks_of(read_items(directory / name), skip):
        if not lines:
            # Written before the first item, so that a resumed import recognises the tables that it half filled.
            state.begin()
        items = _first_of(chunk, lines, repeated)
        rate.wait()
        items_of.client.batch_write([(full_name, {"PutRequest": {"Item": item}}) for item in items])
        rate.spend(sum(math.ceil(item_size(item) / 1024) for item in items) * copies)
        lines += len(chunk)
        state.note(name, lines)
        counter.add(table, len(chunk))
        written.add(table, len(items))


def _first_of(chunk: list[Item], line: int, repeated: frozenset[int]) -> list[Item]:
    """The items of a chunk that begins at a line, without those that occur earlier in the export."""
    return [item for number, item in enumerate(chunk, line) if number not in repeated]


def _read_back(
    config: DynamoDbConfig,
    stored: Items,
    directory: Path,
    files: Sequence[tuple[TableName, str]],
    repeated: Mapping[str, frozenset[int]],
    counter: Counter,
) -> tuple[int, int]:
    verified = expired = 0
    now = epoch_seconds(config.clock())
    for table, name in files:
        schema, line = SCHEMA[table], 0
        for chunk in chunks_of(read_items(directory / name), 0):
            items = _first_of(chunk, line, repeated.get(name, frozenset()))
            line += len(chunk)
            asked = [(stored.name(table), stored.key_of(table, item)) for item in items]
            for item, found in zip(items, stored.client.batch_get(asked, consistent=True), strict=True):
                if found is not None and canonical(found) == canonical(item):
                    verified += 1
                elif found is None and schema.ttl is not None and _expires(item, schema.ttl) <= now:
                    expired += 1
                else:
                    key = ", ".join(str(next(iter(value.values()))) for value in key_of(table, item).values())
                    what = "is missing" if found is None else "differs"
                    raise IntegrityError(f"{config.table_name(table)}: the imported item {key} {what} when read back")
            counter.add(table, len(chunk))
    return verified, expired


def _expires(item: Item, attribute: str) -> float:
    return float(item.get(attribute, {}).get("N", "inf"))
