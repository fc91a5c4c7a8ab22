"""The in-memory storage: the contract, executable."""

from torii_dynamodb.testing._async.memory.storage import AsyncMemoryStorage

__all__ = ["AsyncMemoryStorage"]
