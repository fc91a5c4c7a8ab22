"""Users: what is stored, and the requests that create, change and delete one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from torii_dynamodb import models
from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading
from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb._core.keys import EMAIL, MAX_IDENTITIES, email_key, factor_key, item_key
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import Email, normalise_email
from torii_dynamodb._rules.times import to_text
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.config import EMAIL_INDEX, SCHEMA_VERSION
from torii_dynamodb.errors import (
    AlreadyExists,
    LastSignInMethod,
    ProviderDisconnected,
    Revoked,
    TooManyIdentities,
    ValidationError,
)
from torii_dynamodb.models import UNSET, User

if TYPE_CHECKING:
    from torii_dynamodb.models import Metadata, NewUser, Unset

__all__ = [
    "Change",
    "add_identity",
    "by_email",
    "changed",
    "check_epoch",
    "disconnected",
    "email_fields",
    "email_identity",
    "factor_keys",
    "is_held_by",
    "new_random_version",
    "new_user_model",
    "read",
    "remove_identity",
    "revoked",
    "serial_of",
    "to_item",
    "update_if_version",
]

_SERIAL = "token_serial_"
# The other attributes of a user's item. Comparing with all of them at once is cheaper than looking at each name.
_ATTRIBUTES = frozenset({*User.__slots__, "schema_version"})

ANY_PURPOSE = "*"
"""The serial that every token of a user has. It changes with the address, so that no token becomes valid again when the
user returns to an earlier address."""


def new_user_model(new_user: NewUser, password_hash: str | None, now: datetime, random: RandomBytes) -> User:
    """Return the user that a :class:`NewUser` asks for, with every field checked.

    The session epoch starts at a random number, so that a new user under an old id revives no old session.
    """
    validation.instance(new_user, "new_user", models.NewUser)
    email = normalise_email(new_user.email)
    user_id = f"usr_{random(16).hex()}" if new_user.id is None else validation.user_id(new_user.id, "id")
    name = None if new_user.name is None else validation.text(new_user.name, "name", most=256)
    verified_at = (
        None
        if new_user.email_verified_at is None
        else validation.moment(new_user.email_verified_at, "email_verified_at")
    )
    metadata = validation.metadata(new_user.metadata)
    if password_hash is not None:
        validation.password_hash(password_hash)
    return User(
        id=user_id,
        email=email.normalised,
        email_as_given=email.as_given,
        name=name,
        email_verified_at=verified_at,
        locked_at=None,
        created_at=now,
        updated_at=now,
        metadata=metadata,
        version=1,
        session_epoch=int.from_bytes(random(6)),
        password_version=None if password_hash is None else new_random_version(random),
        identities=frozenset({email_key(email.normalised)}),
    )


def new_random_version(random: RandomBytes) -> str:
    """Return a password version, token serial or write id: random, so that two writers never choose the same one."""
    return random(12).hex()


def to_item(user: User) -> Item:
    """Return the item that a user is stored as."""
    item: Item = {
        "id": {"S": user.id},
        "email": {"S": user.email},
        "email_as_given": {"S": user.email_as_given},
        "created_at": {"S": to_text(user.created_at)},
        "updated_at": {"S": to_text(user.updated_at)},
        "version": av.number(user.version),
        "session_epoch": av.number(user.session_epoch),
        "identities": av.string_set(user.identities),
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if user.name is not None:
        item["name"] = {"S": user.name}
    if user.email_verified_at is not None:
        item["email_verified_at"] = {"S": to_text(user.email_verified_at)}
    if user.locked_at is not None:
        item["locked_at"] = {"S": to_text(user.locked_at)}
    if user.password_version is not None:
        item["password_version"] = {"S": user.password_version}
    if user.metadata:
        item["metadata"] = av.encode(user.metadata)
    if user.disconnected:
        item["disconnected"] = av.string_set(user.disconnected)
    if user.factors:
        item["factors"] = av.string_set(user.factors)
    for purpose, serial in user.token_serials.items():
        item[_SERIAL + purpose] = {"S": serial}
    return item


@reading.reader("users")
def read(item: Item) -> User:
    """Read a user from its item."""
    return User(
        id=reading.text(item, "id"),
        email=reading.text(item, "email"),
        email_as_given=reading.optional_text(item, "email_as_given") or reading.text(item, "email"),
        name=reading.optional_text(item, "name"),
        email_verified_at=reading.optional_moment(item, "email_verified_at"),
        locked_at=reading.optional_moment(item, "locked_at"),
        created_at=reading.moment(item, "created_at"),
        updated_at=reading.moment(item, "updated_at"),
        metadata=reading.metadata(item),
        version=reading.integer(item, "version"),
        session_epoch=reading.integer(item, "session_epoch"),
        password_version=reading.optional_text(item, "password_version"),
        identities=reading.string_set(item, "identities"),
        token_serials={} if _ATTRIBUTES.issuperset(item) else _serials(item),
        disconnected=reading.string_set(item, "disconnected"),
        factors=reading.string_set(item, "factors"),
    )


def _serials(item: Item) -> dict[str, str]:
    return {name[len(_SERIAL) :]: reading.text(item, name) for name in item if name.startswith(_SERIAL)}


def by_email(table: str, normalised: str) -> dict[str, Any]:
    """Return the ``Query`` that finds the user with an address in the index."""
    return ex.query(table, "#email = :email", {":email": {"S": normalised}}, index=EMAIL_INDEX)


def is_held_by(item: Item | None, user_id: str) -> bool:
    """Return whether an identity's item, if there is one, names this user."""
    return item is not None and item.get("user_id") == {"S": user_id}


def email_identity(user: User, password_hash: str | None) -> Item:
    """Return the item that claims a user's address and stores the password hash."""
    item: Item = {
        "id": {"S": email_key(user.email)},
        "user_id": {"S": user.id},
        "created_at": {"S": to_text(user.created_at)},
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if password_hash is not None and user.password_version is not None:
        item["password_hash"] = {"S": password_hash}
        item["password_version"] = {"S": user.password_version}
    return item


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic change of a user.

    Args:
        user: The user after the change.
        items: The writes of the transaction; the user's own comes first.
    """

    user: User
    items: tuple[dict[str, Any], ...]


def creation(users_table: str, identities_table: str, user: User, password_hash: str | None) -> list[dict[str, Any]]:
    """Return the writes that create a user: the user, then the claim on the address, each only if it does not exist."""
    item, claim = to_item(user), email_identity(user, password_hash)
    check_item_size(item, "the user")
    return [{"Put": ex.put(users_table, item, ex.NOT_TAKEN)}, {"Put": ex.put(identities_table, claim, ex.NOT_TAKEN)}]


def deletion(users_table: str, identities_table: str, user: User) -> tuple[dict[str, Any], ...]:
    """Return the writes that delete a user and all its identities, if the user is still as read.

    An identity that is listed but missing must not prevent the deletion of the user.
    """
    unchanged = ex.delete(users_table, item_key(user.id), AS_READ, as_read(user))
    return (
        {"Delete": unchanged},
        *(drop_identity(identities_table, name, user.id) for name in (*sorted(user.identities), *factor_keys(user))),
    )


def factor_keys(user: User, names: Iterable[str] | None = None) -> list[str]:
    """The keys of the items of a user's factors: all, or those named. Passkeys are identities of their own."""
    return sorted(factor_key(user.id, name) for name in (user.factors if names is None else names) if name != "passkey")


def drop_identity(table: str, identity: str, user_id: str) -> dict[str, Any]:
    """Return the deletion of a listed identity, unless it is another user's."""
    condition = "attribute_not_exists(#id) OR #user_id = :user_id"
    return {"Delete": ex.delete(table, item_key(identity), condition, {":user_id": {"S": user_id}})}


def delete_owned(table: str, key: Item, user_id: str) -> dict[str, Any]:
    """Return the deletion of an item (an identity or a session), if it is the named user's."""
    return {"Delete": ex.delete(table, key, "#user_id = :user_id", {":user_id": {"S": user_id}})}


def drop_identities(users_table: str, identities_table: str, user: User, names: Sequence[str], now: datetime) -> Change:
    """Return the writes that remove several identities from a user at once."""
    after = changed(user, now, identities=user.identities - set(names))
    deletions = [drop_identity(identities_table, name, user.id) for name in names]
    return Change(after, (update_if_version(users_table, user, after), *deletions))


def with_identity(user: User, identity: str) -> User:
    """Return a new user with one more identity."""
    return replace(user, identities=user.identities | {identity})


def lock(table: str, user: User, moment: datetime | None, now: datetime) -> Change | None:
    """Return the write that locks a user, ending all sessions, or unlocks it; ``None`` if nothing changes."""
    if moment == user.locked_at:
        return None
    fields: dict[str, Any] = {"locked_at": moment}
    if moment is not None:
        fields["session_epoch"] = user.session_epoch + 1
    after = changed(user, now, **fields)
    return Change(after, (update_if_version(table, user, after),))


def serial_of(user: User, purpose: str) -> str | None:
    """Return the serial that a valid one-time token has: that of its purpose, and that of the address."""
    serials = [user.token_serials.get(ANY_PURPOSE), user.token_serials.get(purpose)]
    return ".".join(serial or "" for serial in serials) if any(serials) else None


def changed(user: User, now: datetime, **fields: Any) -> User:
    """Return a user with changed fields and the next version."""
    return replace(user, version=user.version + 1, updated_at=now, **fields)


AS_READ = "attribute_exists(#id) AND #version = :read AND #session_epoch = :read_epoch"
"""The condition that nobody has changed a user since it was read. Versions of a new user under the same id start at 1
again; the epoch, which starts at a random number, tells the two apart."""


def as_read(user: User) -> dict[str, Attribute]:
    """Return the values of :data:`AS_READ`."""
    return {":read": av.number(user.version), ":read_epoch": av.number(user.session_epoch)}


def update_if_version(table: str, before: User, after: User) -> dict[str, Any]:
    """Return the write that turns the user as read into ``after``.

    It writes only the attributes that differ, and only if nobody has changed the user since. A transaction returns no
    item, so the version is what guarantees that ``after`` is what is stored.
    """
    old, new = to_item(before), to_item(after)
    check_item_size(new, "the user")
    put = {name: value for name, value in new.items() if old.get(name) != value}
    gone = [name for name in old if name not in new]
    aliases = {name: "a" + name.encode().hex() if not name.isidentifier() else name for name in (*put, *gone)}
    expression = "SET " + ", ".join(f"#{aliases[name]} = :{aliases[name]}" for name in put)
    if gone:
        expression += " REMOVE " + ", ".join(f"#{aliases[name]}" for name in gone)
    values = {f":{aliases[name]}": value for name, value in put.items()} | as_read(before)
    return {
        "Update": ex.update(
            table,
            item_key(before.id),
            expression,
            AS_READ,
            values,
            names={f"#{alias}": name for name, alias in aliases.items()},
        )
    }


def profile_change(
    user: User,
    now: datetime,
    *,
    email: str | Unset,
    name: str | None | Unset,
    metadata: Metadata | Unset,
    serial: str,
) -> User:
    """Return the user after ``update_user``, with the arguments checked."""
    fields: dict[str, Any] = {}
    if name is not UNSET:
        fields["name"] = None if name is None else validation.text(name, "name", most=256)
    if metadata is not UNSET:
        fields["metadata"] = validation.metadata(metadata)
    if email is not UNSET:
        fields |= email_fields(user, normalise_email(email), serial)
    if not fields:
        raise ValidationError(
            "update_user", "has nothing to change; give the new values by keyword, for example name='Ada'"
        )
    return changed(user, now, **fields)


def email_fields(user: User, email: Email, serial: str) -> dict[str, Any]:
    """Return the fields that change with the address."""
    if email.normalised == user.email:
        return {"email_as_given": email.as_given}
    # ``serial`` invalidates links that prove the old address, even if the user returns to it.
    return {
        "email": email.normalised,
        "email_as_given": email.as_given,
        "email_verified_at": None,
        "identities": user.identities - {email_key(user.email)} | {email_key(email.normalised)},
        "token_serials": {**user.token_serials, ANY_PURPOSE: serial},
    }


def add_identity(
    table: str,
    user_id: str,
    identity: str,
    now: datetime,
    *,
    session_epoch: int | None = None,
    provider: str | None = None,
    joining: bool = False,
) -> dict[str, Any]:
    """Return the write that lists one more identity on a user, without having read the user.

    With ``session_epoch``, only if the user is still at that epoch. A ``provider`` that the user disconnected is
    connected again or, with ``joining``, refused.
    """
    expression = "SET #version = #version + :one, #updated_at = :now ADD #identities :identity"
    condition = "attribute_exists(#id) AND size(#identities) < :most"
    values: dict[str, Attribute] = {
        ":one": av.number(1),
        ":now": {"S": to_text(now)},
        ":identity": av.string_set({identity}),
        ":most": av.number(MAX_IDENTITIES),
    }
    if session_epoch is not None:
        condition += " AND #session_epoch = :begun_under"
        values[":begun_under"] = av.number(session_epoch)
    if provider is not None and joining:
        condition += " AND (attribute_not_exists(#disconnected) OR NOT contains(#disconnected, :provider))"
        values[":provider"] = {"S": provider}
    elif provider is not None:
        expression += " DELETE #disconnected :provider"
        values[":provider"] = av.string_set({provider})
    return {"Update": ex.update(table, item_key(user_id), expression, condition, values)}


def remove_identity(
    table: str,
    user_id: str,
    identity: str,
    now: datetime,
    *,
    allow_verified_email: bool,
    session_epoch: int | None = None,
    provider: str | None = None,
) -> dict[str, Any]:
    """Return the write that removes an identity from a user, unless it is the last way to sign in.

    With ``session_epoch``, only if the user is still at that epoch. A ``provider`` is recorded as disconnected.

    A password must remain, or one more identity beside the email address and this one or, with
    ``allow_verified_email``, a verified address.
    """
    ways = ["attribute_exists(#password_version)", "size(#identities) > :two"]
    if allow_verified_email:
        ways.append("attribute_exists(#email_verified_at)")
    expression = "SET #version = #version + :one, #updated_at = :now DELETE #identities :identity"
    values: dict[str, Attribute] = {
        ":one": av.number(1),
        ":two": av.number(2),
        ":now": {"S": to_text(now)},
        ":identity": av.string_set({identity}),
        ":name": {"S": identity},
    }
    if provider is not None:
        expression += " ADD #disconnected :provider"
        values[":provider"] = av.string_set({provider})
    condition = f"attribute_exists(#id) AND contains(#identities, :name) AND ({' OR '.join(ways)})"
    if session_epoch is not None:
        condition += " AND #session_epoch = :begun_under"
        values[":begun_under"] = av.number(session_epoch)
    return {"Update": ex.update(table, item_key(user_id), expression, condition, values)}


def has_other_way(user: User, removed: Iterable[str], *, password: bool, allow_verified_email: bool) -> bool:
    """Return whether a user can still sign in without these identities and, if ``password=False``, the password."""
    left = {identity for identity in user.identities - set(removed) if not identity.startswith(EMAIL)}
    return bool(left or (password and user.has_password) or (allow_verified_email and user.is_email_verified))


def last_sign_in_method(what: str, request_id: str | None = None) -> LastSignInMethod:
    """Return the refusal to remove the last way to sign in."""
    return LastSignInMethod(
        f"{what} is the user's last way to sign in; add a password, passkey or account first", request_id=request_id
    )


def check_epoch(user: User, session_epoch: int | None, request_id: str | None = None) -> None:
    """Refuse to complete what began before all of the user's sessions were ended."""
    if session_epoch is not None and user.session_epoch != session_epoch:
        raise revoked(request_id)


def revoked(request_id: str | None = None) -> Revoked:
    """Return the refusal of a write that began under an older session epoch."""
    return Revoked(
        "all sessions of this user were ended after this began; sign in and begin again", request_id=request_id
    )


def disconnected(request_id: str | None = None) -> ProviderDisconnected:
    """Return the refusal to link a disconnected provider's account just because it has the user's address."""
    return ProviderDisconnected(
        "the user disconnected this provider; they can link it again while signed in", request_id=request_id
    )


def too_many_identities(request_id: str | None = None) -> TooManyIdentities:
    """Return the refusal of an identity beyond the limit."""
    return TooManyIdentities(
        f"the user has {MAX_IDENTITIES} identities (email address, accounts and passkeys together), "
        "the most that can be deleted in one atomic write; remove one first",
        limit=MAX_IDENTITIES,
        request_id=request_id,
    )


def taken(what: str, request_id: str | None = None) -> AlreadyExists:
    """Return the refusal of a taken identity. The message omits the address, because logs collect messages."""
    shown = {
        "email": "another user has this email address",
        "user": "another user has this id",
        "oauth_account": "another user has linked this account",
        "passkey": "another user has this passkey",
    }
    return AlreadyExists(what, shown[what], request_id=request_id)


def scan(table: str, *, consistent: bool) -> dict[str, Any]:
    """Return the ``Scan`` of all users."""
    return {"TableName": table, "ConsistentRead": consistent}


def page(body: dict[str, Any], limit: int, start: Item | None) -> dict[str, Any]:
    """Return the body of one page of a ``Scan``."""
    return {**body, "Limit": limit, **({} if start is None else {"ExclusiveStartKey": start})}


def is_own(item: Item) -> bool:
    """Whether a scanned item is not another tenant's (see _core/layout.py)."""
    return not item.get("id", {}).get("S", "").startswith("@")
