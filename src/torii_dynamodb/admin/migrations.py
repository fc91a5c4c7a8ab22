"""Upgrades of stored items between versions of the library.

Every item has the ``schema_version`` under which it was written. A :class:`Migration` upgrades items of one table by
one version; :class:`Migrator` applies all that are due. The items' versions are the progress: after an interruption,
run it again; several may run at once. An item that changes in the meantime is read again, never overwritten.

There is only schema version 1 so far, so :data:`MIGRATIONS` is empty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.expressions import unchanged, update
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._wire.errors import ConditionFailed
from torii_dynamodb.admin.caching import clearing
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer, divides, scan
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError, VersionConflict
from torii_dynamodb.schema import SCHEMA_VERSION

__all__ = ["MIGRATIONS", "Migration", "MigrationReport", "Migrator", "update_request"]

_VERSION = "schema_version"
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """Upgrades the items of one table from one version to the next.

    Args:
        table: The table.
        to_version: The version afterwards; before, items have the version below it.
        description: What it does, for people.
        upgrade: Takes an item (DynamoDB JSON) and returns the new one. Pure: it may be called more than once. It must
            keep the key; ``schema_version`` is set for it.
        reads: Attributes that it reads but does not change. The write succeeds only if they are still as read.
    """

    table: TableName
    to_version: int
    description: str
    upgrade: Callable[[Item], Item]
    reads: tuple[str, ...] = ()


MIGRATIONS: Final[tuple[Migration, ...]] = ()
"""All migrations of the library, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """The result of a run.

    Args:
        target_version: The version to which items were upgraded.
        looked_at: Items read, by table.
        due: Items found with an older version, by table.
        upgraded: Items that this run upgraded, by table; none in a dry run.
        newer: Items with a newer version than this release knows, by table.
    """

    target_version: int
    looked_at: dict[TableName, int] = field(default_factory=dict[TableName, int])
    due: dict[TableName, int] = field(default_factory=dict[TableName, int])
    upgraded: dict[TableName, int] = field(default_factory=dict[TableName, int])
    newer: dict[TableName, int] = field(default_factory=dict[TableName, int])


class Migrator:
    """Applies migrations.

    Args:
        config: Where the tables are.
        client: The client.
        migrations: The migrations to apply; those of one table run in the order of their versions.
        target_version: The version to reach.
        segments: How many segments of a table are read in parallel.
        rate: Limits reads and writes, in capacity units a second.
        cache: The application's cache of session checks, which is cleared.
    """

    def __init__(
        self,
        config: DynamoDbConfig,
        client: Client,
        *,
        migrations: Sequence[Migration] = MIGRATIONS,
        target_version: int = SCHEMA_VERSION,
        segments: int = 4,
        rate: Pacer | None = None,
        cache: Cache | None = None,
    ) -> None:
        self._config = config
        self._client = client
        self._cache = cache
        self._target = target_version
        self._segments = segments
        self._rate = rate or Pacer(None)
        self._lock = threading.Lock()
        self._by_table: dict[TableName, dict[int, Migration]] = {table: {} for table in TABLES}
        for migration in migrations:
            steps = self._by_table[migration.table]
            if migration.to_version in steps:
                raise ConfigurationError(f"two migrations take {migration.table} to version {migration.to_version}")
            steps[migration.to_version] = migration

    @cached_property
    def _items(self) -> Items:
        return Items(self._config, self._client)

    def run(self, *, dry_run: bool = False, report: Report = silent) -> MigrationReport:
        """Upgrade every item that is due; with ``dry_run`` only count them.

        Raises:
            ConfigurationError: A table is missing.
            ItemTooLarge: An upgraded item would be over 400 KB. Items upgraded before it stay upgraded.
            CacheUnavailable: The cache cannot be reached.
        """
        with clearing(None if dry_run else self._cache, self._config):
            return self._run(dry_run=dry_run, report=report)

    def _run(self, *, dry_run: bool, report: Report) -> MigrationReport:
        found = MigrationReport(target_version=self._target)
        for table in TABLES:
            for counts in (found.looked_at, found.due, found.upgraded, found.newer):
                counts[table] = 0

            # If each segment returns everything, items would be counted several times.
            apart = divides(self._items.client, self._items.name(table), table, self._segments, rate=self._rate)
            segments = 1 if apart is False else self._segments

            def worker(segment: int, segments: int = segments, table: TableName = table) -> Callable[[], None]:
                return lambda: self._run_segment(table, (segment, segments), found, dry_run=dry_run, report=report)

            gather(*(worker(segment) for segment in range(segments)))
        return found

    def upgraded(self, table: TableName, item: Item) -> Item:
        """The item, upgraded to the target version."""
        version = _version_of(item)
        for step in range(version + 1, self._target + 1):
            migration = self._by_table[table].get(step)
            if migration is not None:
                item = migration.upgrade(deepcopy(item))
        return {**item, _VERSION: {"N": str(self._target)}}

    def _run_segment(
        self, table: TableName, part: tuple[int, int], found: MigrationReport, *, dry_run: bool, report: Report
    ) -> None:
        name = self._items.name(table)
        segment, segments = part
        pages = scan(self._items.client, name, rate=self._rate, segment=segment, segments=segments)
        for page in pages:
            for item in page.items:
                version = _version_of(item)
                if version > self._target:
                    self._count(found.newer, table)
                elif version < self._target:
                    self._count(found.due, table)
                    if not dry_run and self._upgrade(table, name, item):
                        self._count(found.upgraded, table)
            with self._lock:
                found.looked_at[table] += len(page.items)
                verb = "count" if dry_run else "migrate"
                report(Progress(task=f"{verb} {table}", done=found.looked_at[table]))

    def _upgrade(self, table: TableName, name: str, item: Item) -> bool:
        """Upgrade one item; ``False`` if it was deleted, or upgraded by another run."""
        key = self._items.key_of(table, item)
        reads = {read for migration in self._by_table[table].values() for read in migration.reads}
        for _ in range(_TRIES):
            after = self.upgraded(table, item)
            check_item_size(after, f"the upgraded item of {table}")
            self._rate.wait()
            try:
                self._items.client.call("UpdateItem", update_request(name, key, item, after, reads))
            except ConditionFailed as error:
                if error.item is None:
                    return False
                item = error.item
                if _version_of(item) >= self._target:
                    return False
            else:
                self._rate.spend(2.0)
                return True
        raise VersionConflict(f"an item of {name} changes too often to be upgraded; run the migration again later")

    def _count(self, counts: dict[TableName, int], table: TableName) -> None:
        with self._lock:
            counts[table] += 1


def _version_of(item: Item) -> int:
    """The version under which an item was written; 0 if it has none."""
    number = item.get(_VERSION, {}).get("N", "0")
    return int(number) if number.isdecimal() else 0


def update_request(name: str, key: Item, before: Item, after: Item, reads: set[str]) -> dict[str, Any]:
    """The ``UpdateItem`` that turns ``before`` into ``after``, if the attributes it changes or reads are still equal.

    Other attributes may change in the meantime.
    """
    if any(before.get(attribute) != after.get(attribute) for attribute in key):
        raise ConfigurationError("a migration must not change an item's key: write a new item instead")
    touched = sorted(attribute for attribute in {*before, *after} if before.get(attribute) != after.get(attribute))
    # Numbered, because attributes that something else wrote may have names that are invalid in an expression.
    short = {attribute: f"a{index}" for index, attribute in enumerate(sorted({*touched, *reads, *key}))}
    condition, values = unchanged(
        {short[attribute]: value for attribute, value in before.items() if attribute in short},
        [one for attribute, one in short.items() if attribute not in key],
    )
    sets = {short[attribute]: after[attribute] for attribute in touched if attribute in after}
    removes = [f"#{short[attribute]}" for attribute in touched if attribute not in after]
    expression = f"SET {', '.join(f'#{one} = :new_{one}' for one in sets)}"
    if removes:
        expression += f" REMOVE {', '.join(removes)}"
    return update(
        name,
        key,
        expression,
        " AND ".join([*(f"attribute_exists(#{short[attribute]})" for attribute in key), condition]),
        {**values, **{f":new_{one}": value for one, value in sets.items()}},
        names={f"#{one}": attribute for attribute, one in short.items()},
    )
