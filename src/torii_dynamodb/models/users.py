"""Users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models.common import Metadata, nothing

__all__ = ["User"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, as stored.

    Args:
        id: The user's id, which never changes.
        email: The normalised address, which is unique.
        email_as_given: The address as the person wrote it.
        name: A display name.
        email_verified_at: When the address was proved to be theirs; ``None`` if it was not.
        locked_at: When an administrator locked the account; ``None`` if it is not locked.
        created_at: When the user was created.
        updated_at: When the user last changed.
        metadata: Anything of yours.
        version: Increases by one with every change of the user or its identities; the condition of ``update_user``.
            Equal versions of one id are equal users.
        session_epoch: Sessions created under it are valid; it increases when all sessions are ended.
        password_version: Changes with the password; ``None`` if there is none.
        identities: The keys of all the user's identities: email address, OAuth accounts, passkeys.
        token_serials: One-time tokens issued under an older serial of their purpose are invalid.
        disconnected: Providers whose accounts the user unlinked and has not linked again since. Another account there
            is not linked just because it has the user's address.
        factors: Names of the second factors the user has: ``totp#<id>`` for each authenticator app, ``recovery`` for
            recovery codes, ``passkey`` if the user's passkeys count as one.
    """

    id: str
    email: str
    email_as_given: str
    name: str | None
    email_verified_at: datetime | None
    locked_at: datetime | None
    created_at: datetime
    updated_at: datetime
    metadata: Metadata
    version: int
    session_epoch: int = field(repr=False)
    password_version: str | None = field(repr=False)
    identities: frozenset[str] = field(repr=False)
    token_serials: Mapping[str, str] = field(default_factory=nothing, repr=False)
    disconnected: frozenset[str] = field(default=frozenset(), repr=False)
    factors: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def has_password(self) -> bool:
        """Whether the user can sign in with a password."""
        return self.password_version is not None

    @property
    def is_email_verified(self) -> bool:
        """Whether the address was proved to be theirs."""
        return self.email_verified_at is not None
