"""When to try again, and when to stop: attempts, pauses, and the quota that keeps an outage from being amplified. Pure.

The quota is that of the AWS SDKs' standard retry mode: a bucket of tokens shared by all calls; a retry takes 5, after a
time-out 10; a call that needed retries and succeeds gives back what its last one took, one that needed none gives 1.
"""

from __future__ import annotations

from collections.abc import Callable

from torii_dynamodb._wire.errors import Kind

__all__ = ["RetryPolicy", "RetryQuota"]

RETRY_COST = 5
TIMEOUT_COST = 10

# The first pause is drawn from 0 to this many seconds, each further one from twice as much.
# 25 ms is what the AWS SDKs take for DynamoDB; throttled requests wait longer, as capacity refills by the second.
_BASE = 0.025
_BASE_THROTTLE = 0.1
_LONGEST = 5.0


class RetryQuota:
    """A bucket of retry tokens. 0 tokens: no quota at all.

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
        if self.available < self.capacity:
            self.available = min(self.capacity, self.available + tokens)


class RetryPolicy:
    """Decides about retries.

    Args:
        retries: How often a request is sent again at most.
        random: Random bytes, for the jitter.
    """

    __slots__ = ("_random", "retries")

    def __init__(self, retries: int, random: Callable[[int], bytes]) -> None:
        self.retries = retries
        self._random = random

    def pause(self, kind: Kind, retry: int) -> float:
        """How many seconds to wait before the ``retry``-th retry (from 1): full jitter, exponential."""
        base = _BASE_THROTTLE if kind == "throttle" else _BASE
        longest = min(_LONGEST, base * 2.0 ** min(retry - 1, 16))
        return longest * int.from_bytes(self._random(4), "big") / 0x1_0000_0000

    def cost(self, kind: Kind) -> int:
        """What a retry after such a failure takes from the quota."""
        return TIMEOUT_COST if kind == "timeout" else RETRY_COST
