"""What several models share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from torii_dynamodb.errors import CorruptItem

__all__ = [
    "EMAIL_VERIFICATION",
    "MAGIC_LINK",
    "PASSWORD_RESET",
    "UNSET",
    "Listing",
    "Metadata",
    "MetadataValue",
    "T",
    "Unset",
    "nothing",
]

MetadataValue: TypeAlias = (
    "None | bool | int | float | Decimal | str | bytes | Sequence[MetadataValue] | Mapping[str, MetadataValue]"
)
"""What metadata may contain. It comes back equal and of the same type (``1`` an int, ``1.0`` a float)."""


Metadata: TypeAlias = Mapping[str, MetadataValue]


MAGIC_LINK: Final = "magic_link"
PASSWORD_RESET: Final = "password_reset"
EMAIL_VERIFICATION: Final = "email_verification"

T = TypeVar("T")


def nothing() -> dict[str, Any]:
    """Return empty metadata."""
    return {}


class Unset(Enum):
    """The type of :data:`UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Means "leave as it is", where ``None`` is a value."""


class Listing(list[T]):
    """A complete list that also reports what could not be read, so that one broken row does not hide the others.

    Attributes:
        corrupt: The items that cannot be read, each with its ``key``; empty unless something else wrote to the tables.
    """

    __slots__ = ("corrupt",)

    def __init__(self, items: Iterable[T] = (), corrupt: Sequence[CorruptItem] = ()) -> None:
        super().__init__(items)
        self.corrupt = tuple(corrupt)
