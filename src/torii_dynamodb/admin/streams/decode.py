"""Turns a stream record into events. Pure.

It takes a record as AWS Lambda delivers it or as the Streams API (boto3) returns it. They differ in the spelling of
``userIdentity`` and in the type of the time, and Lambda leaves bytes in base64.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, cast

from torii_dynamodb._core import reading
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import CODE, FACTOR, OAUTH, PASSKEY
from torii_dynamodb._core.layout import placer
from torii_dynamodb._rules.times import from_epoch_seconds
from torii_dynamodb.admin.streams.events import (
    StreamEmailChanged,
    StreamEmailVerified,
    StreamEvent,
    StreamIdentityLinked,
    StreamIdentityUnlinked,
    StreamPasswordChanged,
    StreamRecoveryCodesReplaced,
    StreamSecondFactorAdded,
    StreamSecondFactorRemoved,
    StreamSecondFactorUsed,
    StreamSessionCreated,
    StreamSessionExpired,
    StreamSessionRefreshed,
    StreamSessionRevoked,
    StreamSessionsRevoked,
    StreamTokenConsumed,
    StreamUserCreated,
    StreamUserDeleted,
    StreamUserLocked,
    StreamUserUnlocked,
    StreamUserUpdated,
)
from torii_dynamodb.config import DynamoDbConfig, StoredTable, TableName
from torii_dynamodb.errors import ConfigurationError, CorruptItem

__all__ = ["STREAM_TABLES", "decode", "ref_of", "sequence_number", "stream_tables", "table_of"]

STREAM_TABLES: Final[tuple[TableName, ...]] = ("users", "sessions", "identities", "tokens")
"""The tables whose changes are events. Attempts are not: their table is itself an audit log."""

_PROFILE = ("name", "metadata", "email_as_given")
_SETS = ("SS", "NS", "BS")
# DynamoDB Developer Guide, "DynamoDB Streams and Time to Live".
_TTL_PRINCIPAL = "dynamodb.amazonaws.com"


def stream_tables(config: DynamoDbConfig) -> tuple[StoredTable, ...]:
    """The tables whose streams have events: :data:`STREAM_TABLES`, or the single table."""
    return STREAM_TABLES if config.layout == "tables" else config.tables


def decode(
    record: Mapping[str, Any], table: StoredTable, config: DynamoDbConfig | None = None
) -> tuple[StreamEvent, ...]:
    """The events of a record, in the order in which to handle them; none for a write that changed nothing.

    Args:
        record: The record.
        table: Its table; see :func:`table_of`.
        config: Where items are stored; needed for a single table and for tenants.

    Raises:
        ConfigurationError: The stream has no old and new images.
        CorruptItem: An image cannot be read: something else wrote it.
    """
    body = record.get("dynamodb")
    if not isinstance(body, Mapping):
        raise ConfigurationError("this is not a record of a DynamoDB stream: it has no member 'dynamodb'")
    change = cast("Mapping[str, Any]", body)
    old, new = _image(change.get("OldImage")), _image(change.get("NewImage"))
    name = record.get("eventName")
    if (name != "INSERT" and old is None) or (name != "REMOVE" and new is None):
        raise ConfigurationError(
            f"the stream of {table} has no old and new images (its view is {change.get('StreamViewType')}); "
            "enable it again with the view type NEW_AND_OLD_IMAGES: `torii-dynamodb streams enable`"
        )
    if old == new:
        return ()
    tenant: str | None = None
    kind_of_item: StoredTable = table
    if config is not None:
        place, full_name = placer(config), config.table_name(table)
        placed = [None if image is None else place(full_name, image) for image in (old, new)]
        ours = next((one for one in placed if one is not None), None)
        if ours is None:
            return ()
        kind_of_item, tenant, _ = ours
        old, new = (None if one is None else one[2] for one in placed)
    reader = _READERS.get(kind_of_item)
    if reader is None:
        return ()
    at = _time(change.get("ApproximateCreationDateTime"))
    made = reader(old, new, at, _is_ttl(record))
    # AWS' record IDs are unique everywhere, those of emulators only within a table.
    event_id = str(record.get("eventID") or change.get("SequenceNumber"))
    return tuple(kind(id=f"{table}:{event_id}:{kind.type}", at=at, tenant=tenant, **told) for kind, told in made)


def table_of(record: Mapping[str, Any], config: DynamoDbConfig) -> StoredTable | None:
    """The table of a record that Lambda delivered; ``None`` if it is not one of ours."""
    arn = str(record.get("eventSourceARN") or "")
    name = arn.partition(":table/")[2].partition("/")[0]
    return next((table for table in config.tables if config.table_name(table) == name), None)


def sequence_number(record: Mapping[str, Any]) -> str:
    """A record's position in its shard."""
    body: Any = record.get("dynamodb") or {}
    return str(body.get("SequenceNumber", ""))


def ref_of(key: str) -> str:
    """A reference to a session or token in events, from which its key cannot be derived."""
    return sha256(b"torii-event-ref:" + key.encode()).hexdigest()[:32]


Made = list[tuple[type[Any], dict[str, Any]]]
"""The events to make: their classes, and their fields besides ID and time."""


@reading.reader("users")
def _user_fields(item: Item) -> dict[str, Any]:
    return {
        "id": reading.text(item, "id"),
        "email": reading.text(item, "email"),
        "name": reading.optional_text(item, "name"),
        "verified": reading.optional_moment(item, "email_verified_at"),
        "locked": reading.optional_moment(item, "locked_at"),
        "epoch": reading.integer(item, "session_epoch"),
        "password": reading.optional_text(item, "password_version"),
        "passkeys_serve": "passkey" in reading.string_set(item, "factors"),
    }


def _users(old: Item | None, new: Item | None, at: datetime, ttl: bool) -> Made:
    if old is None or new is None:
        user = _user_fields(_one(old, new))
        whose = {"user_id": user["id"], "email": user["email"]}
        if new is None:
            return [(StreamUserDeleted, whose)]
        told = {"name": user["name"], "email_verified": user["verified"] is not None}
        return [(StreamUserCreated, {**whose, **told, "has_password": user["password"] is not None})]
    before, after = _user_fields(old), _user_fields(new)
    whose = {"user_id": after["id"]}
    made: Made = []
    changed = frozenset(name for name in _PROFILE if old.get(name) != new.get(name))
    if before["email"] != after["email"]:
        # The spelling changes with the address, which is not an event of its own.
        changed -= {"email_as_given"}
        made.append((StreamEmailChanged, {**whose, "old_email": before["email"], "new_email": after["email"]}))
    if changed:
        made.insert(0, (StreamUserUpdated, {**whose, "changed": changed}))
    if after["verified"] is not None and (before["verified"] is None or before["email"] != after["email"]):
        made.append((StreamEmailVerified, {**whose, "email": after["email"]}))
    if before["password"] != after["password"]:
        kind = "set" if before["password"] is None else "removed" if after["password"] is None else "changed"
        made.append((StreamPasswordChanged, {**whose, "change": kind}))
    if before["locked"] is None and after["locked"] is not None:
        made.append((StreamUserLocked, {**whose, "locked_at": after["locked"]}))
    if before["locked"] is not None and after["locked"] is None:
        made.append((StreamUserUnlocked, whose))
    if before["passkeys_serve"] != after["passkeys_serve"]:
        factor = StreamSecondFactorAdded if after["passkeys_serve"] else StreamSecondFactorRemoved
        made.append((factor, {**whose, "kind": "passkey", "factor_id": None, "name": None}))
    if before["epoch"] != after["epoch"]:
        made.append((StreamSessionsRevoked, whose))
    return made


@reading.reader("sessions")
def _session_fields(item: Item) -> tuple[dict[str, Any], datetime]:
    whose = {"user_id": reading.text(item, "user_id"), "ref": ref_of(reading.text(item, "id"))}
    return whose, reading.expires_at(item)


@reading.reader("sessions")
def _origin(item: Item) -> dict[str, Any]:
    return {
        "user_agent": reading.optional_text(item, "user_agent"),
        "ip_address": reading.optional_text(item, "ip_address"),
    }


def _sessions(old: Item | None, new: Item | None, at: datetime, ttl: bool) -> Made:
    whose, ends = _session_fields(_one(new, old))
    if old is None:
        return [(StreamSessionCreated, {**whose, "expires_at": ends, **_origin(_one(new, old))})]
    if new is None:
        if ttl or ends <= at:
            return [(StreamSessionExpired, {**whose, "expires_at": ends, "by_ttl": ttl})]
        return [(StreamSessionRevoked, whose)]
    if _session_fields(old)[1] != ends:
        return [(StreamSessionRefreshed, {**whose, "expires_at": ends})]
    return []


@reading.reader("identities")
def _identity_fields(item: Item) -> dict[str, Any] | None:
    identity = reading.text(item, "id")
    told = {"user_id": reading.text(item, "user_id"), "provider": None, "subject": None, "name": None}
    if identity.startswith(OAUTH):
        provider, _, subject = identity[len(OAUTH) :].partition("#")
        return {**told, "kind": "oauth", "provider": provider, "subject": subject}
    if identity.startswith(PASSKEY):
        return {**told, "kind": "passkey", "name": reading.optional_text(item, "name")}
    # An email address: the user's record has the event.
    return None


@reading.reader("identities")
def _factor_fields(item: Item) -> dict[str, Any]:
    whose, kind = reading.text(item, "user_id"), reading.text(item, "kind")
    told = {"user_id": whose, "kind": kind, "factor_id": None, "name": None}
    if kind == "totp":
        told |= {"factor_id": reading.text(item, "id").rpartition("#")[2], "name": reading.optional_text(item, "name")}
    return {
        "told": told,
        "codes": reading.string_set(item, "codes"),
        "step": reading.integer(item, "last_step") if kind == "totp" else None,
    }


def _factors(old: Item | None, new: Item | None) -> Made:
    found = _factor_fields(_one(new, old))
    told = found["told"]
    recovery = told["kind"] == "recovery"
    if new is None:
        return [(StreamSecondFactorRemoved, told)]
    before = None if old is None else _factor_fields(old)
    if recovery and (before is None or not found["codes"] <= before["codes"]):
        return [(StreamRecoveryCodesReplaced, {"user_id": told["user_id"]})]
    if before is None:
        return [(StreamSecondFactorAdded, told)]
    # A seed that is sealed anew is not a use.
    if (before["codes"], before["step"]) == (found["codes"], found["step"]):
        return []
    used = {"user_id": told["user_id"], "kind": told["kind"], "factor_id": told["factor_id"]}
    return [(StreamSecondFactorUsed, {**used, "codes_left": len(found["codes"]) if recovery else None})]


def _identities(old: Item | None, new: Item | None, at: datetime, ttl: bool) -> Made:
    if str(_one(new, old).get("id", {}).get("S")).startswith(FACTOR):
        return _factors(old, new)
    before = None if old is None else _identity_fields(old)
    after = None if new is None else _identity_fields(new)
    if before is not None and after is not None and before["user_id"] == after["user_id"]:
        return []
    made: Made = []
    if before is not None:
        made.append((StreamIdentityUnlinked, before))
    if after is not None:
        made.append((StreamIdentityLinked, after))
    return made


@reading.reader("tokens")
def _tokens_read(item: Item) -> dict[str, Any]:
    key = reading.text(item, "id")
    kind = key.partition("#")[0]
    return {
        "user_id": reading.optional_text(item, "user_id"),
        "ref": ref_of(key),
        "purpose": kind if kind != CODE else reading.text(item, "purpose"),
        "email": reading.optional_text(item, "email"),
    }


def _tokens(old: Item | None, new: Item | None, at: datetime, ttl: bool) -> Made:
    if new is None or not _is_consumed(new) or (old is not None and _is_consumed(old)):
        return []
    return [(StreamTokenConsumed, _tokens_read(new))]


@reading.reader("tokens")
def _is_consumed(item: Item) -> bool:
    if reading.text(item, "id").partition("#")[0] != CODE:
        return "consumed_by" in item
    right = reading.text(item, "mark")
    return any(tried.endswith(f".{right}") for tried in reading.text_list(item, "tries"))


_READERS: Final[dict[StoredTable, Callable[..., Made]]] = {
    "users": _users,
    "sessions": _sessions,
    "identities": _identities,
    "tokens": _tokens,
}


def _one(first: Item | None, second: Item | None) -> Item:
    found = first if first is not None else second
    if found is None:
        raise CorruptItem("stream", "dynamodb", "the record has neither an old nor a new image")
    return found


def _image(image: Any) -> Item | None:
    return None if image is None else cast("Item", _plain(image))


def _plain(value: Any) -> Any:
    """An image in one form: bytes as base64, sets sorted."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {
            # {"SS": [...]} is a set; an attribute that happens to be called SS contains a mapping.
            name: sorted(_plain(member)) if name in _SETS and not isinstance(member, Mapping) else _plain(member)
            for name, member in members.items()
        }
    if isinstance(value, list | tuple | set):
        return [_plain(part) for part in cast("Sequence[object]", value)]
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode("ascii")
    return value


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int | float):
        return from_epoch_seconds(int(value))
    raise CorruptItem("stream", "ApproximateCreationDateTime", "expected seconds since 1970")


def _is_ttl(record: Mapping[str, Any]) -> bool:
    by: Any = record.get("userIdentity")
    if not isinstance(by, Mapping):
        return False
    told = {str(name).lower(): value for name, value in cast("Mapping[object, object]", by).items()}
    return told.get("type") == "Service" and told.get("principalid") == _TTL_PRINCIPAL
