"""Pauses and the retry quota."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._wire.errors import Kind
from torii_dynamodb._wire.retry import RetryPolicy, RetryQuota

kinds: st.SearchStrategy[Kind] = st.sampled_from(["throttle", "transient", "timeout", "conflict"])


@given(kind=kinds, retry=st.integers(1, 1000), random=st.binary(min_size=4, max_size=4))
def test_pauses_are_full_jitter(kind: Kind, retry: int, random: bytes) -> None:
    """Each pause lies between zero and a bound that doubles, up to 5 seconds."""
    pause = RetryPolicy(3, lambda _: random).pause(kind, retry)
    first = 0.1 if kind == "throttle" else 0.025
    assert 0 <= pause < min(5.0, first * 2.0 ** min(retry - 1, 20))


def test_the_pause_follows_the_random_source() -> None:
    """The largest bytes give nearly the bound, half of them half of it."""
    assert 0.0999 < RetryPolicy(3, lambda _: b"\xff\xff\xff\xff").pause("throttle", 1) < 0.1
    assert RetryPolicy(3, lambda _: b"\x80\x00\x00\x00").pause("throttle", 2) == 0.1


def test_a_retry_after_a_time_out_costs_more() -> None:
    """5 tokens, after a time-out 10, as in the SDKs' standard mode."""
    policy = RetryPolicy(3, bytes)
    assert [policy.cost(kind) for kind in ("throttle", "transient", "conflict", "timeout")] == [5, 5, 5, 10]


@given(st.integers(1, 1000), st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=50))
def test_the_quota_stays_within_its_bounds(capacity: int, steps: list[tuple[bool, int]]) -> None:
    """Never below zero, never above what it began with; a retry is granted exactly if there are tokens for it."""
    quota = RetryQuota(capacity)
    for taking, tokens in steps:
        before = quota.available
        if taking:
            assert quota.take(tokens) is (before >= tokens)
        else:
            quota.give(tokens)
        assert 0 <= quota.available <= capacity


def test_no_quota_grants_everything() -> None:
    """A capacity of 0 turns it off."""
    quota = RetryQuota(0)
    assert all(quota.take(10) for _ in range(1000))
