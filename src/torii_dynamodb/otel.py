"""OpenTelemetry spans and metrics (extra ``otel``), and structured logs.

Everything uses the hook ``DynamoDbConfig(on_call=...)``, which sees every call to DynamoDB, but no keys, items or
secrets::

    from torii_dynamodb.otel import instrument

    config = instrument(DynamoDbConfig(region="eu-central-1"))

Names follow OpenTelemetry's semantic conventions for database clients and for DynamoDB. OpenTelemetry is imported when
it is used; its API does nothing unless your program sets up a provider.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from torii_dynamodb._aws import resolve_endpoint
from torii_dynamodb._calls import CallRecord
from torii_dynamodb._core.cache import CacheCounts
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError

__all__ = ["Hook", "combine", "instrument", "instrument_cache", "log_calls", "metrics_hook", "tracing_hook"]

Hook = Callable[[CallRecord], None]
"""What ``on_call`` takes."""

SYSTEM: Final = "aws.dynamodb"
_SCOPE = "torii_dynamodb"

# Semantic conventions, "Database client metrics": the recommended buckets, in seconds.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
# Not failures: the caller asked for the response that decides a race.
_ANSWERS = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})


def instrument(
    config: DynamoDbConfig, *, tracer_provider: Any = None, meter_provider: Any = None, logs: bool = False
) -> DynamoDbConfig:
    """Return the configuration with spans and metrics for its calls. An existing hook is called, too.

    Args:
        config: The configuration.
        tracer_provider: ``None`` for the global one.
        meter_provider: ``None`` for the global one.
        logs: Whether each call is also logged; see :func:`log_calls`.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    hooks: list[Hook] = [
        tracing_hook(config, tracer_provider=tracer_provider),
        metrics_hook(config, meter_provider=meter_provider),
    ]
    if logs:
        hooks.append(log_calls())
    if config.on_call is not None:
        hooks.append(config.on_call)
    return replace(config, on_call=combine(*hooks))


def combine(*hooks: Hook) -> Hook:
    """Combine several hooks into one. If one raises, the others are still called."""

    def call(record: CallRecord) -> None:
        failed: Exception | None = None
        for hook in hooks:
            try:
                hook(record)
            except Exception as error:  # noqa: BLE001 - told below, once the others had their turn
                failed = error
        if failed is not None:
            raise failed

    return call


def tracing_hook(config: DynamoDbConfig, *, tracer_provider: Any = None) -> Hook:
    """Return a hook that creates a client span for every call, as a child of the caller's current span.

    The span is created when the call has ended, with the call's times. Merged reads have one span for the batch, in the
    context of the task that sent it.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    trace = _api("trace")
    tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
    where = _where(config)

    def hook(record: CallRecord) -> None:
        ended = int(config.clock().timestamp() * 1e9)
        span = tracer.start_span(
            _name(record),
            kind=trace.SpanKind.CLIENT,
            attributes={**_identity(record), **where},
            start_time=ended - int(record.latency * 1e9),
        )
        if not span.is_recording():
            return
        span.set_attribute("rpc.system", "aws-api")
        span.set_attribute("rpc.service", "DynamoDB")
        span.set_attribute("rpc.method", record.operation)
        span.set_attribute("aws.dynamodb.table_names", list(record.tables))
        if record.request_id is not None:
            span.set_attribute("aws.request_id", record.request_id)
        if record.attempts > 1:
            span.set_attribute("http.request.resend_count", record.attempts - 1)
        if record.throttles:
            span.set_attribute("torii.dynamodb.throttles", record.throttles)
        if record.capacity:
            span.set_attribute("aws.dynamodb.consumed_capacity", [_capacity(one) for one in record.capacity])
        if record.error is None:
            span.set_attribute("db.response.returned_rows", record.items)
        else:
            span.set_attribute("db.response.status_code", record.error)
            if record.error not in _ANSWERS:
                span.set_attribute("error.type", record.error)
                span.set_status(trace.Status(trace.StatusCode.ERROR, record.error))
        span.end(end_time=ended)

    return hook


def metrics_hook(config: DynamoDbConfig, *, meter_provider: Any = None) -> Hook:
    """Return a hook that records how long calls take, what they consume, and which problems they have.

    ``db.client.operation.duration`` (seconds), and counters ``torii.dynamodb.read_units``, ``.write_units``,
    ``.throttles``, ``.retries`` and ``.quota_exhausted``.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    meter = _api("metrics").get_meter(_SCOPE, meter_provider=meter_provider)
    duration = meter.create_histogram(
        "db.client.operation.duration",
        unit="s",
        description="Duration of database client operations.",
        explicit_bucket_boundaries_advisory=list(_BUCKETS),
    )
    read = meter.create_counter("torii.dynamodb.read_units", unit="{unit}", description="Read units consumed.")
    write = meter.create_counter("torii.dynamodb.write_units", unit="{unit}", description="Write units consumed.")
    throttles = meter.create_counter("torii.dynamodb.throttles", unit="{answer}", description="Throttled answers.")
    retries = meter.create_counter("torii.dynamodb.retries", unit="{request}", description="Requests sent again.")
    exhausted = meter.create_counter(
        "torii.dynamodb.quota_exhausted", unit="{call}", description="Calls given up because the retry quota was empty."
    )
    where = _where(config)

    def hook(record: CallRecord) -> None:
        common = {**_identity(record), **where}
        failed = record.error is not None and record.error not in _ANSWERS
        duration.record(record.latency, {**common, **({"error.type": record.error} if failed else {})})
        for one in record.capacity:
            of = {"db.system.name": SYSTEM, "db.operation.name": record.operation, "db.collection.name": one.table}
            if one.read_units:
                read.add(one.read_units, of)
            if one.write_units:
                write.add(one.write_units, of)
        for counter, count in (
            (throttles, record.throttles),
            (retries, record.retries),
            (exhausted, int(record.quota_exhausted)),
        ):
            if count:
                counter.add(count, common)

    return hook


class _Cached(Protocol):
    @property
    def cache_counts(self) -> CacheCounts | None: ...


def instrument_cache(storage: _Cached, *, meter_provider: Any = None) -> None:
    """Report what session checks find in the cache, each time the meter collects. Call it once for each storage.

    The counter ``torii.cache.checks`` has the attribute ``torii.cache.result``: ``hit``, ``miss`` or ``fallback``.
    Then there are the counters ``torii.cache.failures`` and ``torii.cache.outdated``, and the gauge
    ``torii.cache.circuit_open``, 0 or 1. See :class:`torii_dynamodb.cache.CacheCounts`.

    Args:
        storage: A storage with a cache: a handle, or what ``dynamodb()`` returned.
        meter_provider: ``None`` for the global one.

    Raises:
        ConfigurationError: OpenTelemetry is not installed, or the storage has no cache.
    """
    counts = storage.cache_counts
    if counts is None:
        raise ConfigurationError("storage: it was opened without a cache, so there is nothing to report")
    metrics = _api("metrics")
    meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)

    def value_of(name: str) -> Callable[[Any], list[Any]]:
        return lambda _: [metrics.Observation(int(getattr(counts, name)))]

    def checks(_: Any) -> Iterator[Any]:
        for result, count in (("hit", counts.hits), ("miss", counts.misses), ("fallback", counts.fallbacks)):
            yield metrics.Observation(count, {"torii.cache.result": result})

    meter.create_observable_counter(
        "torii.cache.checks", [checks], unit="{check}", description="Session checks, by what the cache had."
    )
    meter.create_observable_counter(
        "torii.cache.failures",
        [value_of("failures")],
        unit="{request}",
        description="Requests to the cache that failed.",
    )
    meter.create_observable_counter(
        "torii.cache.outdated",
        [value_of("outdated")],
        unit="{entry}",
        description="Entries that were older than what DynamoDB had.",
    )
    meter.create_observable_gauge(
        "torii.cache.circuit_open",
        [value_of("circuit_open")],
        unit="1",
        description="Whether the cache is left alone because it failed.",
    )


def log_calls(logger: logging.Logger | None = None) -> Hook:
    """Return a hook that logs every call, with details in fields of the log record (``dynamodb_operation``, ...).

    The level is DEBUG if the call succeeded, INFO if it was retried, and WARNING if it failed. Needs no OpenTelemetry.

    Args:
        logger: ``None`` for ``torii_dynamodb.calls``.
    """
    log = logger or logging.getLogger("torii_dynamodb.calls")

    def hook(record: CallRecord) -> None:
        failed = record.error is not None and record.error not in _ANSWERS
        level = logging.WARNING if failed else logging.INFO if record.retries else logging.DEBUG
        if not log.isEnabledFor(level):
            return
        fields: dict[str, Any] = {
            "dynamodb_operation": record.operation,
            "dynamodb_tables": list(record.tables),
            "dynamodb_attempts": record.attempts,
            "dynamodb_retries": record.retries,
            "dynamodb_throttles": record.throttles,
            "dynamodb_quota_exhausted": record.quota_exhausted,
            "dynamodb_latency_ms": round(record.latency * 1000, 3),
            "dynamodb_read_units": record.read_units,
            "dynamodb_write_units": record.write_units,
            "dynamodb_request_id": record.request_id,
            "dynamodb_error": record.error,
        }
        log.log(
            level,
            "%s on %s: %s in %.1f ms (%d attempts)",
            record.operation,
            ", ".join(record.tables),
            record.error or "ok",
            record.latency * 1000,
            record.attempts,
            extra=fields,
        )

    return hook


def _api(name: str) -> Any:
    try:
        import opentelemetry.metrics
        import opentelemetry.trace
    except ImportError as error:
        raise ConfigurationError("OpenTelemetry is not installed: pip install 'torii-dynamodb[otel]'") from error
    return {"trace": opentelemetry.trace, "metrics": opentelemetry.metrics}[name]


def _name(record: CallRecord) -> str:
    # Semantic conventions, "Database client spans": {db.operation.name} {target}, the target being the one collection.
    return f"{record.operation} {record.tables[0]}" if len(record.tables) == 1 else record.operation


def _identity(record: CallRecord) -> dict[str, str]:
    told = {"db.system.name": SYSTEM, "db.operation.name": record.operation}
    if len(record.tables) == 1:
        told["db.collection.name"] = record.tables[0]
    return told


def _where(config: DynamoDbConfig) -> dict[str, str | int]:
    home = config.at_home()
    told: dict[str, str | int] = {}
    if home.region is not None:
        told["cloud.region"] = home.region
    url = home.endpoint_url
    if url is None and home.region is not None:
        with suppress(ConfigurationError):
            url = resolve_endpoint(home)[1]
    if url is not None:
        parts = urlsplit(url)
        told["server.address"] = parts.hostname or ""
        if parts.port is not None:
            told["server.port"] = parts.port
    return told


def _capacity(one: Any) -> str:
    indexes: Mapping[str, float] = one.indexes
    told: dict[str, Any] = {"TableName": one.table, "CapacityUnits": one.read_units + one.write_units}
    if one.read_units:
        told["ReadCapacityUnits"] = one.read_units
    if one.write_units:
        told["WriteCapacityUnits"] = one.write_units
    if indexes:
        told["GlobalSecondaryIndexes"] = {name: {"CapacityUnits": units} for name, units in indexes.items()}
    return json.dumps(told)
