"""What is stored: keys, codecs, sizes, and each domain's requests and responses. No I/O.

``_core.tokens`` is loaded when it is first used: the storage has all operations, a session check needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb._core import attempts, factors, oauth, passkeys, passwords, tables, tokens, transactions

__all__ = ["attempts", "factors", "oauth", "passkeys", "passwords", "tables", "tokens", "transactions"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
