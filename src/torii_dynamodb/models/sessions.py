"""Sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models.common import Metadata
from torii_dynamodb.models.users import User

__all__ = ["Session", "SignedIn"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session.

    Args:
        id: SHA-256 of the token, in hex. Identifies the session without revealing the token.
        user_id: The user.
        created_at: When the person signed in.
        expires_at: From this moment on it is refused.
        epoch: The user's ``session_epoch`` when it was created.
        user_agent: The browser's ``User-Agent``.
        ip_address: Where the sign-in came from.
        metadata: Anything of yours.
        amr: How the person signed in, in the names of RFC 8176.
        authenticated_at: When the person signed in, if that was before ``created_at`` (a rotation); otherwise ``None``.
        second_factor_at: When a second factor was verified; ``None`` if none was.
        token: The bearer token. Only its hash is stored, so it is ``""`` where the caller did not provide it, as in
            listed sessions; every operation treats ``""`` as it treats a malformed token.
    """

    id: str
    user_id: str
    created_at: datetime
    expires_at: datetime
    epoch: int = field(repr=False)
    user_agent: str | None
    ip_address: str | None
    metadata: Metadata
    amr: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    second_factor_at: datetime | None = None
    token: str = field(default="", repr=False)


class SignedIn(NamedTuple):
    """A user and one of their sessions."""

    user: User
    session: Session
