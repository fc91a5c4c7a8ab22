"""What becomes of a user of another system: ids, password hashes and second factors as they are stored here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Protocol

from torii_dynamodb._rules import foreign_hashes, totp, validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.legacy import ImportedUser, LegacyTotp, LegacyUser
from torii_dynamodb.models import Factor, NewUser, OAuthAccount, Passkey

__all__ = ["Converted", "Sealer", "converted", "imported_id"]

_VALID_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# RFC 4226, 4 (R6) wants 16 bytes; Google Authenticator's own seeds have 10.
_MIN_SEED: Final = 10


class Sealer(Protocol):
    """Seals seeds: a :class:`~torii_dynamodb.secret_box.SecretBox`."""

    def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """Seal."""
        ...


@dataclass(frozen=True, slots=True)
class Converted:
    """A user to import, and what of the other system's user is left behind.

    Args:
        user: The user to import.
        left_behind: What is not imported, for people: ``"the second factor sms"``.
    """

    user: ImportedUser
    left_behind: tuple[str, ...] = ()


def imported_id(legacy: LegacyUser, source: str) -> str:
    """Return the id that a user gets: always the same, so that a repeated import recognises its own users.

    Args:
        legacy: The user.
        source: The system's name: equal ids of two systems are two users.
    """
    if legacy.id is not None and _VALID_ID.fullmatch(legacy.id):
        return legacy.id
    known_by = ("id", legacy.id) if legacy.id is not None else ("email", normalise_email(legacy.email).normalised)
    digest = sha256("\0".join((source, *known_by)).encode(errors="surrogatepass"))
    return f"usr_{digest.hexdigest()[:32]}"


def converted(
    legacy: LegacyUser,
    *,
    source: str,
    now: datetime,
    box: Sealer | None,
    without_passwords: bool = False,
    without_second_factors: bool = False,
) -> Converted:
    """Return the user to import.

    Args:
        legacy: The user of the other system.
        source: The system's name.
        now: For times that the other system does not know.
        box: Seals the seeds of authenticator apps; ``None`` if there is no secret to seal under.
        without_passwords: Whether a hash that can never be verified is left behind, instead of refusing the user.
        without_second_factors: Whether second factors that cannot be moved are left behind, instead of refusing a user
            who would be left with none.

    Raises:
        ValidationError: The user cannot be imported; the reason is for people and has no secret. Whatever only the
            storage knows the limits of is not checked.
    """
    validation.instance(legacy, "user", LegacyUser)
    user_id = imported_id(legacy, source)
    created_at = legacy.created_at or now
    password_hash, no_password = _password_hash(legacy, without_passwords=without_passwords)
    factors, lost = _factors(legacy, user_id, created_at, box)
    protected = factors or (legacy.passkeys_are_second_factor and legacy.passkeys)
    if lost and not protected and not without_second_factors:
        raise ValidationError(
            "second factors", f"{lost[0]}; imported without it, the account would lose its protection"
        )
    verified_at = legacy.email_verified_at or (created_at if legacy.email_verified else None)
    user = ImportedUser(
        user=NewUser(
            email=legacy.email,
            id=user_id,
            name=legacy.name or None,
            email_verified_at=verified_at,
            metadata=legacy.metadata,
        ),
        created_at=created_at,
        locked_at=legacy.locked_at or (now if legacy.locked else None),
        password_hash=password_hash,
        accounts=tuple(
            OAuthAccount(
                provider=one.provider,
                subject=one.subject,
                user_id=user_id,
                email=one.email,
                profile=one.profile,
                tokens={},
                created_at=one.created_at or created_at,
                updated_at=one.created_at or created_at,
            )
            for one in legacy.accounts
        ),
        passkeys=tuple(
            Passkey(
                user_id=user_id,
                credential_id=one.credential_id,
                public_key=one.public_key,
                sign_count=one.sign_count,
                name=one.name,
                transports=one.transports,
                aaguid=one.aaguid,
                backed_up=one.backed_up,
                backup_eligible=one.backup_eligible,
                created_at=one.created_at or created_at,
                last_used_at=one.last_used_at,
                imported=one.imported,
            )
            for one in legacy.passkeys
        ),
        passkeys_are_second_factor=legacy.passkeys_are_second_factor,
        factors=factors,
        disconnected=legacy.disconnected,
    )
    return Converted(user, (*no_password, *(f"a second factor: {reason}" for reason in lost)))


def _password_hash(legacy: LegacyUser, *, without_passwords: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return the hash to store, and that it is left behind if it is."""
    if legacy.password_hash is None:
        return None, ()
    try:
        text = foreign_hashes.convert(legacy.password_hash)
        stored = foreign_hashes.parse(text)
        if stored is not None:
            foreign_hashes.kind_for(stored)
        return text, ()
    except ValidationError as error:
        problem = error.reason
    except ConfigurationError as error:
        problem = f"takes more work than is accepted: {error.message}"
    if not without_passwords:
        raise ValidationError("password_hash", problem)
    return None, ("the password",)


def _factors(
    legacy: LegacyUser, user_id: str, created_at: datetime, box: Sealer | None
) -> tuple[tuple[Factor, ...], list[str]]:
    """Return the factors to store, and why others cannot be."""
    kept: list[Factor] = []
    lost = [f"{name} cannot be moved" for name in legacy.other_factors]
    for number, app in enumerate(legacy.totp, 1):
        problem = _unusable(app)
        if problem is None and box is None:
            problem = "the seed of an authenticator app needs the application's secret"
        if problem is not None or box is None:
            lost.append(str(problem))
            continue
        factor_id = f"app{number}"
        kept.append(
            Factor(
                user_id=user_id,
                id=factor_id,
                kind="totp",
                name=app.name,
                created_at=app.created_at or created_at,
                last_used_at=None,
                secret=box.seal(app.seed, associated=totp.associated(user_id, factor_id)),
                last_step=0,
            )
        )
    return tuple(kept), lost


def _unusable(app: LegacyTotp) -> str | None:
    if (app.algorithm.upper().replace("-", "").removeprefix("HMAC"), app.digits, app.period) != ("SHA1", 6, 30):
        return "an authenticator app has other settings than SHA-1, 6 digits and 30 seconds"
    if len(app.seed) < _MIN_SEED:
        return f"the seed of an authenticator app has fewer than {_MIN_SEED} bytes"
    return None
