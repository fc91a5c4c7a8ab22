"""What a sign-in with a password needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from torii_dynamodb._rules.guarded import guarded

__all__ = ["PasswordCredentials"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredentials:
    """What a sign-in with a password needs, from one strongly consistent read.

    Args:
        user_id: The user.
        email: The normalised address.
        password_hash: The hash, as the hasher returned it; ``None`` if the user has no password.
        password_version: Equal to the user's while the hash is the current one.
    """

    user_id: str
    email: str
    password_hash: str | None = field(repr=False)
    password_version: str | None = field(repr=False)
