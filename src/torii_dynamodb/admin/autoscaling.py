"""Autoscaling of provisioned tables and their indexes, by Application Auto Scaling (RFC 0008, Features 2).

Each capacity, of a table or an index, for reads or writes, is a scalable target. A target has limits, a target-tracking
policy that moves the capacity within them, and scheduled actions that move the limits.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.aws import aws_client, aws_errors
from torii_dynamodb.admin.control import Control, open_client
from torii_dynamodb.admin.options import Autoscaling, Scaling, TableOptions
from torii_dynamodb.admin.planning import billing_of
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError, NotFound, RequestRejected, ToriiError, ValidationError
from torii_dynamodb.schema import schema_of

__all__ = ["AutoscalingAdmin", "ScheduledAction", "Target", "TargetState", "policy_name", "targets"]

Direction = Literal["read", "write"]

_DIMENSIONS: dict[tuple[bool, Direction], str] = {
    (False, "read"): "dynamodb:table:ReadCapacityUnits",
    (False, "write"): "dynamodb:table:WriteCapacityUnits",
    (True, "read"): "dynamodb:index:ReadCapacityUnits",
    (True, "write"): "dynamodb:index:WriteCapacityUnits",
}
_METRICS: dict[Direction, str] = {
    "read": "DynamoDBReadCapacityUtilization",
    "write": "DynamoDBWriteCapacityUtilization",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A capacity that can be scaled.

    Args:
        table: The table, without the prefix.
        name: The table's name on DynamoDB.
        index: The index; ``None``: the table itself.
        direction: ``"read"`` or ``"write"``.
    """

    table: StoredTable
    name: str
    index: str | None = None
    direction: Direction

    @property
    def resource_id(self) -> str:
        """Application Auto Scaling's name for the table or index."""
        return f"table/{self.name}" + (f"/index/{self.index}" if self.index is not None else "")

    @property
    def dimension(self) -> str:
        """Application Auto Scaling's name for the capacity."""
        return _DIMENSIONS[self.index is not None, self.direction]

    @property
    def key(self) -> dict[str, str]:
        """The parameters that name the target in every request."""
        return {
            "ServiceNamespace": "dynamodb",
            "ResourceId": self.resource_id,
            "ScalableDimension": self.dimension,
        }

    def __str__(self) -> str:
        return f"{self.resource_id} {self.direction}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledAction:
    """Moves a target's limits at set times.

    Args:
        name: Its name, unique for the target.
        schedule: ``at(yyyy-mm-ddThh:mm:ss)``, ``rate(5 minutes)`` or ``cron(0 8 * * ? *)``, in UTC.
        minimum: The fewest units from then on; ``None``: unchanged.
        maximum: The most units from then on; ``None``: unchanged.
        start: When a recurring action begins.
        end: When it ends.
    """

    name: str
    schedule: str
    minimum: int | None = None
    maximum: int | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 256 or not self.name.isprintable():
            raise ValidationError("name", "give 1 to 256 printable characters")
        if not self.schedule.startswith(("at(", "rate(", "cron(")) or not self.schedule.endswith(")"):
            raise ValidationError("schedule", f"{self.schedule!r}: give at(...), rate(...) or cron(...)")
        if self.minimum is None and self.maximum is None:
            raise ValidationError("minimum", "give a minimum, a maximum, or both")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValidationError("minimum", f"{self.minimum} is above the maximum, {self.maximum}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """What is registered for a target.

    Args:
        target: The target.
        scaling: Its limits and policy; ``None`` if it is not scaled.
        tracked: Whether a target-tracking policy moves the capacity.
        actions: Its scheduled actions.
    """

    target: Target
    scaling: Scaling | None = None
    tracked: bool = False
    actions: tuple[ScheduledAction, ...] = ()


def targets(config: DynamoDbConfig, *, indexes: bool = True) -> list[Target]:
    """All capacities of the five tables, and of their indexes."""
    return [target for table in config.tables for target in _targets_of(config, table, indexes=indexes)]


def policy_name(target: Target) -> str:
    """The name of a target's policy: always the same, so that registering again replaces the policy."""
    return f"torii-{target.direction}-utilisation:{target.resource_id}"


class AutoscalingAdmin:
    """Registers, shows and removes autoscaling.

    Args:
        config: Where the tables are.
        client: The client for DynamoDB.
        service: boto3's client of Application Auto Scaling; ``None``: one is made when it is needed.
    """

    def __init__(self, config: DynamoDbConfig, client: Client, *, service: Any = None) -> None:
        self.config = config
        self._control = Control(client)
        self._given = service

    @classmethod
    @contextmanager
    def open(cls, config: DynamoDbConfig) -> Generator[AutoscalingAdmin]:
        """Open a client for as long as the ``with`` statement runs."""
        with open_client(config) as client:
            yield cls(config, client)

    def plan(self, options: TableOptions) -> list[tuple[Target, Scaling]]:
        """What :meth:`register` would register.

        Raises:
            ValidationError: No table has ``autoscaling``.
            ConfigurationError: A table with ``autoscaling`` is on demand or missing.
        """
        wanted = list(_wanted(self.config, options))
        if not wanted:
            raise ValidationError(
                "options", "they contain no autoscaling: give TableOptions(autoscaling=Autoscaling(...))"
            )
        self._require_provisioned({target.table for target, _ in wanted})
        return wanted

    def register(self, options: TableOptions) -> list[tuple[Target, Scaling]]:
        """Register every wanted target with its policy. Running it again changes nothing.

        Returns:
            What was registered.

        Raises:
            ConfigurationError: As :meth:`plan`; nothing was registered.
        """
        wanted = self.plan(options)
        for target, scaling in wanted:
            self.register_target(target, scaling)
        return wanted

    def register_target(self, target: Target, scaling: Scaling) -> None:
        """Register one target with its policy."""
        self._call("register_scalable_target", target, MinCapacity=scaling.minimum, MaxCapacity=scaling.maximum)
        self._call(
            "put_scaling_policy",
            target,
            PolicyName=policy_name(target),
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": float(scaling.target),
                "PredefinedMetricSpecification": {"PredefinedMetricType": _METRICS[target.direction]},
                "ScaleInCooldown": scaling.scale_in_cooldown,
                "ScaleOutCooldown": scaling.scale_out_cooldown,
            },
        )

    def require_tables(self) -> None:
        """Check that the tables exist: Application Auto Scaling does not know, and would show none as scaled.

        Raises:
            ConfigurationError: One is missing.
        """
        self._control.require_tables(self.config)

    def describe(self) -> list[TargetState]:
        """What is registered for every target, including those that are not scaled."""
        every = targets(self.config)
        ids = sorted({target.resource_id for target in every})
        limits = {_key(one): one for one in self._pages("describe_scalable_targets", "ScalableTargets", ids)}
        policies: dict[tuple[str, str], Mapping[str, Any]] = {}
        actions: dict[tuple[str, str], list[ScheduledAction]] = {}
        for resource in sorted({resource for resource, _ in limits}):
            for one in self._pages("describe_scaling_policies", "ScalingPolicies", resource):
                if one.get("PolicyType") == "TargetTrackingScaling":
                    policies[_key(one)] = one["TargetTrackingScalingPolicyConfiguration"]
            for one in self._pages("describe_scheduled_actions", "ScheduledActions", resource):
                actions.setdefault(_key(one), []).append(_action(one))
        return [
            _state(target, limits[key], policies.get(key), actions.get(key, []))
            if key in limits
            else TargetState(target=target)
            for target in every
            for key in [(target.resource_id, target.dimension)]
        ]

    def deregister(self, states: Sequence[TargetState]) -> list[Target]:
        """Remove autoscaling, with its policies and scheduled actions. The capacities stay as they are.

        Args:
            states: What :meth:`describe` found; targets that are not scaled are left alone.

        Returns:
            The targets that are no longer scaled.
        """
        removed: list[Target] = []
        for state in states:
            if state.scaling is None:
                continue
            # AWS removes policies and actions along with a target; removing them first makes interruptions harmless.
            for action in state.actions:
                self._remove_action(state.target, action.name)
            if state.tracked:
                self._call("delete_scaling_policy", state.target, missing_ok=True, PolicyName=policy_name(state.target))
            self._call("deregister_scalable_target", state.target, missing_ok=True)
            removed.append(state.target)
        return removed

    def schedule(self, target: Target, action: ScheduledAction, *, dry_run: bool = False) -> bool:
        """Put a scheduled action on a target; it replaces one with the same name.

        Args:
            target: The target.
            action: The action.
            dry_run: Change nothing; check whether it is possible, and whether it would replace an action.

        Returns:
            Whether an action with that name was (or would be) replaced.

        Raises:
            ConfigurationError: The target's table is on demand or missing.
            NotFound: The target is not registered.
        """
        self._require_provisioned({target.table})
        if not self._registered(target):
            raise NotFound(
                "scalable target", f"{target} is not scaled; register it with: torii-dynamodb autoscaling enable"
            )
        replaced = self._has_action(target, action.name)
        if not dry_run:
            self.put_action(target, action)
        return replaced

    def put_action(self, target: Target, action: ScheduledAction) -> None:
        """Put a scheduled action on a registered target; it replaces one with the same name."""
        limits = {"MinCapacity": action.minimum, "MaxCapacity": action.maximum}
        times: dict[str, Any] = {"StartTime": action.start, "EndTime": action.end}
        self._call(
            "put_scheduled_action",
            target,
            ScheduledActionName=action.name,
            Schedule=action.schedule,
            ScalableTargetAction={name: value for name, value in limits.items() if value is not None},
            **{name: moment for name, moment in times.items() if moment is not None},
        )

    def unschedule(self, target: Target, name: str, *, dry_run: bool = False) -> bool:
        """Remove a scheduled action.

        Returns:
            Whether there was such an action; with ``dry_run``, whether there is one.
        """
        there = self._has_action(target, name)
        if dry_run or not there:
            return there
        return self._remove_action(target, name)

    def _remove_action(self, target: Target, name: str) -> bool:
        return self._call("delete_scheduled_action", target, missing_ok=True, ScheduledActionName=name)

    def _registered(self, target: Target) -> bool:
        found = self._pages("describe_scalable_targets", "ScalableTargets", [target.resource_id])
        return any(one["ScalableDimension"] == target.dimension for one in found)

    def _has_action(self, target: Target, name: str) -> bool:
        found = self._pages("describe_scheduled_actions", "ScheduledActions", target.resource_id)
        return any(one["ScalableDimension"] == target.dimension and one["ScheduledActionName"] == name for one in found)

    def _require_provisioned(self, tables: set[StoredTable]) -> None:
        described = self._control.require_tables(
            self.config, [table for table in self.config.tables if table in tables]
        )
        on_demand = [
            self.config.table_name(table) for table, found in described.items() if billing_of(found) == "on_demand"
        ]
        if on_demand:
            raise ConfigurationError(
                f"on demand: {', '.join(on_demand)}. DynamoDB scales on-demand tables by itself: there is nothing "
                "to configure. Autoscaling needs provisioned tables: torii-dynamodb tables ensure --billing provisioned"
            )

    @property
    def _service(self) -> Any:
        if self._given is None:
            self._given = aws_client(self.config, "application-autoscaling")
        return self._given

    def _call(self, operation: str, target: Target, *, missing_ok: bool = False, **parameters: Any) -> bool:
        service = self._service
        try:
            with aws_errors(f"{operation} for {target}"):
                getattr(service, operation)(**target.key, **parameters)
        except ToriiError as error:
            if missing_ok and _is_missing(error):
                return False
            raise
        return True

    def _pages(self, operation: str, member: str, resource: str | list[str]) -> Iterator[Mapping[str, Any]]:
        parameters: dict[str, Any] = {"ServiceNamespace": "dynamodb"}
        parameters |= {"ResourceIds": resource} if isinstance(resource, list) else {"ResourceId": resource}
        service = self._service
        with aws_errors(operation):
            while True:
                answer = getattr(service, operation)(**parameters)
                yield from answer[member]
                if not answer.get("NextToken"):
                    return
                parameters["NextToken"] = answer["NextToken"]


def _is_missing(error: ToriiError) -> bool:
    # moto returns ValidationException where AWS returns ObjectNotFoundException.
    return isinstance(error, NotFound) or (isinstance(error, RequestRejected) and "No scal" in error.message)


def _targets_of(config: DynamoDbConfig, table: StoredTable, *, indexes: bool) -> list[Target]:
    names = [None, *(index.name for index in schema_of(config)[table].indexes)] if indexes else [None]
    directions: tuple[Direction, ...] = ("read", "write")
    return [
        Target(table=table, name=config.table_name(table), index=index, direction=direction)
        for index in names
        for direction in directions
    ]


def _wanted(config: DynamoDbConfig, options: TableOptions) -> Iterator[tuple[Target, Scaling]]:
    for table in config.tables:
        autoscaling: Autoscaling | None = options.for_table(table).autoscaling
        if autoscaling is None:
            continue
        by_direction: dict[Direction, Scaling | None] = {"read": autoscaling.read, "write": autoscaling.write}
        for target in _targets_of(config, table, indexes=autoscaling.indexes):
            scaling = by_direction[target.direction]
            if scaling is not None:
                yield target, scaling


def _key(given: Mapping[str, Any]) -> tuple[str, str]:
    return str(given["ResourceId"]), str(given["ScalableDimension"])


def _state(
    target: Target, limits: Mapping[str, Any], policy: Mapping[str, Any] | None, actions: list[ScheduledAction]
) -> TargetState:
    found = policy or {}
    scaling = Scaling(
        minimum=int(limits["MinCapacity"]),
        maximum=int(limits["MaxCapacity"]),
        target=float(found.get("TargetValue", Scaling().target)),
        scale_in_cooldown=int(found.get("ScaleInCooldown", 0)),
        scale_out_cooldown=int(found.get("ScaleOutCooldown", 0)),
    )
    return TargetState(target=target, scaling=scaling, tracked=policy is not None, actions=tuple(actions))


def _action(given: Mapping[str, Any]) -> ScheduledAction:
    limits: Mapping[str, int] = given.get("ScalableTargetAction") or {}
    return ScheduledAction(
        name=str(given["ScheduledActionName"]),
        schedule=str(given["Schedule"]),
        minimum=limits.get("MinCapacity"),
        maximum=limits.get("MaxCapacity"),
        start=given.get("StartTime"),
        end=given.get("EndTime"),
    )
