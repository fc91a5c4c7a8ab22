"""A consumer's progress, stored in its own DynamoDB table and protected by a lease that one process holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb._core.tables import ttl_request
from torii_dynamodb._rules.times import epoch_millis, epoch_seconds, to_text
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.errors import ConditionFailed, TransactionCanceled
from torii_dynamodb._wire.json import list_of
from torii_dynamodb.admin.control import Control, NotOffered, is_settled
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, RequestRejected, ToriiError

__all__ = ["Checkpoint", "CheckpointStore", "LeaseLost", "checkpoint_table_name", "has_checkpoint_key"]

# A shard and its records live for 24 hours; the checkpoint may be deleted some time later.
_KEEP = timedelta(days=7)


class LeaseLost(ToriiError):
    """Another process consumes under this name. It continues from the last checkpoint; this process must stop."""

    code = "lease_lost"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The progress in a shard.

    Args:
        sequence: The last record that was handled; ``None``: none yet.
        finished: Whether the shard has been read to its end.
    """

    sequence: str | None
    finished: bool


def checkpoint_table_name(config: DynamoDbConfig) -> str:
    """The table's full name: ``{table_prefix}_stream_checkpoints``; of a single table, its name and the same ending."""
    prefix = config.table_prefix if config.layout == "tables" else config.table_name("table")
    return f"{prefix}_stream_checkpoints"


def has_checkpoint_key(description: Mapping[str, Any]) -> bool:
    """Whether a described table has the key of a checkpoint table."""
    return [(key["AttributeName"], key["KeyType"]) for key in list_of(description.get("KeySchema"))] == [("id", "HASH")]


class CheckpointStore:
    """Checkpoints and the lease of one consumer, by its name.

    Every checkpoint is written in one transaction with a check of the lease: a stalled process that lost its lease
    cannot set back the progress of its successor.

    Args:
        client: The client.
        config: Names the table, and provides the clock.
        name: The consumer's name; each name reads everything.
        owner: This process' name; random by default.
        lease: How long the lease lasts without renewal.
        table: The table, if not :func:`checkpoint_table_name`. Its key is ``id`` (S), its TTL attribute
            ``expires_at``.
    """

    def __init__(
        self,
        client: Client,
        config: DynamoDbConfig,
        name: str,
        *,
        owner: str | None = None,
        lease: timedelta = timedelta(seconds=30),
        table: str | None = None,
    ) -> None:
        self.table = table or checkpoint_table_name(config)
        self.owner = owner or config.random(12).hex()
        self._client = client
        self._config = config
        self._name = name
        self._lease = lease

    def ensure_table(self) -> bool:
        """Create the table if it is missing, and wait for it; return whether it was created."""
        control = Control(self._client)
        found = control.lasting(self.table)
        if found is None:
            control.create_table(
                "CreateTable",
                {
                    "TableName": self.table,
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "BillingMode": "PAY_PER_REQUEST",
                },
            )
        elif not has_checkpoint_key(found):
            raise ConfigurationError(f"the key of table {self.table} is not id; give another table name")
        elif is_settled(found):
            return False
        control.wait_for_table(self.table)
        try:
            control.call("UpdateTimeToLive", ttl_request(self.table, "expires_at"))
        except RequestRejected as error:
            # Another process was first, or the endpoint has no TTL and old checkpoints stay.
            if error.aws_code != "ValidationException" and not isinstance(error, NotOffered):
                raise
        return found is None

    def acquire(self) -> bool:
        """Take or renew the lease; return whether it is ours now."""
        now = self._config.clock()
        try:
            self._client.call(
                "UpdateItem",
                ex.update(
                    self.table,
                    self._key("lease"),
                    "SET #owner = :me, #until = :until",
                    "attribute_not_exists(#owner) OR #owner = :me OR #until < :now",
                    {
                        **self._me,
                        ":now": {"N": str(epoch_millis(now))},
                        ":until": {"N": str(epoch_millis(now + self._lease))},
                    },
                ),
            )
        except ConditionFailed:
            return False
        return True

    def release(self) -> None:
        """Release the lease if it is ours."""
        try:
            self._client.call("DeleteItem", ex.delete(self.table, self._key("lease"), "#owner = :me", self._me))
        except ConditionFailed:
            return

    def started_at(self, since: datetime | None) -> int:
        """The time from which records count, in epoch seconds: what the first start of this name asked for.

        Args:
            since: What this start asks for; ``None``: all records.
        """
        wanted = 0 if since is None else epoch_seconds(since)
        start: Item = {**self._key("start"), "since": {"N": str(wanted)}}
        try:
            self._client.call("PutItem", ex.put(self.table, start, "attribute_not_exists(#id)"))
        except ConditionFailed:
            item = self._get("start")
            return int(item["since"]["N"]) if item else wanted
        return wanted

    def read(self, stream_arn: str, shard_id: str) -> Checkpoint | None:
        """A shard's checkpoint; ``None`` if there is none."""
        item = self._get(f"{stream_arn}#{shard_id}")
        if item is None:
            return None
        return Checkpoint(item.get("sequence", {}).get("S"), bool(item.get("finished", {}).get("BOOL")))

    def write(self, stream_arn: str, shard_id: str, checkpoint: Checkpoint) -> None:
        """Store a shard's checkpoint.

        Raises:
            LeaseLost: Another process holds the lease.
        """
        now = self._config.clock()
        item: Item = {
            **self._key(f"{stream_arn}#{shard_id}"),
            "finished": {"BOOL": checkpoint.finished},
            "at": {"S": to_text(now)},
            "expires_at": {"N": str(epoch_seconds(now + _KEEP))},
        }
        if checkpoint.sequence is not None:
            item["sequence"] = {"S": checkpoint.sequence}
        held = ex.check(self.table, self._key("lease"), "#owner = :me", self._me)
        try:
            self._client.call(
                "TransactWriteItems", ex.transaction({"ConditionCheck": held}, {"Put": ex.put(self.table, item)})
            )
        except TransactionCanceled as error:
            raise LeaseLost(
                f"another process now consumes as {self._name!r}; this one stops", request_id=error.request_id
            ) from error

    @property
    def _me(self) -> dict[str, Attribute]:
        return {":me": {"S": self.owner}}

    def _key(self, of: str) -> Item:
        return {"id": {"S": f"{self._name}#{of}"}}

    def _get(self, of: str) -> dict[str, Any] | None:
        answer = self._client.call("GetItem", {"TableName": self.table, "Key": self._key(of), "ConsistentRead": True})
        found: dict[str, Any] | None = answer.get("Item")
        return found
