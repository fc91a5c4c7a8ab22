"""The arguments, checked and cleaned before anything is read: each function returns what may be stored, or raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from torii_dynamodb._rules import times, validation
from torii_dynamodb._rules.emails import Email, normalise_email
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import (
    CeremonyKind,
    Metadata,
    MetadataValue,
    NewOAuthAccount,
    NewPasskey,
    NewPasskeyChallenge,
    NewSession,
    NewToken,
    NewUser,
    Unset,
    User,
)

__all__ = [
    "attempt_id",
    "ceremony",
    "challenge",
    "consistent",
    "credential_id",
    "display_email",
    "display_name",
    "flag",
    "limit",
    "metadata",
    "new_challenge",
    "new_oauth_account",
    "new_passkey",
    "new_session",
    "new_token",
    "new_user",
    "own",
    "passkey_name",
    "seconds",
    "sign_count",
    "to_come",
    "user_read",
    "version",
]

# As acquire_login_attempt makes them. The grammar keeps an audit row from taking the place of the register's.
_ATTEMPT_ID = re.compile(r"[0-9]{13,16}#[0-9A-Za-z_-]{1,64}", re.ASCII)


def own(value: Metadata) -> dict[str, MetadataValue]:
    """A copy in which nothing is shared with the caller's."""
    return {key: _own(inner) for key, inner in value.items()}


def _own(value: MetadataValue) -> MetadataValue:
    if isinstance(value, Mapping):
        return own(value)
    if isinstance(value, list):
        return [_own(inner) for inner in value]
    return value


def metadata(value: object, field: str = "metadata") -> Metadata:
    """Metadata that can be stored, copied."""
    return own(validation.metadata(value, field))


def seconds(value: object, field: str = "expires_at") -> datetime:
    """A moment in whole seconds, rounded down, as DynamoDB's TTL counts."""
    return times.from_epoch_seconds(times.epoch_seconds(validation.moment(value, field)))


def to_come(value: object, now: datetime) -> datetime:
    """When something new expires: not before now, in whole seconds."""
    if validation.moment(value, "expires_at") <= now:
        raise ValidationError("expires_at", "has passed; give a moment to come")
    return seconds(value)


def flag(value: object, field: str) -> bool:
    """``True`` or ``False``."""
    return validation.flag(value, field)


def consistent(value: object) -> None:
    """``consistent``: memory knows one consistency only, the strong one."""
    if value is not None:
        validation.flag(value, "consistent")


def display_name(value: object) -> str | None:
    """A user's name, up to 256 characters; ``None`` for none."""
    return None if value is None else validation.text(value, "name", most=256)


def display_email(value: object) -> str | None:
    """An address for display only: what a provider tells need not be one that we could normalise."""
    return None if value is None else validation.text(value, "email", most=320)


def limit(value: object) -> int:
    """How many at most: 1 to 1,000."""
    return validation.integer(value, "limit", least=1, most=1000)


def version(value: object) -> str | None | Unset:
    """A ``password_version`` as read, ``None`` or UNSET."""
    if value is None or isinstance(value, Unset):
        return value
    return validation.text(value, "expected_version", most=128)


def user_read(value: object, user_id: str | None = None) -> User | None:
    """A user as read before; where an id is given, that one's."""
    if value is None:
        return None
    validation.instance(value, "user", User)
    user = cast("User", value)
    validation.user_id(user.id, "user")
    if user_id is not None and user.id != user_id:
        raise ValidationError("user", "is another user than user_id names; give the one that was authenticated")
    return user


def new_user(value: object) -> tuple[NewUser, Email]:
    """A user to create, and both forms of the address."""
    validation.instance(value, "new_user", NewUser)
    given = cast("NewUser", value)
    email = normalise_email(given.email)
    verified = given.email_verified_at
    return (
        NewUser(
            email=email.normalised,
            id=None if given.id is None else validation.user_id(given.id, "id"),
            name=display_name(given.name),
            email_verified_at=None if verified is None else validation.moment(verified, "email_verified_at"),
            metadata=metadata(given.metadata),
        ),
        email,
    )


def new_session(value: object, now: datetime) -> NewSession:
    """A session to create."""
    validation.instance(value, "new_session", NewSession)
    given = cast("NewSession", value)
    return NewSession(
        user_id=validation.user_id(given.user_id),
        expires_at=to_come(given.expires_at, now),
        user_agent=validation.user_agent(given.user_agent),
        ip_address=validation.ip_address(given.ip_address),
        metadata=metadata(given.metadata),
    )


def new_oauth_account(value: object) -> NewOAuthAccount:
    """An account to link."""
    validation.instance(value, "account", NewOAuthAccount)
    given = cast("NewOAuthAccount", value)
    return NewOAuthAccount(
        provider=validation.provider(given.provider),
        subject=validation.subject(given.subject),
        email=display_email(given.email),
        profile=metadata(given.profile, "profile"),
        tokens=metadata(given.tokens, "tokens"),
    )


def new_passkey(value: object) -> NewPasskey:
    """A passkey to add."""
    validation.instance(value, "new_passkey", NewPasskey)
    given = cast("NewPasskey", value)
    if not isinstance(given.transports, tuple) or len(given.transports) > 16:
        raise ValidationError("transports", "give a tuple of at most 16 names")
    return NewPasskey(
        user_id=validation.user_id(given.user_id),
        credential_id=credential_id(given.credential_id),
        public_key=validation.binary(given.public_key, "public_key", most=4096),
        sign_count=sign_count(given.sign_count),
        name=passkey_name(given.name),
        transports=tuple(validation.text(entry, "transports", most=32) for entry in given.transports),
        aaguid=None if given.aaguid is None else validation.text(given.aaguid, "aaguid", most=64),
        backed_up=validation.flag(given.backed_up, "backed_up"),
        backup_eligible=backup_state(given.backup_eligible, given.backed_up).get("backup_eligible"),
    )


def backup_state(eligible: object, backed_up: object) -> dict[str, Any]:
    """What is told of a passkey's backups."""
    told: dict[str, bool] = {}
    if backed_up is not None:
        told["backed_up"] = validation.flag(backed_up, "backed_up")
    if eligible is not None:
        told["backup_eligible"] = validation.flag(eligible, "backup_eligible")
    if told.get("backed_up") and not told.setdefault("backup_eligible", True):
        raise ValidationError("backup_eligible", "a passkey that is backed up can be")
    return told


def credential_id(value: object) -> bytes:
    """A passkey's id."""
    return validation.binary(value, "credential_id", most=1023)


def sign_count(value: object) -> int:
    """An authenticator's counter: 32 bits, unsigned (WebAuthn Level 3, 6.1)."""
    return validation.integer(value, "sign_count", least=0, most=2**32 - 1)


def passkey_name(value: object) -> str:
    """What a person calls a passkey."""
    return validation.text(value, "name", most=64)


def challenge(value: object) -> bytes:
    """A WebAuthn challenge."""
    return validation.binary(value, "challenge", least=16, most=64)


def ceremony(value: object) -> CeremonyKind:
    """Which WebAuthn ceremony."""
    if value == "registration":
        return "registration"
    if value == "authentication":
        return "authentication"
    raise ValidationError("kind", "is no ceremony; give 'registration' or 'authentication'")


def new_challenge(value: object, now: datetime) -> NewPasskeyChallenge:
    """A challenge to remember."""
    validation.instance(value, "challenge", NewPasskeyChallenge)
    given = cast("NewPasskeyChallenge", value)
    return NewPasskeyChallenge(
        challenge=challenge(given.challenge),
        kind=ceremony(given.kind),
        expires_at=to_come(given.expires_at, now),
        user_id=None if given.user_id is None else validation.user_id(given.user_id),
        metadata=metadata(given.metadata),
    )


def new_token(value: object, now: datetime) -> NewToken:
    """A token to issue."""
    validation.instance(value, "new_token", NewToken)
    given = cast("NewToken", value)
    cleaned = replace(
        given,
        purpose=validation.purpose(given.purpose),
        expires_at=to_come(given.expires_at, now),
        user_id=None if given.user_id is None else validation.user_id(given.user_id),
        email=None if given.email is None else normalise_email(given.email).normalised,
        metadata=metadata(given.metadata),
        revoke_earlier=validation.flag(given.revoke_earlier, "revoke_earlier"),
    )
    if cleaned.user_id is not None and cleaned.email is not None:
        raise ValidationError("email", "is for a token without a user; a user's token is bound to the user's address")
    if cleaned.user_id is None and cleaned.email is None:
        raise ValidationError("user_id", "give user_id, or email for a token without a user: it must be bound to one")
    if cleaned.user_id is None and cleaned.revoke_earlier:
        raise ValidationError("revoke_earlier", "needs a user_id: only a user's tokens can be revoked together")
    return cleaned


def attempt_id(value: object) -> str:
    """An attempt's name, as ``AttemptResult.attempt_id`` tells it."""
    if not isinstance(value, str) or not _ATTEMPT_ID.fullmatch(value):
        raise ValidationError("attempt_id", "is no attempt's id: give AttemptResult.attempt_id of one that was allowed")
    return value
