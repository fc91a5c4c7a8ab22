"""Terraform, in its JSON syntax: save it as ``torii.tf.json``."""

from __future__ import annotations

from typing import Any

from torii_dynamodb.admin.options import AWS_MANAGED_KEY, AWS_OWNED_KEY, NO_MAXIMUM, Capacity, Scaling, TableOptions
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.schema import IndexSchema, schema_of

__all__ = ["terraform"]

# hashicorp/aws: warm_throughput of aws_dynamodb_table and recovery_period_in_days were added in 5.x and 6.x.
_PROVIDER = {"source": "hashicorp/aws", "version": ">= 6.0"}


def terraform(config: DynamoDbConfig, options: TableOptions) -> dict[str, Any]:
    """The tables and their autoscaling. Terraform refuses to destroy the tables."""
    resources: dict[str, dict[str, Any]] = {
        "aws_dynamodb_table": {table: _table(table, config, options.for_table(table)) for table in config.tables}
    }
    for table in config.tables:
        for name, (target, policy) in _autoscaling(table, config, options.for_table(table)).items():
            resources.setdefault("aws_appautoscaling_target", {})[name] = target
            resources.setdefault("aws_appautoscaling_policy", {})[name] = policy
    outputs = {f"{table}_table_arn": {"value": f"${{aws_dynamodb_table.{table}.arn}}"} for table in config.tables}
    return {"terraform": {"required_providers": {"aws": _PROVIDER}}, "resource": resources, "output": outputs}


def _table(table: StoredTable, config: DynamoDbConfig, options: TableOptions) -> dict[str, Any]:
    schema = schema_of(config)[table]
    provisioned = options.billing == "provisioned"
    body: dict[str, Any] = {
        "name": config.table_name(table),
        "billing_mode": "PROVISIONED" if provisioned else "PAY_PER_REQUEST",
        "hash_key": schema.hash_key.name,
    }
    if schema.range_key is not None:
        body["range_key"] = schema.range_key.name
    body["attribute"] = [{"name": name, "type": kind} for name, kind in schema.attributes.items()]
    body |= _capacity(options, None)
    if schema.indexes:
        body["global_secondary_index"] = [_index(index, options) for index in schema.indexes]
    if schema.ttl is not None:
        body["ttl"] = {"attribute_name": schema.ttl, "enabled": True}
    if options.point_in_time_recovery is not None:
        recovery: dict[str, Any] = {"enabled": options.point_in_time_recovery}
        if options.recovery_days is not None:
            recovery["recovery_period_in_days"] = options.recovery_days
        body["point_in_time_recovery"] = recovery
    if options.kms_key is not None:
        body["server_side_encryption"] = _encryption(options.kms_key)
    if options.deletion_protection is not None:
        body["deletion_protection_enabled"] = options.deletion_protection
    if options.table_class is not None:
        body["table_class"] = options.table_class
    if options.stream is not None:
        body |= {"stream_enabled": True, "stream_view_type": options.stream}
    if options.tags:
        body["tags"] = dict(options.tags)
    lifecycle: dict[str, Any] = {"prevent_destroy": True}
    if provisioned and options.autoscaling is not None:
        # Otherwise the next apply would undo what autoscaling has set. Terraform can ignore a block in a set (an
        # index) only as a whole.
        lifecycle["ignore_changes"] = ["read_capacity", "write_capacity"]
        if schema.indexes and options.autoscaling.indexes:
            lifecycle["ignore_changes"].append("global_secondary_index")
    body["lifecycle"] = lifecycle
    return body


def _index(index: IndexSchema, options: TableOptions) -> dict[str, Any]:
    body: dict[str, Any] = {"name": index.name, "hash_key": index.hash_key.name}
    if index.range_key is not None:
        body["range_key"] = index.range_key.name
    body["projection_type"] = "ALL"
    return body | _capacity(options, index.name)


def _capacity(options: TableOptions, index: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if options.billing == "provisioned":
        units = options.new_capacity(index)
        body |= {"read_capacity": units.read, "write_capacity": units.write}
    elif options.max_on_demand is not None:
        maximum = _maximum(options.max_on_demand)
        if maximum:
            body["on_demand_throughput"] = maximum
    if options.warm is not None:
        body["warm_throughput"] = {
            "read_units_per_second": options.warm.read,
            "write_units_per_second": options.warm.write,
        }
    return body


def _maximum(capacity: Capacity) -> dict[str, int]:
    given = {"max_read_request_units": capacity.read, "max_write_request_units": capacity.write}
    return {name: units for name, units in given.items() if units != NO_MAXIMUM}


def _encryption(key: str) -> dict[str, Any]:
    if key == AWS_OWNED_KEY:
        return {"enabled": False}
    return {"enabled": True} if key == AWS_MANAGED_KEY else {"enabled": True, "kms_key_arn": key}


def _autoscaling(
    table: StoredTable, config: DynamoDbConfig, options: TableOptions
) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    scaling = options.autoscaling
    if scaling is None or options.billing != "provisioned":
        return {}
    made: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    indexes = [index.name for index in schema_of(config)[table].indexes] if scaling.indexes else []
    for index in (None, *indexes):
        for direction, how in (("read", scaling.read), ("write", scaling.write)):
            if how is not None:
                name = f"{table}_{index.replace('-', '_')}_{direction}" if index else f"{table}_{direction}"
                made[name] = _scaled(name, table, index, direction, how)
    return made


def _scaled(
    name: str, table: StoredTable, index: str | None, direction: str, how: Scaling
) -> tuple[dict[str, Any], dict[str, Any]]:
    path = f"table/${{aws_dynamodb_table.{table}.name}}" + (f"/index/{index}" if index else "")
    target = {
        "service_namespace": "dynamodb",
        "resource_id": path,
        "scalable_dimension": f"dynamodb:{'index' if index else 'table'}:{direction.capitalize()}CapacityUnits",
        "min_capacity": how.minimum,
        "max_capacity": how.maximum,
    }
    of = f"aws_appautoscaling_target.{name}"
    policy = {
        "name": f"{name}_target_tracking",
        "policy_type": "TargetTrackingScaling",
        "service_namespace": f"${{{of}.service_namespace}}",
        "resource_id": f"${{{of}.resource_id}}",
        "scalable_dimension": f"${{{of}.scalable_dimension}}",
        "target_tracking_scaling_policy_configuration": {
            "target_value": how.target,
            "scale_in_cooldown": how.scale_in_cooldown,
            "scale_out_cooldown": how.scale_out_cooldown,
            "predefined_metric_specification": {
                "predefined_metric_type": f"DynamoDB{direction.capitalize()}CapacityUtilization"
            },
        },
    }
    return target, policy
