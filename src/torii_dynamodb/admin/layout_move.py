"""Moves everything to another layout: from five tables into a single one, back, or into other tables.

:func:`move_layout` makes the target equal to the source: it copies what is missing or differs, and removes what the
source no longer contains. So it can be run first while the application still writes to the source, and once more after
that has stopped, which then takes only as long as reading both. What was revoked, signed out or deleted between the two
is so in the target, too. The source is never changed, and neither are others' items in the target.

An item in the target marks an unfinished move. Without it, a target that contains users is refused: they would be
replaced by the source's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.sizes import item_size
from torii_dynamodb._rules.times import epoch_seconds, to_text
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._wire.errors import ConditionFailed
from torii_dynamodb._wire.json import dumps
from torii_dynamodb.admin.caching import clearing
from torii_dynamodb.admin.control import Control, Occupied, table_identity, where_of
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer, divides
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.transfer.files import canonical
from torii_dynamodb.admin.verify import Verification, verify
from torii_dynamodb.config import TABLES, DynamoDbConfig, StoredTable, TableName
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.schema import SCHEMA, SCHEMA_VERSION

__all__ = ["MovePlan", "MoveReport", "move_layout", "plan_move"]

# No token's key begins with "#".
_MARK: Final = "#move"
_BATCH: Final = 100

Placed = tuple[TableName, Item]
"""An item and its table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePlan:
    """What a move would do.

    Args:
        items: Items in the source, by table.
        bytes: Their size.
        read_units: Read units that a run consumes in source and target together, the check at its end included.
        write_units: Write units that writing all of them to the target consumes, its indexes included.
        resumes: Whether the target already contains a part of an unfinished move.
        obstacles: What is in the way, a sentence each.
    """

    items: dict[TableName, int]
    bytes: int
    read_units: float
    write_units: float
    resumes: bool
    obstacles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReport:
    """The result of a run.

    Args:
        items: Items in the source, by table.
        written: Items that were missing in the target or differed.
        removed: Items in the target that the source no longer contained.
        differing: Items that still differed when both were read again: the source was written to during the run.
            ``None`` if that was not checked.
        verification: Whether users, identities and sessions in the target agree; ``None`` unless the move is complete.
        read_units: Read units consumed in source and target.
        write_units: Write units consumed in the target, estimated from the items' sizes.
        resumed: Whether the target contained a part of this move already.
    """

    items: dict[TableName, int]
    written: int
    removed: int
    differing: int | None
    verification: Verification | None
    read_units: float
    write_units: float
    resumed: bool

    @property
    def complete(self) -> bool:
        """Whether the target is equal to the source, and nothing changed in the source during the run."""
        return self.differing == 0


def plan_move(
    source: DynamoDbConfig,
    target: DynamoDbConfig,
    source_client: Client,
    target_client: Client,
    *,
    rate: Pacer | None = None,
    report: Report = silent,
) -> MovePlan:
    """Return what :func:`move_layout` would do, and what is in its way. Reads the source once; changes nothing.

    Args:
        source: Where everything is.
        target: Where it is to be.
        source_client: A client for the source.
        target_client: A client for the target.
        rate: Limits the reads, in capacity units a second.
        report: Receives the progress.

    Raises:
        ConfigurationError: A table of the source is missing.
        ValidationError: Source and target are the same.
    """
    _require_two(source, target)
    Control(source_client).require_tables(source)
    limit = rate or Pacer(None)
    counts: dict[TableName, int] = dict.fromkeys(TABLES, 0)
    size, reads, writes = 0, 0, 0
    for page in Items(source, source_client).pages(rate=limit):
        for table, item in page:
            if not _is_mark(table, item):
                counts[table] += 1
                size += item_size(item)
                reads += _read_units(item)
                writes += _write_units(target, table, item)
        report(Progress(task="read the source", done=sum(counts.values())))
    obstacles, resumes = _obstacles(source, target, source_client, target_client)
    return MovePlan(
        items=counts,
        bytes=size,
        # Each side is read from beginning to end, with the other's items, to copy and to check; then to verify.
        read_units=5 * (limit.spent + reads),
        write_units=writes,
        resumes=resumes,
        obstacles=tuple(obstacles),
    )


def move_layout(
    source: DynamoDbConfig,
    target: DynamoDbConfig,
    source_client: Client,
    target_client: Client,
    *,
    prepare: bool = False,
    segments: int = 4,
    rate: float | None = None,
    cache: Cache | None = None,
    report: Report = silent,
) -> MoveReport:
    """Make the target equal to the source. After an interruption, run it again to resume.

    Nothing else may write the library's items in the target. Run it with ``prepare`` while the application still uses
    the source; then stop its writes, run it without, and switch the application to the target. Not atomic.

    Args:
        source: Where everything is. It is only read.
        target: Where it is to be. Its tables must exist (``tables ensure``) and contain none of the library's items,
            except those of an unfinished move from the same source.
        source_client: A client for the source.
        target_client: A client for the target.
        prepare: Whether the application still writes to the source: the result is not checked, and the move stays
            unfinished.
        segments: How many segments of a table are read in parallel.
        rate: Limits the units a second in the source and in the target, each; ``None``: no limit.
        cache: The application's cache of session checks. It is cleared of what an earlier use of the target has left.
        report: Receives the progress.

    Raises:
        ConfigurationError: A table is missing, or has another key, index or TTL attribute.
        Occupied: The target contains the library's items that are not of this move. Nothing was changed.
        ValidationError: Source and target are the same.
    """
    if not 1 <= segments <= 1000:
        raise ValidationError("segments", f"{segments}: give 1 to 1000")
    _require_two(source, target)
    Control(source_client).require_tables(source)
    obstacles, resumed = _obstacles(source, target, source_client, target_client)
    if obstacles:
        raise Occupied("; ".join(obstacles))
    if not resumed:
        _put_mark(source, target, source_client, target_client)
    old = _Side(source, source_client, rate, segments)
    new = _Side(target, target_client, rate, segments)
    with clearing(cache, target):
        done = _Comparison(old, new, report).run()
    differing: int | None = None
    verification: Verification | None = None
    if not prepare:
        check = _Comparison(old, new, report, check=True).run()
        differing = check.differing + check.surplus
        if differing == 0:
            verification = verify(target, target_client, rate=new.rate, report=report)
            new.delete([("tokens", {"id": {"S": _MARK}})])
    return MoveReport(
        items=done.items,
        written=done.differing,
        removed=done.surplus,
        differing=differing,
        verification=verification,
        read_units=old.rate.spent + new.rate.spent - new.written,
        write_units=new.written,
        resumed=resumed,
    )


def _require_two(source: DynamoDbConfig, target: DynamoDbConfig) -> None:
    def places(config: DynamoDbConfig) -> set[tuple[str, str | None]]:
        prefix = config.key_prefix if config.layout == "single" else None
        return {(config.table_name(table), prefix) for table in config.tables}

    common = sorted(name for name, _ in places(source) & places(target))
    if common and where_of(source) == where_of(target):
        raise ValidationError("target", f"{common[0]} is in the source and in the target; correct one of them")


def _obstacles(
    source: DynamoDbConfig, target: DynamoDbConfig, source_client: Client, target_client: Client
) -> tuple[list[str], bool]:
    """What is in the way, and whether the target contains a part of this move."""
    if _mark(Items(source, source_client)) is not None:
        return ["the source is itself the target of an unfinished move; finish that first"], False
    tables = AdminTables(target, target_client)
    plan = tables.plan()
    obstacles = [str(one) for one in plan.obstacles]
    missing = [target.table_name(step.table) for step in plan.steps if step.effect == "create"]
    if missing:
        obstacles.append(f"missing: {', '.join(missing)}; create with: torii-dynamodb tables ensure")
    if obstacles:
        return obstacles, False
    items = Items(target, target_client)
    mark = _mark(items)
    if mark is None:
        if any(page for page in items.pages(rate=Pacer(None))):
            names = ", ".join(target.table_name(table) for table in target.tables)
            occupied = (
                f"items of the library in {names} are not from an unfinished move and would be replaced; "
                "if nobody needs them, delete them with: torii-dynamodb tables delete --items-only"
            )
            return [occupied], False
        return [], False
    if mark.get("source", {}).get("S") != _name_of(source, source_client):
        return ["the target contains a part of an unfinished move from other tables; finish that first"], False
    return [], True


def _mark(items: Items) -> Item | None:
    (found,) = items.client.batch_get([(items.name("tokens"), {"id": {"S": _MARK}})], consistent=True)
    return found


def _is_mark(table: TableName, item: Item) -> bool:
    return table == "tokens" and item["id"] == {"S": _MARK}


def _put_mark(source: DynamoDbConfig, target: DynamoDbConfig, source_client: Client, target_client: Client) -> None:
    items = Items(target, target_client)
    item: Item = {
        "id": {"S": _MARK},
        "source": {"S": _name_of(source, source_client)},
        "started_at": {"S": to_text(target.clock())},
        "schema_version": {"N": str(SCHEMA_VERSION)},
    }
    try:
        items.client.call(
            "PutItem",
            {
                "TableName": items.name("tokens"),
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#id)",
                "ExpressionAttributeNames": {"#id": "id"},
            },
        )
    except ConditionFailed as error:
        raise Occupied("another process has just begun a move to this target; run this again to join it") from error


def _name_of(source: DynamoDbConfig, client: Client) -> str:
    # A table that was deleted and created again is another source.
    described = Control(client).require_tables(source)
    names: dict[StoredTable, list[str]] = {
        table: [source.table_name(table), table_identity(one)] for table, one in described.items()
    }
    return dumps([where_of(source), source.key_prefix, names]).decode()


def _write_units(config: DynamoDbConfig, table: TableName, item: Item) -> int:
    copies = 1 + (len(SCHEMA[table].indexes) if config.layout == "tables" else 0)
    return math.ceil(item_size(item) / 1024) * copies


def _read_units(item: Item | None) -> int:
    # One read alone, strongly consistent.
    return 1 if item is None else math.ceil(item_size(item) / 4096)


class _Side:
    """The source or the target: reads and writes items of all tenants, at a rate."""

    def __init__(self, config: DynamoDbConfig, client: Client, rate: float | None, segments: int) -> None:
        self.config = config
        self.items = Items(config, client)
        self.rate = Pacer(rate)
        self.written = 0.0
        told = (divides(self.items.client, self.items.name(table), table, segments, rate=self.rate) for table in TABLES)
        self.segments = 1 if next((one for one in told if one is not None), True) is False else segments

    def parts(self, segment: int) -> Iterator[list[Placed]]:
        """The items of a segment, some at a time, without the mark."""
        for page in self.items.pages(rate=self.rate, segment=segment, segments=self.segments):
            kept: list[Placed] = [(table, item) for table, item in page if not _is_mark(table, item)]
            for begin in range(0, len(kept), _BATCH):
                yield kept[begin : begin + _BATCH]

    def read(self, part: list[Placed]) -> list[Item | None]:
        """What is stored under the keys of items; ``None`` where there is nothing."""
        self.rate.wait()
        found = self.items.client.batch_get([self._key(*one) for one in part], consistent=True)
        self.rate.spend(sum(_read_units(item) for item in found))
        return found

    def put(self, part: list[Placed]) -> None:
        """Write items."""
        self._write([(self.items.name(table), {"PutRequest": {"Item": item}}) for table, item in part], part)

    def delete(self, part: list[Placed]) -> None:
        """Delete the items with the same keys."""
        keys = (self._key(*one) for one in part)
        self._write([(name, {"DeleteRequest": {"Key": key}}) for name, key in keys], part)

    def _key(self, table: TableName, item: Item) -> tuple[str, Item]:
        return self.items.name(table), self.items.key_of(table, item)

    def _write(self, requests: list[tuple[str, dict[str, Item]]], part: list[Placed]) -> None:
        if requests:
            self.rate.wait()
            self.items.client.batch_write(requests)
            units = sum(_write_units(self.config, table, item) for table, item in part)
            self.rate.spend(units)
            self.written += units


@dataclass(slots=True)
class _Comparison:
    """Reads source and target and, unless it only checks, makes the target equal."""

    source: _Side
    target: _Side
    report: Report
    check: bool = False
    items: dict[TableName, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    differing: int = 0
    surplus: int = 0
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Self:
        self._each(self.source, self._compare, "compare with the source" if self.check else "copy")
        self._done = 0
        self._each(self.target, self._look_for, "compare with the target" if self.check else "remove what is gone")
        return self

    def _each(self, side: _Side, handle: Callable[[list[Placed]], None], task: str) -> None:
        def worker(segment: int) -> Callable[[], None]:
            def work() -> None:
                for part in side.parts(segment):
                    handle(part)
                    with self._lock:
                        self._done += len(part)
                        self.report(Progress(task=task, done=self._done))

            return work

        gather(*(worker(segment) for segment in range(side.segments)), limit=side.segments)

    def _compare(self, part: list[Placed]) -> None:
        pairs = zip(part, self.target.read(part), strict=True)
        wrong = [one for one, found in pairs if found is None or canonical(found) != canonical(one[1])]
        if self.check:
            wrong = [one for one in wrong if not self._expired(one)]
        else:
            self.target.put(wrong)
        with self._lock:
            self.differing += len(wrong)
            for table, _ in part:
                self.items[table] += 1

    def _look_for(self, part: list[Placed]) -> None:
        gone = [one for one, found in zip(part, self.source.read(part), strict=True) if found is None]
        if self.check:
            gone = [one for one in gone if not self._expired(one)]
        else:
            self.target.delete(gone)
        with self._lock:
            self.surplus += len(gone)

    def _expired(self, one: Placed) -> bool:
        # TTL may have deleted it on either side.
        table, item = one
        ttl = SCHEMA[table].ttl
        return ttl is not None and float(item.get(ttl, {}).get("N", "inf")) <= epoch_seconds(self.source.config.clock())
