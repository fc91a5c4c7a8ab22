# Generated from tests/conformance/_async/test_memory.py by tools/unasync.py. Do not edit.

"""The in-memory reference keeps the contract."""

from __future__ import annotations

from torii_dynamodb.testing import conformance
from torii_dynamodb.testing._sync.memory import MemoryStorage
from torii_dynamodb.testing.clock import FakeClock


class TestMemory(conformance.StorageConformance):
    """The whole kit over memory."""

    race_rounds = 3

    def make_storage(self, clock: FakeClock) -> MemoryStorage:
        return MemoryStorage(clock=clock)

    def raw(self, storage: MemoryStorage) -> conformance.Dump:
        return storage.dump()
