"""Amazon Cognito user pools: the output of ``list-users``, and CSV files in the form of Cognito's own user import.

Cognito gives out neither password hashes nor the seeds of authenticator apps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from torii_dynamodb.admin.moving.rows import Fields, LegacyFormat, LegacyRow, users_of
from torii_dynamodb.admin.moving.shapes import (
    address,
    csv_names,
    full_name,
    has_keys,
    leftover,
    provider_name,
    records,
    unfolded,
)
from torii_dynamodb.legacy import LegacyAccount, LegacyUser

__all__ = ["COGNITO"]

# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserType.html
_LOCKED: Final = ("ARCHIVED", "COMPROMISED")
_USED: Final = ("cognito:username", "cognito:mfa_enabled", "sub", "email", "email_verified", "name", "identities")


def _read(file: BinaryIO) -> Iterator[LegacyRow]:
    return users_of(records(file, array="Users"), _user, who=("email", "cognito:username", "Username"))


def _user(row: Fields) -> LegacyUser:
    # In CSV, the attributes are the row.
    listed = {one.required_text("Name"): one.text("Value") for one in row.each("Attributes")}
    attributes = Fields(listed) if "Attributes" in row else row
    return LegacyUser(
        email=address(attributes),
        id=attributes.text("sub") or row.text("Username") or row.text("cognito:username"),
        name=attributes.text("name") or full_name(attributes.text("given_name"), attributes.text("family_name")),
        email_verified=attributes.flag("email_verified"),
        created_at=row.moment("UserCreateDate"),
        locked=not row.flag("Enabled", default=True) or row.text("UserStatus") in _LOCKED,
        metadata=leftover(attributes, _USED),
        accounts=_accounts(attributes),
        other_factors=_factors(row),
    )


def _factors(row: Fields) -> tuple[str, ...]:
    # Only admin-get-user has this list. list-users knows of SMS alone, and so does CSV.
    listed = row.texts("UserMFASettingList")
    sms = row.flag("cognito:mfa_enabled") or row.each("MFAOptions")
    return listed or (("SMS_MFA",) if sms else ())


def _accounts(attributes: Fields) -> tuple[LegacyAccount, ...]:
    return tuple(
        LegacyAccount(
            provider=provider_name(_provider(one)),
            subject=one.identifier("userId") or one.refuse("userId", "is missing"),
            created_at=one.moment("dateCreated", unit=1000),
        )
        for one in unfolded(attributes, "identities").each("identities")
    )


def _provider(identity: Fields) -> str:
    kind = identity.text("providerType")
    return identity.required_text("providerName") if kind in (None, "OIDC", "SAML") else kind


def _is_cognito(head: bytes) -> bool:
    return has_keys(head, "Username", "Attributes", "UserStatus") or "cognito:username" in csv_names(head)


COGNITO: Final = LegacyFormat(
    name="cognito",
    title="Amazon Cognito: the JSON of list-users, or CSV with the header of get-csv-header (no passwords)",
    source="cognito",
    read=_read,
    recognises=_is_cognito,
)
