"""DynamoDB Streams: changes of users and sessions as typed events. See ``docs/streams.md``."""

from __future__ import annotations

from torii_dynamodb.admin.streams.checkpoints import CheckpointStore, LeaseLost, checkpoint_table_name
from torii_dynamodb.admin.streams.consumer import HandlerFailed, RecordsLost, StreamConsumer
from torii_dynamodb.admin.streams.control import StreamStatus, disable_streams, enable_streams, stream_status
from torii_dynamodb.admin.streams.decode import STREAM_TABLES, decode, table_of
from torii_dynamodb.admin.streams.events import (
    EVENT_TYPES,
    StreamEmailChanged,
    StreamEmailVerified,
    StreamEvent,
    StreamIdentityLinked,
    StreamIdentityUnlinked,
    StreamPasswordChanged,
    StreamRecoveryCodesReplaced,
    StreamSecondFactorAdded,
    StreamSecondFactorRemoved,
    StreamSecondFactorUsed,
    StreamSessionCreated,
    StreamSessionExpired,
    StreamSessionRefreshed,
    StreamSessionRevoked,
    StreamSessionsRevoked,
    StreamTokenConsumed,
    StreamUserCreated,
    StreamUserDeleted,
    StreamUserLocked,
    StreamUserUnlocked,
    StreamUserUpdated,
    to_dict,
)
from torii_dynamodb.admin.streams.handler import EventHandler, Handlers
from torii_dynamodb.admin.streams.on_lambda import lambda_handler

__all__ = [
    "EVENT_TYPES",
    "STREAM_TABLES",
    "CheckpointStore",
    "EventHandler",
    "HandlerFailed",
    "Handlers",
    "LeaseLost",
    "RecordsLost",
    "StreamConsumer",
    "StreamEmailChanged",
    "StreamEmailVerified",
    "StreamEvent",
    "StreamIdentityLinked",
    "StreamIdentityUnlinked",
    "StreamPasswordChanged",
    "StreamRecoveryCodesReplaced",
    "StreamSecondFactorAdded",
    "StreamSecondFactorRemoved",
    "StreamSecondFactorUsed",
    "StreamSessionCreated",
    "StreamSessionExpired",
    "StreamSessionRefreshed",
    "StreamSessionRevoked",
    "StreamSessionsRevoked",
    "StreamStatus",
    "StreamTokenConsumed",
    "StreamUserCreated",
    "StreamUserDeleted",
    "StreamUserLocked",
    "StreamUserUnlocked",
    "StreamUserUpdated",
    "checkpoint_table_name",
    "decode",
    "disable_streams",
    "enable_streams",
    "lambda_handler",
    "stream_status",
    "table_of",
    "to_dict",
]
