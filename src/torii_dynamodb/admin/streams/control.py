"""Turns the tables' streams on and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.control import Control
from torii_dynamodb.admin.planning import stream_on, stream_view
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.admin.streams.decode import stream_tables
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError

__all__ = ["VIEW_TYPE", "StreamStatus", "disable_streams", "enable_streams", "stream_status"]

VIEW_TYPE: Final = "NEW_AND_OLD_IMAGES"
"""What events need: they compare both images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """A table's stream.

    Args:
        table: The table, without the prefix.
        name: The table's full name.
        enabled: Whether changes are recorded.
        view_type: What a record contains; ``None`` if nothing is recorded.
        arn: The latest stream's ARN. A stream stays readable for 24 hours after it was turned off.
    """

    table: StoredTable
    name: str
    enabled: bool
    view_type: str | None
    arn: str | None

    @property
    def usable(self) -> bool:
        """Whether events can be made from it."""
        return self.enabled and self.view_type == VIEW_TYPE


def stream_status(
    client: Client, config: DynamoDbConfig, tables: Sequence[StoredTable] | None = None
) -> list[StreamStatus]:
    """The status of the tables' streams.

    Raises:
        ConfigurationError: A table does not exist.
    """
    described = Control(client).require_tables(config, stream_tables(config) if tables is None else tables)
    return [_read(table, config, found) for table, found in described.items()]


def enable_streams(
    client: Client,
    config: DynamoDbConfig,
    tables: Sequence[StoredTable] | None = None,
    *,
    dry_run: bool = False,
    report: Report = silent,
) -> list[str]:
    """Turn the streams on, with old and new images, and wait. Tables that already have one are left alone.

    Args:
        client: The client.
        config: Names the tables.
        tables: Which tables.
        dry_run: Change nothing; only return what would be changed.
        report: Receives the progress.

    Returns:
        What was (or would be) done, a sentence each.

    Raises:
        ConfigurationError: A table does not exist, or has a stream with another view type, which cannot be changed in
            place: turn it off first, once its other readers agree. Nothing was changed.
    """
    found = [status for status in stream_status(client, config, tables) if not status.usable]
    for status in found:
        if status.enabled:
            raise ConfigurationError(
                f"{status.name} has a stream with the view type {status.view_type}, and events need {VIEW_TYPE}; "
                "DynamoDB cannot change that in place: turn the stream off (`streams disable`), then on again"
            )
    if not dry_run:
        _switch(client, [status.name for status in found], stream_on(VIEW_TYPE), "turn streams on", report)
    return [f"turn on the stream of {status.name} ({VIEW_TYPE})" for status in found]


def disable_streams(
    client: Client,
    config: DynamoDbConfig,
    tables: Sequence[StoredTable] | None = None,
    *,
    dry_run: bool = False,
    report: Report = silent,
) -> list[str]:
    """Turn the streams off, and wait. Records stay readable for 24 hours; later changes are not recorded.

    Returns:
        What was (or would be) done, a sentence each.
    """
    names = [status.name for status in stream_status(client, config, tables) if status.enabled]
    if not dry_run:
        _switch(client, names, {"StreamEnabled": False}, "turn streams off", report)
    return [f"turn off the stream of {name}; later changes are not recorded" for name in names]


def _switch(client: Client, names: Sequence[str], specification: dict[str, Any], task: str, report: Report) -> None:
    control = Control(client)
    for done, name in enumerate(names):
        report(Progress(task=task, done=done, total=len(names), unit="tables"))
        control.call("UpdateTable", {"TableName": name, "StreamSpecification": specification})
        control.wait_for_table(name)
    report(Progress(task=task, done=len(names), total=len(names), unit="tables"))


def _read(table: StoredTable, config: DynamoDbConfig, description: dict[str, Any]) -> StreamStatus:
    view = stream_view(description)
    return StreamStatus(
        table=table,
        name=config.table_name(table),
        enabled=view is not None,
        view_type=view,
        arn=description.get("LatestStreamArn"),
    )
