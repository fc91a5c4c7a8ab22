"""The whole contract in memory."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from torii_dynamodb.testing._async.memory.attempts import AsyncMemoryAttempts
from torii_dynamodb.testing._async.memory.factors import AsyncMemoryFactors
from torii_dynamodb.testing._async.memory.oauth import AsyncMemoryOAuth
from torii_dynamodb.testing._async.memory.passkeys import AsyncMemoryPasskeys
from torii_dynamodb.testing._async.memory.passwords import AsyncMemoryPasswords
from torii_dynamodb.testing._async.memory.sessions import AsyncMemorySessions
from torii_dynamodb.testing._async.memory.tokens import AsyncMemoryTokens
from torii_dynamodb.testing._async.memory.users import AsyncMemoryUsers

__all__ = ["AsyncMemoryStorage"]


class AsyncMemoryStorage(
    AsyncMemoryUsers,
    AsyncMemorySessions,
    AsyncMemoryPasswords,
    AsyncMemoryOAuth,
    AsyncMemoryPasskeys,
    AsyncMemoryTokens,
    AsyncMemoryFactors,
    AsyncMemoryAttempts,
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
            async with AsyncMemoryStorage(clock=clock) as storage:
                user = await storage.create_user(NewUser(email="ada@example.com"))
                clock.advance(timedelta(days=1))
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def health_check(self) -> None:
        """Do nothing: memory is always available."""

    async def cleanup(self) -> None:
        """Remove expired sessions, tokens, verifiers and challenges."""
        await self.cleanup_expired_sessions()
        await self.cleanup_expired_tokens()

    async def close(self) -> None:
        """Do nothing: the state stays, because other storages may share it."""
