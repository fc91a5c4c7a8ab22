"""Auth0: the JSON lines of a user export, the password hashes that its support exports, and the bulk import schema.

The first two belong together: in one file, each hash joins its user.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

from torii_dynamodb._wire.json import list_of, object_of
from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, Record, Unreadable, users_of
from torii_dynamodb.admin.moving.shapes import (
    UNVERIFIABLE,
    address,
    full_name,
    has_keys,
    leftover,
    linked,
    provider_name,
    records,
    text_bytes,
)
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.hashes import convert, from_salted_sha
from torii_dynamodb.legacy import LegacyAccount, LegacyTotp, LegacyUser
from torii_dynamodb.models import Metadata

__all__ = ["AUTH0"]

_HASH, _BCRYPT = "passwordHash", "password_hash"
_DATABASE: Final = "auth0"  # the provider of users with a password
_NOT_ACCOUNTS: Final = (_DATABASE, "email", "sms")
_KEPT: Final = (
    "username", "nickname", "given_name", "family_name", "picture", "phone_number", "user_metadata", "app_metadata",
)  # fmt: skip


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(_users(file), _user, who=("email", "user_id"))


def _owner(row: dict[str, Any]) -> str | None:
    """Return the id of the user that an exported hash belongs to; ``None`` for another row."""
    if not isinstance(row.get("_id"), dict) or not isinstance(row.get(_HASH), str):
        return None
    found = row.get("alt_id") or row["_id"].get("$oid")
    return f"{_DATABASE}|{found}" if isinstance(found, str) else None


def _users(file: BinaryIO) -> Iterator[Record]:
    """Return users with their hashes, then the hashes whose users are in no export."""
    # About 500 bytes of memory for each hash: they come in any order.
    hashes = {key: row[_HASH] for _, row in records(file) if isinstance(row, dict) and (key := _owner(row)) is not None}
    file.seek(0)
    for number, row in records(file):
        if isinstance(row, Unreadable):
            yield number, row
        elif _owner(row) is None:
            yield number, row | {_BCRYPT: hashes.pop(str(row.get("user_id")), row.get(_BCRYPT))}
    file.seek(0)
    for number, row in records(file) if hashes else ():
        if isinstance(row, dict) and (key := _owner(row)) is not None and hashes.pop(key, None) is not None:
            yield number, _from_hash(key, row)


def _from_hash(key: str, row: dict[str, Any]) -> dict[str, Any]:
    given = map(object_of, list_of(row.get("identifiers")))
    mail = next((one for one in given if one.get("type") == "email"), object_of(None))
    return {
        "user_id": key,
        "email": row.get("email") or mail.get("value"),
        "email_verified": row["email_verified"] if "email_verified" in row else mail.get("verified"),
        _BCRYPT: row[_HASH],
    }


def _user(row: Fields) -> LegacyUser:
    factors = row.each("mfa_factors")
    return LegacyUser(
        email=address(row),
        id=row.identifier("user_id"),
        name=_name(row),
        email_verified=row.flag("email_verified"),
        password_hash=row.text(_BCRYPT) or _custom_hash(row),
        created_at=row.moment("created_at"),
        locked=row.flag("blocked"),
        metadata=_metadata(row),
        accounts=linked(row, _accounts(row)),
        totp=tuple(
            LegacyTotp(seed=app.base32("secret") or app.refuse("secret", "is missing"))
            for one in factors
            if "totp" in one
            for app in [one.nested("totp")]
        ),
        # An export names what people have enrolled, without the secrets.
        other_factors=(*(kind for one in factors for kind in one.values if kind != "totp"), *row.texts("multifactor")),
    )


def _name(row: Fields) -> str | None:
    # Auth0 fills in the address where people gave no name.
    name = row.text("name")
    return name if name != row.text("email") else full_name(row.text("given_name"), row.text("family_name"))


def _metadata(row: Fields) -> Metadata:
    return leftover(row, [name for name in row.values if name not in _KEPT])


def _accounts(row: Fields) -> Iterator[LegacyAccount]:
    given = row.each("identities")
    for one in given:
        if one.text("provider") in _NOT_ACCOUNTS:
            continue
        data = one.nested("profileData")
        yield LegacyAccount(
            provider=_provider(one),
            subject=one.identifier("user_id") or one.refuse("user_id", "is missing"),
            email=data.text("email"),
        )
    provider, mark, subject = (row.identifier("user_id") or "").partition("|")
    if mark and not given and provider not in _NOT_ACCOUNTS:
        yield LegacyAccount(provider=provider_name(provider), subject=subject)


def _provider(identity: Fields) -> str:
    name = identity.required_text("provider")
    # Enterprise connections of one kind are different providers.
    return provider_name(name if identity.flag("isSocial") else identity.text("connection") or name)


def _custom_hash(row: Fields) -> str | None:
    """Return the hash of the bulk import schema's ``custom_password_hash``."""
    if "custom_password_hash" not in row:
        return None
    custom = row.nested("custom_password_hash")
    algorithm = custom.required_text("algorithm")
    try:
        if algorithm in ("argon2", "bcrypt", "pbkdf2", "ldap"):
            return convert(custom.nested("hash").required_text("value"))
        if algorithm == "scrypt":
            return _scrypt(custom)
        if algorithm in ("sha256", "sha512"):
            before = custom.nested("salt").text("position") != "suffix"
            return from_salted_sha(
                cast("Any", algorithm),
                _bytes(custom, "hash"),
                _bytes(custom, "salt"),
                order="prefix" if before else "suffix",
            )
        row.notes.append(f"the password, whose algorithm {algorithm[:32]!r} is not supported")
    except ValidationError as error:
        row.notes.append(f"the password, whose hash {error.reason}")
    return UNVERIFIABLE


def _scrypt(custom: Fields) -> str:
    n, r, p = (
        custom.integer("cost", default=16384),
        custom.integer("blockSize", default=8),
        custom.integer("parallelization", default=1),
    )
    salt, digest = (b64encode(_bytes(custom, name)).decode().rstrip("=") for name in ("salt", "hash"))
    if n < 2 or n & (n - 1):
        custom.refuse("cost", "is not a power of 2")
    return convert(f"$scrypt$ln={n.bit_length() - 1},r={r},p={p}${salt}${digest}")


def _bytes(custom: Fields, name: str) -> bytes:
    part = custom.nested(name)
    value, encoding = part.required_text("value"), part.text("encoding") or "utf8"
    if encoding == "base64":
        return part.base64("value") or b""
    if encoding == "utf8":
        return text_bytes(part, "value")
    try:
        return bytes.fromhex(value)
    except ValueError:
        part.refuse("value", "is not hexadecimal")


def _is_auth0(head: bytes) -> bool:
    if re.search(rb'"user_id"\s*:\s*"[a-z0-9-]+\|', head) or has_keys(head, "_id", "$oid", _HASH):
        return True
    # The schema of the bulk import has an array.
    metadata = has_keys(head, "user_metadata") or has_keys(head, "app_metadata")
    bulk = has_keys(head, "custom_password_hash") or (has_keys(head, _BCRYPT) and metadata)
    return bulk and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


AUTH0: Final = LegacyFormat(
    name="auth0",
    title="Auth0: a user export (JSON lines), with or without the exported password hashes, or the bulk import schema",
    source="auth0",
    read=_read,
    recognises=_is_auth0,
)
