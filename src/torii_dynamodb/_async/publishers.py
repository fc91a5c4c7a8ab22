"""Handlers of events that publish them: to an SNS topic, or to an EventBridge event bus."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from torii_dynamodb._async.aws_api import AsyncAwsApi
from torii_dynamodb._async.primitives import Background, Lock, monotonic, sleep
from torii_dynamodb._wire.apis import EVENTBRIDGE, SNS
from torii_dynamodb._wire.publishing import (
    Message,
    batches_of,
    message_of,
    put_events,
    sns_publish,
    unpublished,
)
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.config import Credentials, CredentialsSource
from torii_dynamodb.errors import ConfigurationError, RequestRejected, Throttled, ToriiError, Unavailable

if TYPE_CHECKING:
    from torii_dynamodb._wire.publishing import AnyEvent

__all__ = ["AsyncEventBridgePublisher", "AsyncPublisher", "AsyncSnsPublisher"]

_log = logging.getLogger("torii_dynamodb")

Delivery = Literal["background", "inline"]

# While AWS does not respond, this many events wait; later ones are counted as failed. Their documents take about 1 MB.
_MOST_WAITING = 1000
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_BUS = re.compile(r"(?:arn:aws[a-z-]*:events:([a-z0-9-]+):[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}")
_SOURCE = re.compile(r"[A-Za-z0-9._/-]{1,256}")


class AsyncPublisher:
    """What the publishers have in common: a queue in the background, and counters.

    Attributes:
        published: How many events AWS has accepted.
        failed: How many events were lost: AWS refused them or could not be reached, or too many were waiting.
    """

    def __init__(self, api: AsyncAwsApi, delivery: Delivery, random: RandomBytes) -> None:
        if delivery not in ("background", "inline"):
            raise ConfigurationError(f"delivery: {delivery!r}: give 'background' or 'inline'")
        self.published = 0
        self.failed = 0
        self._api = api
        self._delivery = delivery
        self._random = random
        self._background = Background()
        self._waiting: deque[Message] = deque()
        self._sending = False
        self._lock = Lock()

    async def __call__(self, event: AnyEvent) -> None:
        """Publish an event, in the background unless ``delivery="inline"``. Failures are logged and counted only."""
        message = message_of(event, self._random)
        if self._delivery == "inline":
            await self._deliver([message])
            return
        async with self._lock:
            if len(self._waiting) >= _MOST_WAITING:
                self.failed += 1
                _log.error("the event %s was not published: %d are waiting already", message.type, _MOST_WAITING)
                return
            self._waiting.append(message)
            if self._sending:
                return
            self._sending = True
        self._background.spawn(self._send_waiting, "publishing events")

    async def publish(self, *events: AnyEvent) -> None:
        """Publish events now, and return when AWS has accepted all of them.

        Raises:
            ToriiError: Some were not accepted, as for ``__call__``. Publishing all again is safe: they keep their ids
                if they come from a stream.
        """
        error = await self._deliver([message_of(event, self._random) for event in events])
        if error is not None:
            raise error

    async def aclose(self) -> None:
        """Publish what is waiting, then close the connections."""
        await self._background.aclose()
        await self._api.aclose()

    async def _send_waiting(self) -> None:
        try:
            while True:
                async with self._lock:
                    messages = list(self._waiting)
                    self._waiting.clear()
                    if not messages:
                        self._sending = False
                        return
                await self._deliver(messages)
        except BaseException:  # the event loop is being closed
            self._sending = False
            raise

    async def _deliver(self, messages: Sequence[Message]) -> ToriiError | None:
        """Send messages; return the first error."""
        first: ToriiError | None = None
        for batch in self._batches(messages):
            lost, error = await self._send(batch)
            async with self._lock:
                self.published += len(batch) - lost
                self.failed += lost
            if error is not None:
                first = first or error
                _log.error("%d of %d events were not published: %s", lost, len(batch), error)
        return first

    def _batches(self, messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
        raise NotImplementedError

    async def _send(self, batch: Sequence[Message]) -> tuple[int, ToriiError | None]:
        """Send a batch; return how many messages were lost, and why."""
        raise NotImplementedError


class AsyncSnsPublisher(AsyncPublisher):
    """Publishes events to an SNS topic: ``torii.events.subscribe(publisher, UserCreated, UserDeleted)``.

    The message is the event's JSON document. The message attributes ``type``, ``user_id`` and, for an event of a
    tenant, ``tenant`` are for subscription filters. A FIFO topic gets the user's id as the message group, and the
    event's id for deduplication.

    Args:
        topic_arn: The topic.
        delivery: ``"background"`` publishes after the call that caused the event has returned: its time reveals
            nothing, and an outage of SNS delays nobody. ``"inline"`` publishes before it returns (use it on Lambda,
            which freezes background work).
        region: The Region; ``None`` for the topic's.
        endpoint_url: Another endpoint; ``None`` for ``AWS_ENDPOINT_URL_SNS``, or the Region's.
        credentials: As in :class:`~torii_dynamodb.DynamoDbConfig`.
        timeout: Seconds for a message, with all its attempts.
        clock: The clock.
        random: The randomness for ids.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    def __init__(
        self,
        topic_arn: str,
        *,
        delivery: Delivery = "background",
        region: str | None = None,
        endpoint_url: str | None = None,
        credentials: Credentials | CredentialsSource | object | None = None,
        timeout: float = 10.0,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        found = _TOPIC.fullmatch(topic_arn)
        if found is None:
            raise ConfigurationError(f"topic_arn: {topic_arn!r} is not the ARN of an SNS topic")
        api = AsyncAwsApi(
            SNS,
            region=region or found[1],
            endpoint_url=endpoint_url,
            credentials=credentials,
            timeout=timeout,
            clock=clock,
            random=random,
        )
        super().__init__(api, delivery, random)
        self._topic_arn = topic_arn

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._topic_arn!r})"

    def _batches(self, messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
        # One at a time: a batch that is accepted in part would change the order of a FIFO topic.
        return ([message] for message in messages)

    async def _send(self, batch: Sequence[Message]) -> tuple[int, ToriiError | None]:
        (message,) = batch
        try:
            await self._api.call("Publish", sns_publish(message, self._topic_arn))
        except ToriiError as error:
            return 1, error
        return 0, None


class AsyncEventBridgePublisher(AsyncPublisher):
    """Publishes events to an EventBridge event bus, up to ten in a request: ``torii.events.subscribe(publisher)``.

    ``detail-type`` is the event's name (``user.signed_in``), ``detail`` its JSON document.

    Args:
        event_bus: The name or ARN of the event bus.
        source: The events' ``source``. Not ``aws.``...: that is AWS's own.
        delivery: As for :class:`AsyncSnsPublisher`.
        region: The Region; ``None`` for the one in the ARN, or in AWS's settings.
        endpoint_url: Another endpoint; ``None`` for ``AWS_ENDPOINT_URL_EVENTBRIDGE``, or the Region's.
        credentials: As in :class:`~torii_dynamodb.DynamoDbConfig`.
        timeout: Seconds for a request, with all its attempts.
        clock: The clock.
        random: The randomness for ids.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    def __init__(
        self,
        event_bus: str = "default",
        *,
        source: str = "torii-dynamodb",
        delivery: Delivery = "background",
        region: str | None = None,
        endpoint_url: str | None = None,
        credentials: Credentials | CredentialsSource | object | None = None,
        timeout: float = 10.0,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        found = _BUS.fullmatch(event_bus)
        if found is None:
            raise ConfigurationError(f"event_bus: {event_bus!r} is not the name or ARN of an event bus")
        if not _SOURCE.fullmatch(source) or source.startswith("aws."):
            raise ConfigurationError(
                f"source: {source!r}: give 1 to 256 of the characters A-Z a-z 0-9 . _ / -, not beginning with 'aws.'"
            )
        api = AsyncAwsApi(
            EVENTBRIDGE,
            region=region or found[1],
            endpoint_url=endpoint_url,
            credentials=credentials,
            timeout=timeout,
            clock=clock,
            random=random,
        )
        super().__init__(api, delivery, random)
        self._event_bus = event_bus
        self._source = source

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._event_bus!r}, source={self._source!r})"

    def _batches(self, messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
        return batches_of(messages, self._source)

    async def _send(self, batch: Sequence[Message]) -> tuple[int, ToriiError | None]:
        started = monotonic()
        left, attempts = list(batch), 0
        refused: list[str] = []
        try:
            while True:
                body = put_events(left, event_bus=self._event_bus, source=self._source)
                read = unpublished(left, (await self._api.call("PutEvents", body)).body)
                if read is None:
                    raise Unavailable(
                        f"EventBridge at {self._api.where}: the response does not say which events were accepted",
                        attempts=1,
                    )
                left, more = read
                refused += more
                if not left:
                    break
                attempts += 1
                granted = self._api.policy.grant("throttle", attempts, monotonic() - started)
                if isinstance(granted, str):
                    raise Throttled(
                        f"EventBridge at {self._api.where}: {len(left)} events were not accepted ({granted}); "
                        "slow down, or ask AWS for a higher rate",
                        attempts=attempts,
                    )
                await sleep(granted)
        except ToriiError as error:
            return len(left) + len(refused), error
        if refused:
            code = refused[0]
            return len(refused), RequestRejected(f"EventBridge at {self._api.where}: {code}", aws_code=code)
        return 0, None
