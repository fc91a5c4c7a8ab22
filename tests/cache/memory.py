"""A cache in memory, by the rules of ``_core/cache.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from torii_dynamodb._core.cache import Lease, after_write, lease_mark, may_fill, may_lease
from torii_dynamodb.clock import system_clock


class MemoryCache:
    """Keeps everything until it is forgotten, and notes what was.

    Attributes:
        held: What is under each key.
        forgotten: The keys that were forgotten.
    """

    max_age = timedelta(seconds=60)

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.forgotten: list[str] = []
        self._leases = 0

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """See ``Cache.get``."""
        found = [self.held.get(key) for key in keys]
        return [held[1:] if held is not None and held.startswith(b"E") else None for held in found]

    def lease(self, keys: Sequence[str]) -> Lease:
        """See ``Cache.lease``."""
        self._leases += 1
        mark = lease_mark(b"%d" % self._leases)
        leased = tuple(key for key in keys if may_lease(self.held.get(key), mark))
        self.held.update(dict.fromkeys(leased, mark))
        return Lease(leased, mark, system_clock())

    def fill(self, lease: Lease, values: Mapping[str, bytes]) -> None:
        """See ``Cache.fill``."""
        for key in lease.keys:
            if may_fill(self.held.get(key), lease.mark):
                self._set(key, b"E" + values[key] if key in values else None)

    def forget(self, keys: Sequence[str], *, undecided: bool = False) -> None:
        """See ``Cache.forget``."""
        self.forgotten += keys
        for key in keys:
            self._set(key, after_write(self.held.get(key), undecided=undecided))

    def clear(self, prefix: str) -> None:
        """See ``Cache.clear``."""
        self.forget([key for key in self.held if key.startswith(prefix)])

    def close(self) -> None:
        """See ``Cache.close``."""

    def _set(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.held.pop(key, None)
        else:
            self.held[key] = value
