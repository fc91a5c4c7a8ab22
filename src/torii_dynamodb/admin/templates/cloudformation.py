"""CloudFormation, and what is CloudFormation in other clothes: SAM, and the properties of CDK's ``CfnTable``."""

from __future__ import annotations

from typing import Any, cast

from torii_dynamodb.admin.options import NO_MAXIMUM, Scaling, TableOptions
from torii_dynamodb.admin.planning import create_payload
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.schema import SCHEMA

__all__ = ["cdk_json", "cloudformation", "logical_id", "sam", "table_properties"]

_DESCRIPTION = "The tables of torii-dynamodb. Made by `torii-dynamodb template`; make it again rather than edit it."
# AWS SAM Developer Guide, "Transform": the only version there is.
_SAM_TRANSFORM = "AWS::Serverless-2016-10-31"


def logical_id(table: TableName) -> str:
    """A table's name in the template: ``LoginAttemptsTable``."""
    return "".join(part.capitalize() for part in table.split("_")) + "Table"


def table_properties(table: TableName, config: DynamoDbConfig, options: TableOptions) -> dict[str, Any]:
    """The properties of an ``AWS::DynamoDB::Table``. They are ``CreateTable``'s, but for a few names."""
    schema, chosen = SCHEMA[table], options.for_table(table)
    properties = create_payload(schema, config.table_name(table), chosen)
    for part in (properties, *properties.get("GlobalSecondaryIndexes", ())):
        maximum: dict[str, int] = {
            name: units for name, units in part.pop("OnDemandThroughput", {}).items() if units != NO_MAXIMUM
        }
        if maximum:
            part["OnDemandThroughput"] = maximum
    if "SSESpecification" in properties:
        encryption = properties["SSESpecification"]
        properties["SSESpecification"] = {"SSEEnabled": encryption.pop("Enabled"), **encryption}
    if "StreamSpecification" in properties:
        properties["StreamSpecification"] = {"StreamViewType": chosen.stream}
    if schema.ttl is not None:
        properties["TimeToLiveSpecification"] = {"AttributeName": schema.ttl, "Enabled": True}
    if chosen.point_in_time_recovery is not None:
        recovery: dict[str, Any] = {"PointInTimeRecoveryEnabled": chosen.point_in_time_recovery}
        if chosen.recovery_days is not None:
            recovery["RecoveryPeriodInDays"] = chosen.recovery_days
        properties["PointInTimeRecoverySpecification"] = recovery
    return properties


def cloudformation(config: DynamoDbConfig, options: TableOptions) -> dict[str, Any]:
    """The tables and their autoscaling. A stack that is deleted leaves the tables standing."""
    resources: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    for table in TABLES:
        name = logical_id(table)
        resources[name] = {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": table_properties(table, config, options),
        }
        outputs[f"{name}Arn"] = {"Value": {"Fn::GetAtt": [name, "Arn"]}}
        if options.for_table(table).stream is not None:
            outputs[f"{name}StreamArn"] = {"Value": {"Fn::GetAtt": [name, "StreamArn"]}}
    for table in TABLES:
        resources |= _autoscaling(table, options)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _DESCRIPTION,
        "Resources": resources,
        "Outputs": outputs,
    }


def sam(config: DynamoDbConfig, options: TableOptions) -> dict[str, Any]:
    """The same as a SAM template, to put functions beside. SAM's own ``SimpleTable`` knows neither index nor TTL."""
    document = cloudformation(config, options)
    return {
        "AWSTemplateFormatVersion": document["AWSTemplateFormatVersion"],
        "Transform": _SAM_TRANSFORM,
        **{name: value for name, value in document.items() if name != "AWSTemplateFormatVersion"},
    }


def cdk_json(config: DynamoDbConfig, options: TableOptions) -> dict[str, Any]:
    """The properties of each table for CDK's ``new dynamodb.CfnTable(this, id, properties)``, by construct id.

    CDK names properties as CloudFormation does, beginning with a small letter.
    """
    return {
        logical_id(table): cast("dict[str, Any]", _small(table_properties(table, config, options))) for table in TABLES
    }


def _small(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {_small_name(name): _small(member) for name, member in members.items()}
    if isinstance(value, list):
        return [_small(member) for member in cast("list[object]", value)]
    return value


def _small_name(name: str) -> str:
    # A leading run of capitals is one word: SSESpecification -> sseSpecification, KMSMasterKeyId -> kmsMasterKeyId.
    capitals = len(name) - len(name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    head = capitals if capitals in (0, 1, len(name)) else capitals - 1
    return name[:head].lower() + name[head:]


def _autoscaling(table: TableName, options: TableOptions) -> dict[str, Any]:
    chosen = options.for_table(table)
    scaling = chosen.autoscaling
    if scaling is None or chosen.billing != "provisioned":
        return {}
    resources: dict[str, Any] = {}
    indexes = [index.name for index in SCHEMA[table].indexes] if scaling.indexes else []
    for index in (None, *indexes):
        for direction, how in (("Read", scaling.read), ("Write", scaling.write)):
            if how is not None:
                resources |= _scaled(table, index, direction, how)
    return resources


def _scaled(table: TableName, index: str | None, direction: str, how: Scaling) -> dict[str, Any]:
    suffix = "".join(part.capitalize() for part in index.split("-")) if index else ""
    name = f"{logical_id(table)}{suffix}{direction}"
    kind = "index" if index else "table"
    path = f"table/${{{logical_id(table)}}}" + (f"/index/{index}" if index else "")
    return {
        f"{name}Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {
                "ServiceNamespace": "dynamodb",
                "ResourceId": {"Fn::Sub": path},
                "ScalableDimension": f"dynamodb:{kind}:{direction}CapacityUnits",
                "MinCapacity": how.minimum,
                "MaxCapacity": how.maximum,
            },
        },
        f"{name}Policy": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": f"{name}TargetTracking",
                "PolicyType": "TargetTrackingScaling",
                "ScalingTargetId": {"Ref": f"{name}Target"},
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": how.target,
                    "ScaleInCooldown": how.scale_in_cooldown,
                    "ScaleOutCooldown": how.scale_out_cooldown,
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": f"DynamoDB{direction}CapacityUtilization"
                    },
                },
            },
        },
    }
