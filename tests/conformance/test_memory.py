"""The in-memory reference keeps the contract."""

from __future__ import annotations

from torii_dynamodb.testing import AsyncMemoryStorage, FakeClock, MemoryStorage, conformance


class TestMemory(conformance.StorageConformance):
    """The whole kit over the asynchronous storage."""

    race_rounds = 3

    def make_storage(self, clock: FakeClock) -> AsyncMemoryStorage:
        return AsyncMemoryStorage(clock=clock)

    def raw(self, storage: AsyncMemoryStorage) -> conformance.Dump:
        return storage.dump()


class TestBlockingMemory(conformance.StorageConformance):
    """The whole kit over the blocking storage."""

    race_rounds = 3

    def make_storage(self, clock: FakeClock) -> MemoryStorage:
        return MemoryStorage(clock=clock)

    def raw(self, storage: MemoryStorage) -> conformance.Dump:
        return storage.dump()
