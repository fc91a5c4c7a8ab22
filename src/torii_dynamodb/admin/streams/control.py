"""Switching the tables' streams on and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ServiceError
from torii_dynamodb.admin.streams.decode import STREAM_TABLES
from torii_dynamodb.config import DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError, RequestRejected, ToriiError, Unavailable

__all__ = ["VIEW_TYPE", "StreamStatus", "disable_streams", "enable_streams", "stream_status"]

VIEW_TYPE = "NEW_AND_OLD_IMAGES"
"""What the events need: what changed is told by both."""

_WAIT = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """A table's stream.

    Args:
        table: Which table.
        name: The table's full name.
        enabled: Whether changes are recorded now.
        view_type: What a record carries; ``None`` where nothing is recorded.
        arn: The latest stream's ARN. It stays readable for 24 hours after the stream was switched off.
        usable: Whether events can be made of it.
    """

    table: TableName
    name: str
    enabled: bool
    view_type: str | None
    arn: str | None

    @property
    def usable(self) -> bool:
        """Whether events can be made of it."""
        return self.enabled and self.view_type == VIEW_TYPE


def stream_status(
    client: Client, config: DynamoDbConfig, tables: Sequence[TableName] = STREAM_TABLES
) -> list[StreamStatus]:
    """Where the streams of the tables stand.

    Raises:
        ConfigurationError: A table does not exist.
    """
    return [_read(table, config, _describe(client, config.table_name(table))) for table in tables]


def enable_streams(
    client: Client, config: DynamoDbConfig, tables: Sequence[TableName] = STREAM_TABLES, *, dry_run: bool = False
) -> list[str]:
    """Switch the streams on, with old and new images, and wait. Tables that have one are left alone.

    Args:
        client: The client.
        config: Names the tables.
        tables: Which tables.
        dry_run: Change nothing, tell what would be changed.

    Returns:
        What was (or would be) done, a sentence each.

    Raises:
        ConfigurationError: A table does not exist, or has a stream of another view type. That cannot be changed in
            place: switch it off first, once its other readers agree.
    """
    done: list[str] = []
    for status in stream_status(client, config, tables):
        if status.usable:
            continue
        if status.enabled:
            raise ConfigurationError(
                f"{status.name} has a stream with the view type {status.view_type}, and events need {VIEW_TYPE}; "
                "DynamoDB cannot change that in place: switch the stream off (`streams disable`), then on again"
            )
        done.append(f"switch on the stream of {status.name} ({VIEW_TYPE})")
        if not dry_run:
            _update(client, status.name, {"StreamEnabled": True, "StreamViewType": VIEW_TYPE})
    return done


def disable_streams(
    client: Client, config: DynamoDbConfig, tables: Sequence[TableName] = STREAM_TABLES, *, dry_run: bool = False
) -> list[str]:
    """Switch the streams off, and wait. What was recorded stays readable for 24 hours; changes from now on are lost.

    Returns:
        What was (or would be) done, a sentence each.
    """
    done: list[str] = []
    for status in stream_status(client, config, tables):
        if not status.enabled:
            continue
        done.append(f"switch off the stream of {status.name}; nobody is told of changes from then on")
        if not dry_run:
            _update(client, status.name, {"StreamEnabled": False})
    return done


def _update(client: Client, name: str, specification: dict[str, Any]) -> None:
    try:
        client.call("UpdateTable", {"TableName": name, "StreamSpecification": specification})
    except ServiceError as error:
        raise _rejected("UpdateTable", name, error) from error
    started, pause = monotonic(), 0.05
    while _describe(client, name).get("TableStatus") != "ACTIVE":
        if monotonic() - started > _WAIT:
            raise Unavailable(f"{name} is not active after {_WAIT:.0f} seconds", attempts=1)
        sleep(pause)
        pause = min(pause * 2, 2.0)


def _describe(client: Client, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = client.call("DescribeTable", {"TableName": name})["Table"]
    except ServiceError as error:
        raise _rejected("DescribeTable", name, error) from error
    return found


def _rejected(operation: str, name: str, error: ServiceError) -> ToriiError:
    if error.code == "ResourceNotFoundException":
        return ConfigurationError(
            f"the table {name} does not exist; create it with `torii-dynamodb tables ensure`",
            request_id=error.request_id,
        )
    return RequestRejected(
        f"{operation} on {name}: {error.code}: {error.message}", aws_code=error.code, request_id=error.request_id
    )


def _read(table: TableName, config: DynamoDbConfig, description: dict[str, Any]) -> StreamStatus:
    stream: dict[str, Any] = description.get("StreamSpecification") or {}
    enabled = bool(stream.get("StreamEnabled"))
    return StreamStatus(
        table=table,
        name=config.table_name(table),
        enabled=enabled,
        view_type=stream.get("StreamViewType") if enabled else None,
        arn=description.get("LatestStreamArn"),
    )
