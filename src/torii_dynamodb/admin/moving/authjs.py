"""Auth.js (NextAuth): the table of its DynamoDB adapter, as ``aws dynamodb scan`` or an export to S3 writes it.

Auth.js stores no passwords, and its DynamoDB adapter no passkeys.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO, Final, cast

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, Record, Unreadable, users_of
from torii_dynamodb.admin.moving.shapes import address, has_keys, leftover, provider_name, records
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.legacy import LegacyAccount, LegacyUser

__all__ = ["AUTHJS"]

_MOST_ITEMS: Final = 2_000_000  # users and accounts, which are in memory together: about 2 GB
_KEYS: Final = ("pk", "sk", "GSI1PK", "GSI1SK", "type", "expires")
_MOST_DIGITS: Final = 130  # DynamoDB's numbers go up to 10**126
_ACCOUNTS: Final = "ACCOUNT#"  # no attribute is called so
_USED: Final = (*_KEYS, _ACCOUNTS, "id", "name", "email", "emailVerified")


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(_users(records(file, array="Items")), _user)


def _users(rows: Iterator[Record]) -> Iterator[Record]:
    """Return users with their accounts under ``_ACCOUNTS``. An export has the items of a user in any order."""
    users: list[tuple[int, dict[str, Any]]] = []
    accounts: dict[str, list[dict[str, Any]]] = {}
    count = 0
    for number, row in rows:
        try:
            item = row if isinstance(row, Unreadable) else _item(row)
        except (ValueError, TypeError, AttributeError, InvalidOperation, RecursionError):
            item = Unreadable("is not an item in DynamoDB's JSON")
        if isinstance(item, Unreadable):
            yield number, item
            continue
        if item.get("type") == "USER":
            users.append((number, item))
        elif "providerAccountId" in item:
            kept = {name: item.get(name) for name in ("provider", "providerAccountId", "type")}
            accounts.setdefault(str(item.get("userId")), []).append(kept)
        else:
            continue  # a session or a verification token
        count += 1
        if count > _MOST_ITEMS:
            raise ValidationError("file", f"has more than {_MOST_ITEMS:,} users and accounts; split it by user")
    for number, user in users:
        yield number, user | {_ACCOUNTS: accounts.get(str(user.get("id")), [])}


def _user(row: Fields) -> LegacyUser:
    return LegacyUser(
        email=address(row),
        id=row.identifier("id"),
        name=row.text("name"),
        email_verified="emailVerified" in row,
        email_verified_at=row.moment("emailVerified"),
        metadata=leftover(row, _USED),
        accounts=tuple(
            LegacyAccount(
                provider=provider_name(one.required_text("provider")),
                subject=one.identifier("providerAccountId") or one.refuse("providerAccountId", "is missing"),
            )
            for one in row.each(_ACCOUNTS)
            if one.text("type") not in ("email", "credentials", "webauthn")
        ),
    )


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's values. An export to S3 has each item in an ``Item``."""
    within = row.get("Item", row)
    if not isinstance(within, dict):
        raise TypeError
    return {name: _value(typed) for name, typed in cast("dict[str, Any]", within).items()}


def _value(typed: Any) -> Any:
    """Return a value of DynamoDB's JSON (``{"S": "text"}``)."""
    ((kind, value),) = typed.items()
    if kind == "S":
        return str(value)
    if kind == "N":
        number = Decimal(value)
        if not number.is_finite() or not -_MOST_DIGITS < number.adjusted() < _MOST_DIGITS:
            raise ValueError(kind)
        return int(number) if number == number.to_integral_value() else number
    if kind == "BOOL":
        return bool(value)
    if kind == "B":
        return b64decode(value, validate=True)
    if kind == "L":
        return [_value(one) for one in value]
    if kind == "M":
        return {name: _value(one) for name, one in value.items()}
    if kind in ("SS", "NS", "BS"):
        return [_value({kind[0]: one}) for one in value]
    if kind == "NULL":
        return None
    raise ValueError(kind)


def _is_authjs(head: bytes) -> bool:
    return (has_keys(head, "Items") or has_keys(head, "Item")) and b'"USER#' in head


AUTHJS: Final = LegacyFormat(
    name="authjs",
    title="Auth.js (NextAuth): its DynamoDB table, from aws dynamodb scan or an export to S3",
    source="authjs",
    read=_read,
    recognises=_is_authjs,
)
