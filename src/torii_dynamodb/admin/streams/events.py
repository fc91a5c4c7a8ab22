"""What happened, as frozen dataclasses.

No event holds a password hash, a token, or the digest under which a token or session is stored: a queue or a log is no
place for them. What must be told apart is named by a ``ref`` that is derived from the key and leads nowhere back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

from torii_dynamodb._rules.times import to_text

__all__ = [
    "EVENT_TYPES",
    "StreamEmailChanged",
    "StreamEmailVerified",
    "StreamEvent",
    "StreamIdentityLinked",
    "StreamIdentityUnlinked",
    "StreamPasswordChanged",
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
    """What every event tells.

    Args:
        id: Names this event alone, and stays the same when it is delivered again: keep the ids that were dealt with,
            and a repeated delivery does no harm. The stream record's id, and the event's type.
        at: When DynamoDB recorded the change, to about a second.
        user_id: Whose event it is; ``None`` where no user was named (a one-time token for an address).
    """

    type: ClassVar[str] = "event"

    id: str
    at: datetime
    user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserCreated(StreamEvent):
    """A user came to be.

    Args:
        email: The normalised address.
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
        changed: Which of ``name``, ``metadata`` and ``email_as_given``. Their values are not told: metadata may hold
            anything. Read the user for them.
    """

    type: ClassVar[str] = "user.updated"

    changed: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserDeleted(StreamEvent):
    """A user is gone, with all identities.

    Args:
        email: The normalised address that the user had.
    """

    type: ClassVar[str] = "user.deleted"

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserLocked(StreamEvent):
    """An administrator locked the account.

    Args:
        locked_at: The moment that was set.
    """

    type: ClassVar[str] = "user.locked"

    locked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUserUnlocked(StreamEvent):
    """An administrator lifted the lock."""

    type: ClassVar[str] = "user.unlocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEmailChanged(StreamEvent):
    """The address changed; the new one is not proved.

    Args:
        old_email: The normalised address before. Tell it there, too: the account may be in the wrong hands.
        new_email: The normalised address now.
    """

    type: ClassVar[str] = "user.email_changed"

    old_email: str
    new_email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEmailVerified(StreamEvent):
    """Somebody proved to own the address.

    Args:
        email: The normalised address.
    """

    type: ClassVar[str] = "user.email_verified"

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPasswordChanged(StreamEvent):
    """The password changed. A re-hash of the same password is none.

    Args:
        change: ``"set"`` where there was none, ``"changed"``, or ``"removed"``.
    """

    type: ClassVar[str] = "user.password_changed"

    change: Literal["set", "changed", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionsRevoked(StreamEvent):
    """All sessions of a user ended at once: the epoch moved on. Their rows may follow one by one, or not at all."""

    type: ClassVar[str] = "sessions.revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionCreated(StreamEvent):
    """A session began.

    Args:
        ref: Names the session among events; not its id.
        expires_at: Its end.
        user_agent: What the browser called itself.
        ip_address: Where it came from.
    """

    type: ClassVar[str] = "session.created"

    ref: str
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionRefreshed(StreamEvent):
    """A session's end moved.

    Args:
        ref: Names the session among events; not its id.
        expires_at: Its end now.
    """

    type: ClassVar[str] = "session.refreshed"

    ref: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionRevoked(StreamEvent):
    """A session's row was removed before its end: signed out, or cleaned up after all sessions were revoked.

    Args:
        ref: Names the session among events; not its id.
    """

    type: ClassVar[str] = "session.revoked"

    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSessionExpired(StreamEvent):
    """A session's row was removed after its end. It was refused since; TTL may take days to remove it.

    Args:
        ref: Names the session among events; not its id.
        expires_at: When it ended.
        by_ttl: Whether DynamoDB says that its TTL did it. In a global table it says so in one region only.
    """

    type: ClassVar[str] = "session.expired"

    ref: str
    expires_at: datetime
    by_ttl: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdentityLinked(StreamEvent):
    """A user gained a way to sign in beside the address.

    Args:
        kind: ``"oauth"`` or ``"passkey"``.
        provider: The provider, for an account.
        subject: The account's name there, for an account.
        name: The passkey's name, for a passkey.
    """

    type: ClassVar[str] = "identity.linked"

    kind: Literal["oauth", "passkey"]
    provider: str | None
    subject: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIdentityUnlinked(StreamEvent):
    """A user lost a way to sign in, or is gone altogether.

    Args:
        kind: ``"oauth"`` or ``"passkey"``.
        provider: The provider, for an account.
        subject: The account's name there, for an account.
        name: The passkey's name, for a passkey.
    """

    type: ClassVar[str] = "identity.unlinked"

    kind: Literal["oauth", "passkey"]
    provider: str | None
    subject: str | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTokenConsumed(StreamEvent):
    """A one-time secret was used up. That it also was accepted (address and epoch unchanged) is not said.

    Args:
        ref: Names the token among events; not its id.
        purpose: ``"magic_link"``, ``"password_reset"``, ..., or ``"pkce"``, ``"challenge"``.
        email: The address it was bound to, if it was to one.
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
        StreamTokenConsumed,
    )
}
"""Every type of event, by its name."""


def to_dict(event: StreamEvent) -> dict[str, Any]:
    """The event as JSON holds it: ``type`` first, times as text, sets as sorted lists."""
    told: dict[str, Any] = {"type": event.type}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, datetime):
            value = to_text(value)
        elif isinstance(value, frozenset):
            names: list[str] = [str(name) for name in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            value = sorted(names)
        told[field.name] = value
    return told
