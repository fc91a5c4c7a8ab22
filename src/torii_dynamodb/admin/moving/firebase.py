"""Firebase Authentication: the JSON of ``firebase auth:export``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, json_items, users_of
from torii_dynamodb.admin.moving.shapes import address, has_keys, provider_name, unfolded
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.hashes import from_firebase
from torii_dynamodb.legacy import LegacyAccount, LegacyUser
from torii_dynamodb.models import MetadataValue

__all__ = ["FIREBASE", "format_for"]

_NOT_ACCOUNTS: Final = ("password", "phone", "anonymous", "firebase")
_PROFILE: Final = ("phoneNumber", "photoUrl", "tenantId")


def format_for(*, salt_separator: str = "Bw==", rounds: int = 8, memory_cost: int = 14) -> LegacyFormat:
    """Return the format for a project whose password hash parameters are not the usual ones.

    The console shows them on its page of users, under "Password hash parameters".

    Args:
        salt_separator: ``base64_salt_separator``.
        rounds: ``rounds``.
        memory_cost: ``mem_cost``.
    """

    def password_of(row: Fields) -> str | None:
        password, salt = row.text("passwordHash"), row.text("salt")
        if password is None:
            return None
        if salt is None:
            row.refuse("salt", "is missing, although there is a passwordHash")
        try:
            return from_firebase(password, salt, salt_separator=salt_separator, rounds=rounds, memory_cost=memory_cost)
        except ValidationError as error:
            row.refuse("passwordHash", error.reason)

    def read(file: BinaryIO) -> Iterator[LegacyRow]:
        return users_of(json_items(file, "users"), lambda row: _user(row, password_of(row)), who=("email", "localId"))

    return LegacyFormat(
        name="firebase",
        title="Firebase Authentication: the JSON of firebase auth:export",
        source="firebase",
        read=read,
        recognises=_is_firebase,
    )


def _user(row: Fields, password_hash: str | None) -> LegacyUser:
    return LegacyUser(
        email=address(row),
        id=row.required_text("localId"),
        name=row.text("displayName"),
        email_verified=row.flag("emailVerified"),
        password_hash=password_hash,
        created_at=row.moment("createdAt", unit=1000),
        locked=row.flag("disabled"),
        metadata=_metadata(row),
        accounts=tuple(
            LegacyAccount(
                provider=provider_name(one.required_text("providerId")),
                subject=one.identifier("rawId") or one.refuse("rawId", "is missing"),
                email=one.text("email"),
            )
            for one in row.each("providerUserInfo")
            if one.text("providerId") not in _NOT_ACCOUNTS
        ),
        # The Admin SDK lists these; the export leaves them out.
        other_factors=tuple("sms" if "phoneInfo" in one else "totp" for one in row.each("mfaInfo")),
    )


def _metadata(row: Fields) -> Mapping[str, MetadataValue]:
    texts = {name: value for name in _PROFILE if (value := row.text(name)) is not None}
    claims = dict(unfolded(row, "customAttributes").nested("customAttributes").values)
    return texts | ({"customAttributes": claims} if claims else {})


def _is_firebase(head: bytes) -> bool:
    return has_keys(head, "users", "localId")


FIREBASE: Final = format_for()
"""For the parameters that Firebase gives its projects."""
