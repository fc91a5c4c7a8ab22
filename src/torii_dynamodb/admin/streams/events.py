"""The events, as frozen dataclasses.

No event contains a password hash, a token, or the digest under which a token or session is stored: they do not belong
in a queue or a log. Sessions and tokens have a ``ref`` instead, derived from the key but not reversible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

from torii_dynamodb._rules.event_documents import document_of

__all__ = [
    "EVENT_TYPES",
    "StreamEmailChanged",
    "StreamEmailVerified",
    "StreamEvent",
    "StreamIdentityLinked",
    "StreamIdentityUnlinked",
    "StreamPasswordChanged",
    "StreamRecoveryCodesReplaced",
    "StreamSecondFactorAdded",
    "StreamSecondFactorRemoved",
    "StreamSecondFactorUsed",
    "StreamSessionCreated",
    "StreamSessionExpired",
    "StreamSessionRefreshed",
    "StreamSessionRevoked",
    "StreamSessionsRevoked",
    "StreamTokenConsumed",
    "StreamUserCreated",
    "StreamUserDeleted",
    "StreamUserLocked",
    "StreamUserUnlocked",
    "StreamUserUpdated",
    "to_dict",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """The fields of every event.

    Args:
        id: Unique to the event, and the same when it is delivered again: remember the IDs already handled, and a
            repeated delivery does no harm. Made of the stream record's ID and the event's type.
        at: When DynamoDB recorded the change, to about a second.
        user_id: The user; ``None`` if there is none (a one-time token for an email address).
        tenant: The tenant; ``None`` outside of any.
    """

    type: ClassVar[str] = "event"

    id: str
    at: datetime
    user_id: str | None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserCreated(StreamEvent):
    """A user was created.

    Args:
        email: The normalised email address.
        name: The display name.
        email_verified: Whether the address was proved from the start.
        has_password: Whether the user began with a password.
    """

    type: ClassVar[str] = "user.created"

    email: str
    name: str | None
    email_verified: bool
    has_password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserUpdated(StreamEvent):
    """The profile changed.

    Args:
        changed: Which of ``name``, ``metadata`` and ``email_as_given``. The values are left out, because metadata may
            contain anything; read the user for them.
    """

    type: ClassVar[str] = "user.updated"

    changed: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserDeleted(StreamEvent):
    """A user was deleted, with all identities.

    Args:
        email: The normalised email address of the user.
    """

    type: ClassVar[str] = "user.deleted"

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserLocked(StreamEvent):
    """An administrator locked the account.

    Args:
        locked_at: When it was locked.
    """

    type: ClassVar[str] = "user.locked"

    locked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserUnlocked(StreamEvent):
    """An administrator unlocked the account."""

    type: ClassVar[str] = "user.unlocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEmailChanged(StreamEvent):
    """The email address changed; the new one is not verified yet.

    Args:
        old_email: The normalised address before. Notify it, too: somebody else may have taken over the account.
        new_email: The normalised address now.
    """

    type: ClassVar[str] = "user.email_changed"

    old_email: str
    new_email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEmailVerified(StreamEvent):
    """Somebody proved that they own the email address.

    Args:
        email: The normalised email address.
    """

    type: ClassVar[str] = "user.email_verified"

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPasswordChanged(StreamEvent):
    """The password changed. Rehashing the same password is not a change.

    Args:
        change: ``"set"`` if there was none before, ``"changed"``, or ``"removed"``.
    """

    type: ClassVar[str] = "user.password_changed"

    change: Literal["set", "changed", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionsRevoked(StreamEvent):
    """All sessions of a user ended at once, by a new epoch. Events for single rows may or may not follow."""

    type: ClassVar[str] = "sessions.revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionCreated(StreamEvent):
    """A session was created.

    Args:
        ref: Refers to the session in events; not its ID.
        expires_at: When it ends.
        user_agent: The browser's user agent.
        ip_address: The IP address.
    """

    type: ClassVar[str] = "session.created"

    ref: str
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionRefreshed(StreamEvent):
    """A session was extended.

    Args:
        ref: Refers to the session in events; not its ID.
        expires_at: When it ends now.
    """

    type: ClassVar[str] = "session.refreshed"

    ref: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionRevoked(StreamEvent):
    """A session's row was removed before its end: signed out, or cleaned up after all sessions were revoked.

    Args:
        ref: Refers to the session in events; not its ID.
    """

    type: ClassVar[str] = "session.revoked"

    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionExpired(StreamEvent):
    """A session's row was removed after its end. It was refused from then on; TTL may take days to remove a row.

    Args:
        ref: Refers to the session in events; not its ID.
        expires_at: When it ended.
        by_ttl: Whether DynamoDB reports that TTL removed it. In a global table, only one Region reports this.
    """

    type: ClassVar[str] = "session.expired"

    ref: str
    expires_at: datetime
    by_ttl: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdentityLinked(StreamEvent):
    """A user gained another way to sign in.

    Args:
        kind: ``"oauth"`` or ``"passkey"``.
        provider: The provider, for ``"oauth"``.
        subject: The subject at the provider, for ``"oauth"``.
        name: The passkey's name, for ``"passkey"``.
    """

    type: ClassVar[str] = "identity.linked"

    kind: Literal["oauth", "passkey"]
    provider: str | None
    subject: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdentityUnlinked(StreamEvent):
    """A user lost a way to sign in, or was deleted.

    Args:
        kind: ``"oauth"`` or ``"passkey"``.
        provider: The provider, for ``"oauth"``.
        subject: The subject at the provider, for ``"oauth"``.
        name: The passkey's name, for ``"passkey"``.
    """

    type: ClassVar[str] = "identity.unlinked"

    kind: Literal["oauth", "passkey"]
    provider: str | None
    subject: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSecondFactorAdded(StreamEvent):
    """A user set up a second factor.

    Args:
        kind: ``"totp"`` for an authenticator app; ``"passkey"`` if the user's passkeys count as one from now on.
        factor_id: The ID of the authenticator app; ``None`` for passkeys.
        name: The name of the authenticator app; ``None`` for passkeys.
    """

    type: ClassVar[str] = "second_factor.added"

    kind: Literal["totp", "passkey"]
    factor_id: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSecondFactorRemoved(StreamEvent):
    """A second factor was removed, by the user, by an administrator or with the user.

    Args:
        kind: ``"totp"``, ``"recovery"`` for all recovery codes, or ``"passkey"`` if passkeys no longer count as one.
        factor_id: The ID of the authenticator app; ``None`` otherwise.
        name: The name of the authenticator app; ``None`` otherwise.
    """

    type: ClassVar[str] = "second_factor.removed"

    kind: Literal["totp", "recovery", "passkey"]
    factor_id: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSecondFactorUsed(StreamEvent):
    """A code of an authenticator app, or a recovery code, was accepted. Passkeys are not reported.

    Args:
        kind: ``"totp"`` or ``"recovery"``.
        factor_id: The ID of the authenticator app; ``None`` for recovery codes.
        codes_left: The number of recovery codes that are left; ``None`` for an authenticator app.
    """

    type: ClassVar[str] = "second_factor.used"

    kind: Literal["totp", "recovery"]
    factor_id: str | None
    codes_left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecoveryCodesReplaced(StreamEvent):
    """A user has new recovery codes; earlier ones are no longer accepted."""

    type: ClassVar[str] = "recovery_codes.replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTokenConsumed(StreamEvent):
    """A one-time secret was consumed. This does not mean that it was accepted (address and epoch unchanged).

    Args:
        ref: Refers to the token in events; not its ID.
        purpose: ``"magic_link"``, ``"password_reset"``, ..., or ``"pkce"``, ``"challenge"``.
        email: The email address to which it was bound, if any.
    """

    type: ClassVar[str] = "token.consumed"

    ref: str
    purpose: str
    email: str | None


EVENT_TYPES: Final[Mapping[str, type[StreamEvent]]] = {
    event.type: event
    for event in (
        StreamUserCreated,
        StreamUserUpdated,
        StreamUserDeleted,
        StreamUserLocked,
        StreamUserUnlocked,
        StreamEmailChanged,
        StreamEmailVerified,
        StreamPasswordChanged,
        StreamSessionsRevoked,
        StreamSessionCreated,
        StreamSessionRefreshed,
        StreamSessionRevoked,
        StreamSessionExpired,
        StreamIdentityLinked,
        StreamIdentityUnlinked,
        StreamSecondFactorAdded,
        StreamSecondFactorRemoved,
        StreamSecondFactorUsed,
        StreamRecoveryCodesReplaced,
        StreamTokenConsumed,
    )
}
"""Every class of events, by its type."""


def to_dict(event: StreamEvent) -> dict[str, Any]:
    """The event for JSON: ``type`` first, times as text, sets as sorted lists; ``tenant`` only if there is one."""
    return {"type": event.type, **document_of(event)}
