# Generated from src/torii_dynamodb/testing/_async/memory/__init__.py by tools/unasync.py. Do not edit.

"""The in-memory storage: the contract in executable form."""

from torii_dynamodb.testing._sync.memory.storage import MemoryStorage

__all__ = ["MemoryStorage"]
