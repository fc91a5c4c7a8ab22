"""The token bucket behind the limits on capacity."""

from __future__ import annotations

import pytest

from torii_dynamodb._rules.token_bucket import TokenBucket


def test_debt_is_worked_off_at_the_rate() -> None:
    """Five tokens at two a second, with a burst of one: two seconds pass before the next may be taken."""
    bucket = TokenBucket(2, burst=1)
    assert bucket.wait(10.0) == 0
    bucket.take(5)
    assert bucket.wait(10.0) == pytest.approx(2.0, abs=0.01)
    assert bucket.wait(11.0) == pytest.approx(1.0, abs=0.01)
    assert bucket.wait(12.01) == 0


@pytest.mark.parametrize("burst", [0, 1, 10])
def test_idle_time_saves_up_no_more_than_the_burst(burst: float) -> None:
    """After an idle hour, what can be taken before there is a wait is the burst, or one token without a burst."""
    bucket = TokenBucket(2, burst=burst)
    bucket.wait(0.0)
    taken = 0
    while not bucket.wait(3600.0):
        bucket.take(1)
        taken += 1
    assert taken == max(burst, 1)
