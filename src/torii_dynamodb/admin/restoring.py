"""The steps of a restore: make new tables, put their settings back, end every session, delete every one-time token.

:class:`~torii_dynamodb.admin.backups.Backups` chooses what is restored; its module explains why each step is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from torii_dynamodb._core.attributes import Attribute
from torii_dynamodb._core.expressions import update
from torii_dynamodb._core.tables import is_going
from torii_dynamodb._rules.times import to_text
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ConditionFailed
from torii_dynamodb._wire.json import object_of
from torii_dynamodb.admin.autoscaling import AutoscalingAdmin, TargetState
from torii_dynamodb.admin.caching import clearing
from torii_dynamodb.admin.control import Control, Occupied, if_offered, table_identity
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.options import TableOptions, with_table
from torii_dynamodb.admin.planning import billing_of, recovery_is_on, stream_view
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer, scan
from torii_dynamodb.admin.tables import AdminTables, recovery_of, tags_of
from torii_dynamodb.admin.verify import Verification, verify
from torii_dynamodb.config import DynamoDbConfig, StoredTable

__all__ = ["RestoreReport", "Restorer", "Source", "bump_epochs", "merged", "moment_of"]

_MARK = "restored_by"
_BUMP = (
    "SET #session_epoch = if_not_exists(#session_epoch, :zero) + :step, "
    f"#version = if_not_exists(#version, :zero) + :one, #updated_at = :now, #{_MARK} = :mark"
)
_NOT_MARKED = f"attribute_exists(#id) AND (attribute_not_exists(#{_MARK}) OR #{_MARK} <> :mark)"
# An item's time is from its writer's clock, a table's from AWS'.
_CLOCKS_DIFFER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """The result of a restore.

    Args:
        tables: The new tables' names.
        put_back: The settings that were put back, a sentence each.
        users: How many users' sessions this run ended, without those that an interrupted run ended before.
        tokens: How many one-time tokens this run deleted.
        verification: Whether users, identities and sessions agree.
    """

    tables: tuple[str, ...]
    put_back: tuple[str, ...]
    users: int
    tokens: int
    verification: Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of a restored table.

    Args:
        operation: DynamoDB's name for the request.
        parameters: Its parameters, without the new table's name.
        text: What it is, for messages.
    """

    operation: str
    parameters: dict[str, Any]
    text: str

    def made(self, description: Mapping[str, Any]) -> bool:
        """Whether a described table is a restore of this."""
        summary = object_of(description.get("RestoreSummary"))
        backup = summary.get("SourceBackupArn")
        if "BackupArn" in self.parameters:
            return bool(backup == self.parameters["BackupArn"])
        arn = str(summary.get("SourceTableArn", ""))
        return backup is None and arn.endswith(f":table/{self.parameters['SourceTableName']}")


class Restorer:
    """Restores tables under another prefix.

    Args:
        config: Where the source tables are, or were.
        client: The client.
        control: Waits for DynamoDB.
        to_prefix: The new tables' prefix.
        autoscaling: boto3's client of Application Auto Scaling; ``None``: one is made when it is needed.
        cache: The application's cache of session checks. It is cleared of what earlier tables of the new names have
            left.

    Raises:
        ConfigurationError: A new table would have the name of its source.
    """

    def __init__(
        self,
        config: DynamoDbConfig,
        client: Client,
        control: Control,
        to_prefix: str,
        autoscaling: Any,
        cache: Cache | None = None,
    ) -> None:
        self._config = config
        self._client = client
        self._control = control
        self._autoscaling = autoscaling
        self._cache = cache
        self._target = config.renamed(to_prefix)
        self._names: dict[StoredTable, str] = {table: self._target.table_name(table) for table in config.tables}
        taken = sorted({config.table_name(table) for table in config.tables} & {*self._names.values()})
        if taken:
            raise Occupied(
                f"a restore makes new tables, and these are its source: {', '.join(taken)}; give another prefix"
            )

    @cached_property
    def _found(self) -> dict[StoredTable, dict[str, Any] | None]:
        """The existing tables with the new names."""
        return {table: self._control.describe(name) for table, name in self._names.items()}

    @property
    def begun(self) -> datetime | None:
        """The instant of an interrupted restore to this prefix."""
        summaries = (object_of((found or {}).get("RestoreSummary")) for found in self._found.values())
        begun = (one.get("RestoreDateTime") for one in summaries if one and "SourceBackupArn" not in one)
        return moment_of(next(begun, None))

    def plan(self, sources: Mapping[StoredTable, Source], options: TableOptions | None = None) -> list[str]:
        """What :meth:`run` would do, a sentence each. Nothing is changed.

        Raises:
            ConfigurationError: As :meth:`run`.
        """
        missing = self._missing(sources)
        told = [
            f"table {name}: "
            + (f"restore from {sources[table].text}" if table in missing else "is already restored, and is kept")
            for table, name in self._names.items()
        ]
        settings, scaling = self._settings(silent)
        settings = merged(settings, options or TableOptions(), self._config.tables)
        for table, name in self._names.items():
            managed = settings.for_table(table).to_mapping()
            told.append(f"table {name}: put back TTL as in the schema, and {managed or 'nothing else'}")
        if scaling:
            told.append(f"put back autoscaling of {len(scaling)} tables and indexes, with its scheduled actions")
        told.append("end every user's sessions, delete all one-time tokens, verify")
        return told

    def run(
        self,
        sources: Mapping[StoredTable, Source],
        options: TableOptions | None = None,
        *,
        rate: Pacer | None = None,
        report: Report = silent,
    ) -> RestoreReport:
        """Restore, put the settings back, end sessions, delete tokens, verify. Run it again to resume.

        Raises:
            ConfigurationError: A table of the new prefix exists that is not a restore of the same source.
            CacheUnavailable: The cache cannot be reached.
        """
        with clearing(self._cache, self._target):
            return self._run(sources, options, rate, report)

    def _run(
        self, sources: Mapping[StoredTable, Source], options: TableOptions | None, rate: Pacer | None, report: Report
    ) -> RestoreReport:
        restored = self._restore(sources, report)
        settings, scaling = self._settings(report)
        put_back = self._put_back(
            restored, merged(settings, options or TableOptions(), self._config.tables), scaling, report
        )
        limit = rate or Pacer(None)
        # The mark identifies this restore: a later restore of these tables must end the sessions made in between.
        mark = table_identity(restored[self._config.tables[0]])
        users = bump_epochs(self._target, self._client, mark=mark, rate=limit, report=report)
        born = datetime.fromtimestamp(float(restored[self._config.tables[-1]]["CreationDateTime"]), UTC)
        tokens = self._delete_tokens(born, limit, report)
        return RestoreReport(
            tables=tuple(self._names.values()),
            put_back=put_back,
            users=users,
            tokens=tokens,
            verification=verify(self._target, self._client, rate=limit, report=report),
        )

    def _missing(self, sources: Mapping[StoredTable, Source]) -> list[StoredTable]:
        """The tables still to be restored; an error if another table has one of the new names."""
        missing: list[StoredTable] = []
        for table, found in self._found.items():
            if found is None or is_going(found):
                missing.append(table)
            elif not sources[table].made(found):
                raise Occupied(
                    f"table {self._names[table]} exists and is not a restore of this source; "
                    "give another prefix, or delete it"
                )
        return missing

    def _restore(self, sources: Mapping[StoredTable, Source], report: Report) -> dict[StoredTable, dict[str, Any]]:
        # All names are checked before the first restore begins: a table in the way must not leave half a restore.
        for table in self._missing(sources):
            source = sources[table]
            self._control.create_table(source.operation, {"TargetTableName": self._names[table], **source.parameters})
        progress = Progress(
            task=f"restore under {self._target.table_prefix}", done=0, total=len(self._names), unit="tables"
        )
        restored: dict[StoredTable, dict[str, Any]] = {}
        for table, name in self._names.items():
            report(replace(progress, done=len(restored)))
            restored[table] = self._control.wait_for_table(name)
        report(replace(progress, done=len(restored)))
        return restored

    def _settings(self, report: Report) -> tuple[TableOptions, list[TargetState]]:
        """The settings of the source tables that a restore loses, if the tables still exist."""
        options, provisioned = TableOptions(), False
        for table in self._config.tables:
            name = self._config.table_name(table)
            found = self._control.describe(name)
            if found is not None:
                provisioned = provisioned or billing_of(found) == "provisioned"
                options = with_table(options, table, **self._lost(name, found))
        if not provisioned:
            return options, []
        report(Progress(task="read autoscaling", done=0, total=1, unit="steps"))
        states = if_offered(AutoscalingAdmin(self._config, self._client, service=self._autoscaling).describe) or []
        return options, [state for state in states if state.scaling is not None]

    def _lost(self, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
        going = is_going(found)
        recovery = {} if going else recovery_of(self._control, name) or {}
        tags = {} if going else tags_of(self._control, found["TableArn"]) or {}
        on = recovery_is_on(recovery)
        return {
            "point_in_time_recovery": on or None,
            "recovery_days": recovery.get("RecoveryPeriodInDays") if on else None,
            "tags": {key: value for key, value in tags.items() if not key.lower().startswith("aws:")},
            "stream": stream_view(found),
            "deletion_protection": bool(found.get("DeletionProtectionEnabled")) or None,
        }

    def _put_back(
        self,
        restored: Mapping[StoredTable, Mapping[str, Any]],
        options: TableOptions,
        scaling: Sequence[TargetState],
        report: Report,
    ) -> tuple[str, ...]:
        tables = AdminTables(self._target, self._client, control=self._control)
        plan = tables.ensure(options, described=restored, report=report)
        told = [step.summary for step in plan.steps]
        for state in scaling:
            table = state.target.table
            billing = options.for_table(table).billing or billing_of(restored[table])
            if state.scaling is None or billing == "on_demand":
                continue
            moved = replace(state.target, name=self._names[table])
            scaler = AutoscalingAdmin(self._target, self._client, service=self._autoscaling)
            scaler.register_target(moved, state.scaling)
            told.append(f"autoscaling of {moved}")
            for action in state.actions:
                scaler.put_action(moved, action)
                told.append(f"scheduled action {action.name} of {moved}")
        return tuple(told)

    def _delete_tokens(self, born: datetime, rate: Pacer, report: Report) -> int:
        """Delete the restored tokens, but none issued since: the tables may already be in use."""
        items, deleted = Items(self._target, self._client), 0
        name, before = items.name("tokens"), to_text(born + _CLOCKS_DIFFER)
        for page in scan(items.client, name, rate=rate):
            old = [item["id"] for item in page.items if item.get("created_at", {}).get("S", "") < before]
            rate.wait()
            items.client.batch_write([(name, {"DeleteRequest": {"Key": {"id": key}}}) for key in old])
            rate.spend(len(old))
            deleted += len(old)
            report(Progress(task="delete one-time tokens", done=deleted))
        return deleted


def bump_epochs(
    config: DynamoDbConfig,
    client: Client,
    *,
    mark: str,
    rate: Pacer | None = None,
    report: Report = silent,
) -> int:
    """End every user's sessions and everything else bound to the session epoch, once for each ``mark``.

    The epoch grows by a random step, not by one: since the backup, the source may have used the next epochs, and a
    session from one of them must not become valid here.

    Args:
        config: Where the tables are.
        client: The client.
        mark: Identifies the occasion. Users that already have it are skipped, so an interrupted run can be repeated.
        rate: Limits reads and writes, in capacity units a second.
        report: Receives the progress.

    Returns:
        How many users this run changed.
    """
    limit = rate or Pacer(None)
    items, changed, seen = Items(config, client), 0, 0
    name = items.name("users")
    for page in scan(items.client, name, rate=limit):
        for item in page.items:
            seen += 1
            if item.get(_MARK, {}).get("S") == mark:
                continue
            values: dict[str, Attribute] = {
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
                ":step": {"N": str(2 + int.from_bytes(config.random(5)))},
                ":now": {"S": to_text(config.clock())},
                ":mark": {"S": mark},
            }
            limit.wait()
            try:
                items.client.call("UpdateItem", update(name, {"id": item["id"]}, _BUMP, _NOT_MARKED, values))
            except ConditionFailed:
                # The user was deleted, or another run was first.
                continue
            limit.spend(2.0)
            changed += 1
        report(Progress(task="end sessions", done=seen, unit="users"))
    return changed


def merged(base: TableOptions, over: TableOptions, tables: Sequence[StoredTable]) -> TableOptions:
    """The options of ``over``, completed by those of ``base``, table by table."""
    result = TableOptions()
    names = [one.name for one in fields(TableOptions) if one.name != "per_table"]
    for table in tables:
        mine, theirs = base.for_table(table), over.for_table(table)
        chosen = {name: getattr(mine if getattr(theirs, name) in (None, {}) else theirs, name) for name in names}
        if not chosen["point_in_time_recovery"]:
            chosen["recovery_days"] = None
        result = with_table(result, table, **chosen)
    return result


def moment_of(seconds: Any) -> datetime | None:
    """A moment from DynamoDB's seconds since 1970; ``None`` for ``None``."""
    return None if seconds is None else datetime.fromtimestamp(float(seconds), UTC)
