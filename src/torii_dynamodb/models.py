"""What the storage takes and returns: frozen dataclasses.

Every datetime is aware and in UTC. Secrets and internals are left out of ``repr`` and of what serialisers see
(``dataclasses.asdict``, orjson, pydantic, FastAPI's responses): read them by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from torii_dynamodb._rules.guarded import guarded

if TYPE_CHECKING:
    from torii_dynamodb.errors import CorruptItem

__all__ = [
    "EMAIL_VERIFICATION",
    "MAGIC_LINK",
    "PASSWORD_RESET",
    "UNSET",
    "AttemptKind",
    "AttemptResult",
    "CeremonyKind",
    "EmailCodePurpose",
    "Factor",
    "FactorKind",
    "FailedAttempt",
    "Health",
    "Listing",
    "LockoutPolicy",
    "LockoutStatus",
    "Metadata",
    "MetadataValue",
    "NewFactor",
    "NewOAuthAccount",
    "NewPasskey",
    "NewPasskeyChallenge",
    "NewSession",
    "NewToken",
    "NewUser",
    "OAuthAccount",
    "Page",
    "Passkey",
    "PasskeyChallenge",
    "PasswordCredentials",
    "PendingEmailChange",
    "PkceVerifier",
    "Session",
    "SignedIn",
    "Token",
    "Unset",
    "User",
    "VerifiedToken",
]

MetadataValue: TypeAlias = (
    "None | bool | int | float | Decimal | str | bytes | Sequence[MetadataValue] | Mapping[str, MetadataValue]"
)
"""What metadata may contain. It comes back equal and of the same type (``1`` an int, ``1.0`` a float)."""

Metadata: TypeAlias = Mapping[str, MetadataValue]

T = TypeVar("T")


def _nothing() -> dict[str, Any]:
    return {}


class Unset(Enum):
    """The type of :data:`UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Means "leave as it is", where ``None`` is a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The result of a health check.

    Args:
        healthy: Whether every table could be read.
        latency: How long the check took, in seconds.
        tables: For each table ``"ok"``, or what was wrong.
        cache: ``"ok"``, or what was wrong with the cache, which does not make the storage unhealthy: checks do without
            it. ``None`` if there is none.
    """

    healthy: bool
    latency: float
    tables: Mapping[str, str]
    cache: str | None = None


@guarded
@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a longer list.

    Args:
        items: The items on this page; may be empty although more pages follow.
        next_cursor: Pass it to get the next page; ``None`` if this is the last.
        corrupt: The items of this page that cannot be read, each with its ``key``; empty unless something else wrote to
            the tables. ``torii-dynamodb verify`` checks all of them.
    """

    items: Sequence[T]
    next_cursor: str | None = None
    corrupt: Sequence[CorruptItem] = field(default=(), repr=False)


class Listing(list[T]):
    """A complete list that also reports what could not be read, so that one broken row does not hide the others.

    Attributes:
        corrupt: The items that cannot be read, each with its ``key``; empty unless something else wrote to the tables.
    """

    __slots__ = ("corrupt",)

    def __init__(self, items: Iterable[T] = (), corrupt: Sequence[CorruptItem] = ()) -> None:
        super().__init__(items)
        self.corrupt = tuple(corrupt)


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
    metadata: Metadata = field(default_factory=_nothing)


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
    token_serials: Mapping[str, str] = field(default_factory=_nothing, repr=False)
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
    metadata: Metadata = field(default_factory=_nothing)
    amr: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    second_factor_at: datetime | None = None


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


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredentials:
    """What a sign-in with a password needs, from one strongly consistent read.

    Args:
        user_id: The user.
        email: The normalised address.
        password_hash: The hash, as the hasher returned it; ``None`` if the user has no password.
        password_version: Equal to the user's while the hash is the current one.
    """

    user_id: str
    email: str
    password_hash: str | None = field(repr=False)
    password_version: str | None = field(repr=False)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class NewOAuthAccount:
    """An account at a provider, to link to a user.

    Args:
        provider: 1 to 32 of ``a-z 0-9 _ -``, for example ``"google"``.
        subject: The provider's id for the person (OpenID Connect's ``sub``), up to 255 bytes. Never an email address.
        email: The address that the provider gives, for display.
        profile: What else the provider says about the person; not shown in ``repr``.
        tokens: The provider's tokens, if you call its API later. Stored as given, so seal them first if your threat
            model needs more than DynamoDB's encryption at rest. Not shown in ``repr``.
    """

    provider: str
    subject: str
    email: str | None = None
    profile: Metadata = field(default_factory=_nothing, repr=False)
    tokens: Metadata = field(default_factory=_nothing, repr=False)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthAccount:
    """A linked account at a provider: the fields of :class:`NewOAuthAccount`, its user, and its times."""

    provider: str
    subject: str
    user_id: str
    email: str | None
    profile: Metadata = field(repr=False)
    tokens: Metadata = field(repr=False)
    created_at: datetime
    updated_at: datetime


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class PkceVerifier:
    """A PKCE code verifier (RFC 7636), stored while the person is at the provider.

    Args:
        verifier: The secret; stored encrypted under the state, of which only the hash is stored.
        expires_at: From this moment on it is refused.
        metadata: Anything of yours (where to go next, the nonce, ...), encrypted with the verifier.
    """

    verifier: str = field(repr=False)
    expires_at: datetime
    metadata: Metadata = field(default_factory=_nothing, repr=False)


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
    metadata: Metadata = field(default_factory=_nothing)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyChallenge:
    """What was stored with a challenge."""

    kind: CeremonyKind
    user_id: str | None
    created_at: datetime
    expires_at: datetime
    metadata: Metadata


EmailCodePurpose: TypeAlias = Literal["magic_link", "email_verification", "password_reset"]
FactorKind: TypeAlias = Literal["totp", "recovery"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class NewFactor:
    """An authenticator app to add to a user as a second factor. Its first code was verified.

    Args:
        user_id: The user.
        id: 1 to 64 of ``A-Z a-z 0-9 _ -``; not ``recovery`` or ``passkey``. Give the same id to repeat a call safely.
        secret: The seed, sealed (:class:`~torii_dynamodb.secret_box.SecretBox`): stored as given.
        name: What the person calls it, up to 64 characters.
        last_step: The time step of the verified code. It and earlier ones are never accepted.
    """

    user_id: str
    id: str
    secret: bytes = field(repr=False)
    last_step: int
    name: str = "Authenticator app"


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A second factor, as stored.

    Args:
        user_id: The user.
        id: Its id; ``recovery`` for the recovery codes.
        kind: ``"totp"`` for an authenticator app, ``"recovery"`` for recovery codes.
        name: What the person calls it.
        created_at: When it was added; for recovery codes, when they were made.
        last_used_at: When it was last used to sign in; ``None`` if it never was.
        secret: The sealed seed of an authenticator app.
        last_step: The last time step that was accepted.
        marks: The stored marks of the recovery codes that are left.
    """

    user_id: str
    id: str
    kind: FactorKind
    name: str
    created_at: datetime
    last_used_at: datetime | None
    secret: bytes | None = field(default=None, repr=False)
    last_step: int | None = field(default=None, repr=False)
    marks: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def codes_left(self) -> int:
        """How many recovery codes are left."""
        return len(self.marks)


MAGIC_LINK: Final = "magic_link"
PASSWORD_RESET: Final = "password_reset"
EMAIL_VERIFICATION: Final = "email_verification"


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
    metadata: Metadata = field(default_factory=_nothing)
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


AttemptKind: TypeAlias = Literal["login", "ip", "mail", "device", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutPolicy:
    """How many attempts are allowed in what time.

    Args:
        max_attempts: The most attempts in any window; 1 to 20.
        window: The length of the window, at least a second.
        retention: How long the audit of failed attempts is kept.
        enabled: ``False`` allows every attempt and writes nothing.
    """

    max_attempts: int = 5
    window: timedelta = timedelta(minutes=15)
    retention: timedelta = timedelta(days=7)
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """Whether an attempt is allowed.

    Args:
        allowed: Whether it is. Only then may the password be verified.
        attempt_id: Identifies the attempt, if it is allowed and was counted; otherwise empty.
        retry_after: If it is not allowed: how long until the next one is.
    """

    allowed: bool
    attempt_id: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutStatus:
    """The lockout status of an address.

    Args:
        locked: Whether an attempt would be refused now.
        attempts: How many attempts there were in the current window.
        retry_after: How long until the next attempt is allowed; ``None`` if one is allowed now.
    """

    locked: bool
    attempts: int
    retry_after: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An audit row: a sign-in that failed.

    Args:
        attempt_id: The attempt's id.
        at: When it was made.
        ip_address: Where it came from.
        user_agent: The browser's ``User-Agent``.
    """

    attempt_id: str
    at: datetime
    ip_address: str | None
    user_agent: str | None
