"""fastapi-users: the table ``user``, with or without ``oauth_account``, as CSV or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final
from uuid import UUID

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, users_of
from torii_dynamodb.admin.moving.shapes import (
    Children,
    address,
    csv_names,
    has_keys,
    leftover,
    linked,
    provider_name,
    with_children,
)
from torii_dynamodb.legacy import LegacyAccount, LegacyUser

__all__ = ["FASTAPI_USERS"]

_CHILDREN: Final[Children] = {"oauth_accounts": (("oauth_accounts", "oauth_account"), ("user_id",))}
_USED: Final = (
    "id",
    "_id",
    "email",
    "hashed_password",
    "is_active",
    "is_verified",
    "oauth_accounts",
    "created_at",
    "name",
)


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(with_children(file, ("user", "users"), _CHILDREN), _user)


def _user(row: Fields) -> LegacyUser:
    return LegacyUser(
        email=address(row),
        id=_id(row.identifier("id")),
        name=row.text("name"),
        email_verified=row.flag("is_verified"),
        password_hash=row.text("hashed_password"),
        created_at=row.moment("created_at"),
        locked=not row.flag("is_active", default=True),
        metadata={**leftover(row, _USED), "is_superuser": row.flag("is_superuser")},
        accounts=linked(row, map(_account, row.each("oauth_accounts"))),
    )


def _id(text: str | None) -> str | None:
    """Return an id; a UUID as Python writes it, because databases also write it in capitals or without hyphens."""
    try:
        return str(UUID(text)) if text is not None and len(text) in (32, 36) else text
    except ValueError:
        return text


def _account(account: Fields) -> LegacyAccount:
    provider = provider_name(account.required_text("oauth_name"))
    subject = account.identifier("account_id") or account.refuse("account_id", "is missing")
    return LegacyAccount(
        provider=provider,
        # httpx-oauth asks Google's People API, whose name for a person has the `sub` at its end.
        subject=subject.removeprefix("people/") if provider == "google" else subject,
        email=account.text("account_email"),
    )


def _is_fastapi_users(head: bytes) -> bool:
    columns = ("hashed_password", "is_active", "is_verified")
    return has_keys(head, *columns) or csv_names(head).issuperset(columns)


FASTAPI_USERS: Final = LegacyFormat(
    name="fastapi-users",
    title="fastapi-users: its table of users, with or without oauth_account, as CSV or JSON",
    source="fastapi-users",
    read=_read,
    recognises=_is_fastapi_users,
)
