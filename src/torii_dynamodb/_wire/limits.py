"""The limit of ``DynamoDbConfig.rate_limits``: token buckets of capacity units, two for each table.

The cost of a call is known only after its response. So a call passes while its buckets are not in debt, and is charged
one unit at once and the rest afterwards; later calls wait until the debt is paid off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torii_dynamodb._calls import TableCapacity
from torii_dynamodb._rules.token_bucket import TokenBucket
from torii_dynamodb._wire.facts import READS
from torii_dynamodb.config import DynamoDbConfig, RateLimit

__all__ = ["RateLimits"]


class RateLimits:
    """The limits of one client. Threads may share it: a race may let one more call pass, which is still charged.

    Args:
        limits: By the table's full name.
    """

    __slots__ = ("_buckets",)

    def __init__(self, limits: Mapping[str, RateLimit]) -> None:
        self._buckets = {
            (name, reads): TokenBucket(rate, burst=rate)
            for name, limit in limits.items()
            for reads, rate in ((True, limit.read), (False, limit.write))
            if rate is not None
        }

    @classmethod
    def of(cls, config: DynamoDbConfig) -> RateLimits | None:
        """Return a configuration's limits; ``None`` if there are none."""
        if not config.rate_limits:
            return None
        return cls({config.table_name(table): limit for table, limit in config.rate_limits.items()})

    def wait(self, operation: str, tables: Iterable[str], now: float) -> float:
        """Return the seconds to wait before a call; 0 if it may be sent now, in which case it is charged one unit."""
        found = self._concerned(operation, tables)
        seconds = max((bucket.wait(now) for bucket in found), default=0.0)
        if not seconds:
            for bucket in found:
                bucket.take(1.0)
        return seconds

    def charge(self, operation: str, tables: Iterable[str], used: Sequence[TableCapacity]) -> None:
        """Charge what a call consumed beyond the unit that was charged before."""
        for bucket in self._concerned(operation, tables):
            bucket.take(-1.0)
        for one in used:
            for reads, units in ((True, one.read_units), (False, one.write_units)):
                bucket_of = self._buckets.get((one.table, reads))
                if bucket_of is not None:
                    bucket_of.take(units)

    def _concerned(self, operation: str, tables: Iterable[str]) -> list[TokenBucket]:
        reads = operation in READS
        return [bucket for name in tables if (bucket := self._buckets.get((name, reads))) is not None]
