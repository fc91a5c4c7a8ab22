"""A user of another system, as the import and ``legacy=`` take it, and as the storage is given it.

``torii-dynamodb users import`` reads these from files (``docs/moving-in.md``). Write a reader of your own, or the
callable that migrates people at their first sign-in, by returning them.

They are checked when they are imported, not when they are created: a reader need not know this library's limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb.models import Factor, Metadata, MetadataValue, NewUser, OAuthAccount, Passkey

__all__ = ["ImportedUser", "LegacyAccount", "LegacyPasskey", "LegacyRefused", "LegacyTotp", "LegacyUser"]


class LegacyRefused(Exception):
    """Another system refuses a sign-in although the password may be right. For the person it is a wrong password.

    Args:
        reason: Why, for the log and the event ``LegacyFailed``: ``"NEW_PASSWORD_REQUIRED"``. Never a secret.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _nothing() -> Mapping[str, MetadataValue]:
    return {}


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyAccount:
    """An account at an OAuth provider that the user signs in with.

    Args:
        provider: The provider's name in your application: 1 to 32 of ``a-z 0-9 _ -``.
        subject: The provider's id for the person (OpenID Connect's ``sub``), never an email address.
        email: The address that the provider gives, for display.
        profile: What else the provider says about the person.
        created_at: When it was linked, if known.
    """

    provider: str
    subject: str
    email: str | None = None
    profile: Metadata = field(default_factory=_nothing, repr=False)
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyPasskey:
    """A passkey. It keeps working only if your application has the same relying party id (its domain) as before.

    Args:
        credential_id: The authenticator's id for it.
        public_key: The public key in COSE form, as the authenticator gave it (WebAuthn Level 3, 6.5.1.1).
        sign_count: The authenticator's counter, as last seen.
        name: The person's name for it.
        transports: How the browser may reach it (``"internal"``, ``"usb"``, ...).
        aaguid: The authenticator's model, if known.
        backed_up: Whether it is synchronised between devices.
        backup_eligible: Whether it ever can be; ``None`` if not known.
        created_at: When it was added, if known.
        last_used_at: When it was last used, if known.
        imported: Whether the authenticator may know the user by another id than the user has here.
    """

    credential_id: bytes
    public_key: bytes
    sign_count: int = 0
    name: str = "Passkey"
    transports: tuple[str, ...] = ()
    aaguid: str | None = None
    backed_up: bool = False
    backup_eligible: bool | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    imported: bool = True


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyTotp:
    """An authenticator app.

    Args:
        seed: The seed itself, not its base32 text.
        name: What the person calls the app.
        algorithm: Only ``"SHA1"`` can be imported; apps with another one have to be set up again.
        digits: Only 6 can be imported.
        period: Seconds for each code. Only 30 can be imported.
        created_at: When it was set up, if known.
    """

    seed: bytes = field(repr=False)
    name: str = "Authenticator app"
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30
    created_at: datetime | None = None


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyUser:
    """A user of another system.

    Args:
        email: The address, as the person wrote it.
        id: The user's id there. It is kept if it is a valid id here (1 to 64 of ``A-Z a-z 0-9 _ -``), and otherwise
            determines the id here. ``None``: the address determines it.
        name: A display name.
        email_verified: Whether the other system has proof that the address is theirs. If in doubt, ``False``: whoever
            registered an unproven address loses what they set up when its owner proves it.
        email_verified_at: When that was; implies ``email_verified``.
        password_hash: The hash in one of the forms that :class:`~torii_dynamodb.hashes.ImportedHashes` verifies;
            ``None`` if the user has no password.
        created_at: When the user registered; ``None``: now.
        locked: Whether the account is disabled.
        locked_at: When it was disabled; implies ``locked``.
        metadata: Anything else that your application wants to keep.
        accounts: Accounts at OAuth providers.
        passkeys: Passkeys.
        passkeys_are_second_factor: Whether the passkeys also count as a second factor after a password.
        totp: Authenticator apps.
        other_factors: Second factors that cannot be moved, by name (``"sms"``, ...). A user who has some is refused
            unless the import is told to give up second factors: nobody loses their protection unnoticed.
        disconnected: Providers that the user has unlinked: another account there is not linked just because it has the
            user's address.
    """

    email: str
    id: str | None = None
    name: str | None = None
    email_verified: bool = False
    email_verified_at: datetime | None = None
    password_hash: str | None = field(default=None, repr=False)
    created_at: datetime | None = None
    locked: bool = False
    locked_at: datetime | None = None
    metadata: Metadata = field(default_factory=_nothing)
    accounts: tuple[LegacyAccount, ...] = ()
    passkeys: tuple[LegacyPasskey, ...] = ()
    passkeys_are_second_factor: bool = False
    totp: tuple[LegacyTotp, ...] = ()
    other_factors: tuple[str, ...] = ()
    disconnected: frozenset[str] = frozenset()


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedUser:
    """A user to create with everything that belongs to it, by ``import_user`` of the storage.

    Args:
        user: The user. Its ``id`` must be given: it makes a repeated import safe.
        created_at: When the user registered.
        locked_at: When the account was locked; ``None`` if it is not.
        password_hash: The hash in a hasher's format; ``None`` if there is no password.
        accounts: Accounts at providers, of this user.
        passkeys: Passkeys, of this user.
        passkeys_are_second_factor: Whether the passkeys also count as a second factor.
        factors: Authenticator apps, of this user, with their seeds sealed for this user and factor.
        disconnected: Providers that the user has unlinked.
    """

    user: NewUser
    created_at: datetime
    locked_at: datetime | None = None
    password_hash: str | None = field(default=None, repr=False)
    accounts: tuple[OAuthAccount, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    passkeys_are_second_factor: bool = False
    factors: tuple[Factor, ...] = field(default=(), repr=False)
    disconnected: frozenset[str] = frozenset()
