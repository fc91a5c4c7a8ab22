"""Help for tests: an in-memory storage, a clock and randomness under control, the conformance kit.

Each name is imported when it is first used, so that a test suite loads only what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb.testing._async.memory import AsyncMemoryStorage
    from torii_dynamodb.testing._memory.state import MemoryState
    from torii_dynamodb.testing._sync.memory import MemoryStorage
    from torii_dynamodb.testing.clock import FakeClock, FakeRandom
    from torii_dynamodb.testing.factories import make_session, make_user

__all__ = [
    "AsyncMemoryStorage",
    "FakeClock",
    "FakeRandom",
    "MemoryState",
    "MemoryStorage",
    "make_session",
    "make_user",
]

# The module that defines each name.
_HOMES = {
    "AsyncMemoryStorage": "torii_dynamodb.testing._async.memory",
    "FakeClock": "torii_dynamodb.testing.clock",
    "FakeRandom": "torii_dynamodb.testing.clock",
    "MemoryState": "torii_dynamodb.testing._memory.state",
    "MemoryStorage": "torii_dynamodb.testing._sync.memory",
    "make_session": "torii_dynamodb.testing.factories",
    "make_user": "torii_dynamodb.testing.factories",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
