"""The in-memory storage beyond the contract, which the conformance kit tests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from torii_dynamodb.clock import system_clock
from torii_dynamodb.errors import AlreadyExists, ItemTooLarge, TooManyIdentities, ValidationError, VersionConflict
from torii_dynamodb.models import (
    MAGIC_LINK,
    LockoutPolicy,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
)
from torii_dynamodb.testing import AsyncMemoryStorage, FakeClock, FakeRandom, MemoryState, MemoryStorage

T = TypeVar("T")

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo"
VERIFIER = "v" * 20 + "ERIFIER" + "x" * 20
STATE = "a-state-that-nobody-can-guess"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def at_once(count: int, call: Callable[[int], T]) -> list[T | Exception]:
    """Make many calls from 16 threads at the same time; return what each returned or raised."""

    def outcome(number: int) -> T | Exception:
        try:
            return call(number)
        except Exception as error:  # noqa: BLE001 - it is the outcome
            return error

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(outcome, range(count)))
    finally:
        sys.setswitchinterval(switch)


def test_threads_that_race_for_an_address_make_one_user() -> None:
    """Of 200 registrations of one address on 16 threads and two handles, one wins; the others get AlreadyExists."""
    first = MemoryStorage()
    second = MemoryStorage(state=first.state)
    outcomes = at_once(200, lambda n: (first, second)[n % 2].create_user(NewUser(email="ada@example.com")))
    losers = [outcome for outcome in outcomes if isinstance(outcome, AlreadyExists)]
    assert len(losers) == 199
    assert len(first.dump()["users"]) == len(first.dump()["identities"]) == 1


def test_threads_lose_no_update() -> None:
    """Each of 200 updates of one version succeeds or raises VersionConflict; with retries, none is lost."""
    storage = MemoryStorage()
    user = storage.create_user(NewUser(email="ada@example.com", metadata={"count": 0}))

    def add_one(_: int) -> None:
        while True:
            read = storage.get_user(user.id)
            assert read is not None
            count = read.metadata["count"]
            assert isinstance(count, int)
            try:
                storage.update_user(read, metadata={"count": count + 1})
            except VersionConflict:
                continue
            return

    at_once(200, add_one)
    after = storage.get_user(user.id)
    assert after is not None
    assert (after.metadata, after.version) == ({"count": 200}, 201)


def test_threads_do_not_outrun_the_limits(clock: FakeClock) -> None:
    """Of 200 attempts at once 5 pass; of 200 consumers of one token one gets it; of 200 passkeys 89 fit."""
    storage = MemoryStorage(clock=clock)
    user = storage.create_user(NewUser(email="ada@example.com"))
    attempts = at_once(200, lambda _: storage.acquire_login_attempt("ada@example.com").allowed)
    assert attempts.count(True) == 5
    token = storage.create_token(
        NewToken(purpose=MAGIC_LINK, user_id=user.id, expires_at=clock() + timedelta(hours=1))
    ).token
    assert token is not None
    verified = at_once(200, lambda _: storage.verify_token(token, purpose=MAGIC_LINK))
    assert sum(found is not None for found in verified) == 1
    added = at_once(
        200, lambda n: storage.add_passkey(NewPasskey(user_id=user.id, credential_id=bytes([n]), public_key=b"k"))
    )
    assert sum(isinstance(outcome, TooManyIdentities) for outcome in added) == 200 - 89


async def test_tasks_share_a_storage() -> None:
    """50 tasks that request one address all get the same user, and exactly one of them created it."""
    storage = AsyncMemoryStorage()
    found = await asyncio.gather(*(storage.get_or_create_user_by_email("ada@example.com") for _ in range(50)))
    assert len({user.id for user, _ in found}) == 1
    assert sum(created for _, created in found) == 1


async def test_both_twins_share_a_state(clock: FakeClock) -> None:
    """What one handle writes, another sees, asynchronous or blocking; closing one does not affect the other."""
    state = MemoryState()
    async with AsyncMemoryStorage(state=state, clock=clock) as first:
        user = await first.create_user(NewUser(email="ada@example.com"))
    with MemoryStorage(state=state, clock=clock) as second:
        assert second.get_user(user.id) == user
        second.health_check()


async def test_nothing_handed_out_is_shared() -> None:
    """Changing metadata that was passed in or returned changes nothing stored."""
    storage = AsyncMemoryStorage()
    given: dict[str, Any] = {"tags": ["a"]}
    user = await storage.create_user(NewUser(email="ada@example.com", metadata=given))
    given["tags"].append("b")
    tags = user.metadata["tags"]
    assert isinstance(tags, list)
    tags.append("c")
    again = await storage.get_user(user.id)
    assert again is not None
    assert again.metadata == {"tags": ["a"]}


async def fill(storage: AsyncMemoryStorage, clock: FakeClock) -> list[str]:
    """Create one of everything; return the secrets."""
    soon = clock() + timedelta(hours=1)
    user = await storage.create_user(NewUser(email="ada@example.com"), password_hash=HASH)
    await storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject="1", tokens={"a": "oauth"}))
    await storage.add_passkey(NewPasskey(user_id=user.id, credential_id=b"credential", public_key=b"key"))
    session = await storage.create_session(NewSession(user_id=user.id, expires_at=soon))
    token = await storage.create_token(NewToken(purpose=MAGIC_LINK, user_id=user.id, expires_at=soon))
    await storage.store_pkce_verifier(STATE, VERIFIER, expires_at=soon)
    await storage.store_passkey_challenge(
        NewPasskeyChallenge(challenge=b"0123456789abcdef", kind="registration", expires_at=soon)
    )
    attempt = await storage.acquire_login_attempt("ada@example.com")
    await storage.record_failed_attempt("ada@example.com", attempt.attempt_id, ip_address="203.0.113.7")
    assert session.token
    assert token.token
    return [session.token, token.token, STATE, VERIFIER, "0123456789abcdef"]


async def test_dump_tells_every_row_and_no_secret(clock: FakeClock) -> None:
    """The dump has all five tables with the schema's attribute names, and contains no secret."""
    storage = AsyncMemoryStorage(clock=clock)
    secrets = await fill(storage, clock)
    dump = storage.dump()
    assert {table: len(rows) for table, rows in dump.items()} == {
        "users": 1,
        "sessions": 1,
        "identities": 3,
        "tokens": 3,
        "login_attempts": 2,
    }
    assert dump["sessions"][0]["expires_at"] == int(clock().timestamp()) + 3600
    assert dump["users"][0]["identities"] == {row["id"] for row in dump["identities"]}
    shown = repr(dump)
    assert not [secret for secret in secrets if secret in shown]


async def test_repr_shows_no_secret(clock: FakeClock) -> None:
    """Neither storage, state nor any row shows a token, a hash or a provider's tokens in its repr."""
    storage = AsyncMemoryStorage(clock=clock)
    secrets = [*await fill(storage, clock), HASH, "oauth'"]
    state = storage.state
    rows = [*state.users.values(), *state.identities.values(), *state.sessions.values(), *state.tokens.values()]
    shown = repr([storage, state, rows])
    assert not [secret for secret in secrets if secret in shown]


async def test_a_clock_without_a_zone_is_refused() -> None:
    """A naive clock raises ValidationError; its times could not be compared safely."""
    storage = AsyncMemoryStorage(clock=lambda: datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValidationError):
        await storage.create_user(NewUser(email="ada@example.com"))


async def test_what_dynamodb_could_not_store_is_refused() -> None:
    """A user over 400 KB raises ItemTooLarge here, too, and nothing is written."""
    storage = AsyncMemoryStorage()
    with pytest.raises(ItemTooLarge):
        await storage.create_user(NewUser(email="ada@example.com", metadata={"blob": b"x" * 410_000}))
    assert await storage.get_user_by_email("ada@example.com") is None
    user = await storage.create_user(NewUser(email="ada@example.com"))
    with pytest.raises(ItemTooLarge):
        await storage.update_user(user, email="grace@example.com", metadata={"blob": b"x" * 410_000})
    assert await storage.get_user(user.id) == user
    assert await storage.get_user_by_email("grace@example.com") is None


async def test_a_user_read_before_a_deletion_changes_no_successor() -> None:
    """After a user is deleted and created again under the same id, updating the old user raises VersionConflict."""
    storage = AsyncMemoryStorage()
    old = await storage.create_user(NewUser(email="ada@example.com", id="ada"))
    await storage.delete_user("ada")
    new = await storage.create_user(NewUser(email="ada@example.com", id="ada"))
    with pytest.raises(VersionConflict):
        await storage.update_user(old, name="Ada")
    assert await storage.get_user("ada") == new


async def test_a_link_stays_dead_when_its_address_comes_back(clock: FakeClock) -> None:
    """A token stays invalid after a change of address, even when the user takes the old address again."""
    storage = AsyncMemoryStorage(clock=clock)
    user = await storage.create_user(NewUser(email="ada@example.com"))
    token = await storage.create_token(
        NewToken(purpose=MAGIC_LINK, user_id=user.id, expires_at=clock() + timedelta(hours=1))
    )
    assert token.token
    moved = await storage.update_user(user, email="other@example.com")
    await storage.update_user(moved, email="ada@example.com")
    assert await storage.check_token(token.token, purpose=MAGIC_LINK) is None


async def test_a_state_or_challenge_is_stored_once(clock: FakeClock) -> None:
    """Storing under the same state again raises, whether used or not, and revives nothing."""
    storage = AsyncMemoryStorage(clock=clock)
    soon = clock() + timedelta(hours=1)
    await storage.store_pkce_verifier(STATE, VERIFIER, expires_at=soon)
    with pytest.raises(AlreadyExists):
        await storage.store_pkce_verifier(STATE, VERIFIER, expires_at=soon)
    with pytest.raises(AlreadyExists):
        await storage.store_pkce_verifier(STATE, "w" * 43, expires_at=soon)
    assert await storage.consume_pkce_verifier(STATE) is not None
    with pytest.raises(AlreadyExists):
        await storage.store_pkce_verifier(STATE, VERIFIER, expires_at=soon)
    assert await storage.consume_pkce_verifier(STATE) is None


async def test_another_policy_sees_the_attempts_of_the_first(clock: FakeClock) -> None:
    """The limit holds for any window, even if calls use different policies."""
    storage = AsyncMemoryStorage(clock=clock)
    short = LockoutPolicy(max_attempts=1, window=timedelta(seconds=1))
    for _ in range(5):
        assert (await storage.acquire_login_attempt("ada@example.com", policy=short)).allowed
        clock.advance(1)
    refused = await storage.acquire_login_attempt("ada@example.com")
    assert (refused.allowed, refused.retry_after) == (False, timedelta(minutes=15, seconds=-5))


def test_cleanup_removes_what_has_expired(clock: FakeClock) -> None:
    """cleanup removes expired sessions and tokens and nothing else."""
    storage = MemoryStorage(clock=clock)
    user = storage.create_user(NewUser(email="ada@example.com"))
    for hours in (1, 3):
        storage.create_session(NewSession(user_id=user.id, expires_at=clock() + timedelta(hours=hours)))
        storage.create_token(NewToken(purpose=MAGIC_LINK, user_id=user.id, expires_at=clock() + timedelta(hours=hours)))
    clock.advance(timedelta(hours=2))
    storage.cleanup()
    assert {table: len(rows) for table, rows in storage.dump().items()}["sessions"] == 1
    assert len(storage.dump()["tokens"]) == 1


def test_a_seed_repeats_a_run(clock: FakeClock) -> None:
    """Two runs with one seed and one clock give the same ids and tokens; a different seed gives different ones."""

    def run(seed: int) -> tuple[str, str | None]:
        storage = MemoryStorage(clock=clock, random=FakeRandom(seed))
        user = storage.create_user(NewUser(email="ada@example.com"))
        session = storage.create_session(NewSession(user_id=user.id, expires_at=clock() + timedelta(hours=1)))
        return user.id, session.token

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_the_clock_moves_only_by_hand() -> None:
    """FakeClock stands still, advances by seconds or a timedelta, can be set, and is always in UTC."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    assert clock() == clock() == datetime(2026, 5, 1, tzinfo=UTC)
    assert clock.advance(90) == datetime(2026, 5, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.advance(timedelta(days=-1)) == datetime(2026, 4, 30, 0, 1, 30, tzinfo=UTC)
    clock.set(system_clock())
    assert clock().utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="aware"):
        clock.set(datetime(2026, 5, 1))  # noqa: DTZ001


def test_threads_lose_no_tick() -> None:
    """1,600 ticks from 16 threads move the clock by 1,600 seconds, and no two calls of FakeRandom return the same."""
    clock, random = FakeClock(), FakeRandom()
    start = clock()
    drawn = at_once(1600, lambda _: (clock.advance(1), random(16))[1])
    assert clock() - start == timedelta(seconds=1600)
    assert len(set(drawn)) == 1600


def test_importing_testing_is_light() -> None:
    """Importing the package loads none of its parts, nor pytest, until a name is used."""
    script = (
        "import sys, torii_dynamodb.testing as t; "
        "heavy = [m for m in sys.modules if m.startswith('torii_dynamodb.testing.') or m in ('pytest', 'moto')]; "
        "assert not heavy, heavy; assert 'FakeClock' in dir(t); t.FakeClock"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name raises AttributeError, as in any module."""
    import torii_dynamodb.testing as package

    with pytest.raises(AttributeError, match="Storag"):
        package.Storag  # noqa: B018
