"""The kit's frame: the base class, the citation of clauses, and what is looked for in the raw tables."""

from __future__ import annotations

import os
import re
import time
from base64 import b64encode, urlsafe_b64encode
from binascii import hexlify
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, ClassVar, TypeAlias, TypeVar, cast
from uuid import uuid4
from zlib import crc32

import pytest

from torii_dynamodb._async.contract import AsyncStorage
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
from torii_dynamodb.testing._async.conformance.primitives import Call, OpenStorage, fixture, together, twin
from torii_dynamodb.testing.clock import FakeClock

__all__ = [
    "AsyncConformance",
    "Dump",
    "Ledger",
    "broken_invariants",
    "check_invariants",
    "check_no_secret",
    "clause",
    "fresh",
    "new_address",
    "new_hash",
    "retarget",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

Dump: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""All items as plain Python values, by table (``users``, ``sessions``, ``identities``, ``tokens``, ...)."""

MAX_IDENTITIES = 90

_DIGEST = re.compile(r"[0-9a-f]{64}")
_numbers = count()


def clause(*ids: str) -> Callable[[F], F]:
    """Cite the clauses of the contract that a test proves. ``docs/contract.md`` is made from these."""

    def cite(test: F) -> F:
        test.__clauses__ = ids  # type: ignore[attr-defined]
        return test

    return cite


def fresh(prefix: str = "x") -> str:
    """A text that nothing else in this or any other run has."""
    return f"{prefix}{uuid4().hex}"


def new_address() -> str:
    """An e-mail address that nobody else holds."""
    return f"{fresh('p')}@example.com"


def new_hash() -> str:
    """A text of the shape of an argon2id hash; each is another."""
    return f"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$kit{next(_numbers):012d}{uuid4().hex[:24]}"


def retarget(token: str, user_id: str) -> str:
    """The token with another user's id in it and a checksum that fits, as somebody who knows the format can make it."""
    prefix, _, rest = token.partition(".")
    kind = prefix[:9]
    body = f"{kind}{user_id}.{rest[:-8]}"
    return f"{body}{crc32(body.encode()):08x}"


def broken_invariants(dump: Dump) -> list[str]:
    """What is wrong with the tables as a whole, in words; empty when nothing is.

    Every identity's user exists and lists it; every identity that a user lists exists and is that user's; a user lists
    one e-mail identity, its own address, and at most 90 in all; user and e-mail identity agree about the password;
    sessions and tokens are stored under a hash.
    """
    wrong: list[str] = []
    users = {str(item["id"]): item for item in dump.get("users", ())}
    identities = {str(item["id"]): item for item in dump.get("identities", ())}
    for key, identity in identities.items():
        user = users.get(str(identity.get("user_id")))
        if user is None:
            wrong.append(f"identity {key}: its user {identity.get('user_id')!r} does not exist")
        elif key not in user.get("identities", ()):
            wrong.append(f"identity {key}: its user {user['id']} does not list it")
    addresses: dict[str, str] = {}
    for user_id, user in users.items():
        listed = set(user.get("identities", ()))
        wrong.extend(_broken_user(user_id, user, listed, identities))
        address = str(user.get("email"))
        if address in addresses:
            wrong.append(f"users {addresses[address]} and {user_id}: both hold {address}")
        addresses[address] = user_id
    for table in ("sessions", "tokens"):
        keys = [str(item["id"]) for item in dump.get(table, ())]
        wrong.extend(
            f"{table}: {key!r} is not stored under a SHA-256"
            for key in keys
            if not _DIGEST.fullmatch(key.rpartition("#")[2])
        )
    return wrong


def _broken_user(
    user_id: str, user: Mapping[str, Any], listed: set[str], identities: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    for key in listed:
        identity = identities.get(key)
        if identity is None:
            yield f"user {user_id}: lists {key}, which does not exist"
        elif identity.get("user_id") != user_id:
            yield f"user {user_id}: lists {key}, which belongs to {identity.get('user_id')!r}"
    own = f"email#{user.get('email')}"
    if {key for key in listed if key.startswith("email#")} != {own}:
        yield f"user {user_id}: should list {own} as its only address, lists {sorted(listed)}"
    if len(listed) > MAX_IDENTITIES:
        yield f"user {user_id}: holds {len(listed)} identities"
    email = identities.get(own, {})
    if user.get("password_version") != email.get("password_version"):
        yield f"user {user_id}: its password version is not its e-mail identity's"
    if (email.get("password_hash") is None) != (email.get("password_version") is None):
        yield f"user {user_id}: its e-mail identity has a hash without a version, or a version without a hash"


def check_invariants(dump: Dump) -> None:
    """Fail, saying all that is wrong, unless the tables as a whole are right (:func:`broken_invariants`)."""
    wrong = broken_invariants(dump)
    assert not wrong, "the tables are broken:\n" + "\n".join(wrong[:20])


def check_no_secret(dump: Dump, secrets: Iterable[str | bytes]) -> None:
    """Fail if any of the secrets stands anywhere in the tables: as it is, in base64 or in hex, in a key or a value."""
    needles = {form for secret in secrets for form in _forms(secret)}
    if not needles:
        return
    for table, items in dump.items():
        # One text of all: a search in it takes the machine, not the interpreter, however many secrets there are.
        everything = b"\n".join(_texts(items))
        assert not any(needle in everything for needle in needles), f"an item of {table} tells a secret in plain"


def _forms(secret: str | bytes) -> Iterable[bytes]:
    raw = secret.encode() if isinstance(secret, str) else secret
    yield raw
    yield hexlify(raw)
    yield b64encode(raw).rstrip(b"=")
    yield urlsafe_b64encode(raw).rstrip(b"=")


def _texts(value: object) -> Iterable[bytes]:
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in cast("Iterable[object]", value):
            yield from _texts(inner)


class Ledger:
    """The secrets that a test was given or gave: none of them may stand in a table."""

    def __init__(self) -> None:
        self.secrets: set[str | bytes] = set()

    def token(self, token: str | None) -> None:
        """Note a session or one-time token: whole, and its random part alone."""
        if token:
            self.secrets.update((token, token.partition(".")[2][:43] or token))


class AsyncRecorder:
    """A storage that notes each secret on its way through. All else goes through untouched."""

    def __init__(self, storage: AsyncStorage, ledger: Ledger) -> None:
        self._storage = storage
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def create_session(self, new_session: NewSession, *, user: User | None = None) -> Session:
        """As the storage's."""
        session = await self._storage.create_session(new_session, user=user)
        self._ledger.token(session.token)
        return session

    async def create_token(self, new_token: NewToken, *, user: User | None = None) -> Token:
        """As the storage's."""
        token = await self._storage.create_token(new_token, user=user)
        self._ledger.token(token.token)
        return token

    async def store_pkce_verifier(self, state: str, verifier: str, **rest: Any) -> None:
        """As the storage's."""
        await self._storage.store_pkce_verifier(state, verifier, **rest)
        self._ledger.secrets.update((state, verifier))

    async def store_passkey_challenge(self, challenge: NewPasskeyChallenge) -> None:
        """As the storage's."""
        await self._storage.store_passkey_challenge(challenge)
        self._ledger.secrets.add(challenge.challenge)


@twin
class AsyncConformance:
    """The base of all test classes: gives each test a storage, and looks at the raw tables after it.

    Attributes:
        capabilities: What the storage under test can do. A test that needs what is missing is skipped, and says so.
            ``"raw"``: :meth:`raw` works. ``"isolated"``: each :meth:`make_storage` opens an empty storage. ``"large"``:
            megabytes a test are no burden. ``"many"``: nor are hundreds of calls. ``"races"``: concurrent calls behave
            as they do in production. ``"ttl"`` (to be added): the store deletes items by itself when their
            ``expires_at`` is over.
        race_rounds: How often each race is run; the environment's ``TORII_RACE_ROUNDS`` goes before it.
        start: Where the clock starts; ``None``: where :class:`FakeClock` does. For a store that deletes expired rows
            by its own clock, give the present.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"raw", "isolated", "large", "many", "races"})
    race_rounds: ClassVar[int] = 20
    start: ClassVar[datetime | None] = None

    opened: Any = None
    _clock: FakeClock

    def make_storage(self, clock: FakeClock) -> OpenStorage:
        """Open the storage under test; it is closed after the test. It must take the time from ``clock``."""
        raise NotImplementedError("define make_storage(clock): return a context manager that opens your storage")

    async def raw(self, storage: Any) -> Dump:
        """All that is stored, read past the storage, as plain Python values by table.

        The five tables and their attributes are those of the library's schema; what yours does not have, leave out.
        """
        raise NotImplementedError("define raw(storage), or take 'raw' out of capabilities")

    def count_requests(self, storage: Any) -> int | None:
        """How many requests the storage has sent so far; ``None`` when it cannot tell."""
        return None

    @pytest.fixture
    def clock(self) -> FakeClock:
        """A clock that stands still until the test moves it."""
        self._clock = FakeClock() if self.start is None else FakeClock(self.start)
        return self._clock

    @fixture
    async def storage(self, clock: FakeClock) -> AsyncIterator[AsyncStorage]:
        """The storage under test. After the test its raw tables are whole and tell none of the secrets."""
        async with self.make_storage(clock) as storage:
            self.opened = storage
            ledger = Ledger()
            yield cast("AsyncStorage", AsyncRecorder(storage, ledger))
            if "raw" in self.capabilities:
                dump = await self.raw(storage)
                check_no_secret(dump, ledger.secrets)
                check_invariants(dump)

    def needs(self, *capabilities: str) -> None:
        """Skip the test unless the storage under test declares these capabilities."""
        missing = set(capabilities) - self.capabilities
        if missing:
            pytest.skip(f"the storage under test does not declare {', '.join(sorted(missing))}")

    async def dump(self) -> Dump:
        """The raw tables now. Skips the test where the storage under test cannot tell."""
        self.needs("raw")
        return await self.raw(self.opened)

    @property
    def rounds(self) -> int:
        """How often to run a race."""
        return int(os.environ.get("TORII_RACE_ROUNDS") or self.race_rounds)

    async def race(self, calls: Sequence[Call[T]]) -> tuple[list[T], list[ToriiError]]:
        """Run the calls at the same time.

        Returns:
            What was returned, and the errors of this library that were raised. Any other error fails the test.
        """
        returned: list[T] = []
        raised: list[ToriiError] = []
        for outcome in await together(calls):
            if isinstance(outcome, ToriiError):
                raised.append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                returned.append(outcome)
        return returned, raised

    def shuffled(self, calls: list[Call[Any]], seed: int) -> list[Call[Any]]:
        """The calls in an order of their own each round, the same in every run."""
        Random(seed).shuffle(calls)
        return calls

    def only(self, raised: list[ToriiError], *kinds: type[ToriiError]) -> None:
        """Fail if anything but the expected refusals was raised."""
        for error in raised:
            if not isinstance(error, kinds):
                raise error

    async def whole(self) -> None:
        """The raw tables are whole now."""
        if "raw" in self.capabilities:
            check_invariants(await self.dump())

    async def until(self, read: Call[T], holds: Callable[[T], bool]) -> T:
        """Read until it holds, for what an index may tell late; at most ten seconds. Returns the last answer."""
        deadline = time.monotonic() + 10
        while True:
            found = await read()
            if holds(found) or time.monotonic() > deadline:
                return found

    # What most tests begin with.

    async def user(self, storage: AsyncStorage, *, password_hash: str | None = None, verified: bool = False) -> User:
        """A new user with an address of its own."""
        at = self.now() if verified else None
        return await storage.create_user(
            NewUser(email=new_address(), email_verified_at=at), password_hash=password_hash
        )

    def now(self) -> datetime:
        """The moment that the test's clock shows."""
        return self._clock()

    def later(self, seconds: float = 3600) -> datetime:
        """A moment so many seconds from the present whole second."""
        return self._clock().replace(microsecond=0) + timedelta(seconds=seconds)

    async def session(self, storage: AsyncStorage, user: User, *, seconds: float = 3600) -> str:
        """A new session of the user, bound to the user as read; its token."""
        created = await storage.create_session(NewSession(user_id=user.id, expires_at=self.later(seconds)), user=user)
        assert created.token
        return created.token

    async def token(self, storage: AsyncStorage, user: User, purpose: str, *, seconds: float = 3600) -> str:
        """A new one-time token of the user; its secret."""
        created = await storage.create_token(NewToken(purpose=purpose, expires_at=self.later(seconds), user_id=user.id))
        assert created.token
        return created.token

    async def link(self, storage: AsyncStorage, user: User, *, subject: str | None = None) -> OAuthAccount:
        """A new account at a provider, linked to the user."""
        account = NewOAuthAccount(provider="google", subject=subject or fresh("s"))
        return await storage.link_oauth_account(user.id, account)

    async def passkey(self, storage: AsyncStorage, user: User, *, sign_count: int = 0) -> Passkey:
        """A new passkey of the user."""
        return await storage.add_passkey(
            NewPasskey(
                user_id=user.id,
                credential_id=uuid4().bytes + uuid4().bytes,
                public_key=b"\xa5\x01\x02" + uuid4().bytes,
                sign_count=sign_count,
            )
        )

    async def reread(self, storage: AsyncStorage, user: User) -> User:
        """The user as stored now; fails when it is gone."""
        found = await storage.get_user(user.id, consistent=True)
        assert found is not None, f"user {user.id} is gone"
        return found
