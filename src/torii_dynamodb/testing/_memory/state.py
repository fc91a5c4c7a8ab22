"""The data of the in-memory storage, and the lock that guards it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import TypeAlias

from torii_dynamodb.models import Factor, Metadata, OAuthAccount, Passkey, Session, User

__all__ = ["AuditRow", "EmailIdentity", "Identity", "MemoryState", "TokenRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailIdentity:
    """The claim on an address, with its password."""

    user_id: str
    email: str
    created_at: datetime
    password_hash: str | None = field(default=None, repr=False)
    password_version: str | None = field(default=None, repr=False)


Identity: TypeAlias = EmailIdentity | OAuthAccount | Passkey | Factor


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A one-time secret: a token, a PKCE verifier or a WebAuthn challenge, under the digest of what redeems it.

    Args:
        id: ``<purpose>#<SHA-256>``.
        purpose: Its only use; ``pkce`` and ``challenge`` are internal.
        created_at: When it was issued.
        expires_at: From this moment on it is refused.
        metadata: The caller's metadata.
        user_id: Its user, if any.
        email: The address it was issued for.
        epoch: The user's ``session_epoch`` when it was issued.
        serial: The user's serial for the purpose when it was issued.
        kind: A challenge's ceremony.
        sealed: A PKCE verifier and its metadata, sealed under its state.
        consumed_by: Identifies the call that consumed it.
        mark: What is stored of a code from a mail.
        tries: The marks that were tried, in order.
    """

    id: str
    purpose: str
    created_at: datetime
    expires_at: datetime
    metadata: Metadata = field(repr=False)
    user_id: str | None = None
    email: str | None = None
    epoch: int | None = field(default=None, repr=False)
    serial: str | None = field(default=None, repr=False)
    kind: str | None = None
    sealed: bytes | None = field(default=None, repr=False)
    consumed_by: str | None = None
    mark: str | None = field(default=None, repr=False)
    tries: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A failed sign-in, with the end of its retention."""

    attempt_id: str
    at: datetime
    ip_address: str | None
    user_agent: str | None
    expires_at: datetime


class MemoryState:
    """Five tables and one lock. Several storages may share one, as several hosts share one database.

    Every read and write happens while ``lock`` is held, and rows are replaced, never changed: each operation is
    atomic, and returned objects do not change afterwards.
    """

    __slots__ = ("audit", "identities", "lock", "registers", "sessions", "tokens", "users")

    def __init__(self) -> None:
        self.lock = Lock()
        self.users: dict[str, User] = {}
        self.identities: dict[str, Identity] = {}
        self.sessions: dict[str, Session] = {}
        self.tokens: dict[str, TokenRow] = {}
        self.registers: dict[str, tuple[str, ...]] = {}
        self.audit: dict[str, dict[str, AuditRow]] = {}

    def __repr__(self) -> str:
        return (
            f"<MemoryState: {len(self.users)} users, {len(self.identities)} identities, "
            f"{len(self.sessions)} sessions, {len(self.tokens)} tokens>"
        )
