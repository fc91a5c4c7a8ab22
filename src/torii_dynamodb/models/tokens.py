"""One-time tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models.common import Metadata, nothing
from torii_dynamodb.models.users import User

__all__ = [
    "EmailCodePurpose",
    "NewToken",
    "PendingEmailChange",
    "Token",
    "VerifiedToken",
]

EmailCodePurpose: TypeAlias = Literal["magic_link", "email_verification", "password_reset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A one-time token to issue.

    Args:
        purpose: :data:`MAGIC_LINK`, :data:`PASSWORD_RESET`, :data:`EMAIL_VERIFICATION`, or your own: 1 to 32 of ``a-z
            0-9 _ -``. The token is accepted for no other purpose.
        expires_at: When it ends, in whole seconds.
        user_id: The user. The token becomes invalid when the user's email address or session epoch changes.
        email: For a token without a user (a sign-up by link): the address it proves.
        metadata: Anything of yours.
        revoke_earlier: Whether issuing it invalidates the user's earlier tokens of this purpose.
    """

    purpose: str
    expires_at: datetime
    user_id: str | None = None
    email: str | None = None
    metadata: Metadata = field(default_factory=nothing)
    revoke_earlier: bool = False


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A one-time token.

    Args:
        id: Its key: the purpose, ``#``, SHA-256 of the token in hex.
        purpose: What it is accepted for.
        user_id: The user; ``None`` for a token without one.
        email: The normalised address that it was issued for.
        created_at: When it was issued.
        expires_at: From this moment on it is refused.
        metadata: Anything of yours.
        token: The secret to send; ``""`` unless the token has just been created, because only its hash is stored.
    """

    id: str
    purpose: str
    user_id: str | None
    email: str | None
    created_at: datetime
    expires_at: datetime
    metadata: Metadata
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEmailChange:
    """A change of address that was requested, and whose link was not used yet.

    Args:
        new_email: The new address, as it was typed.
        expires_at: From this moment on the link is refused.
    """

    new_email: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """A valid token and the user it was issued to, as read while checking it.

    Args:
        token: The token.
        user: The user; ``None`` for a token without one.
    """

    token: Token
    user: User | None
