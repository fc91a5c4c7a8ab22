"""Which second factors a user has. A module of its own, because the storage needs it in every cold start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from torii_dynamodb.models import User

__all__ = ["SECOND_FACTOR", "factor_kinds", "is_enrolled"]

SECOND_FACTOR: Final = "second_factor"
"""The purpose of the tokens in challenges."""


def factor_kinds(user: User) -> frozenset[Literal["totp", "passkey", "recovery"]]:
    """The kinds of second factor that the user can give. Recovery codes do not count by themselves."""
    kinds: set[Literal["totp", "passkey", "recovery"]] = set()
    if any(name.startswith("totp#") for name in user.factors):
        kinds.add("totp")
    if "passkey" in user.factors and any(name.startswith("passkey#") for name in user.identities):
        kinds.add("passkey")
    if kinds and "recovery" in user.factors:
        kinds.add("recovery")
    return frozenset(kinds)


def is_enrolled(user: User) -> bool:
    """Whether the user has a second factor."""
    return bool(factor_kinds(user))
