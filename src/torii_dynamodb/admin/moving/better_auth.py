"""Better Auth: its tables ``user``, ``account``, ``twoFactor`` and ``passkey`` as JSON, in camelCase or snake_case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, Record, users_of
from torii_dynamodb.admin.moving.shapes import (
    Children,
    address,
    has_keys,
    leftover,
    moment_unit,
    note_unused,
    provider_name,
    text_bytes,
    with_children,
)
from torii_dynamodb.clock import system_clock
from torii_dynamodb.legacy import LegacyAccount, LegacyPasskey, LegacyTotp, LegacyUser

__all__ = ["BETTER_AUTH"]

_OWNER: Final = ("userId", "user_id")
_CHILDREN: Final[Children] = {
    "accounts": (("accounts", "account"), _OWNER),
    "two_factor": (("two_factor", "twoFactor", "twoFactors", "two_factors"), _OWNER),
    "passkeys": (("passkeys", "passkey"), _OWNER),
}
_USED: Final = (
    "id", "email", "name", "email_verified", "created_at", "updated_at", "two_factor_enabled", "banned", "ban_expires",
    "accounts", "two_factor", "passkeys", "sessions", "session",
)  # fmt: skip
_UNUSED: Final = {
    "ban_expires": "when the ban ends",
}
_ENCRYPTED = re.compile(r"\$ba\$.*|(?:[0-9a-f]{2}){40,}")  # a nonce of 24 bytes and a mark of 16, in hexadecimal


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(map(_in_snake_case, with_children(file, ("user", "users"), _CHILDREN)), _user)


def _in_snake_case(record: Record) -> Record:
    number, row = record
    return number, _renamed(row) if isinstance(row, dict) else row


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose known fields, and those of the other tables, are in snake_case."""
    found = {_snake(name) if _snake(name) in _USED else name: value for name, value in row.items()}
    for name in _CHILDREN:
        rows = found.get(name)
        if isinstance(rows, list):
            found[name] = [
                {_snake(key): value for key, value in cast("dict[str, Any]", one).items()}
                if isinstance(one, dict)
                else one
                for one in cast("list[object]", rows)
            ]
    return found


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _user(row: Fields) -> LegacyUser:
    accounts = row.each("accounts")
    note_unused(row, _UNUSED)
    totp, others = _factors(row)
    return LegacyUser(
        email=address(row),
        id=row.identifier("id"),
        name=row.text("name"),
        email_verified=row.flag("email_verified"),
        password_hash=next((one.text("password") for one in accounts if one.text("provider_id") == "credential"), None),
        created_at=row.moment("created_at", unit=moment_unit(row, "created_at")),
        locked=_banned(row),
        metadata=leftover(row, _USED),
        accounts=tuple(
            LegacyAccount(
                provider=provider_name(one.required_text("provider_id")),
                subject=one.identifier("account_id") or one.refuse("account_id", "is missing"),
                created_at=one.moment("created_at", unit=moment_unit(one, "created_at")),
            )
            for one in accounts
            if one.text("provider_id") != "credential"
        ),
        passkeys=tuple(_passkey(one) for one in row.each("passkeys")),
        totp=totp,
        other_factors=others,
    )


def _passkey(passkey: Fields) -> LegacyPasskey:
    return LegacyPasskey(
        # The plugin's own name for it is credentialID.
        credential_id=passkey.base64("credential_id") or passkey.refuse("credential_id", "is missing"),
        public_key=passkey.base64("public_key") or passkey.refuse("public_key", "is missing"),
        sign_count=passkey.integer("counter"),
        name=passkey.text("name") or "Passkey",
        transports=tuple(one for one in (passkey.text("transports") or "").split(",") if one),
        aaguid=passkey.text("aaguid"),
        backed_up=passkey.flag("backed_up"),
        backup_eligible=passkey.text("device_type") == "multiDevice",
        created_at=passkey.moment("created_at", unit=moment_unit(passkey, "created_at")),
    )


def _banned(row: Fields) -> bool:
    ends = row.moment("ban_expires", unit=moment_unit(row, "ban_expires"))
    return row.flag("banned") and (ends is None or ends > system_clock())


def _factors(row: Fields) -> tuple[tuple[LegacyTotp, ...], tuple[str, ...]]:
    if not row.flag("two_factor_enabled"):
        return (), ()
    apps = [one for one in row.each("two_factor") if one.flag("verified", default=True)]
    seeds = [one.required_text("secret") for one in apps]
    if not seeds:
        # Codes by mail need no row.
        return (), ("two-factor codes without an authenticator app",)
    if any(_ENCRYPTED.fullmatch(seed) for seed in seeds):
        return (), ("an authenticator app whose secret is still encrypted",)
    # The key is the text itself: https://www.better-auth.com/docs/plugins/2fa
    return tuple(LegacyTotp(seed=text_bytes(one, "secret")) for one in apps), ()


def _is_better_auth(head: bytes) -> bool:
    accounts = has_keys(head, "providerId") or has_keys(head, "provider_id")
    tables = accounts or re.search(rb'"users?"\s*:\s*\[', head) is not None
    verified = has_keys(head, "emailVerified") or has_keys(head, "email_verified")
    return tables and verified and not has_keys(head, "localId") and not has_keys(head, "realm")


BETTER_AUTH: Final = LegacyFormat(
    name="better-auth",
    title="Better Auth: its tables user, account, twoFactor and passkey as JSON",
    source="better-auth",
    read=_read,
    recognises=_is_better_auth,
)
