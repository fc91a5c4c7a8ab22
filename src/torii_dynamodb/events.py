"""What happened: one frozen class an event (RFC 0001).

An event tells who, when and how; never a password, a token or a hash. Its ``name`` is stable, for logs and queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

__all__ = [
    "EmailChanged",
    "EmailVerified",
    "Event",
    "MailFailed",
    "MailSent",
    "OAuthLinked",
    "OAuthUnlinked",
    "PasskeyAdded",
    "PasskeyRemoved",
    "PasswordChanged",
    "PasswordRemoved",
    "PasswordReset",
    "SessionEnded",
    "SessionRotated",
    "SessionsEnded",
    "SignInFailed",
    "SignInMethod",
    "UserCreated",
    "UserDeleted",
    "UserLocked",
    "UserSignedIn",
    "UserUnlocked",
]

SignInMethod = Literal["password", "magic_link", "oauth", "passkey", "password_reset", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all events.

    Args:
        at: When.
        user_id: Whom it is about; ``None`` where nobody is known (a failed sign-in to an unknown address).
    """

    name: ClassVar[str] = "event"

    at: datetime
    user_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    """Somebody signed up.

    Args:
        email: The address, normalised.
        method: How.
    """

    name = "user.created"

    email: str
    method: SignInMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDeleted(Event):
    """A user and all its identities are gone."""

    name = "user.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLocked(Event):
    """An administrator locked the account; its sessions ended."""

    name = "user.locked"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUnlocked(Event):
    """An administrator lifted the lock."""

    name = "user.unlocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSignedIn(Event):
    """Somebody signed in.

    Args:
        session_id: The new session.
        method: How.
        provider: Through which provider, for ``method="oauth"``.
        ip_address: From where.
        user_agent: By what.
        known_device: Whether the browser proved to have signed this user in before; ``None`` where that was not asked.
    """

    name = "user.signed_in"

    session_id: str
    method: SignInMethod
    provider: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    known_device: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFailed(Event):
    """Somebody tried to sign in and was refused.

    Args:
        method: How.
        reason: ``"credentials"``; ``"lockout"`` (too many attempts); ``"locked"`` (by an administrator);
            ``"unverified"`` (the password was right; whoever tried is told that it was wrong).
        email: The address that was tried, normalised; ``None`` where none was named.
        provider: Through which provider, for ``method="oauth"``.
        ip_address: From where.
        user_agent: By what.
        retry_after: For a lockout: how long until the next attempt is taken.
    """

    name = "user.sign_in_failed"

    method: SignInMethod
    reason: Literal["credentials", "lockout", "locked", "unverified"]
    email: str | None = None
    provider: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """One session was ended.

    Args:
        session_id: Which.
    """

    name = "session.ended"

    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRotated(Event):
    """A session was replaced by one with another token.

    Args:
        old_session_id: The one that ended.
        session_id: The one that goes on.
    """

    name = "session.rotated"

    old_session_id: str
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsEnded(Event):
    """All of a user's sessions were ended.

    Args:
        kept_session_id: The session made anew for the device that asked; ``None`` when all are gone.
    """

    name = "sessions.ended"

    kept_session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """A password was set or replaced by its owner; all sessions ended.

    Args:
        first: Whether there was none before.
    """

    name = "password.changed"

    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset(Event):
    """A password was set by a link sent to the address; all sessions ended."""

    name = "password.reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRemoved(Event):
    """A password was taken away; all sessions ended."""

    name = "password.removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailVerified(Event):
    """Somebody proved to own the address.

    Args:
        email: The address, normalised.
    """

    name = "email.verified"

    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChanged(Event):
    """A user has another address, and proved to own it.

    Args:
        old_email: The address until now, normalised.
        email: The address from now on, normalised.
    """

    name = "email.changed"

    old_email: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthLinked(Event):
    """An account at a provider was linked.

    Args:
        provider: At which provider.
    """

    name = "oauth.linked"

    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthUnlinked(Event):
    """An account at a provider was unlinked.

    Args:
        provider: At which provider.
    """

    name = "oauth.unlinked"

    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyAdded(Event):
    """A passkey was added.

    Args:
        credential_id: The authenticator's id for it, base64url.
        passkey_name: What the person calls it.
    """

    name = "passkey.added"

    credential_id: str
    passkey_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRemoved(Event):
    """A passkey was removed.

    Args:
        credential_id: The authenticator's id for it, base64url.
    """

    name = "passkey.removed"

    credential_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSent(Event):
    """A mail was handed to the mailer.

    Args:
        template: Which one.
    """

    name = "mail.sent"

    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFailed(Event):
    """A mail could not be made or handed over; the log has the error.

    Args:
        template: Which one.
        error: The error's class.
    """

    name = "mail.failed"

    template: str
    error: str
