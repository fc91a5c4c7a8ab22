# Generated from tests/integration/wire/_async/test_publishers.py by tools/unasync.py. Do not edit.

"""The publishers of events: through moto to a queue, and against a server that fails as moto does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import boto3
import pytest
from tests.integration.wire.server import Act, Answer, Seen, Server, Step, error
from tests.services._sync.support import Setting

from torii_dynamodb import errors
from torii_dynamodb.admin.streams import StreamUserUpdated
from torii_dynamodb.config import Credentials
from torii_dynamodb.events import SignInFailed, UserCreated, UserSignedIn
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.publishers import EventBridgePublisher, SnsPublisher

Publisher: TypeAlias = EventBridgePublisher | SnsPublisher

AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:accounts"
CREDENTIALS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="very-secret")
PASSWORD = "correct horse battery staple"


def signed_in(number: int = 1, **fields: Any) -> UserSignedIn:
    """An event."""
    return UserSignedIn(at=AT, user_id=f"usr_{number}", session_id="ses_1", method="password", **fields)


def options(server: Server | str, **more: Any) -> dict[str, Any]:
    """How to reach a server, without pauses between attempts."""
    url = server if isinstance(server, str) else server.url
    return {"endpoint_url": url, "credentials": CREDENTIALS, "random": bytes, **more}


@contextmanager
def event_bridge(server: Server | str, **more: Any) -> Iterator[EventBridgePublisher]:
    """A publisher to EventBridge, closed at the end."""
    publisher = EventBridgePublisher(**options(server, region="eu-central-1", **more))
    yield publisher
    publisher.close()


@contextmanager
def sns(server: Server | str, topic_arn: str = TOPIC, **more: Any) -> Iterator[SnsPublisher]:
    """A publisher to SNS, closed at the end."""
    publisher = SnsPublisher(topic_arn, **options(server, **more))
    yield publisher
    publisher.close()


def accepted(seen: Seen) -> Answer:
    """The response of an EventBridge that takes everything."""
    entries = [{"EventId": f"{number}"} for number, _ in enumerate(seen.payload["Entries"])]
    return Answer({"FailedEntryCount": 0, "Entries": entries}, crc=False)


def refusing(*codes: str | None) -> Answer:
    """The response of an EventBridge that refuses some entries."""
    entries = [
        {"ErrorCode": code, "ErrorMessage": "as the script says"} if code else {"EventId": "1"} for code in codes
    ]
    return Answer({"FailedEntryCount": sum(map(bool, codes)), "Entries": entries}, crc=False)


def users(server: Server) -> list[str | None]:
    """The users of all entries, in order."""
    return [user for request in details(server) for user in request]


def details(server: Server) -> list[list[str | None]]:
    """The user of each entry, by request."""
    return [[json.loads(one["Detail"])["user_id"] for one in seen.payload["Entries"]] for seen in server.seen]


def client(moto: LocalEngine, service: str) -> Any:
    """A client of moto's."""
    return boto3.client(
        service,  # type: ignore[call-overload] # the stubs know each service by name
        region_name="eu-central-1",
        endpoint_url=moto.endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


def queue(moto: LocalEngine, name: str) -> tuple[str, str, Callable[[], list[Any]]]:
    """A queue: its URL and ARN, and what reads the bodies in it."""
    sqs = client(moto, "sqs")
    fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    url = sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def read() -> list[Any]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(one["Body"]) for one in found]

    return url, arn, read


def test_an_event_goes_through_sns_to_a_queue(moto_engine: LocalEngine, table_prefix: str) -> None:
    """A subscription with a filter on ``type`` receives the documents of those events, and no others."""
    _, arn, read = queue(moto_engine, table_prefix)
    topics = client(moto_engine, "sns")
    topic = topics.create_topic(Name=table_prefix)["TopicArn"]
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"type": ["user.created"]})}
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    with sns(moto_engine.endpoint_url, topic) as publisher:
        publisher.publish(signed_in(), UserCreated(at=AT, user_id="usr_1", email="ada@example.com", method="password"))
    assert read() == [
        {
            "type": "user.created",
            "id": "evt_" + "00" * 16,
            "at": "2026-11-28T12:00:00.000000Z",
            "user_id": "usr_1",
            "email": "ada@example.com",
            "method": "password",
        }
    ]


def test_an_event_goes_through_event_bridge_to_a_queue(moto_engine: LocalEngine, table_prefix: str) -> None:
    """A rule on ``source`` and ``detail-type`` receives the event; ``time`` is when it happened."""
    _, arn, read = queue(moto_engine, table_prefix)
    bus = client(moto_engine, "events")
    name = bus.create_event_bus(Name=table_prefix)["EventBusArn"].rpartition("/")[2]
    pattern = {"source": ["torii-dynamodb"], "detail-type": ["user.sign_in_failed"]}
    bus.put_rule(Name=table_prefix, EventBusName=name, EventPattern=json.dumps(pattern))
    bus.put_targets(Rule=table_prefix, EventBusName=name, Targets=[{"Id": "queue", "Arn": arn}])
    failed = SignInFailed(at=AT, user_id=None, method="password", reason="lockout", retry_after=timedelta(seconds=30))
    with event_bridge(moto_engine.endpoint_url, event_bus=name) as publisher:
        publisher.publish(signed_in(), failed)
        assert (publisher.published, publisher.failed) == (2, 0)
    (event,) = read()
    assert (event["source"], event["detail-type"]) == ("torii-dynamodb", "user.sign_in_failed")
    assert event["time"] == "2026-11-28T12:00:00Z"
    assert event["detail"]["reason"] == "lockout"
    assert event["detail"]["retry_after"] == 30.0


def test_a_fifo_topic_keeps_a_users_events_in_order() -> None:
    """The message group is the user, the deduplication id the event's id; what SNS would refuse there is hashed."""
    with Server(otherwise=Answer(b"<PublishResponse/>", crc=False)) as server:
        with sns(server, f"{TOPIC}.fifo") as publisher:
            event = StreamUserUpdated(id="1:user.updated", at=AT, user_id="usr_1", changed=frozenset({"name"}))
            publisher.publish(event, StreamUserUpdated(id="2", at=AT, user_id="a user", changed=frozenset()))
        forms = [parse_qs(seen.body.decode()) for seen in server.seen]
    assert forms[0]["MessageGroupId"] == ["usr_1"]
    assert forms[0]["MessageDeduplicationId"] == ["1:user.updated"]
    assert len(forms[1]["MessageGroupId"][0]) == 64
    assert json.loads(forms[0]["Message"][0])["changed"] == ["name"]


def test_event_bridge_gets_ten_events_in_a_request() -> None:
    """Events are sent in order, ten at a time, and fewer if they would exceed 256 KB."""
    with Server(otherwise=accepted) as server:
        with event_bridge(server) as publisher:
            publisher.publish(*(signed_in(number) for number in range(23)))
            assert [len(request) for request in details(server)] == [10, 10, 3]
            assert users(server) == [f"usr_{number}" for number in range(23)]
            publisher.publish(*(signed_in(number, user_agent="x" * 100_000) for number in range(5)))
            assert [len(request) for request in details(server)[3:]] == [2, 2, 1]
            assert publisher.published == 28


def test_entries_that_event_bridge_could_not_take_are_sent_again() -> None:
    """Only the failed entries of a request are repeated, until they are accepted."""
    with Server(refusing(None, "ThrottlingException", "InternalFailure"), otherwise=accepted) as server:
        with event_bridge(server) as publisher:
            publisher.publish(signed_in(1), signed_in(2), signed_in(3))
            assert details(server) == [["usr_1", "usr_2", "usr_3"], ["usr_2", "usr_3"]]
            assert (publisher.published, publisher.failed) == (3, 0)


def test_entries_that_stay_refused_are_an_error_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Entries refused for good are not repeated; those throttled to the end are given up. Both are logged."""
    throttled = refusing("ThrottlingException")
    with Server(refusing("MalformedDetail", None), otherwise=throttled) as server:
        with event_bridge(server) as publisher:
            with pytest.raises(errors.RequestRejected, match="MalformedDetail"):
                publisher.publish(signed_in(1), signed_in(2))
            assert (publisher.published, publisher.failed, len(server.seen)) == (1, 1, 1)
            with pytest.raises(errors.Throttled):
                publisher.publish(signed_in(3))
            assert (publisher.published, publisher.failed, len(server.seen)) == (1, 2, 5)
    assert "1 of 2 events were not published" in caplog.text
    assert "ada@example.com" not in caplog.text


Opened: TypeAlias = Callable[..., AbstractContextManager[Publisher]]

FAULTS: dict[str, tuple[Opened, Step, type[errors.ToriiError]]] = {
    "no response": (event_bridge, Act.CLOSE, errors.Unavailable),
    "server error": (sns, Answer(b"<Error><Code>InternalError</Code></Error>", 500, crc=False), errors.Unavailable),
    "no topic": (
        sns,
        Answer(b"<Error><Code>NotFound</Code><Message>Topic does not exist</Message></Error>", 404, crc=False),
        errors.ConfigurationError,
    ),
    "SNS does not allow it": (
        sns,
        Answer(b"<Error><Code>AuthorizationError</Code></Error>", 403, crc=False),
        errors.AccessDenied,
    ),
    "EventBridge does not allow it": (event_bridge, error("AccessDeniedException"), errors.AccessDenied),
    "no event bus": (event_bridge, error("ResourceNotFoundException"), errors.ConfigurationError),
    "nonsense": (event_bridge, Answer(b"<html>", crc=False), errors.Unavailable),
}


@pytest.mark.parametrize(("opened", "step", "kind"), FAULTS.values(), ids=list(FAULTS))
@pytest.mark.parametrize("delivery", ["inline", "background"])
def test_a_failure_breaks_no_sign_up(
    opened: Opened, step: Step, kind: type[errors.ToriiError], delivery: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever AWS does, the user is registered; the failure is logged and counted, and ``publish`` raises it."""
    with Server(otherwise=step) as server:
        with opened(server, delivery=delivery) as publisher:
            torii = Setting().torii
            torii.events.subscribe(publisher, UserCreated)
            user = torii.password.register("ada@example.com", PASSWORD)
            assert torii.get_user(user.id) is not None
            torii.close()
            with pytest.raises(kind):
                publisher.publish(signed_in())
        assert (publisher.published, publisher.failed) == (0, 2)
    assert "1 of 1 events were not published" in caplog.text
    assert PASSWORD not in caplog.text


def test_in_the_background_a_sign_in_does_not_wait() -> None:
    """While AWS does not respond, events wait in a queue of bounded length; closing sends what is waiting, in order."""
    held: list[bool] = []

    def answer(seen: Seen) -> Answer:
        held.append(True)
        server.wait_for(lambda: not held[0] or len(held) > 1)
        return accepted(seen)

    with Server(otherwise=answer) as server:
        with event_bridge(server) as publisher:
            publisher(signed_in(0))
            for number in range(1, 1200):
                publisher(signed_in(number))
            assert publisher.published == 0
            assert publisher.failed >= 199
            with server.changed:
                held[:] = [False, False]
                server.changed.notify_all()
        assert publisher.published + publisher.failed == 1200
        assert users(server) == [f"usr_{number}" for number in range(publisher.published)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: SnsPublisher("accounts"),
        lambda: EventBridgePublisher("my bus"),
        lambda: EventBridgePublisher(source="aws.torii"),
        lambda: EventBridgePublisher(delivery="later"),  # type: ignore[arg-type] # on purpose
        lambda: SnsPublisher(TOPIC, timeout=-1),
    ],
)
def test_a_wrong_setting_is_refused_at_once(make: Callable[[], Publisher]) -> None:
    """Topic, event bus, source, delivery and time-out are checked when the publisher is made."""
    with pytest.raises(errors.ConfigurationError):
        make()


def test_an_event_of_a_tenant_names_it() -> None:
    """In the document and an attribute for filters; users of two tenants with one id are different message groups."""
    with Server(otherwise=Answer(b"<PublishResponse/>", crc=False)) as server:
        with sns(server, f"{TOPIC}.fifo") as publisher:
            publisher.publish(signed_in(tenant="acme"), signed_in())
        acme, none = (parse_qs(seen.body.decode()) for seen in server.seen)
    assert [json.loads(form["Message"][0]).get("tenant") for form in (acme, none)] == ["acme", None]
    assert "tenant" not in json.loads(none["Message"][0])
    named = {
        acme[f"MessageAttributes.entry.{n}.Name"][0]: acme[f"MessageAttributes.entry.{n}.Value.StringValue"][0]
        for n in (1, 2, 3)
    }
    assert named == {"type": "user.signed_in", "user_id": "usr_1", "tenant": "acme"}
    assert [form["MessageGroupId"] for form in (acme, none)] == [["@acme#usr_1"], ["usr_1"]]
