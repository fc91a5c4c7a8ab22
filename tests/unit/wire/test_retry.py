"""How a call goes on after a failure: remedies, pauses, the deadline and the retry quota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._wire.errors import Failure, WireError
from torii_dynamodb._wire.facts import Kind
from torii_dynamodb._wire.retry import Attempts, RetryPolicy, RetryQuota, Step, measured_skew
from torii_dynamodb.config import DynamoDbConfig

RETRIED: tuple[Kind, ...] = ("throttle", "transient", "timeout", "conflict")
REMEDIES: dict[Kind, Step] = {"stale": "resend", "skew": "correct clock", "expired": "renew credentials"}
HIGHEST = b"\xff\xff\xff\xff"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def policy(**options: Any) -> RetryPolicy:
    """A policy whose pauses are 0 unless a test gives the random bytes."""
    return RetryPolicy(DynamoDbConfig(**{"random": bytes, **options}))


def failure(kind: Kind) -> Failure:
    """A failure of one kind."""
    return Failure(kind, "Code", WireError())


@given(kind=st.sampled_from(RETRIED), retry=st.integers(1, 20), random=st.binary(min_size=4, max_size=4))
def test_pauses_are_full_jitter(kind: Kind, retry: int, random: bytes) -> None:
    """Each pause lies between zero and a bound that doubles, up to 5 seconds."""
    pause = policy(retry_attempts=20, random=lambda _: random).grant(kind, retry, 0)
    assert isinstance(pause, float)
    first = 0.1 if kind == "throttle" else 0.025
    assert 0 <= pause < min(5.0, first * 2.0 ** (retry - 1))


def test_the_pause_follows_the_random_source() -> None:
    """The largest bytes give nearly the bound, half of them half of it."""
    pause = policy(random=lambda _: HIGHEST).grant("throttle", 1, 0)
    assert isinstance(pause, float)
    assert 0.0999 < pause < 0.1
    assert policy(random=lambda _: b"\x80\x00\x00\x00").grant("throttle", 2, 0) == 0.1


@pytest.mark.parametrize(("kind", "cost"), [("throttle", 5), ("transient", 5), ("conflict", 5), ("timeout", 10)])
def test_a_retry_after_a_time_out_costs_more(kind: Kind, cost: int) -> None:
    """5 tokens, after a time-out 10, as in the SDKs' standard mode; success gives them back."""
    shared = policy(retry_quota=100)
    attempts = Attempts(shared)
    assert attempts.after(failure(kind), 0) == "pause"
    assert shared.quota.available == 100 - cost
    shared.quota.give(attempts.refund)
    assert shared.quota.available == 100


def test_a_call_without_retries_gives_back_one_token() -> None:
    """A success at the first attempt refills the quota by 1, and never beyond its capacity."""
    shared = policy(retry_quota=10)
    Attempts(shared).after(failure("transient"), 0)
    shared.quota.give(Attempts(shared).refund)
    assert shared.quota.available == 6
    for _ in range(9):
        shared.quota.give(Attempts(shared).refund)
    assert shared.quota.available == 10


@pytest.mark.parametrize("kind", RETRIED)
def test_a_fault_is_retried_as_often_as_configured(kind: Kind) -> None:
    """Each retry is counted; then the call is given up, and says that no retries are left."""
    attempts = Attempts(policy(retry_attempts=2))
    assert [attempts.after(failure(kind), 0) for _ in range(3)] == ["pause", "pause", "give up"]
    assert attempts.retries == 2
    assert attempts.throttles == (3 if kind == "throttle" else 0)
    assert attempts.why == "no retries left"


def test_retries_can_be_off() -> None:
    """With retry_attempts=0 the first fault is the last, but a stale connection is still replaced."""
    attempts = Attempts(policy(retry_attempts=0))
    assert attempts.after(failure("stale"), 0) == "resend"
    assert attempts.after(failure("transient"), 0) == "give up"
    assert attempts.why == "retries are off"


def test_a_final_failure_is_not_retried() -> None:
    """A refusal costs no token and needs no reason beyond itself."""
    shared = policy()
    attempts = Attempts(shared)
    assert attempts.after(failure("final"), 0) == "give up"
    assert (attempts.why, attempts.quota_exhausted) == ("", False)
    assert shared.quota.available == shared.quota.capacity


@pytest.mark.parametrize("kind", REMEDIES)
def test_a_remedy_is_tried_once(kind: Kind) -> None:
    """Each remedy comes once in a call, costs no retry and no token; the others still come after it."""
    shared = policy()
    attempts = Attempts(shared)
    assert attempts.after(failure(kind), 0) == REMEDIES[kind]
    for other in REMEDIES.keys() - {kind}:
        assert attempts.after(failure(other), 0) == REMEDIES[other]
    assert attempts.retries == 0
    assert shared.quota.available == shared.quota.capacity
    assert attempts.after(failure(kind), 0) == ("pause" if kind == "stale" else "give up")
    assert attempts.why == ""


def test_a_stale_connection_is_replaced_by_a_new_one() -> None:
    """The resend insists on a new connection, until a pause has passed in which others may have become usable."""
    attempts = Attempts(policy())
    assert not attempts.fresh
    attempts.after(failure("stale"), 0)
    attempts.after(failure("expired"), 0)
    assert attempts.fresh
    attempts.after(failure("transient"), 0)
    assert not attempts.fresh


def test_attempts_fit_into_the_deadline() -> None:
    """An attempt may take what the deadline leaves, at most read_timeout; a pause that would reach it is not begun."""
    shared = policy(read_timeout=10, deadline=15, random=lambda _: b"\x80\x00\x00\x00")
    attempts = Attempts(shared)
    assert attempts.timeout == 10
    assert attempts.after(failure("throttle"), 1) == "pause"
    assert (attempts.pause, attempts.timeout) == (0.05, 10)
    assert attempts.after(failure("throttle"), 8) == "pause"
    assert (attempts.pause, attempts.timeout) == (0.1, 15 - 8 - 0.1)
    assert attempts.after(failure("throttle"), 14.8) == "give up"
    assert attempts.why == "the deadline has passed"
    assert Attempts(policy(read_timeout=10, deadline=3)).timeout == 3


def test_the_quota_is_shared_by_all_calls() -> None:
    """Once failing calls have used it up, further ones are given up at their first fault, and say why."""
    shared = policy(retry_quota=12)
    first, second = Attempts(shared), Attempts(shared)
    assert [first.after(failure("transient"), 0) for _ in range(2)] == ["pause", "pause"]
    assert second.after(failure("transient"), 0) == "give up"
    assert second.quota_exhausted
    assert "quota" in second.why
    assert not first.quota_exhausted


@pytest.mark.parametrize("kind", [*RETRIED, *REMEDIES])
def test_a_closed_client_gives_up(kind: Kind) -> None:
    """After closing, nothing is sent again, whatever the failure."""
    attempts = Attempts(policy())
    assert attempts.after(failure(kind), 0, closed=True) == "give up"
    assert attempts.why == "the client was closed"


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


@pytest.mark.parametrize(
    ("ahead", "known", "measured"),
    [(300, None, True), (-300, None, True), (29, None, False), (300, 290, False), (0, 300, True)],
)
def test_a_skew_is_measured_against_what_is_known(ahead: int, known: int | None, measured: bool) -> None:
    """A clock is corrected where it is 30 seconds off what requests are corrected by already; never without a date."""
    corrected = None if known is None else timedelta(seconds=known)
    found = measured_skew(NOW + timedelta(seconds=ahead), NOW, corrected)
    assert found == (timedelta(seconds=ahead) if measured else None)
    assert measured_skew(None, NOW, corrected) is None
