"""Supabase Auth (GoTrue): the tables ``auth.users``, ``auth.identities`` and ``auth.mfa_factors``, as CSV or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, cast

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, users_of
from torii_dynamodb.admin.moving.shapes import (
    Children,
    address,
    csv_names,
    has_keys,
    note_unused,
    provider_name,
    unfolded,
    with_children,
)
from torii_dynamodb.clock import system_clock
from torii_dynamodb.legacy import LegacyAccount, LegacyPasskey, LegacyTotp, LegacyUser
from torii_dynamodb.models import Metadata, MetadataValue

__all__ = ["SUPABASE"]

_CHILDREN: Final[Children] = {
    "identities": (("identities", "auth.identities"), ("user_id",)),
    "mfa_factors": (("mfa_factors", "auth.mfa_factors"), ("user_id",)),
}
_JSON: Final = ("raw_user_meta_data", "raw_app_meta_data")
_NOT_ACCOUNTS: Final = ("email", "phone")
_UNUSED: Final = {
    "email_change": "an address that the user has not confirmed yet",
    "is_super_admin": "is_super_admin",
}


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(with_children(file, ("users", "auth.users"), _CHILDREN), _user)


def _user(row: Fields) -> LegacyUser:
    if "deleted_at" in row and row.text("deleted_at") is not None:
        row.refuse("deleted_at", "the user was deleted")
    metadata = _metadata(row)
    given = cast("Mapping[str, object]", metadata.get("raw_user_meta_data", {}))
    name = given.get("full_name") or given.get("name")
    # confirmed_at is also set by a confirmed phone; it was the only one before phones were known.
    verified = row.moment("email_confirmed_at" if "email_confirmed_at" in row.values else "confirmed_at")
    factors = [one for one in row.each("mfa_factors") if one.text("status") == "verified"]
    keys = [one for one in factors if one.text("factor_type") == "webauthn"]
    note_unused(row, _UNUSED)
    return LegacyUser(
        email=address(row),
        id=row.text("id"),
        name=name if isinstance(name, str) else None,
        email_verified=verified is not None,
        email_verified_at=verified,
        password_hash=row.text("encrypted_password"),
        created_at=row.moment("created_at"),
        locked=_banned(row),
        metadata=metadata,
        accounts=tuple(_account(one) for one in row.each("identities") if one.text("provider") not in _NOT_ACCOUNTS),
        passkeys=tuple(_passkey(one) for one in keys),
        passkeys_are_second_factor=bool(keys),
        totp=tuple(_app(one) for one in factors if _is_app(one)),
        other_factors=tuple(
            _other(one) for one in factors if one.text("factor_type") != "webauthn" and not _is_app(one)
        ),
    )


def _metadata(row: Fields) -> Metadata:
    given: dict[str, MetadataValue] = {name: dict(unfolded(row, name).nested(name).values) for name in _JSON}
    given["phone"] = row.text("phone")
    return {name: value for name, value in given.items() if value}


def _banned(row: Fields) -> bool:
    if row.values.get("banned_until") == "infinity":
        return True
    until = row.moment("banned_until")
    return until is not None and until > system_clock()


def _account(identity: Fields) -> LegacyAccount:
    data = identity.nested("identity_data")
    # Before provider_id, the id was the provider's.
    subject = identity.identifier("provider_id") or data.identifier("sub") or identity.identifier("id")
    return LegacyAccount(
        provider=provider_name(identity.required_text("provider")),
        subject=subject or identity.refuse("provider_id", "is missing"),
        email=identity.text("email") or data.text("email"),
        created_at=identity.moment("created_at"),
    )


def _is_app(factor: Fields) -> bool:
    # An encrypted secret is a JSON object.
    return factor.text("factor_type") == "totp" and not (factor.text("secret") or "{").startswith("{")


def _app(factor: Fields) -> LegacyTotp:
    return LegacyTotp(
        seed=factor.base32("secret") or factor.refuse("secret", "is missing"),
        name=factor.text("friendly_name") or "Authenticator app",
        created_at=factor.moment("created_at"),
    )


def _other(factor: Fields) -> str:
    kind = factor.text("factor_type") or "unknown"
    return "an authenticator app whose secret is encrypted or missing" if kind == "totp" else kind


def _passkey(factor: Fields) -> LegacyPasskey:
    # As the library go-webauthn writes a credential.
    credential = factor.nested("web_authn_credential")
    authenticator, flags = credential.nested("authenticator"), credential.nested("flags")
    return LegacyPasskey(
        credential_id=credential.base64("id") or credential.refuse("id", "is missing"),
        public_key=credential.base64("publicKey") or credential.refuse("publicKey", "is missing"),
        sign_count=authenticator.integer("signCount"),
        name=factor.text("friendly_name") or "Passkey",
        transports=credential.texts("transport"),
        aaguid=factor.text("web_authn_aaguid"),
        backed_up=flags.flag("backupState"),
        backup_eligible=flags.flag("backupEligible") if "backupEligible" in flags else None,
        created_at=factor.moment("created_at"),
    )


def _is_supabase(head: bytes) -> bool:
    columns = ("encrypted_password", "raw_user_meta_data")
    return has_keys(head, *columns) or csv_names(head).issuperset(columns)


SUPABASE: Final = LegacyFormat(
    name="supabase",
    title="Supabase (GoTrue): auth.users, with auth.identities and auth.mfa_factors, as CSV or JSON",
    source="supabase",
    read=_read,
    recognises=_is_supabase,
)
