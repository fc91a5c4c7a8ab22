"""New users and sessions, as callers describe them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from torii_dynamodb.models.common import Metadata, nothing

__all__ = ["NewSession", "NewUser"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to create.

    Args:
        email: As the person wrote it. Normalised for identity, kept as given for display and mail.
        id: 1 to 64 of ``A-Z a-z 0-9 _ -``; ``None`` generates one. Give it to make your own retry of the call safe.
        name: A display name, up to 256 characters.
        email_verified_at: When the address was proved to be theirs, if it was.
        metadata: Anything of yours; see ``docs/metadata.md`` for how it is stored.
    """

    email: str
    id: str | None = None
    name: str | None = None
    email_verified_at: datetime | None = None
    metadata: Metadata = field(default_factory=nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to create.

    Args:
        user_id: The user.
        expires_at: When it ends, rounded down to whole seconds, as DynamoDB's TTL counts them.
        user_agent: The browser's ``User-Agent``, cut to 1,024 characters.
        ip_address: Where the sign-in came from.
        metadata: Anything of yours.
        amr: How the person signed in, in the names of RFC 8176 (``"pwd"``, ``"otp"``, ``"mfa"``, ...); up to 16.
        authenticated_at: When the person signed in; ``None``: when the session is created.
        second_factor_at: When a second factor was verified; ``None`` if none was.
    """

    user_id: str
    expires_at: datetime
    user_agent: str | None = None
    ip_address: str | None = None
    metadata: Metadata = field(default_factory=nothing)
    amr: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    second_factor_at: datetime | None = None
