# Generated from src/torii_dynamodb/_async/cache.py by tools/unasync.py. Do not edit.

"""The cache of session checks: what one must do, and what a storage does with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Protocol, TypeVar

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.cache import (
    MAX_VALUE,
    CacheCounts,
    CacheKeys,
    Lease,
    Write,
    concern_of,
    is_outdated,
    writes_in,
    writes_of,
)
from torii_dynamodb._core.layout import locator
from torii_dynamodb._rules.circuit import CircuitBreaker
from torii_dynamodb._sync.laid_out import LaidOutClient
from torii_dynamodb._sync.primitives import Background, monotonic, sleep
from torii_dynamodb._wire.batches import Key
from torii_dynamodb._wire.errors import ConditionFailed, TransactionCanceled
from torii_dynamodb._wire.json import dumps, loads
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import CacheUnavailable
from torii_dynamodb.models import SignedIn

__all__ = ["Cache", "CachedClient", "GuardedCache"]

T = TypeVar("T")

_log = logging.getLogger("torii_dynamodb")

PATIENCE = 1.0
"""For how many seconds a write that may end a session tries to remove it from the cache."""


_MANY = 1000


class Cache(Protocol):
    """A cache of session checks. :class:`torii_dynamodb.cache.ValkeyCache` is one; you can write another.

    What a method does with one key must be atomic. Somebody who can write to the place where values are kept must not
    be able to make one that :meth:`get` returns. If the cache cannot be used, every method raises
    :class:`~torii_dynamodb.errors.CacheUnavailable`, within a fraction of a second, and nothing else.
    """

    @property
    def max_age(self) -> timedelta:
        """How long a value is returned, from the time of its lease."""
        ...

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, in their order; ``None`` for one that has no value, or an older one."""
        ...

    def lease(self, keys: Sequence[str]) -> Lease:
        """Take a lease of each key that has no value, no lease of another reader, and no barrier.

        A lease ends after a few seconds, when its key is filled, and when :meth:`forget` is called for its key.

        Returns:
            The lease, with the keys that it is for: perhaps none.
        """
        ...

    def fill(self, lease: Lease, values: Mapping[str, bytes]) -> None:
        """Store the values of keys whose lease still stands, and give the lease of its other keys back."""
        ...

    def forget(self, keys: Sequence[str], *, undecided: bool = False) -> None:
        """Remove the values and leases of keys.

        Args:
            keys: The keys.
            undecided: Put up a barrier instead, for longer than ``max_age``: until then the key gets no lease and no
                value, even if it is forgotten again.
        """
        ...

    def clear(self, prefix: str) -> None:
        """Remove what :meth:`forget` removes, under all keys that begin with a prefix. It need not be atomic.

        What is there when it begins is gone when it returns. It may take as long as there are keys.
        """
        ...

    def close(self) -> None:
        """Close the connections. A later use opens them again."""
        ...


class GuardedCache:
    """A cache that may fail: what only reads does without it, what ends sessions insists.

    What it could not remove, it removes before it reads again. So a host never uses an entry that it failed to remove
    itself, and other hosts do so only until this one can reach the cache again.

    Several handles may share one, also of different event loops.

    Args:
        cache: The cache.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._breaker = CircuitBreaker()
        # By key: until when, and whether a barrier is needed.
        self._owed: dict[str, tuple[float, bool]] = {}
        self._purge_at = _MANY
        self.counts = CacheCounts()

    def get(self, keys: Sequence[str]) -> list[bytes | None] | None:
        """Return the values of keys; ``None`` if the cache cannot be used."""
        if not self._owed:
            return self._attempt(lambda: self.cache.get(keys))

        def remove_and_get() -> list[bytes | None] | None:
            self._remove_owed()
            return None if self._owed else self.cache.get(keys)

        return self._attempt(remove_and_get)

    def lease(self, keys: Sequence[str]) -> Lease | None:
        """Take a lease of keys; ``None`` if the cache cannot be used."""
        return self._attempt(lambda: self.cache.lease(keys))

    def fill(self, lease: Lease, values: Mapping[str, bytes]) -> None:
        """Fill keys, if the cache can be used."""
        self._attempt(lambda: self.cache.fill(lease, values))

    def forget(self, keys: Sequence[str], *, undecided: bool = False, insist: bool) -> None:
        """Remove keys.

        Args:
            keys: The keys.
            undecided: Whether the write that this follows may be applied later.
            insist: Whether to try again for a second, and then to raise.

        Raises:
            CacheUnavailable: They could not be removed.
        """
        if not insist:

            def remove() -> bool:
                self.cache.forget(keys, undecided=undecided)
                return True

            if not self._attempt(remove):
                self._owe(keys, undecided=undecided)
            return
        started, attempts, pause = monotonic(), 0, 0.02
        while True:
            attempts += 1
            try:
                self.cache.forget(keys, undecided=undecided)
            except CacheUnavailable as error:
                self._failed(error)
                if monotonic() - started + pause > PATIENCE:
                    self._owe(keys, undecided=undecided)
                    raise CacheUnavailable(
                        "DynamoDB has the result of this operation, but the previous state could not be removed from "
                        f"the cache: {error}; hosts that can reach the cache may see it for up to "
                        f"{self.cache.max_age.total_seconds():g} seconds; repeating the operation is safe",
                        attempts=attempts,
                    ) from error
            else:
                self._succeeded()
                return
            sleep(pause)
            pause *= 2

    def _owe(self, keys: Sequence[str], *, undecided: bool) -> None:
        now = monotonic()
        if len(self._owed) >= self._purge_at:
            self._owed = {key: owed for key, owed in self._owed.items() if owed[0] > now}
            self._purge_at = max(_MANY, 2 * len(self._owed))
        # No entry that was there lives longer.
        ends = now + self.cache.max_age.total_seconds()
        for key in keys:
            self._owed[key] = ends, undecided or self._owed.get(key, (0, False))[1]

    def _remove_owed(self) -> None:
        owed, now = dict(islice(self._owed.items(), _MANY)), monotonic()
        for undecided in (False, True):
            keys = [key for key, (ends, barred) in owed.items() if barred is undecided and ends > now]
            if keys:
                self.cache.forget(keys, undecided=undecided)
        for key, one in owed.items():
            if self._owed.get(key) == one:
                del self._owed[key]

    def problem(self) -> str:
        """Return why the cache cannot be used; empty if it can. It asks for what a revocation needs."""
        try:
            self.cache.forget(["torii:health"])
        except CacheUnavailable as error:
            return f"{error.code}: {error}"
        return ""

    def close(self) -> None:
        """Close the cache."""
        self.cache.close()

    def _attempt(self, call: Callable[[], T]) -> T | None:
        if not self._breaker.allows(monotonic()):
            return None
        try:
            found = call()
        except CacheUnavailable as error:
            self._failed(error)
            return None
        self._succeeded()
        return found

    def _failed(self, error: CacheUnavailable) -> None:
        if not self._breaker.is_open:
            _log.warning("the cache cannot be used, so session checks read DynamoDB: %s", error)
        self._breaker.failed(monotonic())
        self.counts.failures += 1
        self.counts.circuit_open = True

    def _succeeded(self) -> None:
        if self._breaker.is_open:
            _log.info("the cache can be used again")
            self._breaker.succeeded()
            self.counts.circuit_open = False


class CachedClient:
    """A client whose session checks are answered by a cache, and whose writes remove from it what they change.

    It sees every write of a storage, so an operation cannot forget the cache. What writes to the tables without it,
    such as an import, is seen when entries reach ``max_age``.

    Args:
        client: The client that sends.
        cache: The cache.
        config: The configuration.
        tenant: The tenant whose requests these are; ``None`` outside of any.
        background: Runs what a cancelled caller leaves to do.
    """

    def __init__(
        self,
        client: LaidOutClient,
        cache: GuardedCache,
        config: DynamoDbConfig,
        tenant: str | None,
        background: Background,
    ) -> None:
        self._client = client
        self._cache = cache
        self._background = background
        self._tenant = tenant
        self._locate = locator(config, tenant)
        self._keys = CacheKeys(config)

    def check(
        self,
        user_id: str,
        session_id: str,
        keys: Sequence[Key],
        judge: Callable[[Item | None, Item | None], SignedIn | None],
        *,
        consistent: bool,
    ) -> SignedIn | None:
        """Check a session. Only a valid one is answered from the cache, and stored in it.

        Args:
            user_id: The user that the session's token names.
            session_id: The session.
            keys: Where DynamoDB has the session and the user.
            judge: Decides, from the items of both.
            consistent: Whether DynamoDB is read strongly consistent even if nothing is stored in the cache.
        """
        names = (
            self._keys.session(self._tenant, user_id, session_id),
            self._keys.user(self._tenant, user_id),
        )
        held = self._cache.get(names)
        if held is None:
            self._cache.counts.fallbacks += 1
            return judge(*self._client.batch_get(keys, consistent=consistent))
        entries: list[Item | None] = [None if value is None else loads(value) for value in held]
        if None not in entries:
            found = judge(*entries)
            if found is not None:
                self._cache.counts.hits += 1
                return found
        self._cache.counts.misses += 1
        missing = [name for name, value in zip(names, held, strict=True) if value is None]
        lease = self._cache.lease(missing) if missing else None
        leased = lease is not None and bool(lease.keys)
        # What is stored must be no older than the lease: an eventually consistent read may be.
        items = self._client.batch_get(keys, consistent=consistent or leased)
        found = judge(*items)
        if consistent or leased:
            self._remove_outdated(names, entries, items)
        if lease is not None and leased:
            values = {name: dumps(item) for name, item in zip(names, items, strict=True) if found and item}
            kept = {name: value for name, value in values.items() if name in lease.keys and len(value) <= MAX_VALUE}
            self._cache.fill(lease, kept)
        return found

    def _remove_outdated(
        self, names: Sequence[str], entries: Sequence[Item | None], items: Sequence[Item | None]
    ) -> None:
        """Remove entries that are older than what was read after them: something may write without the cache."""
        outdated = [
            name
            for name, entry, item in zip(names, entries, items, strict=True)
            if entry is not None and is_outdated(entry, item)
        ]
        if outdated:
            self._cache.counts.outdated += len(outdated)
            self._cache.forget(outdated, insist=False)

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """See :meth:`Client.call`. A write returns once what it changed was removed from the cache.

        Raises:
            CacheUnavailable: The write may have ended a session, and it could not be removed from the cache.
        """
        return self._write(writes_of(operation, payload), lambda: self._client.call(operation, payload))

    def batch_write(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """See :meth:`Client.batch_write`, and :meth:`call`."""
        self._write(writes_in(requests), lambda: self._client.batch_write(requests))

    def _write(self, writes: Sequence[Write], send: Callable[[], T]) -> T:
        concern = concern_of(writes, self._locate, self._keys) if writes else None
        if concern is None:
            return send()
        keys = [*concern.keys, *[key for one in concern.unnamed for key in self._key_of_session(*one)]]
        try:
            answer = send()
        except (ConditionFailed, TransactionCanceled):
            # It may be the retry of an applied write. Or an earlier operation did the same, and could not reach the
            # cache: a caller who is told that a session has ended must be able to rely on it.
            self._remove(keys, insist=concern.ends)
            raise
        except Exception:
            try:
                self._cache.forget(keys, undecided=True, insist=concern.ends)
            except CacheUnavailable as error:
                _log.warning("after a write whose outcome is unknown: %s", error)
            raise
        except BaseException:
            self._forget_later(keys)
            raise
        self._remove(keys, insist=concern.ends)
        return answer

    def _remove(self, keys: Sequence[str], *, insist: bool) -> None:
        try:
            self._cache.forget(keys, insist=insist)
        except Exception:
            raise
        except BaseException:
            self._forget_later(keys)
            raise

    def _forget_later(self, keys: Sequence[str]) -> None:
        """Put up a barrier in the background: the caller was cancelled, and DynamoDB may have applied its write."""
        self._background.spawn(
            lambda: self._cache.forget(keys, undecided=True, insist=True),
            "removing the state before a cancelled write",
        )

    def _key_of_session(self, table: str, key: Item) -> list[str]:
        """Read whose session it is that an application writes itself, in a table whose keys do not say it."""
        answer = self._client.call("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
        located = self._locate(table, answer["Item"]) if "Item" in answer else None
        if located is None or "user_id" not in located[2]:
            return []
        return [self._keys.session(located[1], located[2]["user_id"]["S"], located[2]["id"]["S"])]

    def forget_user(self, user_id: str) -> None:
        """Remove a user although nothing was written: an earlier operation may have been unable to.

        Raises:
            CacheUnavailable: The cache cannot be reached.
        """
        self._cache.forget([self._keys.user(self._tenant, user_id)], insist=True)

    def batch_get(self, keys: Sequence[Key], *, consistent: bool) -> list[Item | None]:
        """See :meth:`Client.batch_get`."""
        return self._client.batch_get(keys, consistent=consistent)

    @property
    def where(self) -> str:
        """See :attr:`Client.where`."""
        return self._client.where

    def close(self) -> None:
        """See :meth:`Client.close`."""
        self._client.close()
