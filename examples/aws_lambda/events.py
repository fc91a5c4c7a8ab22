"""Passes the events of the tables' streams on to EventBridge. Failed events are delivered again, then queued."""

from __future__ import annotations

import os

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb.admin.streams import Handlers, StreamEvent, lambda_handler
from torii_dynamodb.publishers import EventBridgePublisher

handlers = Handlers()
handlers.on(StreamEvent)(EventBridgePublisher(os.environ["EVENT_BUS"]).publish)
handler = lambda_handler(DynamoDbConfig(table_prefix=os.environ["TABLE_PREFIX"]), handlers)
