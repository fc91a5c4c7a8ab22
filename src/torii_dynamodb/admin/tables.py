"""The tables: plan, create, change, inspect, delete.

:meth:`AdminTables.ensure` brings the tables to what the schema and the options ask for. It can be run again at any
time: it changes only what differs. At run time, ``DynamoDbStorage.initialize`` is the simple way.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from torii_dynamodb._core import tables as rules
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.sizes import item_size
from torii_dynamodb._sync.cache import Cache
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.tables import Tables
from torii_dynamodb._wire.json import list_of, object_of
from torii_dynamodb.admin.caching import clearing
from torii_dynamodb.admin.control import Control, NotOffered, Occupied, is_settled, open_client
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.planning import (
    Obstacle,
    Plan,
    Step,
    TableState,
    billing_of,
    plan_table,
    recovery_is_on,
    stream_view,
)
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.scanning import Pacer
from torii_dynamodb.admin.streams.checkpoints import checkpoint_table_name, has_checkpoint_key
from torii_dynamodb.config import TABLES, DynamoDbConfig, StoredTable, TableName
from torii_dynamodb.errors import ConfigurationError, RequestRejected
from torii_dynamodb.schema import TableSchema, schema_of

__all__ = ["AdminTables", "Obstacle", "Plan", "Step", "TableStatus", "recovery_of", "tags_of"]

_FIRST: tuple[TableName, ...] = ("users",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """The state of a table.

    Args:
        table: Its name without the prefix.
        name: Its name on DynamoDB.
        status: DynamoDB's status (``ACTIVE``, ...); ``MISSING`` if there is no table.
        billing: ``"on_demand"`` or ``"provisioned"``.
        items: The number of items according to DynamoDB; AWS counts about every six hours.
        bytes: Its size according to DynamoDB, as old as the count.
        ttl: The TTL attribute; ``None`` if TTL is off.
        point_in_time_recovery: Whether it is on; ``None`` if the endpoint does not offer it.
        deletion_protection: Whether DynamoDB refuses to delete it.
        stream: What its stream's records contain; ``None`` without a stream.
        tags: Its tags.
        problems: Where it differs from the schema, a sentence each.
        not_offered: What the endpoint does not offer, of ``"ttl"``, ``"point_in_time_recovery"`` and ``"tags"``.
    """

    table: StoredTable
    name: str
    status: str
    billing: str | None = None
    items: int = 0
    bytes: int = 0
    ttl: str | None = None
    point_in_time_recovery: bool | None = None
    deletion_protection: bool = False
    stream: str | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    problems: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the library can work with it."""
        return not self.problems


class AdminTables:
    """The tables, for operators.

    Args:
        config: Where they are.
        client: The client; :meth:`open` makes one.
        control: Calls DynamoDB and waits for it.
        cache: The application's cache of session checks. What deletes items clears it.
    """

    def __init__(
        self,
        config: DynamoDbConfig,
        client: Client,
        *,
        control: Control | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.config = config
        self._cache = cache
        self._client = client
        self._items = Items(config, client)
        self._control = control or Control(client)

    @classmethod
    @contextmanager
    def open(cls, config: DynamoDbConfig, *, cache: Cache | None = None) -> Generator[AdminTables]:
        """Open a client for as long as the ``with`` statement runs."""
        with open_client(config) as client:
            yield cls(config, client, cache=cache)

    def plan(self, options: TableOptions | None = None) -> Plan:
        """What :meth:`ensure` would do. Nothing is changed."""
        return self._plan(self._describe(), options or TableOptions())

    def ensure(
        self,
        options: TableOptions | None = None,
        *,
        described: Mapping[StoredTable, Mapping[str, Any] | None] | None = None,
        report: Report = silent,
    ) -> Plan:
        """Bring the tables to what is wanted, and wait until they are ready.

        Safe to run again after an interruption, and from several processes at once.

        Args:
            options: What is wanted.
            described: ``DescribeTable``'s descriptions, if the caller has them already.
            report: Receives the progress.

        Returns:
            What was done, and what was left out because the endpoint does not offer it and the library does not need
            it.

        Raises:
            ConfigurationError: A difference cannot be changed in place; nothing was changed.
            NotOffered: The endpoint does not offer what an option asks for.
        """
        found = described or self._describe()
        plan = self._plan(found, options or TableOptions())
        if plan.obstacles:
            raise ConfigurationError("; ".join(str(obstacle) for obstacle in plan.obstacles))
        settled: set[StoredTable] = {table for table, one in found.items() if one is not None and is_settled(one)}
        done = self.apply(plan, settled=settled, report=report)
        for table in self.config.tables:
            if table not in settled:
                self._control.wait_for_table(self.config.table_name(table))
        return done

    def apply(self, plan: Plan, *, settled: set[StoredTable], report: Report = silent) -> Plan:
        """Carry out a plan's steps. A table that is not settled is waited for before it is changed.

        Args:
            plan: The plan.
            settled: Tables known to be ready for a change; kept up to date.
            report: Receives the progress.

        Returns:
            As :meth:`ensure`.
        """
        # All tables are created at the same time: each takes some seconds on AWS.
        ordered = [step for effect in ("create", "change") for step in plan.steps if step.effect == effect]
        left_out: list[Step] = []
        for done, step in enumerate(ordered):
            report(Progress(task=step.summary, done=done, total=len(ordered), unit="steps"))
            if step.effect == "create":
                self._control.create_table(step.operation, step.payload)
                continue
            if step.table not in settled:
                self._control.wait_for_table(self.config.table_name(step.table))
                settled.add(step.table)
            if not self._change(step):
                left_out.append(step)
            if step.operation == "UpdateTable":
                settled.discard(step.table)
        if ordered:
            report(Progress(task="done", done=len(ordered), total=len(ordered), unit="steps"))
        return Plan(steps=tuple(step for step in plan.steps if step not in left_out), left_out=tuple(left_out))

    def status(self) -> list[TableStatus]:
        """The state of every table, and what is wrong with it."""
        schemas = schema_of(self.config)
        return [_status(self._observe(table, found), schemas[table]) for table, found in self._describe().items()]

    def to_delete(self) -> list[str]:
        """The names of the tables that :meth:`delete` would delete.

        Those of the library that exist, and the one in which stream consumers keep their progress.
        """
        return list(self._to_delete())

    def _to_delete(self) -> dict[str, dict[str, Any]]:
        names = [self.config.table_name(table) for table in self.config.tables]
        checkpoints = checkpoint_table_name(self.config)
        found = {name: self._control.describe(name) for name in [*names, checkpoints]}
        if not has_checkpoint_key(found[checkpoints] or {}):
            # Somebody else's table, with the name that ours would have.
            del found[checkpoints]
        return {name: one for name, one in found.items() if one is not None}

    def delete(self) -> list[str]:
        """Delete the library's tables, everything in them, and the consumers' progress; wait until they are gone.

        A single table is read first, until an item is found that is not the library's. Nothing else may write to it in
        the meantime: what is written after that is deleted with the table.

        Returns:
            The names of the tables that existed.

        Raises:
            ConfigurationError: A table is protected against deletion; nothing was deleted.
            Occupied: A single table contains others' items; nothing was deleted. See :meth:`delete_items`.
            CacheUnavailable: The cache cannot be reached.
        """
        with clearing(self._cache, self.config):
            return self._delete()

    def _delete(self) -> list[str]:
        found = self._to_delete()
        protected = [name for name, one in found.items() if one.get("DeletionProtectionEnabled")]
        if protected:
            raise ConfigurationError(
                f"deletion protection is on: {', '.join(protected)}; nothing was deleted. "
                "Turn it off first: torii-dynamodb tables ensure --no-deletion-protection"
            )
        self.require_unshared()
        Tables(self._client, self.config).delete()
        checkpoints = checkpoint_table_name(self.config)
        if checkpoints in found:
            gone = frozenset({"ResourceNotFoundException"})
            self._control.call("DeleteTable", {"TableName": checkpoints}, taken=gone | {"ResourceInUseException"})
            self._control.wait_until_gone(checkpoints)
        return list(found)

    def require_unshared(self) -> None:
        """Check that a single table, if it exists, contains only the library's items. Reads all keys, or fewer.

        Raises:
            Occupied: It contains others' items.
        """
        if self.config.layout == "tables" or self._control.describe(self.config.table_name("table")) is None:
            return
        if self._items.are_shared(rate=Pacer(None)):
            raise Occupied(
                f"{self.config.table_name('table')} also contains items that are not the library's, so it is not "
                "deleted; delete only the library's items with: torii-dynamodb tables delete --items-only"
            )

    def delete_items(
        self, *, dry_run: bool = False, rate: Pacer | None = None, report: Report = silent
    ) -> dict[TableName, int]:
        """Delete all the library's items, and leave the tables and others' items in them.

        After an interruption, run it again. The application must not write in the meantime. Not atomic: users go
        first, so that none of their sessions is valid while the rest is deleted.

        Cost: reads every item twice, and writes each once.

        Args:
            dry_run: Only count them.
            rate: Limits the units a second; deletions are estimated from the items' sizes.
            report: Receives the progress.

        Returns:
            The number of items, by table.

        Raises:
            ConfigurationError: A table is missing.
            CacheUnavailable: The cache cannot be reached.
        """
        self._control.require_tables(self.config)
        with clearing(None if dry_run else self._cache, self.config):
            return self._delete_items(dry_run=dry_run, rate=rate, report=report)

    def _delete_items(self, *, dry_run: bool, rate: Pacer | None, report: Report) -> dict[TableName, int]:
        limit, items = rate or Pacer(None), self._items
        counts: dict[TableName, int] = dict.fromkeys(TABLES, 0)
        for kinds in (TABLES,) if dry_run else (_FIRST, TABLES):
            for page in items.pages(rate=limit):
                chosen: list[tuple[TableName, Item]] = [(table, item) for table, item in page if table in kinds]
                if not dry_run:
                    limit.wait()
                    items.client.batch_write(
                        [
                            (items.name(table), {"DeleteRequest": {"Key": items.key_of(table, item)}})
                            for table, item in chosen
                        ]
                    )
                    limit.spend(sum(math.ceil(item_size(item) / 1024) for _, item in chosen))
                for table, _ in chosen:
                    counts[table] += 1
                report(Progress(task="count" if dry_run else "delete", done=sum(counts.values())))
        return counts

    def _change(self, step: Step) -> bool:
        """Carry out a step; ``False`` if the endpoint does not offer it and the library does not need it."""
        try:
            self._control.call(step.operation, step.payload)
        except NotOffered:
            # Not needed: every read checks the expiry. What an option asks for is needed.
            if step.operation == "UpdateTimeToLive":
                return False
            raise
        except RequestRejected:
            # If another process was first, the difference is gone.
            if step.operation != "UpdateTimeToLive":
                raise
            ttl = _ttl_of(self._control, step.payload["TableName"])
            if ttl is None or rules.ttl_is_off(ttl):
                raise
        return True

    def _describe(self) -> dict[StoredTable, dict[str, Any] | None]:
        return {table: self._control.describe(self.config.table_name(table)) for table in self.config.tables}

    def _plan(self, described: Mapping[StoredTable, Mapping[str, Any] | None], options: TableOptions) -> Plan:
        options.require_layout(self.config)
        plans: list[Plan] = []
        for table, description in described.items():
            wanted, state = options.for_table(table), self._observe(table, description)
            if description is None and wanted.point_in_time_recovery:
                state = replace(state, recovery=self._new_recovery(state.name))
            plans.append(plan_table(state, schema_of(self.config)[table], wanted))
        return Plan(
            steps=tuple(step for plan in plans for step in plan.steps),
            obstacles=tuple(obstacle for plan in plans for obstacle in plan.obstacles),
        )

    def _observe(self, table: StoredTable, description: Mapping[str, Any] | None) -> TableState:
        state = TableState(table=table, name=self.config.table_name(table), description=description)
        if description is None or rules.is_going(description):
            # The rest cannot be read.
            return state
        ttl = _ttl_of(self._control, state.name)
        return replace(
            state,
            ttl=ttl,
            ttl_taken=table == "table" and ttl is not None and rules.ttl_is_off(ttl) and self._items.have_ttl(),
            recovery=recovery_of(self._control, state.name),
            tags=tags_of(self._control, description["TableArn"]),
        )

    def _new_recovery(self, name: str) -> dict[str, Any] | None:
        """The recovery of a table that does not exist yet; ``None`` if the endpoint does not offer recovery."""
        try:
            return recovery_of(self._control, name)
        except ConfigurationError:  # the operation is offered; the table does not exist yet
            return {}


def _ttl_of(control: Control, name: str) -> dict[str, Any] | None:
    """``DescribeTimeToLive``'s description; ``None`` if the endpoint does not offer it."""
    answer = control.offered("DescribeTimeToLive", {"TableName": name})
    return None if answer is None else object_of(answer.get("TimeToLiveDescription"))


def recovery_of(control: Control, name: str, *, required: bool = False) -> dict[str, Any] | None:
    """The point-in-time part of ``DescribeContinuousBackups``; ``None`` if the endpoint does not offer it.

    Raises:
        NotOffered: The endpoint does not offer it, and it is ``required``.
    """
    ask = control.call if required else control.offered
    answer = ask("DescribeContinuousBackups", {"TableName": name})
    if answer is None:
        return None
    return object_of(object_of(answer.get("ContinuousBackupsDescription")).get("PointInTimeRecoveryDescription"))


def tags_of(control: Control, arn: str) -> dict[str, str] | None:
    """All tags of a table; ``None`` if the endpoint does not offer tags."""
    tags: dict[str, str] = {}
    payload = {"ResourceArn": arn}
    while (answer := control.offered("ListTagsOfResource", payload)) is not None:
        tags |= {tag["Key"]: tag["Value"] for tag in list_of(answer.get("Tags"))}
        if not answer.get("NextToken"):
            return tags
        payload["NextToken"] = answer["NextToken"]
    return None


def _status(state: TableState, schema: TableSchema) -> TableStatus:
    if state.description is None:
        missing = f"table {state.name} is missing; create it with: torii-dynamodb tables ensure"
        return TableStatus(table=state.table, name=state.name, status="MISSING", problems=(missing,))
    found = state.description
    plan = plan_table(state, schema, TableOptions())
    problems = [obstacle.summary for obstacle in plan.obstacles] + [f"to do: {step.summary}" for step in plan.steps]
    if rules.is_going(found):
        problems = [f"table {state.name} is being deleted; create it again with: torii-dynamodb tables ensure"]
    elif not rules.is_active(found):
        problems.append(f"table {state.name} cannot be used yet")
    recovery = state.recovery
    return TableStatus(
        table=state.table,
        name=state.name,
        status=str(found.get("TableStatus", "?")),
        billing=billing_of(found),
        items=int(found.get("ItemCount") or 0),
        bytes=int(found.get("TableSizeBytes") or 0),
        ttl=None if state.ttl is None or rules.ttl_is_off(state.ttl) else str(state.ttl.get("AttributeName")),
        point_in_time_recovery=None if recovery is None else recovery_is_on(recovery),
        deletion_protection=bool(found.get("DeletionProtectionEnabled")),
        stream=stream_view(found),
        tags=dict(state.tags or {}),
        problems=tuple(problems),
        not_offered=tuple(
            name
            for name, found in (("ttl", state.ttl), ("point_in_time_recovery", recovery), ("tags", state.tags))
            if found is None
        ),
    )
