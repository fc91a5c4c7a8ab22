"""Consumed capacity, by operation (from a handle's ``on_call`` hook) or by table (from CloudWatch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any

from torii_dynamodb._calls import CallRecord
from torii_dynamodb.admin.aws import aws_client, aws_errors
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.schema import schema_of

__all__ = ["CapacityMeter", "CapacityReport", "OperationUse", "TableUse", "capacity_from_cloudwatch"]

# CloudWatch Metrics of DynamoDB (Developer Guide, "DynamoDB metrics and dimensions").
_METRICS = (
    "ConsumedReadCapacityUnits",
    "ConsumedWriteCapacityUnits",
    "ReadThrottleEvents",
    "WriteThrottleEvents",
)


@dataclass(slots=True, kw_only=True)
class OperationUse:
    """The use of a set of tables by one operation.

    Args:
        operation: DynamoDB's name for it.
        tables: The tables, joined by ``+``.
        calls: How often it was called.
        read_units: Read units consumed.
        write_units: Write units consumed.
        retries: The number of retries.
        throttles: How often DynamoDB throttled a request.
        quota_exhausted: Calls that were given up because the retry quota was used up.
        failures: Calls that failed.
        slowest: The duration of the slowest call, in seconds.
    """

    operation: str
    tables: str
    calls: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    retries: int = 0
    throttles: int = 0
    quota_exhausted: int = 0
    failures: int = 0
    slowest: float = 0.0

    @property
    def units(self) -> float:
        """Read and write units together. A write unit counts as five, as its price on demand."""
        return self.read_units + 5 * self.write_units


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """Consumption of a table or an index.

    Args:
        name: The table's full name; an index as ``table/index``.
        read_units: Read units.
        write_units: Write units.
        throttles: Throttled requests.
    """

    name: str
    read_units: float
    write_units: float
    throttles: float = 0.0

    @property
    def units(self) -> float:
        """Read and write units together, as :attr:`OperationUse.units`."""
        return self.read_units + 5 * self.write_units


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityReport:
    """Consumed capacity.

    Args:
        source: ``"handle"`` or ``"cloudwatch"``.
        operations: By operation, largest use first; empty from CloudWatch, which does not report it.
        tables: By table and index, largest use first.
        retries: Total.
        throttles: Total.
        quota_exhausted: Total.
        failures: Total.
    """

    source: str
    operations: tuple[OperationUse, ...]
    tables: tuple[TableUse, ...]
    retries: int = 0
    throttles: float = 0.0
    quota_exhausted: int = 0
    failures: int = 0

    @property
    def hot(self) -> tuple[OperationUse, ...]:
        """The fewest operations that together account for 80 % of the units."""
        total = sum(one.units for one in self.operations)
        found: list[OperationUse] = []
        for one in self.operations:
            if not one.units or sum(hot.units for hot in found) >= 0.8 * total:
                break
            found.append(one)
        return tuple(found)


@dataclass(slots=True)
class CapacityMeter:
    """Adds up what a handle's calls consume.

    Pass it as ``on_call``::

        meter = CapacityMeter()
        config = DynamoDbConfig(on_call=meter)

    It is thread-safe.
    """

    _uses: dict[tuple[str, str], OperationUse] = field(default_factory=dict[tuple[str, str], OperationUse])
    _tables: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    _lock: Any = field(default_factory=Lock, repr=False)

    def __call__(self, record: CallRecord) -> None:
        """Count a call."""
        key = (record.operation, "+".join(record.tables))
        with self._lock:
            use = self._uses.get(key)
            if use is None:
                use = self._uses[key] = OperationUse(operation=key[0], tables=key[1])
            use.calls += 1
            use.read_units += record.read_units
            use.write_units += record.write_units
            use.retries += record.retries
            use.throttles += record.throttles
            use.quota_exhausted += record.quota_exhausted
            use.failures += record.error is not None and record.error != "ConditionalCheckFailedException"
            use.slowest = max(use.slowest, record.latency)
            for one in record.capacity:
                pair = self._tables.setdefault(one.table, [0.0, 0.0])
                pair[0] += one.read_units
                pair[1] += one.write_units

    def report(self) -> CapacityReport:
        """The totals so far."""
        with self._lock:
            uses = sorted(self._uses.values(), key=lambda use: (-use.units, use.operation, use.tables))
            tables = [
                TableUse(name=name, read_units=read, write_units=write) for name, (read, write) in self._tables.items()
            ]
            return CapacityReport(
                source="handle",
                operations=tuple(OperationUse(**{name: getattr(use, name) for name in _FIELDS}) for use in uses),
                tables=tuple(sorted(tables, key=lambda one: -one.units)),
                retries=sum(use.retries for use in uses),
                throttles=sum(use.throttles for use in uses),
                quota_exhausted=sum(use.quota_exhausted for use in uses),
                failures=sum(use.failures for use in uses),
            )

    def reset(self) -> None:
        """Start again from zero."""
        with self._lock:
            self._uses.clear()
            self._tables.clear()


_FIELDS = tuple(OperationUse.__dataclass_fields__)


def capacity_from_cloudwatch(config: DynamoDbConfig, *, over: timedelta = timedelta(hours=1)) -> CapacityReport:
    """What the tables consumed recently, according to CloudWatch (some minutes late).

    Args:
        config: Names the tables.
        over: How far back; at most 15 days, which is how long CloudWatch keeps figures by the minute.

    Raises:
        AccessDenied: ``cloudwatch:GetMetricData`` is not allowed.
    """
    client = aws_client(config, "cloudwatch")
    now = config.clock()
    parts = [
        (config.table_name(table), index) for table in config.tables for index in (None, *_index_names(config, table))
    ]
    queries: list[dict[str, Any]] = []
    for number, (name, index) in enumerate(parts):
        dimensions = [{"Name": "TableName", "Value": name}]
        if index is not None:
            dimensions.append({"Name": "GlobalSecondaryIndexName", "Value": index})
        for place, metric in enumerate(_METRICS):
            stat = {
                "Metric": {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions},
                "Period": 60,
                "Stat": "Sum",
            }
            queries.append({"Id": f"m{number}x{place}", "MetricStat": stat, "ReturnData": True})
    sums = _sums(client, queries, now - over, now)
    tables: list[TableUse] = []
    for number, (name, index) in enumerate(parts):
        read, write, *throttles = (sums.get(f"m{number}x{place}", 0.0) for place in range(len(_METRICS)))
        shown = name if index is None else f"{name}/{index}"
        tables.append(TableUse(name=shown, read_units=read, write_units=write, throttles=sum(throttles)))
    return CapacityReport(
        source="cloudwatch",
        operations=(),
        tables=tuple(sorted(tables, key=lambda one: -one.units)),
        throttles=sum(one.throttles for one in tables),
    )


def _sums(client: Any, queries: Sequence[dict[str, Any]], start: Any, end: Any) -> dict[str, float]:
    sums: dict[str, float] = {}
    request: dict[str, Any] = {"MetricDataQueries": list(queries), "StartTime": start, "EndTime": end}
    while True:
        with aws_errors("GetMetricData"):
            answer = client.get_metric_data(**request)
        for one in answer.get("MetricDataResults", ()):
            sums[one["Id"]] = sums.get(one["Id"], 0.0) + sum(one.get("Values", ()))
        if not answer.get("NextToken"):
            return sums
        request["NextToken"] = answer["NextToken"]


def _index_names(config: DynamoDbConfig, table: StoredTable) -> tuple[str, ...]:
    return tuple(index.name for index in schema_of(config)[table].indexes)
