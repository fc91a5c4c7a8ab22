"""Django: ``dumpdata`` of ``auth.user`` or a user model with its fields, as JSON or JSON lines.

django-allauth's verified addresses and social accounts, and django-otp's authenticator apps, are taken along if the
same dump contains them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, Record, Unreadable, users_of
from torii_dynamodb.admin.moving.shapes import address, full_name, has_keys, leftover, linked, provider_name, records
from torii_dynamodb.legacy import LegacyAccount, LegacyTotp, LegacyUser

__all__ = ["DJANGO"]

_ADDRESSES, _ACCOUNTS, _APPS = "account.emailaddress", "socialaccount.socialaccount", "otp_totp.totpdevice"
_OWNED: Final = (_ADDRESSES, _ACCOUNTS, _APPS)
_USED: Final = ("email", "password", "is_active", "date_joined", "last_login")


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    # The objects are in any order. What belongs to users is collected first.
    owned: dict[tuple[str, str], list[object]] = {}
    for _, row in records(file):
        fields = row.get("fields") if isinstance(row, dict) and row.get("model") in _OWNED else None
        if isinstance(row, dict) and isinstance(fields, dict):
            owned.setdefault((row["model"], str(cast("dict[str, Any]", fields).get("user"))), []).append(
                cast("object", fields)
            )
    file.seek(0)
    return users_of(_users(records(file), owned), _user, who=("pk",))


def _users(rows: Iterator[Record], owned: dict[tuple[str, str], list[object]]) -> Iterator[Record]:
    """Return the objects of a user model, with what belongs to each under the name of its model."""
    for number, row in rows:
        if isinstance(row, Unreadable):
            yield number, row
        elif not isinstance(row.get("model"), str) or not isinstance(row.get("fields"), dict):
            yield number, Unreadable("is not an object of dumpdata: it has no model and fields")
        elif row["model"] not in _OWNED and "password" in row["fields"]:
            yield number, row | {model: owned.get((model, str(row.get("pk")))) for model in _OWNED}


def _user(row: Fields) -> LegacyUser:
    user = row.nested("fields")
    email, password = address(user), user.text("password")
    return LegacyUser(
        email=email,
        id=row.identifier("pk"),
        name=full_name(user.text("first_name"), user.text("last_name")),
        email_verified=any(
            one.flag("verified") and (one.text("email") or "").lower() == email.lower() for one in row.each(_ADDRESSES)
        ),
        # set_unusable_password() begins with this mark.
        password_hash=None if password is None or password.startswith("!") else password,
        created_at=user.moment("date_joined"),
        locked=not user.flag("is_active", default=True),
        metadata={name: value for name, value in leftover(user, _USED).items() if value != []},
        accounts=linked(
            row,
            (
                LegacyAccount(
                    provider=provider_name(one.required_text("provider")),
                    subject=one.identifier("uid") or one.refuse("uid", "is missing"),
                    created_at=one.moment("date_joined"),
                )
                for one in row.each(_ACCOUNTS)
            ),
        ),
        totp=tuple(_app(one) for one in row.each(_APPS) if one.flag("confirmed")),
    )


def _app(device: Fields) -> LegacyTotp:
    try:
        seed = bytes.fromhex(device.required_text("key"))
    except ValueError:
        device.refuse("key", "is not hexadecimal")
    return LegacyTotp(
        seed=seed,
        name=device.text("name") or "Authenticator app",
        digits=device.integer("digits", default=6),
        period=device.integer("step", default=30),
    )


def _is_django(head: bytes) -> bool:
    return has_keys(head, "model", "fields", "password")


DJANGO: Final = LegacyFormat(
    name="django",
    title="Django: dumpdata of auth.user or a user model like it, as JSON or JSON lines",
    source="django",
    read=_read,
    recognises=_is_django,
)
