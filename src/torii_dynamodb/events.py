"""Events: one frozen class for each (RFC 0001).

An event says who, when and how; it never contains a password, a token or a hash. Its ``name`` is stable, for logs and
queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

__all__ = [
    "EmailChanged",
    "EmailVerified",
    "Event",
    "LegacyFailed",
    "MailFailed",
    "MailSent",
    "OAuthLinked",
    "OAuthUnlinked",
    "PasskeyAdded",
    "PasskeyRemoved",
    "PasswordChanged",
    "PasswordRemoved",
    "PasswordReset",
    "RecoveryCodeUsed",
    "RecoveryCodesReplaced",
    "SecondFactorAdded",
    "SecondFactorRemoved",
    "SessionEnded",
    "SessionRotated",
    "SessionsEnded",
    "SignInFailed",
    "SignInMethod",
    "SignUpMethod",
    "UserCreated",
    "UserDeleted",
    "UserLocked",
    "UserSignedIn",
    "UserUnlocked",
]

SignInMethod = Literal["password", "magic_link", "email_code", "oauth", "passkey", "password_reset", "custom"]

SignUpMethod = Literal[SignInMethod, "legacy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events.

    Args:
        at: When it happened.
        user_id: The user it is about; ``None`` if there is none (a failed sign-in to an unknown address).
        tenant: The user's tenant; ``None`` outside of any. The services set it.
    """

    name: ClassVar[str] = "event"

    at: datetime
    user_id: str | None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    """A user signed up.

    Args:
        email: The address, normalised.
        method: How; ``"legacy"`` for a user of another system who was migrated at the first sign-in.
    """

    name = "user.created"

    email: str
    method: SignUpMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDeleted(Event):
    """A user was deleted, with all its identities."""

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
    """A user signed in.

    Args:
        session_id: The new session.
        method: How.
        provider: The provider, for ``method="oauth"``.
        ip_address: The client's address.
        user_agent: The client's ``User-Agent``.
        known_device: Whether the browser proved that this user signed in there before; ``None`` if that was not
            checked.
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
    """An attempt to sign in was refused.

    Args:
        method: How.
        reason: ``"credentials"``; ``"lockout"`` (too many attempts); ``"locked"`` (by an administrator);
            ``"unverified"`` (the password was right, but the response says that it was wrong).
        email: The address that was tried, normalised; ``None`` if there was none.
        provider: The provider, for ``method="oauth"``.
        ip_address: The client's address.
        user_agent: The client's ``User-Agent``.
        retry_after: For a lockout, how long until the next attempt is accepted.
    """

    name = "user.sign_in_failed"

    method: SignInMethod
    reason: Literal["credentials", "lockout", "locked", "unverified", "second_factor"]
    email: str | None = None
    provider: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """A session was ended.

    Args:
        session_id: The session.
    """

    name = "session.ended"

    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRotated(Event):
    """A session was replaced by one with another token.

    Args:
        old_session_id: The one that ended.
        session_id: The one that replaced it.
    """

    name = "session.rotated"

    old_session_id: str
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsEnded(Event):
    """All of a user's sessions were ended.

    Args:
        kept_session_id: The new session for the device that asked; ``None`` if no session is left.
    """

    name = "sessions.ended"

    kept_session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """A password was set or replaced; all sessions ended.

    Args:
        first: Whether there was none before.
        by_administrator: Whether an administrator set it, not the owner.
    """

    name = "password.changed"

    first: bool = False
    by_administrator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset(Event):
    """A password was set with a link sent to the address; all sessions ended."""

    name = "password.reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRemoved(Event):
    """A password was removed; all sessions ended."""

    name = "password.removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorAdded(Event):
    """A user set up a second factor.

    Args:
        kind: The kind of factor.
        factor_id: The authenticator app; ``None`` for passkeys.
    """

    name = "second_factor.added"

    kind: Literal["totp", "passkey"]
    factor_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorRemoved(Event):
    """A second factor is gone.

    Args:
        kind: The kind of factor; ``"all"`` when all were removed at once.
        factor_id: The authenticator app, if one was removed.
        by_administrator: Whether an administrator removed it.
    """

    name = "second_factor.removed"

    kind: Literal["totp", "passkey", "recovery", "all"]
    factor_id: str | None = None
    by_administrator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesReplaced(Event):
    """A user has new recovery codes; earlier ones no longer work."""

    name = "recovery_codes.replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodeUsed(Event):
    """Somebody signed in with a recovery code.

    Args:
        left: How many are left.
    """

    name = "recovery_codes.used"

    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailVerified(Event):
    """A user proved to own the address.

    Args:
        email: The address, normalised.
        by_administrator: Whether there was no proof: an administrator vouched for it.
    """

    name = "email.verified"

    email: str
    by_administrator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChanged(Event):
    """A user changed the address, and proved to own the new one.

    Args:
        old_email: The old address, normalised.
        email: The new address, normalised.
        by_administrator: Whether an administrator changed it; then the new one is not proved yet.
    """

    name = "email.changed"

    old_email: str
    email: str
    by_administrator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthLinked(Event):
    """An account at a provider was linked.

    Args:
        provider: The provider.
    """

    name = "oauth.linked"

    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthUnlinked(Event):
    """An account at a provider was unlinked.

    Args:
        provider: The provider.
    """

    name = "oauth.unlinked"

    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyAdded(Event):
    """A passkey was added.

    Args:
        credential_id: The authenticator's id for it, base64url.
        passkey_name: The name that the user gave it.
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
class LegacyFailed(Event):
    """The other system that users are migrated from failed, or refused a user who is not known here.

    For the person it is a wrong password.

    Args:
        email: The address, normalised.
        reason: Why: what the other system said, or the class of its error.
    """

    name = "legacy.failed"

    email: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSent(Event):
    """A mail was passed to the mailer.

    Args:
        template: The mail's template.
    """

    name = "mail.sent"

    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFailed(Event):
    """A mail could not be rendered or sent; the log has the error.

    Args:
        template: The mail's template.
        error: The error's class.
    """

    name = "mail.failed"

    template: str
    error: str
