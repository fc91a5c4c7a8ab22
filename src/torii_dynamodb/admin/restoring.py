"""What a restore does: new tables, their settings put back, every session ended, every one-time token deleted.

:class:`~torii_dynamodb.admin.backups.Backups` chooses what is restored, and tells why it is done so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from torii_dynamodb._core.tables import is_going
from torii_dynamodb._rules.times import to_text
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ConditionFailed
from torii_dynamodb._wire.json import object_of
from torii_dynamodb.admin.autoscaling import AutoscalingAdmin, TargetState
from torii_dynamodb.admin.control import Control, Occupied, if_offered
from torii_dynamodb.admin.options import TableOptions, with_table
from torii_dynamodb.admin.planning import billing_of
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer, scan
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.admin.verify import Verification, verify
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName

__all__ = ["RestoreReport", "Restorer", "Source", "bump_epochs", "merged", "moment_of"]

_MARK = "restored_by"
# The time of an item is its writer's, that of a table AWS'.
_CLOCKS_DIFFER = timedelta(minutes=15)


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
class Source:
    """What a table is restored from.

    Args:
        operation: DynamoDB's name of the request.
        parameters: Its parameters, but the new table's name.
        matches: What tells in a table's description that it is a restore of this.
        text: What it is, for people.
    """

    operation: str
    parameters: dict[str, Any]
    text: str
    matches: dict[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return self.text


class Restorer:
    """Restores tables under another prefix.

    Args:
        config: Where the source tables are, or were.
        client: The client.
        control: How DynamoDB is waited for.
        autoscaling: boto3's client of Application Auto Scaling; ``None``: one is made when it is needed.
    """

    def __init__(self, config: DynamoDbConfig, client: Client, control: Control, autoscaling: Any) -> None:
        self.config = config
        self._client = client
        self._control = control
        self._autoscaling = autoscaling

    def plan(
        self, sources: Mapping[TableName, Source], to_prefix: str, *, options: TableOptions | None = None
    ) -> list[str]:
        """What :meth:`run` would do, a sentence each. Nothing is changed.

        Raises:
            ConfigurationError: As :meth:`run`.
        """
        target = self._target(to_prefix)
        there = self._found(sources, target)
        told: list[str] = []
        for table in TABLES:
            verb = "is restored already, and kept" if there[table] is not None else f"restore from {sources[table]}"
            told.append(f"table {target.table_name(table)}: {verb}")
        settings, scaling = self._settings(report=silent)
        settings = merged(settings, options or TableOptions())
        for table in TABLES:
            managed = settings.for_table(table).to_mapping()
            told.append(
                f"table {target.table_name(table)}: put back TTL as in the schema, and {managed or 'nothing else'}"
            )
        if scaling:
            told.append(f"put back autoscaling of {len(scaling)} tables and indexes, with its scheduled actions")
        told.append("end every user's sessions, delete all one-time tokens, verify")
        return told

    def run(
        self,
        sources: Mapping[TableName, Source],
        to_prefix: str,
        *,
        options: TableOptions | None = None,
        rate: Pacer | None = None,
        report: Report = silent,
    ) -> RestoreReport:
        """Restore, put the settings back, end sessions, delete tokens, verify. Run again, it goes on.

        Raises:
            ConfigurationError: A table of the new prefix exists that is no restore of the same source, or is the
                source itself.
        """
        target = self._target(to_prefix)
        self._start(sources, target, report)
        settings, scaling = self._settings(report=report)
        put_back = self._put_back(target, merged(settings, options or TableOptions()), scaling, report)
        limit = rate or Pacer(None)
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

    def begun(self, to_prefix: str) -> datetime | None:
        """The instant that an interrupted restore to this prefix was for."""
        target = self._target(to_prefix)
        for table in TABLES:
            description = self._control.describe(target.table_name(table))
            summary = object_of((description or {}).get("RestoreSummary"))
            if summary and "SourceBackupArn" not in summary:
                return moment_of(summary.get("RestoreDateTime"))
        return None

    def _target(self, to_prefix: str) -> DynamoDbConfig:
        target = replace(self.config, table_prefix=to_prefix, table_names=MappingProxyType({}))
        taken = [name for name in (target.table_name(one) for one in TABLES) if name in self._own_names()]
        if taken:
            raise Occupied(f"a restore makes new tables: {', '.join(taken)} are the source; give another prefix")
        return target

    def _own_names(self) -> set[str]:
        return {self.config.table_name(table) for table in TABLES}

    def _found(
        self, sources: Mapping[TableName, Source], target: DynamoDbConfig
    ) -> dict[TableName, dict[str, Any] | None]:
        """The tables of the new prefix that are there already: restores of the same, or it is an error."""
        there: dict[TableName, dict[str, Any] | None] = {}
        for table in TABLES:
            name = target.table_name(table)
            # One that is being deleted is not in the way: it is waited for when the restore begins.
            description = self._control.describe(name)
            there[table] = description = None if description is None or is_going(description) else description
            if description is not None and not _is_restore_of(description, sources[table].matches):
                raise Occupied(
                    f"table {name} exists and is no restore of this source; give another prefix, or delete it"
                )
        return there

    def _start(self, sources: Mapping[TableName, Source], target: DynamoDbConfig, report: Report) -> None:
        names = {table: target.table_name(table) for table in TABLES}
        # First look at all, then begin: a table in the way must not leave a half restore behind.
        there = self._found(sources, target)
        for table in TABLES:
            if there[table] is None:
                source = sources[table]
                self._control.lasting(names[table])
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
                tags={key: value for key, value in (state.tags or {}).items() if not key.lower().startswith("aws:")},
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
        states = if_offered(self._scaler(self.config).describe) or []
        return options, [state for state in states if state.scaling is not None]

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

    def _delete_tokens(self, target: DynamoDbConfig, rate: Pacer, report: Report) -> int:
        """Delete the tokens that came with the restore, and none issued since, should the tables be in use already."""
        name, deleted = target.table_name("tokens"), 0
        born = moment_of(self._control.wait_for_table(name)["CreationDateTime"])
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


def bump_epochs(
    config: DynamoDbConfig,
    client: Client,
    *,
    mark: str,
    rate: Pacer | None = None,
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
    limit = rate or Pacer(None)
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


def moment_of(seconds: Any) -> datetime | None:
    """A moment as DynamoDB tells it, in seconds since 1970; ``None`` for none."""
    return None if seconds is None else datetime.fromtimestamp(float(seconds), UTC)
