"""Streams on an engine: turning them on, consuming, restarting, and split shards (on a scripted API)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, NewOAuthAccount, NewSession, NewToken, NewUser
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.streams import (
    CheckpointStore,
    HandlerFailed,
    LeaseLost,
    RecordsLost,
    StreamConsumer,
    StreamEvent,
    disable_streams,
    enable_streams,
    stream_status,
    to_dict,
)
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewFactor

SOON = timedelta(hours=1)
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"


class Kept:
    """A handler that records events, and fails where the test wants it to."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.events: list[StreamEvent] = []
        self.fail_at = fail_at

    def handle(self, event: StreamEvent, /) -> None:
        if self.fail_at is not None and len(self.events) >= self.fail_at:
            raise RuntimeError("asked to")
        self.events.append(event)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


@pytest.fixture
def config(dynoxide: LocalEngine, table_prefix: str, layout: str) -> DynamoDbConfig:
    return dynoxide.config(table_prefix=table_prefix, layout=layout, session_cleanup="off")


@pytest.fixture
def client(config: DynamoDbConfig) -> Iterator[Client]:
    client = Client(config)
    yield client
    client.close()


def a_life(config: DynamoDbConfig, tenant: str | None = None) -> None:
    """A user's life, with one of everything."""
    with DynamoDbStorage.open(config) as opened:
        storage = opened if tenant is None else opened.tenant(tenant)
        now = config.clock()
        user = storage.create_user(NewUser(email="ada@example.com", id="usr_ada"), password_hash=HASH)
        session = storage.create_session(NewSession(user_id=user.id, expires_at=now + SOON), user=user)
        assert storage.refresh_session(session.token, expires_at=now + 2 * SOON) is not None
        storage.delete_session(session.token)
        storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject="1"))
        token = storage.create_token(NewToken(purpose="magic_link", user_id=user.id, expires_at=now + SOON))
        assert storage.verify_token(token.token, purpose="magic_link") is not None
        code = storage.create_code(NewToken(purpose="magic_link", user_id=user.id, expires_at=now + SOON), "01234567")
        assert storage.try_code(code.token, "01234567", purpose="magic_link") is not None
        storage.add_factor(NewFactor(user_id=user.id, id="app", secret=b"sealed", last_step=1))
        assert storage.accept_totp_step(user.id, "app", 2)
        storage.mark_email_verified(user.id, email="ada@example.com")
        storage.delete_sessions_for_user(user.id)
        storage.set_locked_at(user.id, now)
        storage.set_locked_at(user.id, None)
        storage.delete_user(user.id)


def prepared(config: DynamoDbConfig, client: Client) -> None:
    with DynamoDbStorage.open(config):
        pass
    enable_streams(client, config)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_enable_is_planned_done_and_done_once(config: DynamoDbConfig, client: Client) -> None:
    """A dry run changes nothing; enable changes each table once; disable undoes it."""
    with DynamoDbStorage.open(config):
        pass
    count = 1 if config.layout == "single" else 4
    assert len(enable_streams(client, config, dry_run=True)) == count
    assert not any(one.enabled for one in stream_status(client, config))
    assert len(enable_streams(client, config)) == count
    assert all(one.usable and one.arn for one in stream_status(client, config))
    assert enable_streams(client, config) == []
    assert len(disable_streams(client, config)) == count
    assert not any(one.enabled for one in stream_status(client, config))


def test_enable_without_tables_says_so(config: DynamoDbConfig, client: Client) -> None:
    """No table: a configuration error that names it and the command to run."""
    with pytest.raises(ConfigurationError, match="tables ensure"):
        enable_streams(client, config)


def test_another_view_type_is_not_overwritten(config: DynamoDbConfig, client: Client) -> None:
    """A stream that somebody else set up differently is left alone, and reported."""
    with DynamoDbStorage.open(config):
        pass
    specification = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    client.call("UpdateTable", {"TableName": config.table_name("users"), "StreamSpecification": specification})
    with pytest.raises(ConfigurationError, match="KEYS_ONLY"):
        enable_streams(client, config)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_a_life_is_told_in_order(config: DynamoDbConfig, client: Client) -> None:
    """All events of a table come in the order of the writes, with unique IDs."""
    prepared(config, client)
    a_life(config)
    kept = Kept()
    with StreamConsumer(config, kept) as consumer:
        consumer.poll()
    told = {
        prefix: [kind for kind in kept.types if kind.startswith(f"{prefix}.")]
        for prefix in ("user", "session", "identity", "second_factor", "token")
    }
    assert told == {
        "user": ["user.created", "user.email_verified", "user.locked", "user.unlocked", "user.deleted"],
        "session": ["session.created", "session.refreshed", "session.revoked"],
        "identity": ["identity.linked", "identity.unlinked"],
        "second_factor": ["second_factor.added", "second_factor.used", "second_factor.removed"],
        "token": ["token.consumed", "token.consumed"],
    }
    assert kept.types.count("sessions.revoked") == 2
    assert len({event.id for event in kept.events}) == len(kept.events)


def test_a_no_op_write_is_no_event(config: DynamoDbConfig, client: Client) -> None:
    """Writing the same item again causes no event."""
    prepared(config, client)
    with DynamoDbStorage.open(config) as storage:
        storage.create_user(NewUser(email="ada@example.com", id="usr_ada"))
    key = {"TableName": config.table_name("users"), "Key": {"id": {"S": "usr_ada"}}}
    item = client.call("GetItem", key)["Item"]
    client.call("PutItem", {"TableName": config.table_name("users"), "Item": item})
    kept = Kept()
    with StreamConsumer(config, kept) as consumer:
        consumer.poll()
    assert kept.types == ["user.created"]


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_a_restart_goes_on_where_the_last_one_stopped(config: DynamoDbConfig, client: Client) -> None:
    """A second consumer with the name gets only later events; one with another name gets everything."""
    prepared(config, client)
    first, second, other = Kept(), Kept(), Kept()
    with DynamoDbStorage.open(config) as storage:
        storage.create_user(NewUser(email="one@example.com"))
        with StreamConsumer(config, first) as consumer:
            consumer.poll()
        storage.create_user(NewUser(email="two@example.com"))
    with StreamConsumer(config, second) as consumer:
        consumer.poll()
        assert consumer.poll() == (0, 0)
    with StreamConsumer(config, other, name="other") as consumer:
        consumer.poll()
    assert [event.email for event in first.events] == ["one@example.com"]  # type: ignore[attr-defined]
    assert [event.email for event in second.events] == ["two@example.com"]  # type: ignore[attr-defined]
    assert len(other.events) == 2


def test_a_failing_handler_stops_the_consumer_and_loses_nothing(config: DynamoDbConfig, client: Client) -> None:
    """Events handled before a failure are not repeated; the failed event comes again after a restart."""
    prepared(config, client)
    with DynamoDbStorage.open(config) as storage:
        for name in "abc":
            storage.create_user(NewUser(email=f"{name}@example.com"))
    broken, fixed = Kept(fail_at=1), Kept()
    with StreamConsumer(config, broken, attempts=1) as consumer, pytest.raises(HandlerFailed) as caught:
        consumer.poll()
    with StreamConsumer(config, fixed) as consumer:
        consumer.poll()
    assert len(broken.events) == 1
    assert len(fixed.events) == 2
    assert caught.value.event == fixed.events[0]


def test_a_poison_event_can_be_put_aside(config: DynamoDbConfig, client: Client) -> None:
    """With on_failure, the event goes there after its attempts, and the consumer continues."""
    prepared(config, client)
    with DynamoDbStorage.open(config) as storage:
        for name in "ab":
            storage.create_user(NewUser(email=f"{name}@example.com"))
    aside: list[StreamEvent] = []
    with StreamConsumer(
        config, Kept(fail_at=0), attempts=2, on_failure=lambda event, _: aside.append(event)
    ) as consumer:
        consumer.poll()
    assert len(aside) == 2


def test_from_now_passes_over_the_past_even_after_a_restart(config: DynamoDbConfig, client: Client) -> None:
    """`since` is stored at the first start: a restart neither changes nor forgets it."""
    prepared(config, client)
    with DynamoDbStorage.open(config) as storage:
        storage.create_user(NewUser(email="one@example.com"))
    kept = Kept()
    with StreamConsumer(config, kept, since=datetime(2100, 1, 1, tzinfo=UTC)) as consumer:
        consumer.poll()
    with StreamConsumer(config, kept, since=datetime(2000, 1, 1, tzinfo=UTC)) as consumer:
        consumer.poll()
    assert kept.events == []


def test_one_process_at_a_time_reads_as_a_name(config: DynamoDbConfig, client: Client) -> None:
    """A second consumer is refused while the first holds the lease, and takes it once that one stops renewing."""
    prepared(config, client)
    with StreamConsumer(config, Kept()) as first:
        first.poll()
        with StreamConsumer(config, Kept()) as second, pytest.raises(LeaseLost):
            second.poll()
        late = DynamoDbConfig(
            region=config.region,
            endpoint_url=config.endpoint_url,
            credentials=config.credentials,
            table_prefix=config.table_prefix,
            clock=lambda: datetime.now(UTC) + timedelta(minutes=1),
        )
        with StreamConsumer(late, Kept()) as third:
            third.poll()
            with pytest.raises(LeaseLost):
                first.poll()


def test_a_taken_over_consumer_cannot_set_progress_back(config: DynamoDbConfig, client: Client) -> None:
    """A checkpoint is written only while the lease is held, in one transaction with the check."""
    from torii_dynamodb.admin.streams.checkpoints import Checkpoint

    one, two = (CheckpointStore(client, config, "x", owner=owner) for owner in ("one", "two"))
    one.ensure_table()
    assert one.acquire()
    one.write("arn", "shard", Checkpoint("1", finished=False))
    one.release()
    assert two.acquire()
    with pytest.raises(LeaseLost):
        one.write("arn", "shard", Checkpoint("0", finished=False))
    assert two.read("arn", "shard") == Checkpoint("1", finished=False)


def test_a_table_without_a_stream_is_said(config: DynamoDbConfig, client: Client) -> None:
    """Consuming before enabling names the command to run."""
    with DynamoDbStorage.open(config):
        pass
    with StreamConsumer(config, Kept()) as consumer, pytest.raises(ConfigurationError, match="streams enable"):
        consumer.poll()


class Split:
    """The Streams API of one stream whose shard was split into two, as AWS describes it; no engine splits shards."""

    def __init__(self, records: dict[str, list[dict[str, Any]]], parents: dict[str, str | None]) -> None:
        self.records = records
        self.parents = parents
        self.asked: list[str] = []
        self.closed = {parent for parent in parents.values() if parent}
        self.errors: dict[str, str] = {}

    def describe_stream(self, StreamArn: str, ExclusiveStartShardId: str | None = None) -> Any:  # noqa: N803
        """One shard a page, to see that pages are followed."""
        names = list(self.parents)
        index = 0 if ExclusiveStartShardId is None else names.index(ExclusiveStartShardId) + 1
        shard: dict[str, Any] = {"ShardId": names[index]}
        if self.parents[names[index]]:
            shard["ParentShardId"] = self.parents[names[index]]
        answer: dict[str, Any] = {"StreamArn": StreamArn, "Shards": [shard]}
        if index + 1 < len(names):
            answer["LastEvaluatedShardId"] = names[index]
        return {"StreamDescription": answer}

    def get_shard_iterator(self, *, ShardId: str, SequenceNumber: str = "", **_: Any) -> Any:  # noqa: N803
        self._maybe_fail("GetShardIterator")
        return {"ShardIterator": f"{ShardId}|{SequenceNumber}"}

    def get_records(self, *, ShardIterator: str, Limit: int) -> Any:  # noqa: N803
        self._maybe_fail("GetRecords")
        shard, _, after = ShardIterator.partition("|")
        self.asked.append(shard)
        left = [one for one in self.records.get(shard, []) if one["dynamodb"]["SequenceNumber"] > after][:Limit]
        last = left[-1]["dynamodb"]["SequenceNumber"] if left else after
        ended = shard in self.closed and last == max(
            (one["dynamodb"]["SequenceNumber"] for one in self.records.get(shard, [])), default=after
        )
        return {"Records": left, **({} if ended else {"NextShardIterator": f"{shard}|{last}"})}

    def _maybe_fail(self, operation: str) -> None:
        from botocore.exceptions import ClientError

        code = self.errors.pop(operation, None)
        if code:
            raise ClientError({"Error": {"Code": code, "Message": code}}, operation)


def a_record(number: int, user: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    text = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    item = {
        "id": {"S": user},
        "email": {"S": f"{user}@example.com"},
        "created_at": {"S": text},
        "updated_at": {"S": text},
        "session_epoch": {"N": "1"},
    }
    body = {"SequenceNumber": f"{number:05d}", "NewImage": item, "ApproximateCreationDateTime": now}
    return {"eventID": f"e{number}", "eventName": "INSERT", "dynamodb": body}


@pytest.fixture
def split() -> Split:
    return Split(
        {
            "parent": [a_record(1, "a"), a_record(2, "b")],
            "left": [a_record(4, "d")],
            "right": [a_record(3, "c")],
        },
        {"left": "parent", "right": "parent", "parent": "long-gone"},
    )


def test_children_wait_for_their_parent(config: DynamoDbConfig, client: Client, split: Split) -> None:
    """A child is read only after its parent's end, even if children are described first; pages are followed."""
    prepared(config, client)
    kept = Kept()
    with StreamConsumer(config, kept, tables=("users",), streams=split, batch=1) as consumer:
        for _ in range(4):
            consumer.poll()
    assert [event.user_id for event in kept.events][:2] == ["a", "b"]
    assert sorted(str(event.user_id) for event in kept.events[2:]) == ["c", "d"]
    assert split.asked[:2] == ["parent", "parent"]


def test_a_finished_parent_is_not_read_again(config: DynamoDbConfig, client: Client, split: Split) -> None:
    """After a restart in the children, the parent's end is remembered."""
    prepared(config, client)
    with StreamConsumer(config, Kept(), tables=("users",), streams=split) as consumer:
        consumer.poll()
    split.asked.clear()
    kept = Kept()
    with StreamConsumer(config, kept, tables=("users",), streams=split) as consumer:
        consumer.poll()
    assert "parent" not in split.asked
    assert sorted(str(event.user_id) for event in kept.events) == ["c", "d"]


def test_an_expired_iterator_is_fetched_again(config: DynamoDbConfig, client: Client, split: Split) -> None:
    """An expired iterator costs a round trip, but no record."""
    prepared(config, client)
    kept = Kept()
    with StreamConsumer(config, kept, tables=("users",), streams=split) as consumer:
        split.errors["GetRecords"] = "ExpiredIteratorException"
        assert consumer.poll() == (0, 0)
        consumer.poll()
    assert [event.user_id for event in kept.events] == ["a", "b"]


@pytest.mark.parametrize("on_loss", ["fail", "continue"])
def test_forgotten_records_are_never_passed_over_in_silence(
    config: DynamoDbConfig, client: Client, split: Split, on_loss: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Trimmed records stop the consumer, or are logged as lost with on_loss="continue"."""
    prepared(config, client)
    kept = Kept()
    with StreamConsumer(config, kept, tables=("users",), streams=split, on_loss=on_loss) as consumer:
        split.errors["GetShardIterator"] = "TrimmedDataAccessException"
        if on_loss == "fail":
            with pytest.raises(RecordsLost):
                consumer.poll()
        else:
            consumer.poll()
            assert "are lost" in caplog.text
            assert len(kept.events) == 2


def test_no_table_is_made_where_there_are_no_streams(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """A consumer that cannot start leaves no checkpoint table behind."""
    AdminTables(on_dynoxide, dynoxide_client).ensure()

    class Nobody:
        def handle(self, event: StreamEvent, /) -> None: ...

    consumer = StreamConsumer(on_dynoxide, Nobody(), name="mail")
    with consumer, pytest.raises(ConfigurationError, match="has no stream"):
        consumer.poll()
    assert len(AdminTables(on_dynoxide, dynoxide_client).to_delete()) == 5


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_events_name_their_tenant(dynoxide: LocalEngine, table_prefix: str, layout: str) -> None:
    """The same life in two tenants, and outside of any, is told three times, each under its tenant."""
    config = dynoxide.config(table_prefix=table_prefix, session_cleanup="off", layout=layout)
    with closing(Client(config)) as client:
        prepared(config, client)
    for tenant in (None, "acme", "acme-2"):
        a_life(config, tenant)
    kept = Kept()
    with StreamConsumer(config, kept) as consumer:
        consumer.poll()
    told = {
        tenant: sorted(event.type for event in kept.events if event.tenant == tenant)
        for tenant in (None, "acme", "acme-2")
    }
    assert told["acme"] == told["acme-2"] == told[None]
    assert len(told["acme"]) == len(kept.events) // 3 == 17
    assert {event.user_id for event in kept.events} == {"usr_ada"}
    assert all(to_dict(event).get("tenant") == event.tenant for event in kept.events)
