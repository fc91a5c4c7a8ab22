"""The in-memory reference keeps the contract."""

from __future__ import annotations

from torii_dynamodb.testing import conformance
from torii_dynamodb.testing._async.memory import AsyncMemoryStorage
from torii_dynamodb.testing.clock import FakeClock


class TestMemory(conformance.AsyncStorageConformance):
    """The whole kit over memory."""

    race_rounds = 3

    def make_storage(self, clock: FakeClock) -> AsyncMemoryStorage:
        return AsyncMemoryStorage(clock=clock)

    async def raw(self, storage: AsyncMemoryStorage) -> conformance.Dump:
        return storage.dump()
