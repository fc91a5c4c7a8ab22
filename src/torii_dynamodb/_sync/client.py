# Generated from src/torii_dynamodb/_async/client.py by tools/unasync.py. Do not edit.

"""The client: calls to DynamoDB with retries, and batches of reads and writes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from torii_dynamodb._aws import proxy_to
from torii_dynamodb._messages import Request, Transport
from torii_dynamodb._sync.credentials import Signing
from torii_dynamodb._sync.merging import ReadMerger
from torii_dynamodb._sync.primitives import Background, gather, monotonic, sleep
from torii_dynamodb._sync.transport import Pool
from torii_dynamodb._wire.batches import MAX_KEYS, MAX_WRITES, Key, ReadBatch, ReadUnit
from torii_dynamodb._wire.errors import Failure, TransportError, WireError
from torii_dynamodb._wire.facts import CAPACITY_OPERATIONS, DATA_PLANE
from torii_dynamodb._wire.failures import (
    blames_keys,
    failure_of_transport,
    final_error,
    request_id,
)
from torii_dynamodb._wire.http import read_answer
from torii_dynamodb._wire.json import dumps
from torii_dynamodb._wire.records import make_record, read_capacity, tables_of
from torii_dynamodb._wire.retry import Attempts, RetryPolicy, measured_skew
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, Throttled, ToriiError, Unavailable

if TYPE_CHECKING:
    from torii_dynamodb._wire.limits import RateLimits

__all__ = ["Client"]

_log = logging.getLogger("torii_dynamodb")

# How many chunks of one big batch are in flight at once: enough to hide latency, few enough to leave room.
_PARALLEL_CHUNKS = 8


class Client:
    """Calls DynamoDB. Every operation goes through :meth:`call`; nothing is requested before the first.

    Args:
        config: The configuration.
        transport: Sends the requests, instead of the library's pool.
    """

    def __init__(self, config: DynamoDbConfig, *, transport: Transport | None = None) -> None:
        self.config = config
        self._transport = transport
        self._pools: dict[str, Transport] = {}
        self._background = Background()
        self._signing = Signing(config, self._background)
        self._clock = config.clock
        self._skew: timedelta | None = None
        self._policy = RetryPolicy(config)
        self._untroubled = Attempts(self._policy)
        self._on_call = config.on_call
        self._limits = _limits(config)
        self._closed = False
        self._mergers = (
            tuple(ReadMerger(self.call, mode, config.max_connections) for mode in (False, True))
            if config.merge_reads
            else None
        )

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call an operation and return DynamoDB's response.

        A ``TransactWriteItems`` gets a ``ClientRequestToken`` unless it has one. With ``on_call`` set, the consumed
        capacity is requested.

        Args:
            operation: DynamoDB's name for it, for example ``"GetItem"``.
            payload: Its parameters, as in the DynamoDB API Reference.

        Raises:
            ConditionFailed: The condition of a single write did not hold (a wire error: storage translates it).
            TransactionCanceled: A transaction was cancelled for good (a wire error).
            ServiceError: DynamoDB refused an operation on tables rather than items (a wire error).
            Unavailable: No success within the attempts and the deadline. A write may have been applied.
            Throttled: The same, for lack of capacity.
            AccessDenied: The credentials are wrong or lack a permission.
            ConfigurationError: No region, no credentials, or the table does not exist.
            RequestRejected: DynamoDB refused the request for another reason.
        """
        if operation == "TransactWriteItems" and "ClientRequestToken" not in payload:
            payload = {**payload, "ClientRequestToken": self.config.random(16).hex()}
        hook = self._on_call
        started = monotonic()
        limits = self._limits
        if (hook is not None or limits is not None) and operation in CAPACITY_OPERATIONS:
            payload = {"ReturnConsumedCapacity": "INDEXES", **payload}
        if limits is not None:
            self._wait_for_turn(limits, operation, payload, started)
        body = dumps(payload)
        name = operation.encode("ascii")
        signing = self._signing
        quota = self._policy.quota
        attempts = self._untroubled
        while True:
            skew = self._skew
            now = self._clock() if skew is None else self._clock() + skew
            signer = signing.signer
            if signer is None or now >= signing.refresh_at:
                signer = signing.due(now)
            transport = self._transport
            if transport is None:
                # Several threads may get here at the same time: one pool wins, the others were never used.
                transport = self._transport = self._pools.setdefault("pool", self._make_transport())
            failure: Failure
            try:
                response = transport(Request(signer.head(name, body, now), body), attempts.timeout, attempts.fresh)
            except TransportError as error:
                failure = failure_of_transport(error)
            else:
                answer = read_answer(response)
                if not isinstance(answer, Failure):
                    if quota.available < quota.capacity:
                        quota.give(attempts.refund)
                    if limits is not None:
                        limits.charge(operation, tables_of(payload), read_capacity(operation, answer))
                    if hook is not None:
                        identity = request_id(response)
                        self._tell(operation, payload, attempts, monotonic() - started, answer, identity, None)
                    return answer
                failure = answer
            if attempts is self._untroubled:
                attempts = Attempts(self._policy)
            step = attempts.after(failure, monotonic() - started, closed=self._closed)
            if step == "pause":
                sleep(attempts.pause)
            elif (
                step == "give up"
                or (step == "correct clock" and not self._correct_clock(failure, skew))
                or (step == "renew credentials" and signing.replace(signer) is None)
            ):
                break
        if hook is not None:
            self._tell(operation, payload, attempts, monotonic() - started, None, failure.request_id, failure.code)
        fault = self._schema_fault(failure, operation, payload)
        if fault is not None:
            raise fault from failure.error.strip()
        raise final_error(
            failure,
            operation=operation,
            tables=tables_of(payload),
            where=self.where,
            attempts=attempts.failed,
            why=attempts.why,
        )

    def batch_get(self, keys: Sequence[Key], *, consistent: bool) -> list[dict[str, Any] | None]:
        """Read any number of items, of any tables.

        Not a snapshot: each item is read separately. Treat the items as read-only: callers that read the same key at
        the same moment share them.

        Args:
            keys: ``(table's full name, key)`` each; duplicates are read once.
            consistent: Whether the reads are strongly consistent.

        Returns:
            The items, aligned with the keys; ``None`` for missing ones.

        Raises:
            Throttled: If DynamoDB left keys unprocessed for as long as we were allowed to try.
            ToriiError: As :meth:`call` does.
        """
        if not keys:
            return []
        unit = ReadUnit(keys)
        if len(unit.missing) > MAX_KEYS:
            every = list(unit.missing.values())
            chunks = [every[start : start + MAX_KEYS] for start in range(0, len(every), MAX_KEYS)]
            reads = (partial(self.batch_get, chunk, consistent=consistent) for chunk in chunks)
            parts = gather(*reads, limit=_PARALLEL_CHUNKS)
            items = zip(unit.missing, chain.from_iterable(parts), strict=True)
            unit.settle({key: item for key, item in items if item is not None}, {})
        elif self._mergers is not None and len(unit.missing) < MAX_KEYS:
            self._mergers[consistent].read(unit)
        if unit.result is None:
            # Merging is off, or the merged batch was refused or left some of these keys unprocessed.
            self._read_alone(unit, consistent)
        assert unit.result is not None
        return unit.result

    def batch_write(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Put and delete any number of items, in any tables, each separately (not atomically, in no order).

        Args:
            requests: ``(table's full name, {"PutRequest": {"Item": ...}} or {"DeleteRequest": {"Key": ...}})`` each; an
                item may occur only once.

        Raises:
            Unavailable: If some could not be written; the message says how many. Writing all again is safe.
            ToriiError: As :meth:`call` does.
        """
        chunks = [requests[start : start + MAX_WRITES] for start in range(0, len(requests), MAX_WRITES)]
        if not chunks:
            return
        outcomes = gather(*(partial(self._write, chunk) for chunk in chunks), limit=_PARALLEL_CHUNKS)
        left = sum(count for count, _ in outcomes)
        if left:
            cause = next(error for _, error in outcomes if error is not None)
            raise type(cause)(
                f"BatchWriteItem: {left} of {len(requests)} writes were not done; last error: {cause}",
                attempts=cause.attempts,
                request_id=cause.request_id,
            ) from cause

    def close(self) -> None:
        """Wait for background work, then close the connections. Calls made afterwards fail."""
        self._background.close()
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    @property
    def where(self) -> str:
        """Return Region and endpoint, for messages."""
        endpoint = self._signing.endpoint
        return (
            f"{endpoint.url} (region {self._signing.region})" if endpoint is not None else "an endpoint not known yet"
        )

    def _make_transport(self) -> Transport:
        endpoint = self._signing.endpoint
        assert endpoint is not None
        config = self.config
        if config.transport is None:
            return Pool(
                endpoint,
                limit=config.max_connections,
                connect_timeout=config.connect_timeout,
                proxy=proxy_to(endpoint),
                ca_bundle=self._signing.ca_bundle,
            )
        made: Any = config.transport(endpoint)
        # The asynchronous and the blocking kind differ in how they are closed.
        if isinstance(made, type) or not callable(made) or not callable(getattr(made, "close", None)):
            raise ConfigurationError(
                f"transport: it returned a {type(made).__name__}, which is not an Transport: one is callable, "
                "with a method close() (see torii_dynamodb.transport)"
            )
        return cast("Transport", made)

    def _schema_fault(self, failure: Failure, operation: str, payload: dict[str, Any]) -> ConfigurationError | None:
        """Return what is wrong with the keys of our tables, if DynamoDB refused because of that; otherwise ``None``."""
        if operation not in DATA_PLANE or not blames_keys(failure):
            return None
        from torii_dynamodb._core import tables
        from torii_dynamodb.schema import schema_of

        ours = {self.config.table_name(table): schema for table, schema in schema_of(self.config).items()}
        wrong: list[str] = []
        for name in tables_of(payload):
            if name not in ours:
                continue
            found: Any = None
            with suppress(ToriiError, WireError):
                found = (self.call("DescribeTable", {"TableName": name})).get("Table")
            if found is None:
                expected = tables.keys_of(ours[name])
                wrong.append(f"table {name}: {expected}; its keys cannot be read with these credentials")
            else:
                wrong.extend(tables.differences(found, ours[name], name))
        if not wrong:
            return None
        if self.config.layout == "single":
            remedy = "Correct partition_key, sort_key, table"
        else:
            remedy = (
                "Create the table again with these keys (`torii-dynamodb tables ensure`, or a template of "
                "`torii-dynamodb template`), or correct table_prefix, table_names"
            )
        return ConfigurationError(
            f"{operation}: {'; '.join(wrong)}. Nothing was written. {remedy}, region or endpoint_url",
            request_id=failure.request_id,
        )

    def _read_alone(self, unit: ReadUnit, consistent: bool) -> None:
        started = monotonic()
        stalled = 0
        while unit.result is None:
            if unit.throttled:
                stalled += 1
                self._wait_for_capacity("BatchGetItem", started, stalled, f"{len(unit.missing)} keys unread")
            batch = ReadBatch((unit,), consistent)
            if batch.absorb(self.call("BatchGetItem", batch.payload)):
                stalled = 0

    def _write(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> tuple[int, Unavailable | None]:
        items: dict[str, list[dict[str, Any]]] = {}
        for table, request in requests:
            items.setdefault(table, []).append(request)
        left = len(requests)
        started = monotonic()
        stalled = 0
        try:
            while True:
                answer = self.call("BatchWriteItem", {"RequestItems": items})
                items = answer.get("UnprocessedItems") or {}
                count = sum(len(part) for part in items.values())
                if not count:
                    return 0, None
                stalled = stalled + 1 if count >= left else 1
                left = count
                self._wait_for_capacity("BatchWriteItem", started, stalled, f"{left} writes not done")
        except Unavailable as error:
            return left, error

    def _wait_for_turn(self, limits: RateLimits, operation: str, payload: dict[str, Any], started: float) -> None:
        touched = tables_of(payload)
        while True:
            seconds = limits.wait(operation, touched, monotonic())
            if not seconds:
                return
            if monotonic() - started + seconds > self.config.deadline:
                raise Throttled(
                    f"{operation} on {', '.join(touched)}: our own rate limit allows no call within the deadline; "
                    "nothing was sent; raise rate_limits or deadline, or slow down",
                    attempts=0,
                )
            sleep(seconds)

    def _wait_for_capacity(self, operation: str, started: float, stalled: int, state: str) -> None:
        # DynamoDB responded, but left some unprocessed: throttling by another name. Rounds that made progress are
        # not counted against the attempts.
        granted = self._policy.grant("throttle", stalled, monotonic() - started)
        if isinstance(granted, str):
            raise Throttled(
                f"{operation}: DynamoDB throttles: {state} (in {stalled} rounds without progress); "
                "raise the capacity or slow down",
                attempts=stalled,
            )
        sleep(granted)

    def _correct_clock(self, failure: Failure, signed_with: timedelta | None) -> bool:
        if signed_with is not self._skew:
            return True  # another call has corrected it since this request was signed
        skew = measured_skew(failure.server_time, self._clock(), self._skew)
        if skew is None:
            return False
        self._skew = skew
        _log.warning(
            "this machine's clock is %+.0f seconds off AWS's; requests are signed with AWS's time from now on. "
            "Set the clock: sessions and tokens expire by it",
            -skew.total_seconds(),
        )
        return True

    def _tell(
        self,
        operation: str,
        payload: dict[str, Any],
        attempts: Attempts,
        latency: float,
        answer: dict[str, Any] | None,
        identity: str | None,
        error: str | None,
    ) -> None:
        record = make_record(
            operation=operation,
            payload=payload,
            attempts=attempts.failed + (answer is not None),
            retries=attempts.retries,
            throttles=attempts.throttles,
            quota_exhausted=attempts.quota_exhausted,
            latency=latency,
            answer=answer,
            request_id=identity,
            error=error,
        )
        assert self._on_call is not None
        try:
            self._on_call(record)
        except Exception:  # noqa: BLE001 - whatever a hook does, the call has its outcome already
            _log.warning("on_call raised", exc_info=True)


def _limits(config: DynamoDbConfig) -> RateLimits | None:
    if not config.rate_limits:
        return None
    from torii_dynamodb._wire.limits import RateLimits

    return RateLimits.of(config)
