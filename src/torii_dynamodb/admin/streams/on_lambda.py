"""A Lambda handler for the tables' streams, with partial-batch responses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from torii_dynamodb.admin.streams.decode import sequence_number, table_of
from torii_dynamodb.admin.streams.handler import EventHandler, OnCorrupt, handle_record
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["BatchResponse", "lambda_handler"]

_log = logging.getLogger("torii_dynamodb")

BatchResponse = dict[str, list[dict[str, str]]]
"""``{"batchItemFailures": [{"itemIdentifier": <sequence number>}]}``"""


def lambda_handler(
    config: DynamoDbConfig, handler: EventHandler, *, on_corrupt: OnCorrupt = "fail"
) -> Callable[[Mapping[str, Any], object], BatchResponse]:
    """Make the function that Lambda calls with a batch of records.

    The event source mapping needs ``FunctionResponseTypes: [ReportBatchItemFailures]`` (our templates say so): Lambda
    then starts again from the first record that failed, and counts those before it as done. Records after it are not
    handled, because a later change of an item must not overtake an earlier one. Without that setting, Lambda treats
    any response as success, and a failed record is lost.

    Give the mapping a ``MaximumRetryAttempts``, an ``OnFailure`` destination and ``BisectBatchOnFunctionError``;
    otherwise a record that always fails blocks its shard until DynamoDB drops it after 24 hours.

    Args:
        config: Names the tables; no request is made.
        handler: Receives the events.
        on_corrupt: What happens to a record that cannot be read.

    Returns:
        ``handle(event, context)``. Records of other tables are ignored.
    """

    def handle(event: Mapping[str, Any], context: object) -> BatchResponse:
        records: list[Mapping[str, Any]] = list(event.get("Records") or ())
        for record in records:
            table = table_of(record, config)
            if table is None:
                _log.warning("ignored a record of a stream that is not ours: %s", record.get("eventSourceARN"))
                continue
            try:
                handle_record(record, table, config, handler.handle, on_corrupt)
            except Exception as error:
                number = sequence_number(record)
                if not number:
                    raise
                _log.exception("record %s of the stream of %s failed: %s", number, table, type(error).__name__)
                return {"batchItemFailures": [{"itemIdentifier": number}]}
        return {"batchItemFailures": []}

    return handle
