"""A consumer of the streams, for use without Lambda: shard lineage, checkpoints, one reader at a time.

Delivery is at least once, and in order for each item: an item's changes are in one shard or, after DynamoDB splits it,
in its children, and a child is read only after its parent is finished.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep
from typing import Any

from torii_dynamodb._rules.times import epoch_seconds
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import outcome
from torii_dynamodb.admin.aws import aws_client, aws_error
from torii_dynamodb.admin.streams.checkpoints import Checkpoint, CheckpointStore, LeaseLost
from torii_dynamodb.admin.streams.control import StreamStatus, stream_status
from torii_dynamodb.admin.streams.decode import sequence_number, stream_tables
from torii_dynamodb.admin.streams.events import StreamEvent
from torii_dynamodb.admin.streams.handler import EventHandler, OnCorrupt, handle_record
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError, ToriiError

__all__ = ["HandlerFailed", "RecordsLost", "StreamConsumer", "readable_shards"]

_log = logging.getLogger("torii_dynamodb")

# DynamoDB allows 10 DescribeStream a second, and new shards appear every few hours.
_LOOK_FOR_SHARDS = 30.0
_ITERATOR_LOST = ("ExpiredIteratorException",)
_TRIMMED = ("TrimmedDataAccessException",)


class HandlerFailed(ToriiError):
    """The handler used up its attempts for one event. The event's record is not marked as done.

    Attributes:
        event: The event.
    """

    code = "handler_failed"

    def __init__(self, message: str, event: StreamEvent | None) -> None:
        super().__init__(message)
        self.event = event


class RecordsLost(ToriiError):
    """The consumer was stopped for more than 24 hours: DynamoDB has dropped records that were not read."""

    code = "records_lost"


@dataclass(slots=True)
class _Shard:
    table: StoredTable
    arn: str
    id: str
    parent: str | None
    iterator: str | None = None
    checkpoint: Checkpoint | None = None
    finished: bool = False
    opened: bool = field(default=False)


def readable_shards(parents: Mapping[str, str | None], finished: Collection[str]) -> list[str]:
    """The shards that may be read now: not finished themselves, and without an unfinished parent.

    Args:
        parents: Each shard's parent, in the order in which the shards were described.
        finished: The shards that have been read to their end.
    """
    ready: list[str] = []
    for shard, parent in parents.items():
        if shard in finished:
            continue
        if parent is None or parent not in parents or parent in finished:
            ready.append(shard)
    return ready


class StreamConsumer:
    """Reads the tables' streams and passes events to a handler.

    ::

        with StreamConsumer(config, handlers) as consumer:
            consumer.run()

    Args:
        config: Names the tables, Region and credentials.
        handler: Receives the events. If it raises, the event is tried again.
        name: The consumer's name: checkpoints are stored under it, and one process at a time reads under it.
        tables: Whose streams.
        since: Where to begin at the very first start of this name: earlier records are skipped. ``None``: with
            everything that DynamoDB still has (24 hours).
        attempts: How often an event is passed to the handler before it counts as failed.
        on_failure: Called with a failed event and the error; then the consumer continues. ``None``: it stops with
            :class:`HandlerFailed`, and begins with that record when it is run again.
        on_corrupt: What happens to a record that cannot be read.
        on_loss: What to do if DynamoDB has dropped records that were not read: ``"fail"``, or ``"continue"`` to log
            it and go on with the oldest record that is left.
        batch: How many records to ask for at once; the checkpoint is written after each batch.
        checkpoints: Where checkpoints are stored, if not in their default table.
        streams: A boto3 ``dynamodbstreams`` client, if not one made from the configuration.
        client: A client to use; it is not closed.
    """

    def __init__(
        self,
        config: DynamoDbConfig,
        handler: EventHandler,
        *,
        name: str = "default",
        tables: Sequence[StoredTable] | None = None,
        since: datetime | None = None,
        attempts: int = 3,
        on_failure: Callable[[StreamEvent, Exception], object] | None = None,
        on_corrupt: OnCorrupt = "fail",
        on_loss: str = "fail",
        batch: int = 1000,
        checkpoints: CheckpointStore | None = None,
        streams: Any = None,
        client: Client | None = None,
    ) -> None:
        if attempts < 1:
            raise ConfigurationError(f"attempts must be at least 1, not {attempts}")
        self._config = config
        self._handler = handler
        self._tables = stream_tables(config) if tables is None else tuple(tables)
        self._since = since
        self._attempts = attempts
        self._on_failure = on_failure
        self._on_corrupt: OnCorrupt = on_corrupt
        self._on_loss = on_loss
        self._batch = batch
        self._own_client = client is None
        self._client = client or Client(config)
        self._streams = streams
        self._store = checkpoints or CheckpointStore(self._client, config, name)
        self._name = name
        self._shards: dict[tuple[str, str], _Shard] = {}
        self._looked_at: float | None = None
        self._from = 0
        self._ready = False

    def __enter__(self) -> StreamConsumer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lease, and close what was opened."""
        try:
            if self._ready:
                self._store.release()
        finally:
            if self._own_client:
                self._client.close()

    def run(self, *, stop: Callable[[], bool] = lambda: False, pause: float = 1.0) -> int:
        """Read until told to stop.

        Args:
            stop: Called between batches; return true to stop.
            pause: Seconds to wait if there was nothing; DynamoDB allows 5 reads a second for each shard.

        Returns:
            How many events were handled.

        Raises:
            LeaseLost: Another process reads under this name.
            HandlerFailed: The handler used up its attempts, and there is no ``on_failure``.
            RecordsLost: Records were dropped before they were read.
        """
        handled = 0
        while not stop():
            events, records = self.poll()
            handled += events
            if not records and not stop():
                sleep(pause)
        return handled

    def poll(self) -> tuple[int, int]:
        """Read one batch of every shard that may be read.

        Returns:
            The numbers of events handled and of records read. 0 records do not mean that nothing is left: DynamoDB
            sometimes returns empty batches, and a shard may just have ended.
        """
        self._begin()
        events = records = 0
        self._look_for_shards()
        for shard in self._readable():
            got_events, got_records = self._read(shard)
            events += got_events
            records += got_records
        return events, records

    def _begin(self) -> None:
        if self._streams is None:
            self._streams = aws_client(self._config, "dynamodbstreams")
        if not self._ready:
            # First, so that a mistyped prefix does not leave a table behind.
            self._with_streams()
            self._store.ensure_table()
        if not self._store.acquire():
            raise LeaseLost(
                f"another process consumes as {self._name!r}; stop it and wait half a minute until its lease ends, "
                "or choose another name"
            )
        if not self._ready:
            self._from = self._store.started_at(self._since)
            self._ready = True

    def _look_for_shards(self) -> None:
        now = monotonic()
        if self._looked_at is not None and now - self._looked_at < _LOOK_FOR_SHARDS:
            return
        self._looked_at = now
        for status, arn in self._with_streams():
            seen: set[tuple[str, str]] = set()
            for described in self._describe(arn):
                key = (arn, str(described["ShardId"]))
                seen.add(key)
                if key not in self._shards:
                    parent = described.get("ParentShardId")
                    self._shards[key] = _Shard(status.table, arn, key[1], parent)
            for key in [key for key, shard in self._shards.items() if shard.table == status.table]:
                if key not in seen:
                    del self._shards[key]

    def _with_streams(self) -> list[tuple[StreamStatus, str]]:
        found: list[tuple[StreamStatus, str]] = []
        for status in stream_status(self._client, self._config, self._tables):
            if status.arn is None:
                raise ConfigurationError(
                    f"{status.name} has no stream; turn it on with `torii-dynamodb streams enable`"
                )
            found.append((status, status.arn))
        return found

    def _describe(self, arn: str) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {"StreamArn": arn}
        while True:
            answer = self._ask("DescribeStream", request)["StreamDescription"]
            yield from answer.get("Shards") or ()
            last = answer.get("LastEvaluatedShardId")
            if not last:
                return
            request = {"StreamArn": arn, "ExclusiveStartShardId": last}

    def _readable(self) -> list[_Shard]:
        ready: list[_Shard] = []
        for arn in dict.fromkeys(arn for arn, _ in self._shards):
            parents = {id_: shard.parent for (of, id_), shard in self._shards.items() if of == arn}
            finished = {id_ for id_ in parents if self._is_finished(self._shards[arn, id_])}
            ready += [self._shards[arn, id_] for id_ in readable_shards(parents, finished)]
        return ready

    def _is_finished(self, shard: _Shard) -> bool:
        if not shard.opened:
            shard.checkpoint = self._store.read(shard.arn, shard.id)
            shard.finished = shard.checkpoint is not None and shard.checkpoint.finished
            shard.opened = True
        return shard.finished

    def _iterator(self, shard: _Shard) -> str:
        request: dict[str, Any] = {"StreamArn": shard.arn, "ShardId": shard.id}
        last = None if shard.checkpoint is None else shard.checkpoint.sequence
        if last is None:
            request["ShardIteratorType"] = "TRIM_HORIZON"
        else:
            request |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
        try:
            return str(self._ask("GetShardIterator", request)["ShardIterator"])
        except _Lost as lost:
            self._mourn(shard, lost)
        return str(
            self._ask(
                "GetShardIterator",
                {"StreamArn": shard.arn, "ShardId": shard.id, "ShardIteratorType": "TRIM_HORIZON"},
            )["ShardIterator"]
        )

    def _read(self, shard: _Shard) -> tuple[int, int]:
        if shard.iterator is None:
            shard.iterator = self._iterator(shard)
        try:
            answer = self._ask("GetRecords", {"ShardIterator": shard.iterator, "Limit": self._batch})
        except _Stale:
            shard.iterator = None
            return 0, 0
        except _Lost as lost:
            self._mourn(shard, lost)
            shard.iterator, shard.checkpoint = None, None
            return 0, 0
        records: list[dict[str, Any]] = answer.get("Records") or []
        events, done = 0, None
        try:
            for record in records:
                events += self._deal_with(record, shard.table)
                done = sequence_number(record)
        finally:
            # Records before a failed one are done.
            if done is not None:
                self._keep(shard, Checkpoint(done, finished=False))
        shard.iterator = answer.get("NextShardIterator")
        if not shard.iterator:
            last = None if shard.checkpoint is None else shard.checkpoint.sequence
            self._keep(shard, Checkpoint(last, finished=True))
            shard.finished = True
            self._looked_at = None  # its children may have appeared
        return events, len(records)

    def _deal_with(self, record: Mapping[str, Any], table: StoredTable) -> int:
        if self._from and _seconds(record) < self._from:
            return 0
        return handle_record(record, table, self._config, self._hand_over, self._on_corrupt)

    def _hand_over(self, event: StreamEvent) -> None:
        pause = 0.05
        for attempt in range(1, self._attempts + 1):
            try:
                outcome(self._handler.handle(event))
            except Exception as error:
                if attempt < self._attempts:
                    _log.warning("the handler failed for %s (attempt %d): %s", event.id, attempt, type(error).__name__)
                    sleep(pause)
                    pause = min(pause * 2, 2.0)
                    continue
                if self._on_failure is None:
                    raise HandlerFailed(
                        f"the handler failed {attempt} times for {event.id}: {type(error).__name__}; "
                        "when run again, the consumer begins with this record",
                        event,
                    ) from error
                self._on_failure(event, error)
            return

    def _keep(self, shard: _Shard, checkpoint: Checkpoint) -> None:
        self._store.write(shard.arn, shard.id, checkpoint)
        shard.checkpoint = checkpoint

    def _mourn(self, shard: _Shard, lost: Exception) -> None:
        message = f"records of the stream of {shard.table} are lost: {self._name!r} was more than 24 hours behind"
        if self._on_loss == "fail":
            raise RecordsLost(
                f"{message}; compare the handler's data with the tables, then run it with on_loss='continue'"
            ) from lost
        _log.error("%s; continuing with the oldest record that is left", message)

    def _ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        calls = {
            "DescribeStream": "describe_stream",
            "GetShardIterator": "get_shard_iterator",
            "GetRecords": "get_records",
        }
        try:
            answer: dict[str, Any] = getattr(self._streams, calls[operation])(**request)
        except ClientError as error:
            told: Any = error.response
            code = told.get("Error", {}).get("Code")
            if code in _ITERATOR_LOST:
                raise _Stale(str(code)) from error
            if code in _TRIMMED:
                raise _Lost(str(code)) from error
            raise aws_error(operation, error) from error
        except BotoCoreError as error:
            raise aws_error(operation, error) from error
        return answer


class _Stale(Exception):
    """The iterator has expired: it lives for 15 minutes."""


class _Lost(Exception):
    """The position to continue from is older than 24 hours."""


def _seconds(record: Mapping[str, Any]) -> int:
    body: Any = record.get("dynamodb") or {}
    at: Any = body.get("ApproximateCreationDateTime")
    if isinstance(at, datetime):
        return epoch_seconds(at)
    return int(at or 0)
