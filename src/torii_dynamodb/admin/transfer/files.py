"""The files of an export: their names, contents and checks."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._files import write_private
from torii_dynamodb._wire.json import DecodeError, dumps, list_of, loads, object_of
from torii_dynamodb.admin.progress import Progress, Report
from torii_dynamodb.config import TABLES, TableName
from torii_dynamodb.errors import ConfigurationError, ToriiError, ValidationError

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "MANIFEST",
    "START",
    "Compression",
    "Counter",
    "IntegrityError",
    "Part",
    "canonical",
    "check_files",
    "chunks_of",
    "read_items",
    "read_manifest",
    "sha256_of",
    "write_json",
]

Compression = Literal["gzip", "none"]

FORMAT_VERSION: Final = 2
FORMAT: Final = "torii-dynamodb export"
START: Final = "export.json"
MANIFEST: Final = "manifest.json"
# Several batches, yet small enough that an interruption repeats little work.
_CHUNK = 200
_SETS = frozenset({"SS", "NS", "BS"})


class IntegrityError(ToriiError):
    """An export is damaged or incomplete, or the tables do not contain what was imported. The message says where."""

    code = "integrity_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One segment of a table, and its file."""

    table: TableName
    segment: int
    compression: Compression

    @property
    def path(self) -> str:
        """The file's path within the export."""
        return f"{self.table}/part-{self.segment:04}.jsonl{'.gz' if self.compression == 'gzip' else ''}"

    @property
    def state(self) -> str:
        """The path of the file with the progress."""
        return f"{self.table}/part-{self.segment:04}.state"


@dataclass(slots=True)
class Counter:
    """Counts items by table, in several threads, and reports the progress."""

    report: Report
    verb: str
    totals: dict[TableName, int | None]
    done: dict[TableName, int] = field(default_factory=dict[TableName, int])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, table: TableName, count: int) -> None:
        """Add to a table's count."""
        with self.lock:
            self.done[table] = self.done.get(table, 0) + count
            task = f"{self.verb} {table}"
            self.report(Progress(task=task, done=self.done[table], total=self.totals.get(table)))


def read_manifest(directory: Path) -> dict[str, Any]:
    """An export's manifest.

    Raises:
        ValidationError: There is no export in the directory.
        IntegrityError: The export is incomplete or damaged.
    """
    try:
        manifest = object_of(loads((directory / MANIFEST).read_bytes()))
    except FileNotFoundError as error:
        if (directory / START).exists():
            raise IntegrityError(f"the export in {directory} is not complete; run the export again") from error
        raise ValidationError("directory", f"there is no export in {directory} (no {MANIFEST})") from error
    except DecodeError as error:
        raise IntegrityError(f"{directory / MANIFEST} is damaged: it is not JSON") from error
    if manifest.get("format") != FORMAT:
        raise IntegrityError(f"{directory / MANIFEST} is not from an export of this library")
    if int(manifest.get("format_version", 0)) > FORMAT_VERSION:
        raise ConfigurationError(
            f"the export has format {manifest['format_version']}; this release reads up to {FORMAT_VERSION}"
        )
    return manifest


def check_files(directory: Path, manifest: dict[str, Any], report: Report) -> list[tuple[TableName, str]]:
    """Compare every file with the manifest; return the files by table.

    Raises:
        IntegrityError: One is missing or damaged.
    """
    files: list[tuple[TableName, str]] = []
    for table in TABLES:
        listed = object_of(object_of(manifest.get("tables")).get(table))
        if not listed:
            raise IntegrityError(f"{directory / MANIFEST} does not list {table}")
        for one in listed["files"]:
            path = directory / str(one["name"])
            if not path.resolve().is_relative_to(directory.resolve()):
                raise IntegrityError(f"{directory / MANIFEST} names a file outside the export: {one['name']}")
            if not path.is_file():
                raise IntegrityError(f"{path} is missing")
            if (table, str(one["name"])) in files:
                raise IntegrityError(f"{directory / MANIFEST} lists {one['name']} twice")
            if sha256_of(path) != one["sha256"]:
                raise IntegrityError(f"{path} is damaged: its SHA-256 differs from the manifest's")
            files.append((table, str(one["name"])))
            report(Progress(task="check files", done=len(files), unit="files"))
    return files


def read_items(path: Path) -> Iterator[Item]:
    """The items of a file, in order."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for line in file:
            yield object_of(loads(line))


def chunks_of(items: Iterator[Item], skip: int) -> Iterator[list[Item]]:
    """The items in chunks, without the first ``skip``."""
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


def canonical(value: Any) -> Any:
    """A form in which equal items compare equal: DynamoDB does not keep the order of a set."""
    pairs, every = object_of(value), list_of(value)
    if pairs:
        # {"SS": [...]} is a set; an attribute of a map that happens to be called SS contains a typed value.
        return {
            name: sorted(list_of(inner)) if _is_set(name, inner) else canonical(inner) for name, inner in pairs.items()
        }
    return [canonical(inner) for inner in every] if every else value


def _is_set(name: str, inner: Any) -> bool:
    return name in _SETS and isinstance(inner, list)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write a file atomically."""
    write_private(path, dumps(value))
