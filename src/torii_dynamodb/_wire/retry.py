"""What to do after a failed attempt, and the quota that keeps retries from making an outage worse. Pure.

The quota is that of the AWS SDKs' standard retry mode: a bucket of tokens shared by all calls. A retry takes 5, or 10
after a time-out. A call that succeeds gives back what its last retry took, or 1 if it needed none.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from torii_dynamodb._wire.errors import Failure
from torii_dynamodb._wire.facts import Kind
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["Attempts", "RetryPolicy", "RetryQuota", "Step", "measured_skew"]

Step = Literal["resend", "correct clock", "renew credentials", "pause", "give up"]

_REMEDIES: dict[Kind, Step] = {"stale": "resend", "skew": "correct clock", "expired": "renew credentials"}
_FINAL = frozenset[Kind]({"skew", "expired", "final"})

# The upper bound of the first pause in seconds; it doubles with each retry.
# The AWS SDKs use 25 ms for DynamoDB. Throttled requests wait longer, because capacity refills each second.
_BASE = 0.025
_BASE_THROTTLE = 0.1
_LONGEST = 5.0
# A smaller difference does not explain a refused signature: AWS allows five minutes.
_SKEW_WORTH_IT = timedelta(seconds=30)
_QUOTA_USED_UP = "the retry quota is used up: too many calls fail"


class RetryQuota:
    """A bucket of retry tokens. With a capacity of 0 there is no quota.

    Threads may share it: two of them racing may miscount by one retry, which harms nothing.
    """

    __slots__ = ("available", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.available = capacity

    def take(self, cost: int) -> bool:
        """Take tokens for a retry; ``False`` if there are not enough."""
        if not self.capacity:
            return True
        if self.available < cost:
            return False
        self.available -= cost
        return True

    def give(self, tokens: int) -> None:
        """Give tokens back after a success."""
        self.available = min(self.capacity, self.available + tokens)


class RetryPolicy:
    """When a client retries. One for all its calls."""

    __slots__ = ("_deadline", "_random", "_retries", "quota", "timeout")

    def __init__(self, config: DynamoDbConfig) -> None:
        self.timeout = min(config.read_timeout, config.deadline)
        self.quota = RetryQuota(config.retry_quota)
        self._deadline = config.deadline
        self._retries = config.retry_attempts
        self._random = config.random

    def grant(self, kind: Kind, retry: int, elapsed: float) -> float | str:
        """Return how many seconds to wait before the ``retry``-th retry (from 1), or why there is none.

        Args:
            kind: The kind of the last failure.
            retry: Which retry it would be.
            elapsed: Seconds since the call began.
        """
        if retry > self._retries:
            return "no retries left" if self._retries else "retries are off"
        pause = self._pause(kind, retry)
        if elapsed + pause >= self._deadline:
            return "the deadline has passed"
        return pause if self.quota.take(_cost(kind)) else _QUOTA_USED_UP

    def time_left(self, elapsed: float) -> float:
        """Return how many seconds an attempt may take that begins ``elapsed`` seconds after the call."""
        return min(self.timeout, self._deadline - elapsed)

    def _pause(self, kind: Kind, retry: int) -> float:
        """Exponential backoff with full jitter."""
        base = _BASE_THROTTLE if kind == "throttle" else _BASE
        longest = min(_LONGEST, base * 2.0 ** min(retry - 1, 16))
        return longest * int.from_bytes(self._random(4), "big") / 0x1_0000_0000


def _cost(kind: Kind) -> int:
    """Return what a retry after such a failure takes from the quota."""
    return 10 if kind == "timeout" else 5


class Attempts:
    """The attempts of one call: decides after each failure what to do.

    Attributes:
        failed: How many attempts have failed.
        retries: How many of the attempts were retries that the policy granted.
        throttles: How many responses reported throttling.
        pause: Seconds to wait, after ``"pause"``.
        timeout: Seconds that the next attempt may take.
        fresh: Whether the next attempt needs a new connection.
        why: Why the call was given up, if the failure does not say it.
        refund: What a success gives back to the quota.
    """

    failed = 0
    retries = 0
    throttles = 0
    pause = 0.0
    fresh = False
    why = ""
    refund = 1
    _remedies: tuple[Step, ...] = ()

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.timeout = policy.timeout

    def after(self, failure: Failure, elapsed: float, *, closed: bool = False) -> Step:
        """Return what to do next.

        ``"resend"``, ``"correct clock"`` and ``"renew credentials"`` are returned at most once each and do not count as
        retries: send again without a pause. If the clock was right, or there are no other credentials, give up.

        Args:
            failure: What went wrong with the last attempt.
            elapsed: Seconds since the call began.
            closed: Whether the client has been closed.
        """
        self.failed += 1
        kind = failure.kind
        if kind == "throttle":
            self.throttles += 1
        if closed:
            self.why = "the client was closed"
            return "give up"
        remedy = _REMEDIES.get(kind)
        if remedy is not None and remedy not in self._remedies:
            self._remedies += (remedy,)
            self.fresh = self.fresh or kind == "stale"
            return remedy
        if kind in _FINAL:
            return "give up"
        granted = self._policy.grant(kind, self.retries + 1, elapsed)
        if isinstance(granted, str):
            self.why = granted
            return "give up"
        self.retries += 1
        self.pause = granted
        self.timeout = self._policy.time_left(elapsed + granted)
        self.fresh = False
        self.refund = _cost(kind)
        return "pause"

    @property
    def quota_exhausted(self) -> bool:
        """Whether the call was given up because the retry quota is used up."""
        return self.why == _QUOTA_USED_UP


def measured_skew(server_time: datetime | None, now: datetime, known: timedelta | None) -> timedelta | None:
    """Return how far AWS' clock is ahead of this machine's; ``None`` if that does not explain a refused signature.

    Args:
        server_time: The time in AWS' response.
        now: The time on this machine.
        known: The correction that the refused request already had.
    """
    if server_time is None:
        return None
    skew = server_time - now
    return skew if abs(skew - (known or timedelta(0))) >= _SKEW_WORTH_IT else None
