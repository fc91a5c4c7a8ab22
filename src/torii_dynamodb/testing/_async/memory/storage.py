"""The whole contract in memory."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from torii_dynamodb.testing._async.memory.attempts import AsyncMemoryAttempts
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
    AsyncMemoryAttempts,
):
    """A storage in memory: for your own unit tests, and the contract in executable form.

    It keeps every clause of the contract, with the same checks and the same errors as the storage on DynamoDB. Every
    operation is one section under one lock, so it is atomic for tasks and threads alike, and all reads are strongly
    consistent. What it holds is gone with the process.

    Args:
        clock: Where the time comes from; hand in a :class:`~torii_dynamodb.testing.FakeClock` to move it by hand.
        random: Where random bytes come from.
        state: What is stored; ``None`` begins with nothing. Several storages that share one state (``other.state``)
            act as several hosts on one database; the synchronous twin may share it too.

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
        """Does nothing: memory is there."""

    async def cleanup(self) -> None:
        """Remove what has expired: sessions, tokens, verifiers and challenges."""
        await self.cleanup_expired_sessions()
        await self.cleanup_expired_tokens()

    async def close(self) -> None:
        """Does nothing: the state stays, because other storages may share it."""
