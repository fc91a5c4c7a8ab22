"""Passkeys: what is stored, the rule for sign counts, and the requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import item_key, passkey_key
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.times import to_text
from torii_dynamodb.errors import ClonedAuthenticator, ValidationError
from torii_dynamodb.models import NewPasskey, Passkey
from torii_dynamodb.schema import SCHEMA_VERSION

__all__ = [
    "MAX_SIGN_COUNT",
    "checked",
    "credential_id",
    "eligible",
    "name",
    "passkey_model",
    "read",
    "rename",
    "to_item",
    "used",
]

# WebAuthn Level 3, 6.1: the counter is an unsigned 32-bit number.
MAX_SIGN_COUNT = 2**32 - 1
_MAX_TRANSPORTS = 16


def credential_id(value: object, field: str = "credential_id") -> bytes:
    """Check a credential id. WebAuthn Level 3, 4: at most 1,023 bytes."""
    return validation.binary(value, field, most=1023)


def name(value: object) -> str:
    """Check a person's name for a passkey."""
    return validation.text(value, "name", most=64)


def checked(new_passkey: NewPasskey) -> NewPasskey:
    """Return the passkey with every field checked."""
    validation.instance(new_passkey, "new_passkey", NewPasskey)
    transports = new_passkey.transports
    if not isinstance(transports, tuple) or len(transports) > _MAX_TRANSPORTS:
        raise ValidationError("transports", f"give a tuple of at most {_MAX_TRANSPORTS} names")
    return replace(
        new_passkey,
        user_id=validation.user_id(new_passkey.user_id),
        credential_id=credential_id(new_passkey.credential_id),
        public_key=validation.binary(new_passkey.public_key, "public_key", most=4096),
        sign_count=validation.integer(new_passkey.sign_count, "sign_count", least=0, most=MAX_SIGN_COUNT),
        name=name(new_passkey.name),
        transports=tuple(validation.text(transport, "transports", most=32) for transport in transports),
        aaguid=None if new_passkey.aaguid is None else validation.text(new_passkey.aaguid, "aaguid", most=64),
        backed_up=validation.flag(new_passkey.backed_up, "backed_up"),
        backup_eligible=eligible(new_passkey.backup_eligible, new_passkey.backed_up),
    )


def eligible(backup_eligible: object, backed_up: bool | None) -> bool | None:
    """Return whether a passkey can be backed up, if known. One that is backed up can be (WebAuthn Level 3, 6.1.3).

    Raises:
        ValidationError: It is backed up, but said to be ineligible.
    """
    if backup_eligible is None:
        return True if backed_up else None
    if not validation.flag(backup_eligible, "backup_eligible") and backed_up:
        raise ValidationError("backup_eligible", "must not be False if backed_up is True")
    return bool(backup_eligible)


def passkey_model(new_passkey: NewPasskey, now: datetime) -> Passkey:
    """Return the passkey as added now."""
    return Passkey(
        user_id=new_passkey.user_id,
        credential_id=new_passkey.credential_id,
        public_key=new_passkey.public_key,
        sign_count=new_passkey.sign_count,
        name=new_passkey.name,
        transports=new_passkey.transports,
        aaguid=new_passkey.aaguid,
        backed_up=new_passkey.backed_up,
        backup_eligible=new_passkey.backup_eligible,
        created_at=now,
        last_used_at=None,
    )


def to_item(passkey: Passkey) -> Item:
    """Return the item that a passkey is stored as."""
    item: Item = {
        "id": {"S": passkey_key(passkey.credential_id)},
        "user_id": {"S": passkey.user_id},
        "credential_id": av.binary(passkey.credential_id),
        "public_key": av.binary(passkey.public_key),
        "sign_count": av.number(passkey.sign_count),
        "name": {"S": passkey.name},
        "transports": {"L": [{"S": transport} for transport in passkey.transports]},
        "backed_up": {"BOOL": passkey.backed_up},
        "created_at": {"S": to_text(passkey.created_at)},
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if passkey.backup_eligible is not None:
        item["backup_eligible"] = {"BOOL": passkey.backup_eligible}
    if passkey.aaguid is not None:
        item["aaguid"] = {"S": passkey.aaguid}
    if passkey.imported:
        item["imported"] = {"BOOL": True}
    if passkey.last_used_at is not None:
        item["last_used_at"] = {"S": to_text(passkey.last_used_at)}
    return item


@reading.reader("identities")
def read(item: Item) -> Passkey:
    """Read a passkey from its item."""
    return Passkey(
        user_id=reading.text(item, "user_id"),
        credential_id=reading.binary(item, "credential_id"),
        public_key=reading.binary(item, "public_key"),
        sign_count=reading.integer(item, "sign_count"),
        name=reading.text(item, "name"),
        transports=tuple(reading.text_list(item, "transports")),
        aaguid=reading.optional_text(item, "aaguid"),
        backed_up=reading.flag(item, "backed_up"),
        backup_eligible=reading.optional_flag(item, "backup_eligible"),
        created_at=reading.moment(item, "created_at"),
        last_used_at=reading.optional_moment(item, "last_used_at"),
        imported=reading.optional_flag(item, "imported") or False,
    )


def rename(table: str, user_id: str, identity: str, new_name: str) -> dict[str, Any]:
    """Return the write of a new name, if the passkey is the named user's."""
    return {
        "Update": ex.update(
            table,
            item_key(identity),
            "SET #name = :name",
            ex.OWNED,
            {":name": {"S": new_name}, ":user_id": {"S": user_id}},
        )
    }


def used(
    table: str,
    user_id: str,
    identity: str,
    sign_count: int,
    now: datetime,
    *,
    allow_decrease: bool,
    backup_eligible: bool | None,
    backed_up: bool | None,
) -> dict[str, Any]:
    """Return the write that records a sign-in.

    It is conditional: the sign count increases (or is zero and always was: WebAuthn Level 3, 6.1.1), and backup
    eligibility, once known, is unchanged (7.2, "currentBe").
    """
    changes = "SET #sign_count = :count, #last_used_at = :now"
    condition = ex.OWNED
    values = {":count": av.number(sign_count), ":now": {"S": to_text(now)}, ":user_id": {"S": user_id}}
    if not allow_decrease:
        condition += " AND #sign_count < :count" if sign_count else " AND #sign_count = :count"
    if backup_eligible is not None:
        changes += ", #backup_eligible = :eligible"
        condition += " AND (attribute_not_exists(#backup_eligible) OR #backup_eligible = :eligible)"
        values[":eligible"] = {"BOOL": backup_eligible}
    if backed_up is not None:
        changes += ", #backed_up = :backed_up"
        values[":backed_up"] = {"BOOL": backed_up}
    return {"Update": ex.update(table, item_key(identity), changes, condition, values)}


def cloned(
    held: Passkey, sign_count: int, backup_eligible: bool | None, request_id: str | None = None
) -> ClonedAuthenticator:
    """Return the refusal of a sign count that did not increase, or of backup eligibility that changed."""
    told = f"sign count went from {held.sign_count} to {sign_count}"
    if held.backup_eligible is not None and backup_eligible not in (None, held.backup_eligible):
        told = f"backup eligibility changed from {held.backup_eligible} to {backup_eligible}, but is permanent"
    return ClonedAuthenticator(
        f"the passkey's {told}; two authenticators may have the same key",
        stored=held.sign_count,
        received=sign_count,
        request_id=request_id,
    )
