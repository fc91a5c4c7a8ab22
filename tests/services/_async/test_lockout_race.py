"""The lockout cannot be outrun: however many guesses run in parallel, at most the limit reach the hasher."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from threading import Lock

import pytest
from tests.faults._async.primitives import together
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting, QuickHasher, as_signed_in

from torii_dynamodb import Browser, LockoutPolicy, SignedIn
from torii_dynamodb._async.storage.handle import AsyncDynamoDbStorage
from torii_dynamodb.errors import AccountLocked, InvalidCredentials
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.policies import HashingPool
from torii_dynamodb.testing import FakeClock

LIMIT = 5
GUESSES = 200


class CountingHasher(QuickHasher):
    """Records the passwords, from the many threads that hash at once."""

    def __init__(self) -> None:
        super().__init__()
        self.tried: list[str] = []
        self._lock = Lock()

    def verify(self, password_hash: str, password: str) -> bool:
        with self._lock:
            self.tried.append(password)
        return super().verify(password_hash, password)


@pytest.fixture
async def here(dynoxide: LocalEngine, table_prefix: str) -> AsyncIterator[AsyncSetting]:
    """Services on the engine, with a limit of five attempts."""
    clock = FakeClock()
    async with AsyncDynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix, clock=clock)) as storage:
        hasher = CountingHasher()
        setting = AsyncSetting(
            storage=storage,
            clock=clock,
            hasher=hasher,
            hashing=HashingPool(queue=GUESSES),  # all guesses fit, so only the lockout refuses
            lockout=LockoutPolicy(max_attempts=LIMIT),
        )
        setting.hasher, setting.clock = hasher, clock
        await setting.torii.password.register(EMAIL, PASSWORD)
        yield setting
        await setting.torii.close()


def tried(here: AsyncSetting) -> list[str]:
    """The passwords that reached the hasher."""
    assert isinstance(here.hasher, CountingHasher)
    return here.hasher.tried


async def guess(here: AsyncSetting, email: str, password: str) -> SignedIn | Exception:
    """Try to sign in; returns the user and session, or the refusal."""
    try:
        return as_signed_in(
            await here.torii.password.authenticate(email, password, browser=Browser(ip_address="192.0.2.1"))
        )
    except (AccountLocked, InvalidCredentials) as refused:
        return refused


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
async def test_no_more_guesses_than_the_limit_reach_the_hasher(here: AsyncSetting, email: str) -> None:
    """Of 200 wrong passwords at once, five are verified and the rest refused with a wait, for any address."""
    outcomes = await together(*(partial(guess, here, email, f"wrong password {number}") for number in range(GUESSES)))
    assert len(tried(here)) == LIMIT
    wrong = [outcome for outcome in outcomes if isinstance(outcome, InvalidCredentials)]
    locked = [outcome for outcome in outcomes if isinstance(outcome, AccountLocked)]
    assert (len(wrong), len(locked)) == (LIMIT, GUESSES - LIMIT)
    assert all(outcome.retry_after is not None for outcome in locked)
    assert len(await here.torii.storage.list_failed_attempts(email)) == LIMIT


async def test_the_right_password_among_guesses_allows_one_more_limit(here: AsyncSetting) -> None:
    """With the owner among 200 guesses, at most one sign-in succeeds, and it allows at most another five guesses.

    A success clears the count only if no attempt was made since, so at most twice the limit reach the hasher.
    """
    words = [f"wrong password {number}" for number in range(GUESSES)]
    words[GUESSES // 2] = PASSWORD
    outcomes = await together(*(partial(guess, here, EMAIL, word) for word in words))
    signed_in = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    assert len(signed_in) <= 1
    looked_at = tried(here)
    assert len(set(looked_at)) == len(looked_at)
    assert len(looked_at) <= LIMIT * (1 + len(signed_in))
    assert (PASSWORD in looked_at) == bool(signed_in)
    for _, session in signed_in:
        assert session.token
        assert await here.torii.get_signed_in(session.token) is not None


async def test_a_lockout_refuses_the_right_password_without_hashing(here: AsyncSetting) -> None:
    """Once the limit is reached, even the right password is not verified until the window is over."""
    await together(*(partial(guess, here, EMAIL, f"wrong {number}") for number in range(GUESSES)))
    assert isinstance(await guess(here, EMAIL, PASSWORD), AccountLocked)
    assert PASSWORD not in tried(here)
    here.clock.advance(LockoutPolicy().window)
    assert isinstance(await guess(here, EMAIL, PASSWORD), tuple)
