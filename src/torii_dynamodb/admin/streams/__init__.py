"""DynamoDB Streams: what happened to users and sessions, as typed events. See ``docs/streams.md``."""

from __future__ import annotations

from torii_dynamodb.admin.streams.checkpoints import CheckpointStore, LeaseLost, checkpoint_table_name
from torii_dynamodb.admin.streams.consumer import HandlerFailed, RecordsLost, StreamConsumer
from torii_dynamodb.admin.streams.control import StreamStatus, disable_streams, enable_streams, stream_status
from torii_dynamodb.admin.streams.decode import STREAM_TABLES, decode, table_of
from torii_dynamodb.admin.streams.events import (
    EVENT_TYPES,
    EmailChanged,
    EmailVerified,
    Event,
    IdentityLinked,
    IdentityUnlinked,
    PasswordChanged,
    SessionCreated,
    SessionExpired,
    SessionRefreshed,
    SessionRevoked,
    SessionsRevoked,
    TokenConsumed,
    UserCreated,
    UserDeleted,
    UserLocked,
    UserUnlocked,
    UserUpdated,
    to_dict,
)
from torii_dynamodb.admin.streams.handler import EventHandler, Handlers
from torii_dynamodb.admin.streams.on_lambda import lambda_handler

__all__ = [
    "EVENT_TYPES",
    "STREAM_TABLES",
    "CheckpointStore",
    "EmailChanged",
    "EmailVerified",
    "Event",
    "EventHandler",
    "HandlerFailed",
    "Handlers",
    "IdentityLinked",
    "IdentityUnlinked",
    "LeaseLost",
    "PasswordChanged",
    "RecordsLost",
    "SessionCreated",
    "SessionExpired",
    "SessionRefreshed",
    "SessionRevoked",
    "SessionsRevoked",
    "StreamConsumer",
    "StreamStatus",
    "TokenConsumed",
    "UserCreated",
    "UserDeleted",
    "UserLocked",
    "UserUnlocked",
    "UserUpdated",
    "checkpoint_table_name",
    "decode",
    "disable_streams",
    "enable_streams",
    "lambda_handler",
    "stream_status",
    "table_of",
    "to_dict",
]
