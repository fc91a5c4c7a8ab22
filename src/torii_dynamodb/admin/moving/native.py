"""This library's own formats for users: JSON lines and CSV, with the same fields (``docs/moving-in.md``).

JSON has no bytes and no exact decimals, which metadata may contain: they are written as ``{"$bytes": "<base64>"}`` and
``{"$decimal": "1.50"}``. A map of metadata that looks like one of these is wrapped: ``{"$map": {...}}``.

In CSV, what is not text is JSON within a cell. Spreadsheets execute cells that begin with ``=`` and some other
characters, so these get an apostrophe in front, which reading takes off.
"""

from __future__ import annotations

import csv
import json
import re
from base64 import b32encode, b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Any, BinaryIO, Final, cast

from torii_dynamodb._rules.foreign_hashes import identify
from torii_dynamodb.admin.moving.rows import (
    Fields,
    LegacyFormat,
    LegacyRow,
    Record,
    Unreadable,
    csv_rows,
    json_lines,
    loads,
    users_of,
)
from torii_dynamodb.legacy import LegacyAccount, LegacyPasskey, LegacyTotp, LegacyUser
from torii_dynamodb.models import Metadata, MetadataValue

__all__ = ["COLUMNS", "CSV", "JSON_LINES", "csv_header", "csv_line", "json_line"]

COLUMNS: Final = (
    "id", "email", "name", "email_verified", "email_verified_at", "created_at", "locked", "locked_at", "password_hash",
    "password_hash_format",
    "metadata", "accounts", "passkeys", "passkeys_are_second_factor", "totp", "other_factors", "disconnected",
)  # fmt: skip
"""The fields of a user, in the order of an exported CSV file. The format of the hash is for other systems' sake."""

_AS_JSON = ("metadata", "accounts", "passkeys", "totp", "other_factors", "disconnected")
_ACCOUNT = ("provider", "subject", "email", "profile", "created_at")
_PASSKEY = (
    "credential_id", "public_key", "sign_count", "name", "transports", "aaguid", "backed_up", "backup_eligible",
    "created_at", "last_used_at", "imported",
)  # fmt: skip
_TOTP = ("seed", "name", "algorithm", "digits", "period", "created_at")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_TAGS = ("$bytes", "$decimal", "$map")


def _read_json_lines(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(json_lines(file), _user)


def _read_csv(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(map(_cells, csv_rows(file, needs="email")), _user)


def _is_json_lines(head: bytes) -> bool:
    # A last line may be cut off, but the first one is whole unless it is very long.
    first = next((line for line in head.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()), b"")
    try:
        value = loads(first)
    except ValueError:
        return False
    return isinstance(value, dict) and "email" in value and not set(cast("dict[str, Any]", value)) - set(COLUMNS)


def _is_csv(head: bytes) -> bool:
    try:
        names = [name.strip() for name in head.decode("utf-8-sig", "replace").splitlines()[0].split(",")]
    except IndexError:
        return False
    return "email" in names and not set(names) - set(COLUMNS)


JSON_LINES: Final = LegacyFormat(
    name="jsonl",
    title="this library's JSON lines (also from users export)",
    source="torii",
    read=_read_json_lines,
    recognises=_is_json_lines,
)
CSV: Final = LegacyFormat(
    name="csv",
    title="this library's CSV (also from users export)",
    source="torii",
    read=_read_csv,
    recognises=_is_csv,
)


def _cells(record: Record) -> Record:
    number, row = record
    if isinstance(row, Unreadable):
        return record
    values: dict[str, Any] = {
        name: cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell for name, cell in row.items()
    }
    for name in _AS_JSON:
        try:
            values[name] = loads(values[name].encode()) if values.get(name) else None
        except ValueError:
            return number, Unreadable(f"the column {name} is not JSON")
    return number, values


def _user(row: Fields) -> LegacyUser:
    _note_unknown(row, COLUMNS)
    return LegacyUser(
        email=row.required_text("email"),
        id=row.identifier("id"),
        name=row.text("name"),
        email_verified=row.flag("email_verified"),
        email_verified_at=row.moment("email_verified_at"),
        password_hash=row.text("password_hash"),
        created_at=row.moment("created_at"),
        locked=row.flag("locked"),
        locked_at=row.moment("locked_at"),
        metadata=_metadata(row.nested("metadata")),
        accounts=tuple(_account(one, row) for one in row.each("accounts")),
        passkeys=tuple(_passkey(one, row) for one in row.each("passkeys")),
        passkeys_are_second_factor=row.flag("passkeys_are_second_factor"),
        totp=tuple(_totp(one, row) for one in row.each("totp")),
        other_factors=row.texts("other_factors"),
        disconnected=frozenset(row.texts("disconnected")),
    )


def _account(account: Fields, row: Fields) -> LegacyAccount:
    _note_unknown(account, _ACCOUNT, row)
    return LegacyAccount(
        provider=account.required_text("provider"),
        subject=account.identifier("subject") or account.refuse("subject", "is missing"),
        email=account.text("email"),
        profile=_metadata(account.nested("profile")),
        created_at=account.moment("created_at"),
    )


def _passkey(passkey: Fields, row: Fields) -> LegacyPasskey:
    _note_unknown(passkey, _PASSKEY, row)
    return LegacyPasskey(
        credential_id=passkey.base64("credential_id") or passkey.refuse("credential_id", "is missing"),
        public_key=passkey.base64("public_key") or passkey.refuse("public_key", "is missing"),
        sign_count=passkey.integer("sign_count"),
        name=passkey.text("name") or "Passkey",
        transports=passkey.texts("transports"),
        aaguid=passkey.text("aaguid"),
        backed_up=passkey.flag("backed_up"),
        backup_eligible=passkey.flag("backup_eligible") if "backup_eligible" in passkey else None,
        created_at=passkey.moment("created_at"),
        last_used_at=passkey.moment("last_used_at"),
        imported=passkey.flag("imported", default=True),
    )


def _totp(totp: Fields, row: Fields) -> LegacyTotp:
    _note_unknown(totp, _TOTP, row)
    return LegacyTotp(
        seed=totp.base32("seed") or totp.refuse("seed", "is missing"),
        name=totp.text("name") or "Authenticator app",
        algorithm=totp.text("algorithm") or "SHA1",
        digits=totp.integer("digits", default=6),
        period=totp.integer("period", default=30),
        created_at=totp.moment("created_at"),
    )


def _note_unknown(fields: Fields, known: tuple[str, ...], row: Fields | None = None) -> None:
    unknown = sorted(set(fields.values) - set(known))[:8]
    (row or fields).notes.extend(f"the unknown field {fields.path}{name[:64]!r}" for name in unknown)


def _metadata(fields: Fields) -> Metadata:
    return {name: _decoded(value, fields, name) for name, value in fields.values.items()}


def _decoded(value: Any, fields: Fields, name: str) -> MetadataValue:
    if isinstance(value, list):
        return [_decoded(one, fields, name) for one in cast("list[object]", value)]
    if not isinstance(value, dict):
        return cast("MetadataValue", value)
    pairs = cast("dict[str, Any]", value)
    tag = next(iter(pairs)) if len(pairs) == 1 else ""
    inner = pairs.get(tag)
    try:
        if tag == "$bytes":
            return b64decode(str(inner), validate=True)
        if tag == "$decimal":
            return Decimal(str(inner))
    except (ValueError, InvalidOperation):
        fields.refuse(name, f"{tag} has no valid value")
    if tag == "$map" and isinstance(inner, dict):
        pairs = cast("dict[str, Any]", inner)
    return {key: _decoded(one, fields, name) for key, one in pairs.items()}


def _encoded(value: MetadataValue) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": b64encode(value).decode()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, Mapping):
        pairs = {key: _encoded(one) for key, one in value.items()}
        return {"$map": pairs} if len(pairs) == 1 and next(iter(pairs)) in _TAGS else pairs
    if isinstance(value, list | tuple):
        return [_encoded(one) for one in value]
    return value


def json_line(user: LegacyUser) -> str:
    """Return a user as a line of JSON, with the end of the line and without empty fields."""
    return _dumps(_values(user)) + "\n"


def csv_header() -> str:
    """Return the first line of a CSV file, with its end."""
    return _csv(COLUMNS)


def csv_line(user: LegacyUser) -> str:
    """Return a user as a row of CSV, with the end of the line."""
    values = _values(user)
    return _csv(_cell(name, values.get(name)) for name in COLUMNS)


def _values(user: LegacyUser) -> dict[str, Any]:
    return _filled(
        id=user.id,
        email=user.email,
        name=user.name,
        email_verified=user.email_verified,
        email_verified_at=user.email_verified_at,
        created_at=user.created_at,
        locked=user.locked,
        locked_at=user.locked_at,
        password_hash=user.password_hash,
        password_hash_format=identify(user.password_hash) if user.password_hash is not None else None,
        metadata={name: _encoded(value) for name, value in user.metadata.items()},
        accounts=[
            _filled(
                provider=one.provider,
                subject=one.subject,
                email=one.email,
                profile={name: _encoded(value) for name, value in one.profile.items()},
                created_at=one.created_at,
            )
            for one in user.accounts
        ],
        passkeys=[
            _filled(
                credential_id=_base64url(one.credential_id),
                public_key=_base64url(one.public_key),
                sign_count=one.sign_count,
                name=one.name,
                transports=list(one.transports),
                aaguid=one.aaguid,
                backed_up=one.backed_up,
                created_at=one.created_at,
                last_used_at=one.last_used_at,
            )
            # Unlike elsewhere, missing does not mean false.
            | ({} if one.backup_eligible is None else {"backup_eligible": one.backup_eligible})
            | {"imported": one.imported}
            for one in user.passkeys
        ],
        passkeys_are_second_factor=user.passkeys_are_second_factor,
        totp=[
            _filled(
                seed=b32encode(one.seed).decode().rstrip("="),
                name=one.name,
                algorithm=one.algorithm,
                digits=one.digits,
                period=one.period,
                created_at=one.created_at,
            )
            for one in user.totp
        ],
        other_factors=list(user.other_factors),
        disconnected=sorted(user.disconnected),
    )


def _filled(**values: Any) -> dict[str, Any]:
    """Return the values that say something: a missing field means false, none or zero."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items() if value
    }


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = _dumps(value) if name in _AS_JSON or isinstance(value, bool) else str(value)
    return "'" + text if _FORMULA.match(text) else text


def _csv(cells: Iterable[str]) -> str:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")
