"""The base class of the kit's tests: opens the storage for each test, asynchronous or blocking."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from inspect import isawaitable
from itertools import count
from random import Random
from typing import Any, ClassVar, TypeAlias, TypeVar, cast
from uuid import uuid4
from zlib import crc32

import pytest
import pytest_asyncio

from torii_dynamodb.contract import AsyncStorage, Storage
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.models import (
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    OAuthAccount,
    Passkey,
    Session,
    Token,
    User,
)
from torii_dynamodb.testing._conformance.invariants import Dump, check_invariants, check_no_secret
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["Call", "Conformance", "clause", "fresh", "new_address", "new_hash", "retarget"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

Call: TypeAlias = Callable[[], Awaitable[T]]
"""A call for :meth:`Conformance.race`."""

THREADS = 16
"""How many calls of a blocking storage run at once in a race."""

_numbers = count()


def clause(*ids: str) -> Callable[[F], F]:
    """Cite the clauses of the contract that a test proves. ``docs/contract.md`` is made from these."""
    return lambda test: test


def fresh(prefix: str = "x") -> str:
    """Return a text that occurs nowhere else in this or any other run."""
    return f"{prefix}{uuid4().hex}"


def new_address() -> str:
    """Return an e-mail address that nobody else holds."""
    return f"{fresh('p')}@example.com"


def new_hash() -> str:
    """Return a new text in the form of an argon2id hash."""
    return f"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$kit{next(_numbers):012d}{uuid4().hex[:24]}"


def retarget(token: str, user_id: str) -> str:
    """Return the token with another user's id and a correct checksum, as anyone who knows the format can make it."""
    prefix, _, rest = token.partition(".")
    kind = prefix[:9]
    body = f"{kind}{user_id}.{rest[:-8]}"
    return f"{body}{crc32(body.encode()):08x}"


class Opened:
    """The storage as the tests see it: asynchronous, and recording each secret that passes through.

    Args:
        storage: The storage, asynchronous or blocking.
        run: Calls a function of either kind and returns its result.
    """

    def __init__(self, storage: Any, run: Callable[..., Awaitable[Any]]) -> None:
        self._storage = storage
        self._run = run
        self.secrets: set[str | bytes] = set()

    def __getattr__(self, name: str) -> Any:
        return partial(self._run, getattr(self._storage, name))

    def _note(self, token: str) -> None:
        self.secrets.update((token, token.partition(".")[2][:43] or token))  # the whole and its random part

    async def create_session(self, new_session: NewSession, *, user: User | None = None) -> Session:
        """Note the token."""
        session: Session = await self._run(self._storage.create_session, new_session, user=user)
        self._note(session.token)
        return session

    async def create_token(self, new_token: NewToken, *, user: User | None = None) -> Token:
        """Note the token."""
        token: Token = await self._run(self._storage.create_token, new_token, user=user)
        self._note(token.token)
        return token

    async def store_pkce_verifier(self, state: str, verifier: str, **rest: Any) -> None:
        """Note the state and the verifier."""
        await self._run(self._storage.store_pkce_verifier, state, verifier, **rest)
        self.secrets.update((state, verifier))

    async def store_passkey_challenge(self, challenge: NewPasskeyChallenge) -> None:
        """Note the challenge."""
        await self._run(self._storage.store_passkey_challenge, challenge)
        self.secrets.add(challenge.challenge)


@pytest.mark.asyncio
class Conformance:
    """The base of all test classes: opens a storage for each test, and checks the raw tables after it.

    Attributes:
        capabilities: What the storage under test can do. A test that needs a missing capability is skipped.
            ``"raw"``: :meth:`raw` works. ``"isolated"``: each :meth:`make_storage` opens an empty storage. ``"large"``:
            tests may store megabytes. ``"many"``: tests may make hundreds of calls. ``"races"``: concurrent calls
            behave as they do in production. ``"ttl"`` (off by default): the store deletes items by itself after
            their ``expires_at``.
        race_rounds: How often each race is run; the environment variable ``TORII_RACE_ROUNDS`` takes precedence.
        start: The clock's first moment; ``None``: that of :class:`FakeClock`. For a store that deletes expired rows
            by its own clock, use the present.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"raw", "isolated", "large", "many", "races"})
    race_rounds: ClassVar[int] = 20
    start: ClassVar[datetime | None] = None

    opened: Any = None
    _clock: FakeClock
    _pool: ThreadPoolExecutor | None = None

    def make_storage(
        self, clock: FakeClock
    ) -> AbstractAsyncContextManager[AsyncStorage] | AbstractContextManager[Storage]:
        """Open the storage under test; it is closed after the test. It must take the time from ``clock``."""
        raise NotImplementedError("define make_storage(clock): return a context manager that opens your storage")

    def raw(self, storage: Any) -> Dump | Awaitable[Dump]:
        """Return everything stored, read past the storage, as plain Python values by table. May be ``async``.

        Tables and attributes are those of the library's schema; leave out what yours does not have.
        """
        raise NotImplementedError("define raw(storage), or take 'raw' out of capabilities")

    def count_requests(self, storage: Any) -> int | None:
        """Return how many requests the storage has sent so far; ``None`` if it cannot tell."""
        return None

    @pytest.fixture
    def clock(self) -> FakeClock:
        """A clock that stands still until the test moves it."""
        self._clock = FakeClock() if self.start is None else FakeClock(self.start)
        return self._clock

    @pytest_asyncio.fixture
    async def storage(self, clock: FakeClock) -> AsyncIterator[AsyncStorage]:
        """The storage under test. After the test its raw tables must be consistent and contain none of the secrets."""
        async with AsyncExitStack() as stack:
            manager = self.make_storage(clock)
            if isinstance(manager, AbstractAsyncContextManager):
                self.opened = await stack.enter_async_context(manager)
            else:
                # A single thread if no calls race, so that a storage bound to its thread passes, too.
                width = THREADS if "races" in self.capabilities else 1
                self._pool = stack.enter_context(ThreadPoolExecutor(width))
                self.opened = await self._run(manager.__enter__)
                stack.push_async_exit(partial(self._run, manager.__exit__))
            seen = Opened(self.opened, self._run)
            yield cast("AsyncStorage", seen)
            if "raw" in self.capabilities:
                dump = await self.dump()
                check_no_secret(dump, seen.secrets)
                check_invariants(dump)

    async def _run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._pool is None:
            result = call(*args, **kwargs)
        else:
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(self._pool, partial(call, *args, **kwargs))
        return await result if isawaitable(result) else result

    def needs(self, *capabilities: str) -> None:
        """Skip the test unless the storage under test declares these capabilities."""
        missing = set(capabilities) - self.capabilities
        if missing:
            pytest.skip(f"the storage under test does not declare {', '.join(sorted(missing))}")

    async def dump(self) -> Dump:
        """Return the raw tables now. Skips the test if the storage under test has no ``raw``."""
        self.needs("raw")
        dump: Dump = await self._run(self.raw, self.opened)
        return dump

    @property
    def rounds(self) -> int:
        """How often to run a race."""
        return int(os.environ.get("TORII_RACE_ROUNDS") or self.race_rounds)

    async def race(self, calls: Sequence[Call[T]]) -> tuple[list[T], list[ToriiError]]:
        """Run the calls at the same time.

        Returns:
            The results, and the errors of this library that were raised. Any other error fails the test.
        """
        returned: list[T] = []
        raised: list[ToriiError] = []
        for outcome in await asyncio.gather(*(call() for call in calls), return_exceptions=True):
            if isinstance(outcome, ToriiError):
                raised.append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                returned.append(outcome)
        return returned, raised

    def shuffled(self, calls: list[Call[Any]], seed: int) -> list[Call[Any]]:
        """Put the calls in a different order each round, the same in every run."""
        Random(seed).shuffle(calls)
        return calls

    def only(self, raised: list[ToriiError], *kinds: type[ToriiError]) -> None:
        """Fail if any error other than the expected refusals was raised."""
        for error in raised:
            if not isinstance(error, kinds):
                raise error

    async def whole(self) -> None:
        """Check that the raw tables are consistent now."""
        if "raw" in self.capabilities:
            check_invariants(await self.dump())

    async def until(self, read: Call[T], holds: Callable[[T], bool]) -> T:
        """Read until the condition holds (an index may lag), for at most ten seconds. Return the last result."""
        deadline = time.monotonic() + 10
        while True:
            found = await read()
            if holds(found) or time.monotonic() > deadline:
                return found

    # What most tests start with.

    async def user(self, storage: AsyncStorage, *, password_hash: str | None = None, verified: bool = False) -> User:
        """Create a user with a new address."""
        at = self.now() if verified else None
        return await storage.create_user(
            NewUser(email=new_address(), email_verified_at=at), password_hash=password_hash
        )

    def now(self) -> datetime:
        """The moment that the test's clock shows."""
        return self._clock()

    def later(self, seconds: float = 3600) -> datetime:
        """Return the moment that many seconds after the present whole second."""
        return self._clock().replace(microsecond=0) + timedelta(seconds=seconds)

    async def session(self, storage: AsyncStorage, user: User, *, seconds: float = 3600) -> str:
        """Create a session bound to the user as read; return its token."""
        created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later(seconds)), user=user)
        assert created.token
        return created.token

    async def token(self, storage: AsyncStorage, user: User, purpose: str, *, seconds: float = 3600) -> str:
        """Create a one-time token of the user; return its secret."""
        created = await storage.create_token(NewToken(purpose=purpose, expires_at=self.later(seconds), user_id=user.id))
        assert created.token
        return created.token

    async def link(self, storage: AsyncStorage, user: User, *, subject: str | None = None) -> OAuthAccount:
        """Link a new account at a provider to the user."""
        account = NewOAuthAccount(provider="google", subject=subject or fresh("s"))
        return await storage.link_oauth_account(user.id, account)

    async def passkey(self, storage: AsyncStorage, user: User, *, sign_count: int = 0) -> Passkey:
        """Add a new passkey to the user."""
        return await storage.add_passkey(
            NewPasskey(
                user_id=user.id,
                credential_id=uuid4().bytes + uuid4().bytes,
                public_key=b"\xa5\x01\x02" + uuid4().bytes,
                sign_count=sign_count,
            )
        )

    async def reread(self, storage: AsyncStorage, user: User) -> User:
        """Read the user as stored now; fail if it is gone."""
        found = await storage.get_user(user.id, consistent=True)
        assert found is not None, f"user {user.id} is gone"
        return found
