"""Backups of all tables together, and what a restore needs so that it revives nothing.

DynamoDB backs up and restores single tables. Here five on-demand backups of one name are a *set*, and point-in-time
recovery restores all five tables to one instant. A restore makes new tables under another prefix; DynamoDB leaves out
TTL, point-in-time recovery, tags, streams, autoscaling and deletion protection, which are put back. Then every user's
session epoch is moved on and the one-time tokens are deleted: without that, a session that was revoked after the
backup, or a token that was used after it, would be good again. At the end :func:`~torii_dynamodb.admin.verify.verify`
tells whether users, identities and sessions agree.

The backups of a set are some seconds apart, so a user who registered in between may be found half there; an instant of
point-in-time recovery is the same for all tables.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from torii_dynamodb._core.times import to_text
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ConditionFailed
from torii_dynamodb._wire.json import list_of, object_of
from torii_dynamodb.admin.autoscaling import AutoscalingAdmin, TargetState
from torii_dynamodb.admin.control import Control
from torii_dynamodb.admin.options import TableOptions, with_table
from torii_dynamodb.admin.planning import billing_of
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import RateLimit, scan
from torii_dynamodb.admin.tables import AdminTables, recovery_of
from torii_dynamodb.admin.verify import Verification, verify
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError, NotFound, ValidationError

__all__ = ["BackupSet", "Backups", "Recovery", "RestoreReport", "TableBackup", "bump_epochs"]

# API Reference, CreateBackup: BackupName. Room is left for the table's name behind a dot.
_SET_NAME = re.compile(r"[A-Za-z0-9_.-]{1,230}")
_MARK = "restored_by"
# The time of an item is its writer's, that of a table AWS'.
_CLOCKS_DIFFER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBackup:
    """One table's part of a set.

    Args:
        table: The table, without the prefix.
        arn: The backup's ARN.
        status: ``CREATING``, ``AVAILABLE`` or ``DELETED``.
        created_at: When it was asked for: what it holds.
        bytes: Its size; 0 while it is being made.
    """

    table: TableName
    arn: str
    status: str
    created_at: datetime
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSet:
    """On-demand backups of one name.

    Args:
        name: The name.
        backups: By table. If a table was backed up twice under the name, the newest.
        others: Older backups of tables that are there twice.
    """

    name: str
    backups: Mapping[TableName, TableBackup]
    others: tuple[TableBackup, ...] = ()

    @property
    def missing(self) -> tuple[TableName, ...]:
        """Tables that the set has no backup of."""
        return tuple(table for table in TABLES if table not in self.backups)

    @property
    def complete(self) -> bool:
        """Whether it can be restored: every table is there and available."""
        return not self.missing and all(one.status == "AVAILABLE" for one in self.backups.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A table's point-in-time recovery.

    Args:
        table: The table, without the prefix.
        name: Its name on DynamoDB.
        enabled: Whether it is on.
        earliest: The earliest instant that can be restored.
        latest: The latest; usually five minutes ago.
        days: How many days back it reaches.
    """

    table: TableName
    name: str
    enabled: bool
    earliest: datetime | None = None
    latest: datetime | None = None
    days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore came to.

    Args:
        tables: The new tables' names.
        put_back: What was put back, a sentence each.
        users: How many users' sessions were ended by this run; those of an interrupted run are done already.
        tokens: How many one-time tokens were deleted by this run.
        verification: Whether users, identities and sessions agree.
    """

    tables: tuple[str, ...]
    put_back: tuple[str, ...]
    users: int
    tokens: int
    verification: Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What a table is restored from."""

    operation: str
    parameters: dict[str, Any]
    matches: dict[str, Any] = field(default_factory=dict[str, Any])


class Backups:
    """Makes, lists, deletes and restores backups of all tables.

    Args:
        config: Where the tables are.
        client: The client.
        control: How DynamoDB is waited for.
        autoscaling: Shows and registers autoscaling; ``None``: one is made when it is needed.
    """

    def __init__(
        self,
        config: DynamoDbConfig,
        client: Client,
        *,
        control: Control | None = None,
        autoscaling: Any = None,
    ) -> None:
        self.config = config
        self._client = client
        self._control = control or Control(client)
        self._autoscaling = autoscaling

    @classmethod
    @contextmanager
    def open(cls, config: DynamoDbConfig) -> Generator[Backups]:
        """Open a client for as long as the ``with`` statement runs."""
        client = Client(config)
        try:
            yield cls(config, client)
        finally:
            client.close()

    def recovery(self) -> list[Recovery]:
        """The point-in-time recovery of every table.

        Raises:
            ConfigurationError: A table is missing.
            RequestRejected: The endpoint offers none (an emulator).
        """
        return [self._recovery(table) for table in TABLES]

    def set_recovery(self, *, enabled: bool, days: int | None = None) -> list[TableName]:
        """Switch point-in-time recovery of all tables on or off.

        Returns:
            The tables that were changed.
        """
        options = TableOptions(point_in_time_recovery=enabled, recovery_days=days)
        changed: list[TableName] = []
        for table in TABLES:
            found = self._recovery(table)
            if found.enabled != enabled or (enabled and days is not None and found.days != days):
                step = _recovery_step(self.config, table, options)
                self._control.call("UpdateContinuousBackups", step)
                changed.append(table)
        return changed

    def create(self, name: str, *, report: Report = silent) -> BackupSet:
        """Back up all tables as one set, and wait until it can be restored.

        Run again after an interruption, it adds what is missing.

        Raises:
            ValidationError: The name cannot be used.
            ConfigurationError: A table is missing; or the set is complete already.
        """
        _check_name(name)
        found = self.find(name)
        if found is not None and found.complete:
            raise ConfigurationError(f"there is a backup set {name!r} already; give another name, or delete it first")
        wanted = TABLES if found is None else found.missing
        # All at once, and users before identities: an address that is claimed twice is worse than one not claimed.
        for table in wanted:
            full_name = self.config.table_name(table)
            self._control.call("CreateBackup", {"TableName": full_name, "BackupName": f"{name}.{table}"})
        made: BackupSet | None = None

        def complete() -> bool:
            nonlocal made
            made = self.find(name)
            ready = [] if made is None else [one for one in made.backups.values() if one.status == "AVAILABLE"]
            report(Progress(task=f"back up as {name}", done=len(ready), total=len(TABLES), unit="tables"))
            return made is not None and made.complete

        self._control.wait(complete, f"the backup set {name!r} to be available")
        assert made is not None
        return made

    def sets(self) -> list[BackupSet]:
        """All backup sets of these tables, those not complete included; by name.

        Backups that are not named ``SET.TABLE`` are somebody else's and left out.
        """
        found: dict[str, list[TableBackup]] = {}
        for table in TABLES:
            for given in self._list(self.config.table_name(table)):
                set_name, dot, suffix = str(given["BackupName"]).rpartition(".")
                if dot and suffix == table and given.get("BackupStatus") != "DELETED":
                    found.setdefault(set_name, []).append(_backup(table, given))
        return [_make_set(name, backups) for name, backups in sorted(found.items())]

    def find(self, name: str) -> BackupSet | None:
        """A set by its name; ``None`` if there is none."""
        return next((one for one in self.sets() if one.name == name), None)

    def delete(self, name: str) -> BackupSet:
        """Delete all backups of a set. Run again after an interruption, it deletes the rest.

        Raises:
            NotFound: There is no such set.
        """
        found = self.require(name)
        for one in (*found.backups.values(), *found.others):
            self._control.call("DeleteBackup", {"BackupArn": one.arn}, taken=frozenset({"BackupNotFoundException"}))
        return found

    def restore_set(self, name: str, to_prefix: str, **options: Any) -> RestoreReport:
        """Restore a set under a new prefix; ``options`` are those of :meth:`restore_instant`.

        Raises:
            NotFound: There is no such set.
            ConfigurationError: It is not complete; or as :meth:`restore_instant`.
        """
        found = self.require(name)
        if not found.complete:
            lacking = ", ".join(found.missing) or "some are not available yet"
            raise ConfigurationError(f"the backup set {name!r} is not complete: {lacking}")
        sources: dict[TableName, _Source] = {
            table: _Source(
                operation="RestoreTableFromBackup",
                parameters={"BackupArn": one.arn},
                matches={"SourceBackupArn": one.arn},
            )
            for table, one in found.backups.items()
        }
        return self._restore(sources, to_prefix, **options)

    def restore_instant(
        self,
        instant: datetime | None,
        to_prefix: str,
        *,
        options: TableOptions | None = None,
        rate: RateLimit | None = None,
        report: Report = silent,
    ) -> RestoreReport:
        """Restore all tables to one instant under a new prefix, and make them safe to use.

        Settings come from the source tables where they still exist. Run again after an interruption, with the same
        arguments, it goes on: tables already restored from the same source are kept.

        Args:
            instant: Which instant; ``None``: the latest that all tables have.
            to_prefix: The new tables' prefix.
            options: Settings for the new tables, over the source's.
            rate: Limits the reads and writes on the restored items, in capacity units.
            report: Told how far it is.

        Raises:
            ConfigurationError: Point-in-time recovery is off, the instant is out of its reach, or a table of the new
                prefix exists that is no restore of the same source.
        """
        begun = self._begun(to_prefix)
        if instant is None:
            instant = begun
        elif begun is not None and abs(begun - instant) >= timedelta(seconds=2):
            raise ConfigurationError(
                f"tables with the prefix {to_prefix!r} are being restored to {to_text(begun)}, not to "
                f"{to_text(instant)}; give that instant, or another prefix"
            )
        found = self.recovery()
        off = [one.name for one in found if not one.enabled]
        if off:
            raise ConfigurationError(
                f"point-in-time recovery is off: {', '.join(off)}; switch it on with: torii-dynamodb backup pitr on "
                "(it reaches back to that moment, no further)"
            )
        earliest = max((one.earliest for one in found if one.earliest is not None), default=None)
        latest = min((one.latest for one in found if one.latest is not None), default=None)
        chosen = instant or latest
        if chosen is None:
            raise ConfigurationError("no instant can be restored yet; try again in some minutes")
        chosen = chosen.astimezone(UTC)
        # DynamoDB restores to whole seconds.
        if (earliest and chosen < earliest - timedelta(seconds=1)) or (
            latest and chosen > latest + timedelta(seconds=1)
        ):
            reach = " to ".join(to_text(one) if one else "?" for one in (earliest, latest))
            raise ConfigurationError(f"{to_text(chosen)} cannot be restored; all tables together reach from {reach}")
        sources: dict[TableName, _Source] = {
            table: _Source(
                operation="RestoreTableToPointInTime",
                parameters={
                    "SourceTableName": self.config.table_name(table),
                    "RestoreDateTime": chosen.replace(microsecond=0).timestamp(),
                },
                matches={"SourceTable": self.config.table_name(table)},
            )
            for table in TABLES
        }
        return self._restore(sources, to_prefix, options=options, rate=rate, report=report)

    def restore_plan(self, name: str | None, to_prefix: str) -> list[str]:
        """What a restore would do, a sentence each. Nothing is changed.

        Args:
            name: The set; ``None``: an instant.
            to_prefix: The new tables' prefix.
        """
        target = self._target(to_prefix)
        source = f"backup set {name!r}" if name is not None else "point-in-time recovery"
        told: list[str] = []
        for table in TABLES:
            new_name = target.table_name(table)
            there = self._control.describe(new_name) is not None
            verb = "is there already: kept if it is a restore of the same" if there else "restore from"
            told.append(f"table {new_name}: {verb} {source}")
        settings, _ = self._settings(report=silent)
        for table in TABLES:
            managed = settings.for_table(table).to_mapping()
            told.append(
                f"table {target.table_name(table)}: put back TTL as in the schema, and {managed or 'nothing else'}"
            )
        told.append("end every user's sessions, delete all one-time tokens, verify")
        return told

    def _restore(
        self,
        sources: Mapping[TableName, _Source],
        to_prefix: str,
        *,
        options: TableOptions | None = None,
        rate: RateLimit | None = None,
        report: Report = silent,
    ) -> RestoreReport:
        target = self._target(to_prefix)
        self._start(sources, target, report)
        settings, scaling = self._settings(report=report)
        put_back = self._put_back(target, merged(settings, options or TableOptions()), scaling, report)
        limit = rate or RateLimit(None)
        made = self._control.wait_for_table(target.table_name("users"))
        # Names this restore and no other: a later one of restored tables must end the sessions made in between.
        mark = str(made.get("TableId") or f"{made['TableArn']} {made['CreationDateTime']}")
        users = bump_epochs(target, self._client, mark=mark, rate=limit, report=report)
        tokens = self._delete_tokens(target, limit, report)
        return RestoreReport(
            tables=tuple(target.table_name(table) for table in TABLES),
            put_back=put_back,
            users=users,
            tokens=tokens,
            verification=verify(target, self._client, rate=limit, report=report),
        )

    def _begun(self, to_prefix: str) -> datetime | None:
        """The instant that an interrupted restore to this prefix was for."""
        target = self._target(to_prefix)
        for table in TABLES:
            description = self._control.describe(target.table_name(table))
            summary = object_of((description or {}).get("RestoreSummary"))
            if summary and "SourceBackupArn" not in summary:
                return _moment(summary.get("RestoreDateTime"))
        return None

    def _target(self, to_prefix: str) -> DynamoDbConfig:
        target = replace(self.config, table_prefix=to_prefix, table_names=MappingProxyType({}))
        taken = [name for name in (target.table_name(one) for one in TABLES) if name in self._own_names()]
        if taken:
            raise ConfigurationError(
                f"a restore makes new tables: {', '.join(taken)} are the source; give another prefix"
            )
        return target

    def _own_names(self) -> set[str]:
        return {self.config.table_name(table) for table in TABLES}

    def _start(self, sources: Mapping[TableName, _Source], target: DynamoDbConfig, report: Report) -> None:
        names = {table: target.table_name(table) for table in TABLES}
        there: dict[TableName, dict[str, Any] | None] = {
            table: self._control.describe(names[table]) for table in TABLES
        }
        # First look at all, then begin: a table in the way must not leave a half restore behind.
        for table, description in there.items():
            if description is not None and not _is_restore_of(description, sources[table].matches):
                raise ConfigurationError(
                    f"table {names[table]} exists and is no restore of this source; give another prefix, or delete it"
                )
        for table in TABLES:
            if there[table] is None:
                source = sources[table]
                self._control.call(
                    source.operation,
                    {"TargetTableName": names[table], **source.parameters},
                    taken=frozenset({"TableAlreadyExistsException"}),
                )
        for done, table in enumerate(TABLES):
            report(Progress(task=f"restore under {target.table_prefix}", done=done, total=len(TABLES), unit="tables"))
            self._control.wait_for_table(names[table])
        report(
            Progress(task=f"restore under {target.table_prefix}", done=len(TABLES), total=len(TABLES), unit="tables")
        )

    def _settings(self, *, report: Report) -> tuple[TableOptions, list[TargetState]]:
        """The source tables' settings that a restore loses, as far as the tables still exist."""
        options = TableOptions()
        for state in AdminTables(self.config, self._client, control=self._control).observe():
            if state.description is None:
                continue
            stream = object_of(state.description.get("StreamSpecification"))
            recovery = state.recovery
            on = recovery is not None and recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
            options = with_table(
                options,
                state.table,
                point_in_time_recovery=on or None,
                recovery_days=(recovery or {}).get("RecoveryPeriodInDays") if on else None,
                tags={key: value for key, value in state.tags.items() if not key.lower().startswith("aws:")},
                stream=stream.get("StreamViewType") if stream.get("StreamEnabled") else None,
                deletion_protection=bool(state.description.get("DeletionProtectionEnabled")) or None,
            )
        provisioned = any(
            (found := self._control.describe(name)) is not None and billing_of(found) == "provisioned"
            for name in sorted(self._own_names())
        )
        if not provisioned:
            return options, []
        report(Progress(task="read autoscaling", done=0, total=1, unit="steps"))
        return options, [state for state in self._scaler(self.config).describe() if state.scaling is not None]

    def _scaler(self, config: DynamoDbConfig) -> AutoscalingAdmin:
        return AutoscalingAdmin(config, self._client, service=self._autoscaling)

    def _put_back(
        self, target: DynamoDbConfig, options: TableOptions, scaling: list[TargetState], report: Report
    ) -> tuple[str, ...]:
        tables = AdminTables(target, self._client, control=self._control)
        plan = tables.ensure(options, report=report)
        told = [step.summary for step in plan.steps]
        scaler = self._scaler(target)
        for state in scaling:
            assert state.scaling is not None
            moved = replace(state.target, name=target.table_name(state.target.table))
            found = self._control.describe(moved.name)
            if found is None or billing_of(found) == "on_demand":
                continue
            scaler.register_target(moved, state.scaling)
            told.append(f"autoscaling of {moved}")
            for action in state.actions:
                scaler.schedule(moved, action)
                told.append(f"scheduled action {action.name} of {moved}")
        return tuple(told)

    def _delete_tokens(self, target: DynamoDbConfig, rate: RateLimit, report: Report) -> int:
        """Delete the tokens that came with the restore, and none issued since, should the tables be in use already."""
        name, deleted = target.table_name("tokens"), 0
        born = _moment(self._control.wait_for_table(name)["CreationDateTime"])
        assert born is not None
        before = to_text(born + _CLOCKS_DIFFER)
        for page in scan(self._client, name, rate=rate):
            old = [item["id"] for item in page.items if item.get("created_at", {}).get("S", "") < before]
            rate.wait()
            self._client.batch_write([(name, {"DeleteRequest": {"Key": {"id": key}}}) for key in old])
            rate.spend(len(old))
            deleted += len(old)
            report(Progress(task="delete one-time tokens", done=deleted))
        return deleted

    def _recovery(self, table: TableName) -> Recovery:
        name = self.config.table_name(table)
        found = recovery_of(self._control, name)
        if found is None:
            # Asked once more for the error that says why.
            self._control.call("DescribeContinuousBackups", {"TableName": name})
        given = found or {}
        return Recovery(
            table=table,
            name=name,
            enabled=given.get("PointInTimeRecoveryStatus") == "ENABLED",
            earliest=_moment(given.get("EarliestRestorableDateTime")),
            latest=_moment(given.get("LatestRestorableDateTime")),
            days=given.get("RecoveryPeriodInDays"),
        )

    def require(self, name: str) -> BackupSet:
        """A set by its name.

        Raises:
            NotFound: There is no such set; the message names those there are.
        """
        found = self.find(name)
        if found is None:
            known = ", ".join(one.name for one in self.sets()) or "none"
            raise NotFound("backup set", f"there is no backup set {name!r} of these tables (there is: {known})")
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


def bump_epochs(
    config: DynamoDbConfig,
    client: Client,
    *,
    mark: str,
    rate: RateLimit | None = None,
    report: Report = silent,
) -> int:
    """End every user's sessions, and everything else bound to the session epoch, once for each ``mark``.

    The epoch moves on by a random step, not by one: the source may have used the next epochs since the backup, and a
    session of one of them must not become valid here.

    Args:
        config: Where the tables are.
        client: The client.
        mark: Names the occasion. A user that carries it already is left alone, so an interrupted run can be repeated.
        rate: Limits the work, in capacity units.
        report: Told how far it is.

    Returns:
        How many users this run changed.
    """
    limit = rate or RateLimit(None)
    name, changed, seen = config.table_name("users"), 0, 0
    for page in scan(client, name, rate=limit):
        for item in page.items:
            seen += 1
            if item.get(_MARK, {}).get("S") == mark:
                continue
            limit.wait()
            try:
                client.call("UpdateItem", _bump(name, item["id"]["S"], mark, config))
            except ConditionFailed:
                # Deleted, or done by another run.
                continue
            limit.spend(2.0)
            changed += 1
        report(Progress(task="end sessions", done=seen, unit="users"))
    return changed


def _bump(table_name: str, user_id: str, mark: str, config: DynamoDbConfig) -> dict[str, Any]:
    step = 2 + int.from_bytes(config.random(5))
    return {
        "TableName": table_name,
        "Key": {"id": {"S": user_id}},
        "UpdateExpression": "SET #session_epoch = if_not_exists(#session_epoch, :zero) + :step, "
        "#version = if_not_exists(#version, :zero) + :one, #updated_at = :now, #mark = :mark",
        "ConditionExpression": "attribute_exists(#id) AND (attribute_not_exists(#mark) OR #mark <> :mark)",
        "ExpressionAttributeNames": {
            "#id": "id",
            "#session_epoch": "session_epoch",
            "#version": "version",
            "#updated_at": "updated_at",
            "#mark": _MARK,
        },
        "ExpressionAttributeValues": {
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
            ":step": {"N": str(step)},
            ":now": {"S": to_text(config.clock())},
            ":mark": {"S": mark},
        },
    }


def merged(base: TableOptions, over: TableOptions) -> TableOptions:
    """The options, each of ``over`` that is managed before that of ``base``, by table."""
    result = TableOptions()
    for table in TABLES:
        mine, theirs = base.for_table(table), over.for_table(table)
        names = [one.name for one in fields(TableOptions) if one.name != "per_table"]
        chosen = {name: getattr(theirs, name) or getattr(mine, name) for name in names}
        chosen |= {name: getattr(theirs, name) for name in names if getattr(theirs, name) is False}
        if not chosen["point_in_time_recovery"]:
            chosen["recovery_days"] = None
        result = with_table(result, table, **chosen)
    return result


def _is_restore_of(description: Mapping[str, Any], matches: Mapping[str, Any]) -> bool:
    summary = object_of(description.get("RestoreSummary"))
    if "SourceBackupArn" in matches:
        return bool(summary.get("SourceBackupArn") == matches["SourceBackupArn"])
    arn = str(summary.get("SourceTableArn", ""))
    return "SourceBackupArn" not in summary and bool(arn.endswith(f":table/{matches['SourceTable']}"))


def _recovery_step(config: DynamoDbConfig, table: TableName, options: TableOptions) -> dict[str, Any]:
    body: dict[str, Any] = {"PointInTimeRecoveryEnabled": bool(options.point_in_time_recovery)}
    if options.recovery_days is not None:
        body["RecoveryPeriodInDays"] = options.recovery_days
    return {"TableName": config.table_name(table), "PointInTimeRecoverySpecification": body}


def _make_set(name: str, backups: list[TableBackup]) -> BackupSet:
    newest: dict[TableName, TableBackup] = {}
    others: list[TableBackup] = []
    for one in sorted(backups, key=lambda backup: backup.created_at, reverse=True):
        if one.table in newest:
            others.append(one)
        else:
            newest[one.table] = one
    ordered: dict[TableName, TableBackup] = {table: newest[table] for table in TABLES if table in newest}
    return BackupSet(name=name, backups=MappingProxyType(ordered), others=tuple(others))


def _backup(table: TableName, given: Mapping[str, Any]) -> TableBackup:
    created = _moment(given.get("BackupCreationDateTime"))
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


def _moment(seconds: Any) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(float(seconds), UTC)
