"""What ``torii.administration`` returns: what belongs to a user, and what a search found."""

from __future__ import annotations

from dataclasses import dataclass

from torii_dynamodb.errors import CorruptItem
from torii_dynamodb.models import User

__all__ = ["Belongings", "SearchPage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """What a user has besides the address.

    Args:
        password: Whether there is a password.
        sessions: How many sessions are valid.
        passkeys: How many passkeys there are.
        providers: The providers whose accounts are linked, in order.
        second_factors: How many authenticator apps there are, plus one for recovery codes and one if passkeys count.
    """

    password: bool
    sessions: int
    passkeys: int
    providers: tuple[str, ...]
    second_factors: int

    def described(self) -> list[str]:
        """Return one phrase for each kind of thing that the user has, for a question or a page."""
        counted = [
            _count(self.sessions, "session"),
            _count(self.passkeys, "passkey"),
            _count(self.second_factors, "second factor"),
        ]
        accounts = [f"the {name} account" for name in self.providers]
        return [*(["the password"] if self.password else []), *(one for one in counted if one), *accounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """The users that one step of a search found.

    Args:
        users: Those that match, in no particular order.
        looked_at: How many users this step has looked at.
        next_cursor: Where the next step begins; ``None`` if all users have been looked at.
        corrupt: Stored users that cannot be read; they were not compared.
    """

    users: tuple[User, ...]
    looked_at: int
    next_cursor: str | None
    corrupt: tuple[CorruptItem, ...] = ()


def _count(number: int, what: str) -> str:
    return "" if not number else f"{number} {what}{'' if number == 1 else 's'}"
