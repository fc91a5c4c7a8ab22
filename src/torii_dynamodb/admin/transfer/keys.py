"""The keys seen so far, for tables of any size, in little memory."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._wire.json import dumps
from torii_dynamodb.admin.scanning import key_of
from torii_dynamodb.config import TableName

__all__ = ["SeenKeys"]

# Kilobytes of pages kept in memory; the rest is in a temporary file that SQLite makes private and unlinks at once.
_CACHE = 64 * 1024


class SeenKeys:
    """Remembers where each key was seen first. For several threads; a context manager."""

    def __init__(self) -> None:
        # The empty name is a private database, on disk only when it outgrows the cache.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._database.executescript(
            f"PRAGMA cache_size=-{_CACHE}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE seen (digest BLOB PRIMARY KEY, place TEXT) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, table: TableName, items: Sequence[Item], place: str) -> list[str | None]:
        """Note that items were seen.

        Args:
            table: Their table.
            items: The items.
            place: Where they were seen.

        Returns:
            For each item, where its key was seen before; ``None`` if it is new.
        """
        return self.add_keys([table.encode() + dumps(key_of(table, item)) for item in items], place)

    def add_keys(self, keys: Iterable[bytes], place: str) -> list[str | None]:
        """Note that keys were seen: :meth:`add` for anything that has a key."""
        before: list[str | None] = []
        with self._lock:
            self._database.execute("BEGIN")
            for key in keys:
                # 128 bits: keys are not chosen to collide, and there are far fewer than 2 ** 64 of them.
                row = (hashlib.blake2b(key, digest_size=16).digest(), place)
                if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row).rowcount:
                    before.append(None)
                    continue
                (found,) = self._database.execute("SELECT place FROM seen WHERE digest = ?", row[:1]).fetchone()
                before.append(str(found))
            self._database.execute("COMMIT")
        return before
