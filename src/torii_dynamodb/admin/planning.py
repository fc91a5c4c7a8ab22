"""The requests that bring the tables to what the schema and the options want. Pure: works on what was observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torii_dynamodb._core import tables as rules
from torii_dynamodb._wire.json import list_of, object_of
from torii_dynamodb.admin.options import (
    AWS_MANAGED_KEY,
    AWS_OWNED_KEY,
    NO_MAXIMUM,
    Billing,
    Capacity,
    StreamView,
    TableOptions,
)
from torii_dynamodb.config import StoredTable
from torii_dynamodb.schema import IndexSchema, TableSchema

__all__ = [
    "Obstacle",
    "Plan",
    "Step",
    "TableState",
    "billing_of",
    "create_payload",
    "plan_table",
    "recovery_is_on",
    "recovery_steps",
    "stream_on",
    "stream_view",
]

Effect = Literal["create", "change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """The observed state of a table.

    Args:
        table: Its name without the prefix.
        name: Its name on DynamoDB.
        description: From ``DescribeTable``; ``None`` if there is no such table.
        ttl: From ``DescribeTimeToLive``; ``None`` if the endpoint does not offer it.
        recovery: The point-in-time part of ``DescribeContinuousBackups``; ``None`` if the endpoint does not offer it.
        tags: Its tags; ``None`` if the endpoint does not offer tags.
        ttl_taken: Whether others' items in a single table have the attribute that TTL would be turned on for.
    """

    table: StoredTable
    name: str
    description: Mapping[str, Any] | None = None
    ttl: Mapping[str, Any] | None = field(default_factory=dict[str, Any])
    recovery: Mapping[str, Any] | None = field(default_factory=dict[str, Any])
    tags: Mapping[str, str] | None = field(default_factory=dict[str, str])
    ttl_taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request that brings a table closer to what is wanted.

    Args:
        table: The table, without the prefix.
        operation: DynamoDB's name for the request.
        payload: Its parameters.
        summary: What it changes, for people.
        effect: Whether it creates the table or changes it.
    """

    table: StoredTable
    operation: str
    payload: dict[str, Any]
    summary: str
    effect: Effect = "change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A difference that DynamoDB cannot change in place.

    Args:
        table: The table, without the prefix.
        summary: What differs.
        remedy: What can be done instead.
        reason: Why it cannot be changed.
    """

    table: StoredTable
    summary: str
    remedy: str
    reason: str = "DynamoDB cannot change this in place"

    def __str__(self) -> str:
        return f"{self.summary}. {self.reason}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The difference between the tables and what is wanted.

    Args:
        steps: The requests, in order; empty if there is nothing to do.
        obstacles: What no request can change.
        left_out: Requests that the endpoint turned out not to offer; the library does not need them.
    """

    steps: tuple[Step, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    left_out: tuple[Step, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the tables are already as wanted."""
        return not self.steps and not self.obstacles


def plan_table(state: TableState, schema: TableSchema, options: TableOptions) -> Plan:
    """The difference between one table and what is wanted."""
    if state.description is None or rules.is_going(state.description):
        steps = [
            Step(
                table=state.table,
                operation="CreateTable",
                payload=create_payload(schema, state.name, options),
                summary=f"create table {state.name}, {(options.billing or 'on_demand').replace('_', ' ')}"
                + (" (once the one that is being deleted is gone)" if state.description is not None else ""),
                effect="create",
            )
        ]
        if schema.ttl is not None and state.ttl is not None:
            steps.append(_ttl_step(state, schema.ttl))
        recoveries, recovery_obstacles = recovery_steps(state, options)
        return Plan(steps=(*steps, *recoveries), obstacles=tuple(recovery_obstacles))
    description = state.description
    obstacles: list[Obstacle] = []
    present = {index["IndexName"] for index in list_of(description.get("GlobalSecondaryIndexes"))}
    there = replace(schema, indexes=tuple(index for index in schema.indexes if index.name in present))
    for wrong in rules.differences(description, there, state.name):
        if state.table == "table" and ", index " in wrong:
            remedy = "give another table (--table): one of its own, or one without such an index"
        elif ", index " in wrong:
            remedy = "delete the index and run this again; look-ups by the index fail in the meantime"
        elif state.table == "table":
            remedy = (
                "if the table has two keys of the type S, give their names as partition_key and sort_key "
                "(--partition-key, --sort-key); otherwise give another table (--table)"
            )
        else:
            remedy = "export, create the tables under another prefix, import there"
        obstacles.append(Obstacle(table=state.table, summary=wrong, remedy=remedy))
    if obstacles and there != schema:
        # Indexes can neither be checked nor added on a table with another key.
        return Plan(obstacles=tuple(obstacles))
    steps = _billing(state, description, there, options)
    missing = [index for index in schema.indexes if index.name not in present]
    steps += [
        _index_step(state, schema, index, options, options.billing or billing_of(description)) for index in missing
    ]
    steps += _maximum(state, description, there, options)
    steps += _warm(state, description, there, options)
    steps += _encryption(state, description, options)
    steps += _switches(state, description, options)
    stream_steps, stream_obstacles = _stream(state, description, options)
    ttl_steps, ttl_obstacles = _ttl(state, schema)
    recoveries, recovery_obstacles = recovery_steps(state, options)
    tag_steps, tag_obstacles = _tags(state, description, options)
    steps += stream_steps + ttl_steps + recoveries + tag_steps
    obstacles += stream_obstacles + ttl_obstacles + recovery_obstacles + tag_obstacles
    return Plan(steps=tuple(steps), obstacles=tuple(obstacles))


def billing_of(description: Mapping[str, Any]) -> Billing:
    """How a described table is billed. A table that was never on demand has no summary."""
    mode = object_of(description.get("BillingModeSummary")).get("BillingMode")
    if mode is None:
        units = object_of(description.get("ProvisionedThroughput")).get("ReadCapacityUnits")
        return "provisioned" if units else "on_demand"
    return "on_demand" if mode == "PAY_PER_REQUEST" else "provisioned"


def stream_view(description: Mapping[str, Any]) -> StreamView | None:
    """What the records of a described table's stream contain; ``None`` without a stream."""
    stream = object_of(description.get("StreamSpecification"))
    return stream.get("StreamViewType") if stream.get("StreamEnabled") else None


def stream_on(view: StreamView) -> dict[str, Any]:
    """The ``StreamSpecification`` that switches a stream on."""
    return {"StreamEnabled": True, "StreamViewType": view}


def recovery_is_on(recovery: Mapping[str, Any]) -> bool:
    """Whether a described point-in-time recovery is on."""
    return recovery.get("PointInTimeRecoveryStatus") == "ENABLED"


def create_payload(schema: TableSchema, name: str, options: TableOptions) -> dict[str, Any]:
    """The body of ``CreateTable`` with every option that it accepts."""
    body = rules.create_request(schema, name)
    provisioned = options.billing == "provisioned"
    for part, index in [(body, None), *((one, one["IndexName"]) for one in body.get("GlobalSecondaryIndexes", []))]:
        _capacity_into(part, options, index, provisioned=provisioned)
        if options.warm is not None:
            part["WarmThroughput"] = _warm_units(options.warm)
    if provisioned:
        body["BillingMode"] = "PROVISIONED"
    if options.kms_key is not None:
        body["SSESpecification"] = _encryption_wanted(options.kms_key)
    if options.deletion_protection is not None:
        body["DeletionProtectionEnabled"] = options.deletion_protection
    if options.table_class is not None:
        body["TableClass"] = options.table_class
    if options.stream is not None:
        body["StreamSpecification"] = stream_on(options.stream)
    if options.tags:
        body["Tags"] = _tag_list(options.tags)
    return body


def _capacity_into(part: dict[str, Any], options: TableOptions, index: str | None, *, provisioned: bool) -> None:
    if provisioned:
        part["ProvisionedThroughput"] = _units(options.new_capacity(index))
    elif options.max_on_demand is not None:
        part["OnDemandThroughput"] = _maximum_units(options.max_on_demand)


def _units(capacity: Capacity) -> dict[str, int]:
    return {"ReadCapacityUnits": capacity.read, "WriteCapacityUnits": capacity.write}


def _maximum_units(capacity: Capacity) -> dict[str, int]:
    return {"MaxReadRequestUnits": capacity.read, "MaxWriteRequestUnits": capacity.write}


def _warm_units(capacity: Capacity) -> dict[str, int]:
    return {"ReadUnitsPerSecond": capacity.read, "WriteUnitsPerSecond": capacity.write}


def _update(state: TableState, summary: str, **body: Any) -> Step:
    return Step(
        table=state.table,
        operation="UpdateTable",
        payload={"TableName": state.name, **body},
        summary=f"table {state.name}: {summary}",
    )


def _indexes(description: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {index["IndexName"]: index for index in list_of(description.get("GlobalSecondaryIndexes"))}


def _billing(
    state: TableState, description: Mapping[str, Any], schema: TableSchema, options: TableOptions
) -> list[Step]:
    now, wanted = billing_of(description), options.billing or billing_of(description)
    if now != wanted and wanted == "on_demand":
        summary = "switch from provisioned to on demand (AWS allows four switches a day; deregister autoscaling first)"
        return [_update(state, summary, BillingMode="PAY_PER_REQUEST")]
    if wanted == "on_demand":
        return []
    switching = now != wanted
    if not switching and (options.autoscaling is not None or (options.capacity is None and not options.index_capacity)):
        # Once the table is provisioned, autoscaling sets the units.
        return []
    found = _indexes(description)
    updates: list[dict[str, Any]] = []
    told: list[str] = []
    for index in schema.indexes:
        capacity = options.new_capacity(index.name)
        given = options.capacity is not None or index.name in options.index_capacity
        if switching or (given and _provisioned(found[index.name]) != _units(capacity)):
            updates.append({"Update": {"IndexName": index.name, "ProvisionedThroughput": _units(capacity)}})
            told.append(f"{index.name} {capacity.read} read and {capacity.write} write units")
    body: dict[str, Any] = {}
    capacity = options.new_capacity()
    if switching:
        body["BillingMode"] = "PROVISIONED"
    if switching or (options.capacity is not None and _provisioned(description) != _units(capacity)):
        body["ProvisionedThroughput"] = _units(capacity)
        told.insert(0, f"{capacity.read} read and {capacity.write} write units")
    if updates:
        body["GlobalSecondaryIndexUpdates"] = updates
    if not body:
        return []
    verb = "switch from on demand to provisioned" if switching else "provision"
    return [_update(state, f"{verb}: {', '.join(told)}", **body)]


def _provisioned(part: Mapping[str, Any]) -> dict[str, int]:
    units: Mapping[str, int] = part.get("ProvisionedThroughput") or {}
    return {name: int(units.get(name, 0)) for name in ("ReadCapacityUnits", "WriteCapacityUnits")}


def _index_step(
    state: TableState, schema: TableSchema, index: IndexSchema, options: TableOptions, billing: Billing
) -> Step:
    create: dict[str, Any] = {
        "IndexName": index.name,
        "KeySchema": rules.key_schema(index),
        "Projection": {"ProjectionType": "ALL"},
    }
    _capacity_into(create, options, index.name, provisioned=billing == "provisioned")
    if options.warm is not None:
        create["WarmThroughput"] = _warm_units(options.warm)
    return _update(
        state,
        f"add index {index.name} online (the table stays in use; filling the index costs write units)",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in schema.attributes.items()
        ],
        GlobalSecondaryIndexUpdates=[{"Create": create}],
    )


def _maximum(
    state: TableState, description: Mapping[str, Any], schema: TableSchema, options: TableOptions
) -> list[Step]:
    if options.max_on_demand is None or (options.billing or billing_of(description)) != "on_demand":
        return []
    wanted = _maximum_units(options.max_on_demand)
    found = _indexes(description)
    shown = "no maximum" if set(wanted.values()) == {NO_MAXIMUM} else f"{_shown(wanted)} units a second"
    updates = [
        {"Update": {"IndexName": index.name, "OnDemandThroughput": wanted}}
        for index in schema.indexes
        if _maximum_of(found[index.name]) != wanted
    ]
    body: dict[str, Any] = {}
    if _maximum_of(description) != wanted:
        body["OnDemandThroughput"] = wanted
    if updates:
        body["GlobalSecondaryIndexUpdates"] = updates
    return [_update(state, f"maximum on-demand throughput: {shown}", **body)] if body else []


def _maximum_of(part: Mapping[str, Any]) -> dict[str, int]:
    units: Mapping[str, int] = part.get("OnDemandThroughput") or {}
    return {name: int(units.get(name, NO_MAXIMUM)) for name in ("MaxReadRequestUnits", "MaxWriteRequestUnits")}


def _shown(units: Mapping[str, int]) -> str:
    read, write = units.values()
    return f"{read} read and {write} write"


def _warm(state: TableState, description: Mapping[str, Any], schema: TableSchema, options: TableOptions) -> list[Step]:
    if options.warm is None:
        return []
    found = _indexes(description)
    body: dict[str, Any] = {}
    raised = _raised(description, options.warm)
    if raised:
        body["WarmThroughput"] = raised
    updates: list[dict[str, Any]] = []
    for index in schema.indexes:
        units = _raised(found[index.name], options.warm)
        if units:
            updates.append({"Update": {"IndexName": index.name, "WarmThroughput": units}})
    if updates:
        body["GlobalSecondaryIndexUpdates"] = updates
    if not body:
        return []
    summary = f"pre-warm to {_shown(_warm_units(options.warm))} units a second (charged once; cannot be lowered)"
    return [_update(state, summary, **body)]


def _raised(part: Mapping[str, Any], wanted: Capacity) -> dict[str, int] | None:
    """The warm throughput to ask for, never below the present one; ``None`` if that is enough."""
    now: Mapping[str, int] = part.get("WarmThroughput") or {}
    units = {name: max(value, int(now.get(name, 0))) for name, value in _warm_units(wanted).items()}
    return units if any(units[name] > int(now.get(name, 0)) for name in units) else None


def _encryption_wanted(key: str) -> dict[str, Any]:
    if key == AWS_OWNED_KEY:
        return {"Enabled": False}
    if key == AWS_MANAGED_KEY:
        return {"Enabled": True, "SSEType": "KMS"}
    return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}


def _encryption(state: TableState, description: Mapping[str, Any], options: TableOptions) -> list[Step]:
    wanted = options.kms_key
    if wanted is None:
        return []
    found: Mapping[str, Any] = description.get("SSEDescription") or {}
    arn = str(found.get("KMSMasterKeyArn", "")) if found.get("Status") in ("ENABLED", "ENABLING", "UPDATING") else ""
    if wanted == AWS_OWNED_KEY:
        fits = not arn
    elif wanted == AWS_MANAGED_KEY or "alias/" in wanted:
        # DescribeTable returns only the key's ARN, not its aliases or owner, so any KMS key passes.
        fits = bool(arn)
    else:
        fits = arn == wanted or arn.endswith(f":key/{wanted}")
    if fits:
        return []
    return [_update(state, f"encrypt with {wanted}", SSESpecification=_encryption_wanted(wanted))]


def _switches(state: TableState, description: Mapping[str, Any], options: TableOptions) -> list[Step]:
    steps: list[Step] = []
    protected = options.deletion_protection
    if protected is not None and bool(description.get("DeletionProtectionEnabled")) != protected:
        steps.append(
            _update(state, f"deletion protection {'on' if protected else 'off'}", DeletionProtectionEnabled=protected)
        )
    wanted = options.table_class
    if wanted is not None:
        found = object_of(description.get("TableClassSummary")).get("TableClass", "STANDARD")
        if found != wanted:
            steps.append(_update(state, f"table class {wanted} (at most twice a month)", TableClass=wanted))
    return steps


def _stream(
    state: TableState, description: Mapping[str, Any], options: TableOptions
) -> tuple[list[Step], list[Obstacle]]:
    wanted, found = options.stream, stream_view(description)
    if wanted is None or found == wanted:
        return [], []
    if found is not None:
        summary = f"table {state.name}: its stream contains {found}; wanted: {wanted}"
        return [], [
            Obstacle(
                table=state.table, summary=summary, remedy="let its readers finish, turn it off, and run this again"
            )
        ]
    return [_update(state, f"stream on, {wanted}", StreamSpecification=stream_on(wanted))], []


def _ttl_step(state: TableState, attribute: str) -> Step:
    return Step(
        table=state.table,
        operation="UpdateTimeToLive",
        payload=rules.ttl_request(state.name, attribute),
        summary=f"table {state.name}: TTL on {attribute}",
    )


def _ttl(state: TableState, schema: TableSchema) -> tuple[list[Step], list[Obstacle]]:
    if state.ttl is None:
        # Every read checks the expiry itself; expired rows only stay in the table.
        return [], []
    off = rules.ttl_is_off(state.ttl)
    if off and state.ttl_taken and schema.ttl is not None:
        summary = f"table {state.name}: TTL on {schema.ttl} would delete others' items, which have this attribute"
        remedy = (
            "give an attribute that they do not have as ttl_attribute (--ttl-attribute), before the first user signs up"
        )
        reason = "Nothing was changed"
        return [], [Obstacle(table=state.table, summary=summary, remedy=remedy, reason=reason)]
    if schema.ttl is None:
        if off:
            return [], []
        summary = f"table {state.name}: TTL is on for {state.ttl.get('AttributeName')}; expected: none"
        remedy = "turn it off (UpdateTimeToLive), or DynamoDB deletes items that have this attribute"
        return [], [Obstacle(table=state.table, summary=summary, remedy=remedy)]
    if off:
        return [_ttl_step(state, schema.ttl)], []
    wrong = rules.ttl_difference(state.ttl, schema.ttl, state.name)
    if wrong is None:
        return [], []
    remedy = "turn TTL off (UpdateTimeToLive), wait an hour, and run this again"
    if state.table == "table":
        remedy = f"give the table's TTL attribute as ttl_attribute (--ttl-attribute {state.ttl.get('AttributeName')})"
    return [], [Obstacle(table=state.table, summary=wrong, remedy=remedy)]


def _not_offered(state: TableState, what: str) -> Obstacle:
    summary = f"table {state.name}: {what} wanted"
    return Obstacle(
        table=state.table, summary=summary, remedy="leave the option out", reason="This endpoint does not offer it"
    )


def recovery_steps(state: TableState, options: TableOptions) -> tuple[list[Step], list[Obstacle]]:
    """The requests that bring a table's point-in-time recovery to what is wanted."""
    wanted = options.point_in_time_recovery
    if state.recovery is None and wanted:
        return [], [_not_offered(state, "point-in-time recovery is")]
    if wanted is None or state.recovery is None:
        return [], []
    found = state.recovery
    on = recovery_is_on(found)
    days = options.recovery_days
    if on == wanted and (not wanted or days is None or found.get("RecoveryPeriodInDays") == days):
        return [], []
    body: dict[str, Any] = {"PointInTimeRecoveryEnabled": wanted}
    if wanted and days is not None:
        body["RecoveryPeriodInDays"] = days
    told = f"on, {days} days back" if wanted and days is not None else "on" if wanted else "off"
    step = Step(
        table=state.table,
        operation="UpdateContinuousBackups",
        payload={"TableName": state.name, "PointInTimeRecoverySpecification": body},
        summary=f"table {state.name}: point-in-time recovery {told}",
    )
    return [step], []


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _tags(
    state: TableState, description: Mapping[str, Any], options: TableOptions
) -> tuple[list[Step], list[Obstacle]]:
    found = state.tags or {}
    changed = {key: value for key, value in options.tags.items() if found.get(key) != value}
    if not changed:
        return [], []
    if state.tags is None:
        return [], [_not_offered(state, "tags are")]
    step = Step(
        table=state.table,
        operation="TagResource",
        payload={"ResourceArn": description["TableArn"], "Tags": _tag_list(changed)},
        summary=f"table {state.name}: tags {', '.join(f'{key}={value}' for key, value in sorted(changed.items()))}",
    )
    return [step], []
