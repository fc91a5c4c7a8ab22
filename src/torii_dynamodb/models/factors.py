"""Second factors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from torii_dynamodb._rules.guarded import guarded

__all__ = ["Factor", "FactorKind", "NewFactor"]

FactorKind: TypeAlias = Literal["totp", "recovery"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class NewFactor:
    """An authenticator app to add to a user as a second factor. Its first code was verified.

    Args:
        user_id: The user.
        id: 1 to 64 of ``A-Z a-z 0-9 _ -``; not ``recovery`` or ``passkey``. Give the same id to repeat a call safely.
        secret: The seed, sealed (:class:`~torii_dynamodb.secret_box.SecretBox`): stored as given.
        name: What the person calls it, up to 64 characters.
        last_step: The time step of the verified code. It and earlier ones are never accepted.
    """

    user_id: str
    id: str
    secret: bytes = field(repr=False)
    last_step: int
    name: str = "Authenticator app"


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A second factor, as stored.

    Args:
        user_id: The user.
        id: Its id; ``recovery`` for the recovery codes.
        kind: ``"totp"`` for an authenticator app, ``"recovery"`` for recovery codes.
        name: What the person calls it.
        created_at: When it was added; for recovery codes, when they were made.
        last_used_at: When it was last used to sign in; ``None`` if it never was.
        secret: The sealed seed of an authenticator app.
        last_step: The last time step that was accepted.
        marks: The stored marks of the recovery codes that are left.
    """

    user_id: str
    id: str
    kind: FactorKind
    name: str
    created_at: datetime
    last_used_at: datetime | None
    secret: bytes | None = field(default=None, repr=False)
    last_step: int | None = field(default=None, repr=False)
    marks: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def codes_left(self) -> int:
        """How many recovery codes are left."""
        return len(self.marks)
