"""Events as messages of SNS and EventBridge: documents, requests, batches, and what is left to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlencode

from torii_dynamodb._rules.event_documents import document_of
from torii_dynamodb._wire.facts import KINDS
from torii_dynamodb._wire.json import DecodeError, dumps, list_of, loads, object_of

if TYPE_CHECKING:
    from torii_dynamodb.clock import RandomBytes

__all__ = [
    "MAX_BYTES",
    "MAX_ENTRIES",
    "Message",
    "batches_of",
    "message_of",
    "put_events",
    "sns_publish",
    "unpublished",
]

# EventBridge User Guide, "Quotas" and "Calculating PutEvents event entry size".
MAX_ENTRIES: Final = 10
MAX_BYTES: Final = 256 * 1024
_TIME_BYTES = 14

# SNS API, "Publish": MessageGroupId and MessageDeduplicationId.
_FIFO_ID = re.compile(r"[!-~]{1,128}")


class AnyEvent(Protocol):
    """An ``Event`` of the services, or a ``StreamEvent``."""

    @property
    def at(self) -> datetime:
        """When it happened."""
        ...

    @property
    def user_id(self) -> str | None:
        """The user it is about."""
        ...

    @property
    def tenant(self) -> str | None:
        """The user's tenant."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An event, ready to be published.

    Args:
        id: The event's id, the same however often it is published.
        type: Its stable name, for example ``user.signed_in``.
        at: When it happened.
        user_id: The user it is about.
        tenant: The user's tenant.
        body: The JSON document.
    """

    id: str
    type: str
    at: datetime
    user_id: str | None
    tenant: str | None
    body: str


def message_of(event: AnyEvent, random: RandomBytes) -> Message:
    """Make the message of an event of the services, which gets an id, or of a stream, which has one."""
    name = str(getattr(event, "type", None) or getattr(event, "name", ""))
    identity = str(getattr(event, "id", None) or f"evt_{random(16).hex()}")
    document = {"type": name, "id": identity, **document_of(event)}
    return Message(
        id=identity,
        type=name,
        at=event.at,
        user_id=event.user_id,
        tenant=event.tenant,
        body=dumps(document).decode(),
    )


def sns_publish(message: Message, topic_arn: str) -> bytes:
    """Return the body of SNS's ``Publish``.

    A FIFO topic gets the user's id as the message group, so that one user's events stay in order, and the event's id
    for deduplication. A tenant's user is ``@tenant#<user id>`` there.
    """
    given = {"type": message.type, "user_id": message.user_id, "tenant": message.tenant}
    attributes = {name: value for name, value in given.items() if value is not None}
    form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic_arn, "Message": message.body}
    for number, (name, value) in enumerate(attributes.items(), 1):
        form |= {
            f"MessageAttributes.entry.{number}.Name": name,
            f"MessageAttributes.entry.{number}.Value.DataType": "String",
            f"MessageAttributes.entry.{number}.Value.StringValue": value,
        }
    if topic_arn.endswith(".fifo"):
        group = message.user_id or "none"
        form["MessageGroupId"] = _fifo_id(group if message.tenant is None else f"@{message.tenant}#{group}")
        form["MessageDeduplicationId"] = _fifo_id(message.id)
    return urlencode(form).encode("ascii")


def _fifo_id(text: str) -> str:
    return text if _FIFO_ID.fullmatch(text) else sha256(text.encode("utf-8")).hexdigest()


def put_events(messages: Sequence[Message], *, event_bus: str, source: str) -> bytes:
    """Return the body of EventBridge's ``PutEvents``."""
    return dumps(
        {
            "Entries": [
                {
                    "EventBusName": event_bus,
                    "Source": source,
                    "DetailType": message.type,
                    "Time": message.at.timestamp(),
                    "Detail": message.body,
                }
                for message in messages
            ]
        }
    )


def batches_of(messages: Sequence[Message], source: str) -> Iterator[list[Message]]:
    """Split messages into requests that EventBridge accepts. One that is too large by itself is alone in its batch."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        bytes_ = _TIME_BYTES + sum(len(text.encode("utf-8")) for text in (source, message.type, message.body))
        if batch and (len(batch) == MAX_ENTRIES or size + bytes_ > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += bytes_
    if batch:
        yield batch


def unpublished(messages: Sequence[Message], body: bytes) -> tuple[list[Message], list[str]] | None:
    """Read the response to ``PutEvents``.

    Returns:
        The messages to send again, and the error codes of those that EventBridge refuses for good; ``None`` if the
        response does not say what happened to each message.
    """
    try:
        entries = list_of(object_of(loads(body)).get("Entries"))
    except DecodeError:
        return None
    if len(entries) != len(messages):
        return None
    codes = [object_of(entry).get("ErrorCode") for entry in entries]
    failed = [(message, str(code)) for message, code in zip(messages, codes, strict=True) if code]
    # InternalException is EventBridge's own; the others are common to all APIs.
    again = {code for _, code in failed if code == "InternalException" or KINDS.get(code) in ("throttle", "transient")}
    return [message for message, code in failed if code in again], [code for _, code in failed if code not in again]
