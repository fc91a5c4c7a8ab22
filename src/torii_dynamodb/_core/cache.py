"""The cache of session checks: its protocol, its keys, what is stored under them, and which writes concern it.

Under each key, of a session or of a user, is one of:

- nothing,
- a *lease*: the mark of one reader, for a few seconds. A reader takes it before it reads the item from DynamoDB;
- an *entry*: the item, for at most ``max_age``. A reader stores it only in place of its own lease;
- a *barrier*: nobody may take a lease, for longer than an entry lives.

A write removes the key after DynamoDB has applied it and before the operation returns. A reader that read before the
write has then lost its lease, however late it tries to store what it read, so nothing older can come back. If it is
unknown whether DynamoDB applied a write, or when it will, there is a barrier instead, and checks read DynamoDB until it
ends.

An entry contains the time before its item was read. No entry is used for longer than ``max_age`` from then, so even a
cache that lost a removal (a failover, a restored snapshot) is wrong for no longer than that.

``tests/cache/test_protocol.py`` searches all interleavings of these steps, and fails them where one is left out.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.layout import Placed
from torii_dynamodb.config import DynamoDbConfig

__all__ = [
    "BARRIER",
    "CLOCK_TOLERANCE",
    "LEASE_TIME",
    "MAX_VALUE",
    "CacheCounts",
    "CacheKeys",
    "Concern",
    "Lease",
    "Seal",
    "after_write",
    "concern_of",
    "is_outdated",
    "lease_mark",
    "may_fill",
    "may_lease",
    "milliseconds",
    "writes_in",
    "writes_of",
]

BARRIER = b"B"
_LEASE, _ENTRY = b"L", b"E1"

LEASE_TIME = timedelta(seconds=5)
"""How long a reader may take between its lease and its entry."""

CLOCK_TOLERANCE = timedelta(seconds=5)
"""How far in the future an entry may have been read, by this process's clock."""

_MILLISECOND = timedelta(milliseconds=1)

MAX_VALUE = 64 * 1024
"""The largest item that is cached, in bytes: every check transfers it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to store, under some keys, what will be read from now on.

    Args:
        keys: The keys.
        mark: What stands under them meanwhile.
        taken_at: The time before it was taken.
    """

    keys: tuple[str, ...]
    mark: bytes
    taken_at: datetime


def milliseconds(moment: datetime) -> int:
    """Return a time as entries contain it: in milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def lease_mark(nonce: bytes) -> bytes:
    """Return what stands under a key while a reader has the lease."""
    return _LEASE + nonce


def may_lease(held: bytes | None, mark: bytes) -> bool:
    """Decide whether a reader gets the lease of a key. A retry finds its own."""
    return held is None or held == mark


def may_fill(held: bytes | None, mark: bytes) -> bool:
    """Decide whether a reader may store what it read."""
    return held == mark


def is_outdated(entry: Item, item: Item | None) -> bool:
    """Decide whether an entry is older than the item that was read from DynamoDB after it.

    Every change of a user has a new version. A session that exists is never less valid than its entry: a refresh
    moves its end, and a revocation removes it or changes its user.
    """
    return item is None or entry.get("version") != item.get("version")


def after_write(held: bytes | None, *, undecided: bool) -> bytes | None:
    """Return what is under a key after a write of its item; ``undecided`` if it may be applied later, or never."""
    return BARRIER if undecided or held == BARRIER else None


@dataclass(slots=True)
class CacheCounts:
    """What session checks found in the cache since the storage was opened.

    Attributes:
        hits: Checks that the cache answered.
        misses: Checks that read DynamoDB because the cache had nothing, or no valid session.
        fallbacks: Checks that read DynamoDB because the cache could not be used.
        failures: Requests to the cache that failed: of checks, and of writes that remove something.
        outdated: Entries that were older than what a check read from DynamoDB. A few are normal: a write removes an
            entry a moment after DynamoDB has it. Many mean that something writes to the tables without this cache.
        circuit_open: Whether the cache is left alone at the moment, because the last request to it failed.
    """

    hits: int = 0
    misses: int = 0
    fallbacks: int = 0
    failures: int = 0
    outdated: int = 0
    circuit_open: bool = False


class Seal:
    """Makes and opens entries: only who has the application's secret can make one, for one key, as of one time.

    Args:
        secrets: The application's secrets: the first makes, all open.
        max_age: How long an entry is valid.
    """

    def __init__(self, secrets: Sequence[bytes], max_age: timedelta) -> None:
        self._keys = [hmac.digest(secret, b"torii-dynamodb/cache/1", "sha256") for secret in secrets]
        # When an entry that is valid now was read, in milliseconds from now.
        self._earliest = 1 - max_age // _MILLISECOND
        self._latest = CLOCK_TOLERANCE // _MILLISECOND

    def entry(self, key: str, value: bytes, read_at: datetime) -> bytes:
        """Return an entry: what was read, before which time, and their MAC, which covers the key, too."""
        when = milliseconds(read_at).to_bytes(8)
        return _ENTRY + self._mac(self._keys[0], key, when, value) + when + value

    def open(self, key: str, held: bytes | None, now: int) -> bytes | None:
        """Return the value of an entry; ``None`` if it is not a valid one.

        Args:
            key: The entry's key.
            held: What is under it.
            now: The time, in :func:`milliseconds`.
        """
        if held is None or held[:2] != _ENTRY or len(held) < 42:
            return None
        when, value = held[34:42], held[42:]
        if not self._earliest <= int.from_bytes(when) - now <= self._latest:
            return None
        mac = held[2:34]
        for secret in self._keys:  # a generator would take as long as half a MAC, and this is in every check
            if hmac.compare_digest(mac, self._mac(secret, key, when, value)):
                return value
        return None

    @staticmethod
    def _mac(secret: bytes, key: str, when: bytes, value: bytes) -> bytes:
        # A key contains no NUL and the time has a fixed length, so no two inputs are written the same.
        return hmac.digest(secret, b"%b\0%b%b" % (key.encode(), when, value), "sha256")


class CacheKeys:
    """The cache's keys for the users and sessions of one tenant, or of none.

    The braces make a Valkey cluster store everything of a user in one place. The format of entries is not in the key:
    a host with another release of the library must remove the entries of this one, too.

    Args:
        config: The configuration. Its table names tell deployments apart that share a cache.
    """

    def __init__(self, config: DynamoDbConfig) -> None:
        # Nothing that hosts may write differently, such as the Region, which one of them gets from its environment.
        deployment = [config.layout, config.key_prefix, *(config.table_name(table) for table in config.tables)]
        self._deployment = f"torii:{{{sha256(orjson.dumps(deployment)).hexdigest()[:32]}"

    def user(self, tenant: str | None, user_id: str) -> str:
        """Return the key of a user."""
        return f"{self.of(tenant)}{user_id}}}:user"

    def session(self, tenant: str | None, user_id: str, session_id: str) -> str:
        """Return the key of a session."""
        return f"{self.of(tenant)}{user_id}}}:{session_id}"

    def of(self, tenant: str | None) -> str:
        """Return what the keys of one tenant begin with; for ``None``, of users outside of any."""
        return f"{self._deployment}:" if tenant is None else f"{self._deployment}@{tenant}:"

    @property
    def every(self) -> str:
        """What all keys begin with, tenants' included."""
        return self._deployment


@dataclass(frozen=True, slots=True)
class Concern:
    """What a write means for the cache.

    Args:
        keys: The keys whose items it may change.
        ends: Whether it may end a session, so that the operation fails if the keys cannot be removed.
        unnamed: ``(table, key)`` of sessions whose user the write does not name.
    """

    keys: tuple[str, ...]
    ends: bool
    unnamed: tuple[tuple[str, Item], ...] = ()


Write = tuple[str, Mapping[str, Any]]
"""DynamoDB's name for the kind of a write, and its parameters."""

_KINDS = frozenset({"PutItem", "UpdateItem", "DeleteItem", "Put", "Update", "Delete"})

# What an update of a user or session may set without ending a session or taking a right away. Everything else counts as
# ending one: an address or metadata may be what an application grants rights by, and so may attributes yet to come.
_HARMLESS = frozenset({
    "disconnected", "email_as_given", "email_verified_at", "expires_at", "factors", "identities", "name", "updated_at",
    "version",
})  # fmt: skip
_HARMLESS_PREFIX = "token_serial"
_ALIAS = re.compile(r"#\w+")


def writes_of(operation: str, payload: Mapping[str, Any]) -> list[Write]:
    """Return the writes of a request; none if it only reads."""
    if operation == "TransactWriteItems":
        return [write for action in payload["TransactItems"] for write in action.items() if write[0] in _KINDS]
    return [(operation, payload)] if operation in _KINDS else []


def writes_in(requests: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Write]:
    """Return the writes of a batch: ``(table's name, request)`` each."""
    return [(kind, {"TableName": table, **body}) for table, request in requests for kind, body in request.items()]


def concern_of(
    writes: Sequence[Write], locate: Callable[[str, Item], Placed | None], keys: CacheKeys
) -> Concern | None:
    """Tell what writes mean for the cache; ``None`` if they change no user or session that exists.

    Args:
        writes: The writes.
        locate: Tells what an item is, from its table's name and its key.
        keys: The cache's keys.
    """
    found: dict[str, None] = {}
    unnamed: list[tuple[str, Item]] = []
    ends = False
    for kind, body in writes:
        table_name: str = body["TableName"]
        item: Item = body["Item"] if "Item" in body else body["Key"]
        located = locate(table_name, item)
        if located is None or located[0] not in ("users", "sessions") or _creates(kind, body, located):
            continue
        table, tenant, canonical = located
        if table == "users":
            found[keys.user(tenant, canonical["id"]["S"])] = None
        elif "user_id" in canonical:
            found[keys.session(tenant, canonical["user_id"]["S"], canonical["id"]["S"])] = None
        else:
            unnamed.append((table_name, item))
        # An application's own update need not name its attributes as ours do.
        ours = table_name.startswith(":")
        ends = ends or not ours or "UpdateExpression" not in body or not _is_harmless(body)
    return Concern(tuple(found), ends, tuple(unnamed)) if found or unnamed else None


def _creates(kind: str, body: Mapping[str, Any], located: Placed) -> bool:
    # A session that is put by itself is new: its key is the hash of a new random token.
    new_session = kind == "PutItem" and located[0] == "sessions"
    return new_session or ("Item" in body and body.get("ConditionExpression") == ex.NOT_TAKEN)


def _is_harmless(update: Mapping[str, Any]) -> bool:
    names: Mapping[str, str] = update["ExpressionAttributeNames"]
    # Attributes that the new values are computed from count, too: more than needed, never fewer.
    used = [names[alias] for alias in _ALIAS.findall(update["UpdateExpression"])]
    return all(name in _HARMLESS or name.startswith(_HARMLESS_PREFIX) for name in used)
