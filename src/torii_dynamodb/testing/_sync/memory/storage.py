# Generated from src/torii_dynamodb/testing/_async/memory/storage.py by tools/unasync.py. Do not edit.

"""The whole contract in memory."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from torii_dynamodb.testing._sync.memory.attempts import MemoryAttempts
from torii_dynamodb.testing._sync.memory.factors import MemoryFactors
from torii_dynamodb.testing._sync.memory.oauth import MemoryOAuth
from torii_dynamodb.testing._sync.memory.passkeys import MemoryPasskeys
from torii_dynamodb.testing._sync.memory.passwords import MemoryPasswords
from torii_dynamodb.testing._sync.memory.sessions import MemorySessions
from torii_dynamodb.testing._sync.memory.tokens import MemoryTokens
from torii_dynamodb.testing._sync.memory.users import MemoryUsers

__all__ = ["MemoryStorage"]


class MemoryStorage(
    MemoryUsers,
    MemorySessions,
    MemoryPasswords,
    MemoryOAuth,
    MemoryPasskeys,
    MemoryTokens,
    MemoryFactors,
    MemoryAttempts,
):
    """A storage in memory: for your own unit tests, and the contract in executable form.

    It keeps every clause of the contract, with the same checks and errors as the storage on DynamoDB. Every operation
    runs under one lock, so it is atomic for tasks and threads, and all reads are strongly consistent. The data is lost
    with the process.

    Args:
        clock: The source of time; with a :class:`~torii_dynamodb.testing.FakeClock` the test controls it.
        random: The source of random bytes.
        state: The stored data; ``None``: empty. Storages that share one state (``other.state``) act as several hosts
            on one database, asynchronous and blocking ones together.

    Example:
        ::

            clock = FakeClock()
            with MemoryStorage(clock=clock) as storage:
                user = storage.create_user(NewUser(email="ada@example.com"))
                clock.advance(timedelta(days=1))
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def health_check(self) -> None:
        """Do nothing: memory is always available."""

    def cleanup(self) -> None:
        """Remove expired sessions, tokens, verifiers and challenges."""
        self.cleanup_expired_sessions()
        self.cleanup_expired_tokens()

    def close(self) -> None:
        """Do nothing: the state stays, because other storages may share it."""
