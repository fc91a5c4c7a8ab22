"""Keycloak: a realm's export with its users, or one of its files ``<realm>-users-<number>.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, users_of
from torii_dynamodb.admin.moving.shapes import (
    UNVERIFIABLE,
    address,
    full_name,
    has_keys,
    linked,
    note_unused,
    provider_name,
    records,
    text_bytes,
    unfolded,
)
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.hashes import from_keycloak
from torii_dynamodb.legacy import LegacyAccount, LegacyPasskey, LegacyTotp, LegacyUser
from torii_dynamodb.models import MetadataValue

__all__ = ["KEYCLOAK"]

_PASSWORD, _OTP, _SECOND_FACTOR, _PASSKEY = "password", "otp", "webauthn", "webauthn-passwordless"
_KNOWN: Final = (_PASSWORD, _OTP, _SECOND_FACTOR, _PASSKEY, "recovery-authn-codes", "password-history")
_KEPT: Final = ("username", "firstName", "lastName", "attributes", "groups", "realmRoles", "clientRoles")
_UNUSED: Final = {
    "requiredActions": "required actions",
    "federationLink": "the link to a user federation (LDAP), which has the password",
    "clientConsents": "consents",
}


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(records(file, array="users"), _user, who=("email", "username", "id"))


def _user(row: Fields) -> LegacyUser:
    if "serviceAccountClientId" in row:
        row.refuse("serviceAccountClientId", "this is the service account of a client, not a person")
    credentials = row.each("credentials")
    note_unused(row, _UNUSED)
    keys = [one for one in credentials if one.text("type") in (_SECOND_FACTOR, _PASSKEY)]
    apps = [one for one in credentials if one.text("type") == _OTP]
    if any(one.text("type") == "recovery-authn-codes" for one in credentials):
        row.notes.append("recovery codes")
    return LegacyUser(
        email=address(row),
        id=row.text("id"),
        name=full_name(row.text("firstName"), row.text("lastName")),
        email_verified=row.flag("emailVerified"),
        password_hash=_password(row, credentials),
        created_at=row.moment("createdTimestamp", unit=1000),
        locked=not row.flag("enabled", default=True),
        metadata={
            name: cast("MetadataValue", value)
            for name in _KEPT
            if (value := row.values.get(name)) not in (None, "", [], {})
        },
        accounts=linked(
            row,
            (
                LegacyAccount(
                    provider=provider_name(one.required_text("identityProvider")),
                    subject=one.identifier("userId") or one.refuse("userId", "is missing"),
                    profile={"username": name} if (name := one.text("userName")) else {},
                )
                for one in row.each("federatedIdentities")
            ),
        ),
        passkeys=tuple(_passkey(one) for one in keys),
        passkeys_are_second_factor=any(one.text("type") == _SECOND_FACTOR for one in keys),
        totp=tuple(app for one in apps if (app := _app(one)) is not None),
        other_factors=tuple(_other_factors(apps, credentials)),
    )


def _password(row: Fields, credentials: list[Fields]) -> str | None:
    found = next((one for one in credentials if one.text("type") == _PASSWORD), None)
    if found is None:
        return None
    if "hashedSaltedValue" in found:
        found.refuse("hashedSaltedValue", "is from Keycloak 7 or earlier; update Keycloak and export again")
    try:
        return from_keycloak(_data(found, "credentialData").values, _data(found, "secretData").values)
    except ValidationError as error:
        row.notes.append(f"the password, whose hash {error.reason}")
        return UNVERIFIABLE


def _passkey(credential: Fields) -> LegacyPasskey:
    data = _data(credential, "credentialData")
    return LegacyPasskey(
        credential_id=data.base64("credentialId") or data.refuse("credentialId", "is missing"),
        public_key=data.base64("credentialPublicKey") or data.refuse("credentialPublicKey", "is missing"),
        sign_count=data.integer("counter"),
        name=credential.text("userLabel") or "Passkey",
        transports=tuple(one.lower() for one in data.texts("transports")),
        aaguid=data.text("aaguid"),
        created_at=credential.moment("createdDate", unit=1000),
    )


def _app(credential: Fields) -> LegacyTotp | None:
    data = _data(credential, "credentialData")
    if data.text("subType") != "totp":
        return None
    secret = _data(credential, "secretData")
    # The key is the text itself, unless it was given to Keycloak as base32.
    seed = secret.base32("value") if data.text("secretEncoding") == "BASE32" else text_bytes(secret, "value")
    return LegacyTotp(
        seed=seed or secret.refuse("value", "is missing"),
        name=credential.text("userLabel") or "Authenticator app",
        algorithm=(data.text("algorithm") or "HmacSHA1").removeprefix("Hmac"),
        digits=data.integer("digits", default=6),
        period=data.integer("period", default=30),
        created_at=credential.moment("createdDate", unit=1000),
    )


def _other_factors(apps: list[Fields], credentials: list[Fields]) -> Iterator[str]:
    for one in apps:
        kind = _data(one, "credentialData").text("subType")
        if kind != "totp":
            yield kind or "an authenticator app of an unknown kind"
    yield from sorted({kind for one in credentials if (kind := one.text("type") or "unknown") not in _KNOWN})


def _data(credential: Fields, name: str) -> Fields:
    """Return the fields of JSON within text; Keycloak's own import also takes an object."""
    return unfolded(credential, name).nested(name)


def _is_keycloak(head: bytes) -> bool:
    # The users may come after all the realm's settings.
    settings = has_keys(head, "notBefore", "sslRequired")
    return has_keys(head, "realm") and (settings or has_keys(head, "users", "username"))


KEYCLOAK: Final = LegacyFormat(
    name="keycloak",
    title="Keycloak: a realm's export with its users (JSON)",
    source="keycloak",
    read=_read,
    recognises=_is_keycloak,
)
