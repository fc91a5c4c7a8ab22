"""Our own rate limit, and what the hook reports about throttling."""

from __future__ import annotations

from typing import Any

import pytest

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, NewUser
from torii_dynamodb._calls import CallRecord, TableCapacity
from torii_dynamodb._wire.limits import RateLimits
from torii_dynamodb.admin.capacity import CapacityMeter
from torii_dynamodb.config import RateLimit
from torii_dynamodb.errors import ConfigurationError, Throttled
from torii_dynamodb.local.engines import LocalEngine


def used(units: float) -> tuple[TableCapacity, ...]:
    return (TableCapacity(table="t", read_units=units, write_units=0.0),)


def test_the_average_holds_over_time() -> None:
    """Calls of 5 units at 10 units a second: after the first second's worth, two a second, to the hundredth."""
    limits = RateLimits({"t": RateLimit(read=10)})
    now, calls = 0.0, 0
    while now < 100:
        wait = limits.wait("Query", ("t",), now)
        if wait:
            now += wait
            continue
        limits.charge("Query", ("t",), used(5.0))
        calls += 1
    assert 200 <= calls <= 205


def test_reads_and_writes_and_tables_are_told_apart() -> None:
    """A table in debt for reads accepts writes, and another table accepts both."""
    limits = RateLimits({"t": RateLimit(read=1)})
    assert limits.wait("GetItem", ("t",), 0.0) == 0
    limits.charge("GetItem", ("t",), used(5.0))
    assert limits.wait("GetItem", ("t",), 0.0) == pytest.approx(4.0, abs=0.01)
    assert limits.wait("PutItem", ("t",), 0.0) == 0
    assert limits.wait("GetItem", ("other",), 0.0) == 0


def test_what_was_not_used_does_not_pile_up() -> None:
    """After an hour of silence there is one second's worth, not an hour's."""
    limits = RateLimits({"t": RateLimit(read=2)})
    passed = 0
    while not limits.wait("GetItem", ("t",), 3600.0):
        passed += 1
        limits.charge("GetItem", ("t",), used(1.0))
    assert passed == 2


def test_there_is_nothing_without_limits() -> None:
    """Off by default: the client has no limiter at all."""
    assert RateLimits.of(DynamoDbConfig(region="eu-central-1")) is None


def test_a_call_without_a_turn_before_its_deadline_is_not_sent(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A handle over its limit raises without sending anything; writes, which have no limit here, continue."""
    meter = CapacityMeter()
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)):
        pass
    config = dynoxide.config(
        table_prefix=table_prefix,
        create_tables=False,
        rate_limits={"users": RateLimit(read=0.1)},
        deadline=0.05,
        on_call=meter,
    )
    with DynamoDbStorage.open(config) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        storage.get_user(user.id)
        with pytest.raises(Throttled, match="our own rate limit") as caught:
            storage.get_user(user.id)
        storage.create_user(NewUser(email="bob@example.com"))
    assert caught.value.attempts == 0
    assert {one.operation: one.calls for one in meter.report().operations} == {"TransactWriteItems": 2, "GetItem": 1}


def test_a_turn_is_waited_for(dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the deadline, a call waits for its turn for as long as the rate requires."""
    import torii_dynamodb._sync.client as module

    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(module, "sleep", sleep)
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)):
        pass
    config = dynoxide.config(
        table_prefix=table_prefix, create_tables=False, rate_limits={"users": RateLimit(read=1)}, merge_reads=False
    )
    with DynamoDbStorage.open(config) as storage:
        for _ in range(11):
            storage.get_user("usr_nobody")
    # Eleven units at one a second; the first is at hand, and a bucket that is just out of debt lets one pass.
    assert 9 <= sum(slept) <= 10


@pytest.mark.parametrize("limit", [{"read": 0}, {"write": -1}, {"read": "many"}])
def test_a_limit_that_cannot_be_is_refused(limit: dict[str, Any]) -> None:
    """Zero, negative and non-numbers are refused; so is an unknown table."""
    with pytest.raises(ConfigurationError, match="rate limit"):
        RateLimit(**limit)
    with pytest.raises(ConfigurationError, match="rate_limits"):
        DynamoDbConfig(rate_limits={"people": RateLimit(read=1)})  # type: ignore[dict-item]


def test_an_exhausted_quota_is_told(dynoxide: LocalEngine, table_prefix: str) -> None:
    """When the retry quota ends a call, the record says so, and the meter counts it."""
    meter, records = CapacityMeter(), list[CallRecord]()

    def hook(record: CallRecord) -> None:
        meter(record)
        records.append(record)

    config = DynamoDbConfig(
        region="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        credentials=dynoxide.credentials,
        table_prefix=table_prefix,
        create_tables=False,
        retry_attempts=20,
        retry_quota=7,
        on_call=hook,
    )
    with DynamoDbStorage.open(config) as storage, pytest.raises(Exception, match="quota"):
        storage.get_user("usr_nobody")
    assert [(one.retries, one.quota_exhausted) for one in records] == [(1, True)]
    assert meter.report().quota_exhausted == 1
