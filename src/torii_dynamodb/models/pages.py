"""Pages of longer lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models.common import T

if TYPE_CHECKING:
    from torii_dynamodb.errors import CorruptItem

__all__ = ["Page"]


@guarded
@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a longer list.

    Args:
        items: The items on this page; may be empty although more pages follow.
        next_cursor: Pass it to get the next page; ``None`` if this is the last.
        corrupt: The items of this page that cannot be read, each with its ``key``; empty unless something else wrote to
            the tables. ``torii-dynamodb verify`` checks all of them.
    """

    items: Sequence[T]
    next_cursor: str | None = None
    corrupt: Sequence[CorruptItem] = field(default=(), repr=False)
