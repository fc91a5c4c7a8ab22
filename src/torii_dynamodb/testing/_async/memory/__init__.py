"""The in-memory storage: the contract in executable form."""

from torii_dynamodb.testing._async.memory.storage import AsyncMemoryStorage

__all__ = ["AsyncMemoryStorage"]
