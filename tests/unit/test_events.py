"""Handlers of events of the wrong kind are noticed: blocking code never awaits them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from torii_dynamodb._sync.services.events import Events
from torii_dynamodb.admin.streams import Handlers, StreamEvent, StreamUserUnlocked
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.events import UserUnlocked
from torii_dynamodb.publishers import AsyncEventBridgePublisher

AT = datetime(2026, 11, 28, tzinfo=UTC)


def test_an_asynchronous_publisher_in_blocking_services_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """The log says that the handler has to be a plain function; without that, its events would be lost silently."""
    events = Events()
    events.subscribe(AsyncEventBridgePublisher(region="eu-central-1"))
    events.emit(UserUnlocked(at=AT, user_id="usr_1"))
    assert "give a plain function" in caplog.text


def test_an_asynchronous_handler_of_a_stream_fails() -> None:
    """The event counts as failed, so it is delivered again when the handler has been corrected."""
    handlers = Handlers()
    handlers.on(StreamEvent)(AsyncEventBridgePublisher(region="eu-central-1").publish)
    with pytest.raises(ConfigurationError, match="plain function"):
        handlers.handle(StreamUserUnlocked(id="1", at=AT, user_id="usr_1"))
