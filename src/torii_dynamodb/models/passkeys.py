"""Passkeys and their challenges."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models.common import Metadata, nothing

__all__ = ["CeremonyKind", "NewPasskey", "NewPasskeyChallenge", "Passkey", "PasskeyChallenge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A passkey to add to a user.

    Args:
        user_id: The user.
        credential_id: The authenticator's id for it, 1 to 1,023 bytes (WebAuthn Level 3, 4); unique across users.
        public_key: The COSE public key, up to 4,096 bytes.
        sign_count: The authenticator's counter at registration.
        name: The person's name for it, up to 64 characters.
        transports: How the browser may reach it, as reported (``"internal"``, ``"usb"``, ...).
        aaguid: The authenticator's model, if known.
        backed_up: Whether it is synchronised between devices.
        backup_eligible: Whether it ever can be, which is fixed when it is created; ``None`` if not known. A passkey
            that is backed up is eligible.
    """

    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int = 0
    name: str = "Passkey"
    transports: tuple[str, ...] = ()
    aaguid: str | None = None
    backed_up: bool = False
    backup_eligible: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey: the fields of :class:`NewPasskey`, when it was created and when it was last used.

    ``backed_up`` is as of the last use; ``backup_eligible`` is ``None`` until an authenticator has reported it. An
    ``imported`` one was created by another system: the authenticator knows the user by the id there.
    """

    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: tuple[str, ...]
    aaguid: str | None
    backed_up: bool
    backup_eligible: bool | None
    created_at: datetime
    last_used_at: datetime | None
    imported: bool = False


CeremonyKind: TypeAlias = Literal["registration", "authentication"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskeyChallenge:
    """A WebAuthn challenge to store.

    Args:
        challenge: 16 to 64 random bytes (WebAuthn Level 3, 13.4.3). Stored as its hash.
        kind: The ceremony it was issued for; it is accepted for no other.
        expires_at: When it ends, in whole seconds.
        user_id: The user it was issued to; ``None`` for a sign-in without a user name.
        metadata: Anything of yours.
    """

    challenge: bytes = field(repr=False)
    kind: CeremonyKind
    expires_at: datetime
    user_id: str | None = None
    metadata: Metadata = field(default_factory=nothing)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyChallenge:
    """What was stored with a challenge."""

    kind: CeremonyKind
    user_id: str | None
    created_at: datetime
    expires_at: datetime
    metadata: Metadata
