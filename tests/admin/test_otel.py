"""Spans, metrics and logs: names and attributes by the semantic conventions, and no secret in any of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.admin.every_operation import HASH, STATE, VERIFIER, steps
from tests.cache.memory import MemoryCache

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, NewSession, NewUser
from torii_dynamodb._calls import CallRecord
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.otel import combine, instrument, instrument_cache, log_calls, tracing_hook


class Seen:
    """In-memory exporters."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])

    def instrument(self, config: DynamoDbConfig, **options: Any) -> DynamoDbConfig:
        return instrument(config, tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def metrics(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def seen() -> Iterator[Seen]:
    found = Seen()
    yield found
    found.tracers.shutdown()
    found.meters.shutdown()


def test_what_checks_find_in_the_cache_is_counted(seen: Seen, dynoxide: LocalEngine, table_prefix: str) -> None:
    """Checks by result, failures and the circuit breaker are metrics; without a cache there are none."""
    config = dynoxide.config(table_prefix=table_prefix)
    with DynamoDbStorage.open(config, cache=MemoryCache()) as storage:
        instrument_cache(storage, meter_provider=seen.meters)
        user = storage.create_user(NewUser(email="ada@example.com"))
        session = storage.create_session(NewSession(user_id=user.id, expires_at=config.clock() + timedelta(days=1)))
        for _ in range(3):
            assert storage.get_signed_in(session.token) is not None
        told = seen.metrics()
        results = {point.attributes["torii.cache.result"]: point.value for point in told["torii.cache.checks"]}
        assert results == {"hit": 2, "miss": 1, "fallback": 0}
        for name in ("failures", "outdated", "circuit_open"):
            assert [point.value for point in told[f"torii.cache.{name}"]] == [0]
    with DynamoDbStorage.open(config) as storage, pytest.raises(ConfigurationError, match="without a cache"):
        instrument_cache(storage)


def a_record(**changes: Any) -> CallRecord:
    given: dict[str, Any] = {"operation": "GetItem", "tables": ("t_users",), "attempts": 1, "latency": 0.02}
    return CallRecord(**(given | changes))


def test_a_call_is_a_client_span(dynoxide: LocalEngine, table_prefix: str, seen: Seen) -> None:
    """Name, kind and attributes of one call's span, as the conventions for database clients and DynamoDB say."""
    config = seen.instrument(dynoxide.config(table_prefix=table_prefix))
    with DynamoDbStorage.open(config) as storage:
        seen.exporter.clear()
        with seen.tracers.get_tracer("test").start_as_current_span("request") as outer:
            storage.get_user("usr_nobody")
    span = seen.spans[0]
    table = f"{table_prefix}_users"
    assert span.name == f"GetItem {table}"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is not None
    assert span.parent.span_id == outer.get_span_context().span_id
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time < span.end_time
    attributes = dict(span.attributes or {})
    request_id = attributes.pop("aws.request_id")
    assert request_id
    assert attributes == {
        "db.system.name": "aws.dynamodb",
        "db.operation.name": "GetItem",
        "db.collection.name": table,
        "db.response.returned_rows": 0,
        "rpc.system": "aws-api",
        "rpc.service": "DynamoDB",
        "rpc.method": "GetItem",
        "aws.dynamodb.table_names": (table,),
        "aws.dynamodb.consumed_capacity": (
            f'{{"TableName": "{table}", "CapacityUnits": 1.0, "ReadCapacityUnits": 1.0}}',
        ),
        "cloud.region": "us-east-1",
        "server.address": "127.0.0.1",
        "server.port": int(str(dynoxide.endpoint_url).rpartition(":")[2]),
    }


def test_a_transaction_s_span_names_all_its_tables(dynoxide: LocalEngine, table_prefix: str, seen: Seen) -> None:
    """With several tables there is no one collection; the name is the operation's, the tables are listed."""
    config = seen.instrument(dynoxide.config(table_prefix=table_prefix))
    with DynamoDbStorage.open(config) as storage:
        seen.exporter.clear()
        storage.create_user(NewUser(email="ada@example.com"))
    (span,) = seen.spans
    attributes = dict(span.attributes or {})
    assert span.name == "TransactWriteItems"
    assert "db.collection.name" not in attributes
    assert attributes["aws.dynamodb.table_names"] == (f"{table_prefix}_users", f"{table_prefix}_identities")


def test_a_failure_is_an_error_and_a_refused_condition_is_not(seen: Seen) -> None:
    """error.type and the span's status say what failed; a condition that did not hold is a normal response."""
    hook = tracing_hook(DynamoDbConfig(region="eu-central-1"), tracer_provider=seen.tracers)
    hook(a_record(error="ThrottlingException", attempts=4, retries=3, throttles=4))
    hook(a_record(error="ConditionalCheckFailedException"))
    failed, refused = seen.spans
    assert failed.status.status_code is StatusCode.ERROR
    told = dict(failed.attributes or {})
    assert told["error.type"] == told["db.response.status_code"] == "ThrottlingException"
    assert told["http.request.resend_count"] == 3
    assert told["torii.dynamodb.throttles"] == 4
    assert told["server.address"] == "dynamodb.eu-central-1.amazonaws.com"
    assert refused.status.status_code is StatusCode.UNSET
    assert dict(refused.attributes or {})["db.response.status_code"] == "ConditionalCheckFailedException"
    assert "error.type" not in dict(refused.attributes or {})


def test_metrics_have_the_conventions_names(dynoxide: LocalEngine, table_prefix: str, seen: Seen) -> None:
    """The duration histogram by operation, units by table; counters of trouble only if there was any."""
    config = seen.instrument(dynoxide.config(table_prefix=table_prefix, create_tables=True))
    with DynamoDbStorage.open(config) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        storage.get_user(user.id)
    found = seen.metrics()
    durations = {point.attributes["db.operation.name"]: point for point in found["db.client.operation.duration"]}
    assert durations["GetItem"].count == 1
    assert durations["GetItem"].attributes["db.system.name"] == "aws.dynamodb"
    assert durations["GetItem"].explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
    units = {point.attributes["db.collection.name"]: point.value for point in found["torii.dynamodb.write_units"]}
    assert units == {f"{table_prefix}_users": 3.0, f"{table_prefix}_identities": 2.0}
    assert sum(point.value for point in found["torii.dynamodb.read_units"]) == 1.0
    assert "torii.dynamodb.throttles" not in found


def test_trouble_is_counted(seen: Seen) -> None:
    """Throttles, retries and an exhausted quota have their own counters."""
    config = seen.instrument(DynamoDbConfig(region="eu-central-1"))
    assert config.on_call is not None
    config.on_call(a_record(error="ThrottlingException", attempts=2, retries=1, throttles=2, quota_exhausted=True))
    found = seen.metrics()
    values = {name: found[f"torii.dynamodb.{name}"][0].value for name in ("throttles", "retries", "quota_exhausted")}
    assert values == {"throttles": 2, "retries": 1, "quota_exhausted": 1}
    assert found["db.client.operation.duration"][0].attributes["error.type"] == "ThrottlingException"


def test_logs_are_structured(caplog: pytest.LogCaptureFixture) -> None:
    """DEBUG for success, INFO for retries, WARNING for failures; the facts are fields."""
    hook = log_calls()
    with caplog.at_level(logging.DEBUG, logger="torii_dynamodb.calls"):
        hook(a_record())
        hook(a_record(attempts=2, retries=1))
        hook(a_record(error="TimedOut", attempts=4, retries=3))
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "WARNING"]
    told = vars(caplog.records[2])
    assert (told["dynamodb_operation"], told["dynamodb_error"], told["dynamodb_attempts"]) == ("GetItem", "TimedOut", 4)
    assert told["dynamodb_latency_ms"] == 20.0


def test_no_secret_is_told(
    dynoxide: LocalEngine, table_prefix: str, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    """Every operation, instrumented: no token, hash, address, id or digest in any span, metric or log."""
    config = seen.instrument(dynoxide.config(table_prefix=table_prefix, session_cleanup="inline"), logs=True)
    secrets: set[str] = {HASH, STATE, VERIFIER, "ada@example.com", "usr_ada", "192.0.2.1"}
    with caplog.at_level(logging.DEBUG), DynamoDbStorage.open(config) as storage:
        for _, operation in steps(storage):
            made = operation()
            for name in ("token", "id", "attempt_id"):
                if isinstance(value := getattr(made, name, None), str) and value:
                    secrets.add(value)
    told = "".join(span.to_json() for span in seen.spans) + repr(seen.metrics())
    told += "".join(repr(vars(record)) for record in caplog.records if record.name.startswith("torii_dynamodb"))
    assert len(seen.spans) > 60
    for secret in secrets:
        assert secret not in told


def test_one_failing_hook_spares_the_others() -> None:
    """Hooks are independent; the error is raised after all were called."""
    calls: list[str] = []

    def broken(record: CallRecord) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        combine(broken, lambda record: calls.append(record.operation))(a_record())
    assert calls == ["GetItem"]


def test_a_hook_that_was_there_is_kept(seen: Seen) -> None:
    """Instrumenting adds to on_call."""
    calls: list[CallRecord] = []
    config = seen.instrument(DynamoDbConfig(region="eu-central-1", on_call=calls.append))
    assert config.on_call is not None
    config.on_call(a_record())
    assert len(calls) == len(seen.spans) == 1
