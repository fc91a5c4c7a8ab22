"""Backups of all tables together, and restores that bring nothing back to life.

DynamoDB backs up and restores single tables. Here, five on-demand backups with one name form a *set*, and point-in-time
recovery restores all five tables to one instant. A restore makes new tables under another prefix. DynamoDB does not
restore TTL, point-in-time recovery, tags, streams, autoscaling and deletion protection, so these are put back. Then
every user's session epoch is increased and the one-time tokens are deleted; otherwise a session that was revoked after
the backup, or a token that was used after it, would be valid again. Finally,
:func:`~torii_dynamodb.admin.verify.verify` checks that users, identities and sessions agree.

The backups of a set are some seconds apart, so a set may contain only part of a user who registered in between. With
point-in-time recovery, the instant is the same for all tables.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from torii_dynamodb._rules.times import to_text
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.json import list_of
from torii_dynamodb.admin.control import Control, Occupied, open_client
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.planning import TableState, recovery_is_on, recovery_steps
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.restoring import Restorer, RestoreReport, Source, moment_of
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.tables import recovery_of
from torii_dynamodb.config import TABLES, DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError, NotFound, ValidationError

__all__ = ["BackupSet", "Backups", "Recovery", "TableBackup"]

# API Reference, CreateBackup: BackupName, with room for a dot and the table's name.
_SET_NAME = re.compile(r"[A-Za-z0-9_.-]{1,230}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBackup:
    """One table's part of a set.

    Args:
        table: The table, without the prefix.
        arn: The backup's ARN.
        status: ``CREATING``, ``AVAILABLE`` or ``DELETED``.
        created_at: When it was requested: it contains the table as of then.
        bytes: Its size; 0 while it is being made.
    """

    table: StoredTable
    arn: str
    status: str
    created_at: datetime
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSet:
    """On-demand backups with one name.

    Args:
        name: The name.
        backups: By table; the newest if a table was backed up twice under the name.
        others: Older backups of such tables.
        tables: The tables that a complete set has backups of.
    """

    name: str
    backups: Mapping[StoredTable, TableBackup]
    others: tuple[TableBackup, ...] = ()
    tables: tuple[StoredTable, ...] = TABLES

    @property
    def every(self) -> tuple[TableBackup, ...]:
        """All its backups."""
        return (*self.backups.values(), *self.others)

    @property
    def missing(self) -> tuple[StoredTable, ...]:
        """Tables that the set has no backup of."""
        return tuple(table for table in self.tables if table not in self.backups)

    @property
    def complete(self) -> bool:
        """Whether it can be restored: every table has an available backup."""
        return not self.missing and all(one.status == "AVAILABLE" for one in self.backups.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A table's point-in-time recovery.

    Args:
        table: The table, without the prefix.
        name: Its name on DynamoDB.
        enabled: Whether it is on.
        earliest: The earliest instant that can be restored.
        latest: The latest instant; usually five minutes ago.
        days: The recovery period in days.
    """

    table: StoredTable
    name: str
    enabled: bool
    earliest: datetime | None = None
    latest: datetime | None = None
    days: int | None = None


class Backups:
    """Makes, lists, deletes and restores backups of all tables.

    Args:
        config: Where the tables are.
        client: The client.
        control: Calls DynamoDB and waits for it.
        autoscaling: boto3's client of Application Auto Scaling; ``None``: one is made when it is needed.
        cache: The application's cache of session checks, for :meth:`restore`.
    """

    def __init__(
        self,
        config: DynamoDbConfig,
        client: Client,
        *,
        control: Control | None = None,
        autoscaling: Any = None,
        cache: Cache | None = None,
    ) -> None:
        self.config = config
        self._client = client
        self._control = control or Control(client)
        self._autoscaling = autoscaling
        self._cache = cache

    @classmethod
    @contextmanager
    def open(cls, config: DynamoDbConfig, *, cache: Cache | None = None) -> Generator[Backups]:
        """Open a client for as long as the ``with`` statement runs."""
        with open_client(config) as client:
            yield cls(config, client, cache=cache)

    def require_tables(self) -> None:
        """Check that the tables exist.

        Raises:
            ConfigurationError: One is missing.
        """
        self._control.require_tables(self.config)

    def recovery(self) -> list[Recovery]:
        """The point-in-time recovery of every table.

        Raises:
            ConfigurationError: A table is missing.
            NotOffered: The endpoint does not offer it (an emulator).
        """
        return [self._recovery(table) for table in self.config.tables]

    def set_recovery(self, *, enabled: bool, days: int | None = None, dry_run: bool = False) -> list[StoredTable]:
        """Turn point-in-time recovery of all tables on or off.

        Args:
            enabled: On or off.
            days: The recovery period in days; ``None``: unchanged.
            dry_run: Change nothing; only return what would be changed.

        Returns:
            The tables that were (or would be) changed.
        """
        options = TableOptions(point_in_time_recovery=enabled, recovery_days=days)
        changed: list[StoredTable] = []
        for table in self.config.tables:
            name = self.config.table_name(table)
            state = TableState(table=table, name=name, recovery=recovery_of(self._control, name, required=True))
            for step in recovery_steps(state, options)[0]:
                if not dry_run:
                    self._control.call(step.operation, step.payload)
                changed.append(table)
        return changed

    def plan(self, name: str) -> tuple[StoredTable, ...]:
        """The tables that :meth:`create` would back up: all, or those missing after an interrupted run.

        Raises:
            ValidationError: The name is invalid.
            ConfigurationError: A table is missing, or the set is already complete.
        """
        _check_name(name)
        found = self.find(name)
        if found is not None and found.complete:
            raise Occupied(f"there is already a backup set {name!r}; give another name, or delete it first")
        wanted = self.config.tables if found is None else found.missing
        self._control.require_tables(self.config, wanted)
        return wanted

    def create(self, name: str, *, report: Report = silent) -> BackupSet:
        """Back up all tables as one set, and wait until it can be restored.

        After an interruption, run it again: it adds what is missing.

        Raises:
            ValidationError: The name is invalid.
            ConfigurationError: A table is missing, or the set is already complete.
        """
        wanted = self.plan(name)
        # All at once, and users before identities: an address claimed twice would be worse than one not claimed.
        for table in wanted:
            full_name = self.config.table_name(table)
            self._control.call("CreateBackup", {"TableName": full_name, "BackupName": f"{name}.{table}"})

        def complete() -> BackupSet | None:
            made = self.find(name)
            ready = [] if made is None else [one for one in made.backups.values() if one.status == "AVAILABLE"]
            report(Progress(task=f"back up as {name}", done=len(ready), total=len(self.config.tables), unit="tables"))
            return made if made is not None and made.complete else None

        return self._control.wait(complete, f"the backup set {name!r} to be available")

    def sets(self) -> list[BackupSet]:
        """All backup sets of these tables by name, including incomplete ones.

        Backups that are not named ``SET.TABLE`` are not ours, and are left out.
        """
        found: dict[str, list[TableBackup]] = {}
        for table in self.config.tables:
            for given in self._list(self.config.table_name(table)):
                set_name, dot, suffix = str(given["BackupName"]).rpartition(".")
                if dot and suffix == table and given.get("BackupStatus") != "DELETED":
                    found.setdefault(set_name, []).append(_backup(table, given))
        return [_make_set(name, backups, self.config.tables) for name, backups in sorted(found.items())]

    def find(self, name: str) -> BackupSet | None:
        """A set by its name; ``None`` if there is none."""
        return next((one for one in self.sets() if one.name == name), None)

    def delete(self, backup_set: BackupSet) -> None:
        """Delete all backups of a set. After an interruption, look the set up again and delete the rest."""
        for one in backup_set.every:
            self._control.call("DeleteBackup", {"BackupArn": one.arn}, taken=frozenset({"BackupNotFoundException"}))

    def restore(
        self,
        to_prefix: str,
        *,
        backup_set: str | None = None,
        instant: datetime | None = None,
        options: TableOptions | None = None,
        rate: Pacer | None = None,
        report: Report = silent,
    ) -> RestoreReport:
        """Restore all tables under a new prefix, from a set or to an instant, and make them safe to use.

        Settings are taken from the source tables if those still exist. After an interruption, run it again with the
        same arguments to resume: tables already restored from the same source are kept.

        Args:
            to_prefix: The new tables' prefix.
            backup_set: The name of a backup set; ``None``: point-in-time recovery.
            instant: The instant; ``None``: the latest one that all tables can be restored to.
            options: Settings for the new tables, in place of the source's.
            rate: Limits the reads and writes of restored items, in capacity units a second.
            report: Receives the progress.

        Raises:
            NotFound: There is no such set.
            ConfigurationError: The set is incomplete, point-in-time recovery is off, or a table with the new prefix
                is not a restore of the same source.
            ValidationError: The tables cannot be restored to the instant.
        """
        restorer, sources = self._restorer(to_prefix, backup_set, instant)
        return restorer.run(sources, options, rate=rate, report=report)

    def plan_restore(
        self,
        to_prefix: str,
        *,
        backup_set: str | None = None,
        instant: datetime | None = None,
        options: TableOptions | None = None,
    ) -> list[str]:
        """What :meth:`restore` would do, a sentence each; raises the same errors. Nothing is changed."""
        restorer, sources = self._restorer(to_prefix, backup_set, instant)
        return restorer.plan(sources, options)

    def _restorer(
        self, to_prefix: str, backup_set: str | None, instant: datetime | None
    ) -> tuple[Restorer, dict[StoredTable, Source]]:
        restorer = Restorer(self.config, self._client, self._control, to_prefix, self._autoscaling, self._cache)
        if backup_set is not None:
            return restorer, self._of_set(backup_set)
        begun = restorer.begun
        if instant is not None and begun is not None and abs(begun - instant) >= timedelta(seconds=2):
            raise Occupied(
                f"tables with the prefix {to_prefix!r} are being restored to {to_text(begun)}, not to "
                f"{to_text(instant)}; give that instant, or another prefix"
            )
        return restorer, self._of_instant(instant or begun)

    def _of_set(self, name: str) -> dict[StoredTable, Source]:
        found = self.require(name)
        if not found.complete:
            lacking = f"no {', '.join(found.missing)}" if found.missing else "some backups are not available yet"
            raise ConfigurationError(f"the backup set {name!r} is not complete: {lacking}")
        return {
            table: Source(
                operation="RestoreTableFromBackup",
                parameters={"BackupArn": one.arn},
                text=f"backup set {name!r}",
            )
            for table, one in found.backups.items()
        }

    def _of_instant(self, instant: datetime | None) -> dict[StoredTable, Source]:
        found = self.recovery()
        off = [one.name for one in found if not one.enabled]
        if off:
            raise ConfigurationError(
                f"point-in-time recovery is off: {', '.join(off)}; turn it on with: torii-dynamodb backup pitr on "
                "(it reaches back only to that moment)"
            )
        earliest = max((one.earliest for one in found if one.earliest is not None), default=None)
        latest = min((one.latest for one in found if one.latest is not None), default=None)
        chosen = instant or latest
        if chosen is None:
            raise ConfigurationError("no instant can be restored yet; try again in a few minutes")
        chosen = chosen.astimezone(UTC)
        # DynamoDB restores to whole seconds.
        if (earliest and chosen < earliest - timedelta(seconds=1)) or (
            latest and chosen > latest + timedelta(seconds=1)
        ):
            reach = " to ".join(to_text(one) if one else "?" for one in (earliest, latest))
            raise ValidationError(
                "instant",
                f"{to_text(chosen)} cannot be restored; all tables together can be restored to an instant from {reach}",
            )
        return {
            table: Source(
                operation="RestoreTableToPointInTime",
                parameters={
                    "SourceTableName": self.config.table_name(table),
                    "RestoreDateTime": chosen.replace(microsecond=0).timestamp(),
                },
                text=f"{self.config.table_name(table)} as of {to_text(chosen)}",
            )
            for table in self.config.tables
        }

    def _recovery(self, table: StoredTable) -> Recovery:
        name = self.config.table_name(table)
        given = recovery_of(self._control, name, required=True) or {}
        return Recovery(
            table=table,
            name=name,
            enabled=recovery_is_on(given),
            earliest=moment_of(given.get("EarliestRestorableDateTime")),
            latest=moment_of(given.get("LatestRestorableDateTime")),
            days=given.get("RecoveryPeriodInDays"),
        )

    def require(self, name: str) -> BackupSet:
        """A set by its name.

        Raises:
            NotFound: There is no such set; the message names the existing ones.
        """
        sets = self.sets()
        found = next((one for one in sets if one.name == name), None)
        if found is None:
            known = ", ".join(one.name for one in sets) or "none"
            raise NotFound("backup set", f"there is no backup set {name!r} of these tables (existing sets: {known})")
        return found

    def _list(self, table_name: str) -> Iterator[Mapping[str, Any]]:
        payload: dict[str, Any] = {"TableName": table_name, "BackupType": "USER"}
        while True:
            answer = self._control.call("ListBackups", payload)
            yield from list_of(answer.get("BackupSummaries"))
            last = answer.get("LastEvaluatedBackupArn")
            if not last:
                return
            payload["ExclusiveStartBackupArn"] = last


def _make_set(name: str, backups: list[TableBackup], tables: tuple[StoredTable, ...]) -> BackupSet:
    newest: dict[StoredTable, TableBackup] = {}
    others: list[TableBackup] = []
    for one in sorted(backups, key=attrgetter("created_at"), reverse=True):
        if one.table in newest:
            others.append(one)
        else:
            newest[one.table] = one
    ordered: dict[StoredTable, TableBackup] = {table: newest[table] for table in tables if table in newest}
    return BackupSet(name=name, backups=MappingProxyType(ordered), others=tuple(others), tables=tables)


def _backup(table: StoredTable, given: Mapping[str, Any]) -> TableBackup:
    created = moment_of(given.get("BackupCreationDateTime"))
    assert created is not None
    return TableBackup(
        table=table,
        arn=str(given["BackupArn"]),
        status=str(given.get("BackupStatus", "?")),
        created_at=created,
        bytes=int(given.get("BackupSizeBytes") or 0),
    )


def _check_name(name: str) -> None:
    if not _SET_NAME.fullmatch(name):
        raise ValidationError("name", f"{name!r}: give 1 to 230 of the characters A-Z a-z 0-9 _ - .")
