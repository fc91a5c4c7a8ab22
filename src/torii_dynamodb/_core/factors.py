"""Second factors: what is stored, and the requests that add, use and remove them.

A factor is an item of ``identities`` under the user's id, and the user's set ``factors`` lists its name, so a sign-in,
which reads the user anyway, knows whether a second factor is required.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb._core.keys import factor_key, item_key
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._core.users import Change
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.enrolled import SECOND_FACTOR, is_enrolled
from torii_dynamodb._rules.times import to_text
from torii_dynamodb.errors import TooManyFactors, ValidationError, VersionConflict
from torii_dynamodb.models import Factor, NewFactor, User
from torii_dynamodb.schema import SCHEMA_VERSION

__all__ = [
    "MAX_TOTP",
    "accept",
    "addition",
    "check_first",
    "check_marks",
    "check_user",
    "checked",
    "factor_name",
    "read",
    "recovery",
    "removal",
    "reseal",
    "serials_after_removal",
    "to_item",
    "totp_names",
    "use_recovery_code",
    "was_used_by",
    "with_passkeys",
]

MAX_TOTP = 5
"""Each factor is one more item in the transaction that deletes the user, which takes at most 100."""

RECOVERY = "recovery"
PASSKEY = "passkey"
_TOTP = "totp#"
_MAX_MARKS = 32
_USED = "used_by_"
_REMEMBERED_WRITES = 4


def factor_name(factor_id: object) -> str:
    """Return the name that a factor has in the user's set, by its id; all but ``recovery`` and ``passkey`` are TOTP."""
    checked_id = validation.user_id(factor_id, "factor_id")
    return checked_id if checked_id in (RECOVERY, PASSKEY) else _TOTP + checked_id


def totp_names(user: User) -> list[str]:
    """Return the names of a user's TOTP factors."""
    return sorted(name for name in user.factors if name.startswith(_TOTP))


def checked(new_factor: NewFactor) -> NewFactor:
    """Return the factor with every field checked."""
    validation.instance(new_factor, "new_factor", NewFactor)
    if new_factor.id in (RECOVERY, PASSKEY):
        raise ValidationError("id", f"{new_factor.id!r} is reserved; choose another id")
    return replace(
        new_factor,
        user_id=validation.user_id(new_factor.user_id),
        id=validation.user_id(new_factor.id, "id"),
        secret=validation.binary(new_factor.secret, "secret", most=4096),
        name=validation.text(new_factor.name, "name", most=64),
        last_step=validation.integer(new_factor.last_step, "last_step", least=0, most=2**53),
    )


def check_user(user: User | None, user_id: str) -> None:
    """Check that the user that the caller has read is the one that ``user_id`` names."""
    if user is not None:
        validation.instance(user, "user", User)
        if user.id != user_id:
            raise ValidationError("user", "is not the user that user_id names")


def to_item(factor: Factor) -> Item:
    """Return the item that a TOTP factor is stored as."""
    item: Item = {
        "id": {"S": factor_key(factor.user_id, factor_name(factor.id))},
        "user_id": {"S": factor.user_id},
        "kind": {"S": factor.kind},
        "name": {"S": factor.name},
        "created_at": {"S": to_text(factor.created_at)},
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if factor.secret is not None:
        item["secret"] = av.binary(factor.secret)
    if factor.last_step is not None:
        item["last_step"] = av.number(factor.last_step)
    check_item_size(item, "the factor")
    return item


@reading.reader("identities")
def read(item: Item) -> Factor:
    """Read a factor from its item."""
    user_id = reading.text(item, "user_id")
    is_totp = reading.text(item, "kind") == "totp"
    name = reading.text(item, "id")[len(factor_key(user_id, "")) :]
    marks = reading.string_set(item, "codes")
    return Factor(
        user_id=user_id,
        id=name.removeprefix(_TOTP),
        kind="totp" if is_totp else "recovery",
        name=reading.text(item, "name"),
        created_at=reading.moment(item, "created_at"),
        last_used_at=reading.optional_moment(item, "last_used_at"),
        secret=reading.binary(item, "secret") if is_totp else None,
        last_step=reading.integer(item, "last_step") if is_totp else None,
        marks=marks,
    )


def check_first(user: User) -> None:
    """Refuse a first factor to a user who has one."""
    if is_enrolled(user):
        raise VersionConflict("the user has a second factor by now: give it, then add another")


def addition(
    users_table: str, identities_table: str, user: User, factor: Factor, now: datetime, *, only_first: bool
) -> Change | None:
    """Return the writes that add a TOTP factor; ``None`` if the user has it already."""
    name = factor_name(factor.id)
    if name in user.factors:
        return None
    if only_first:
        check_first(user)
    if len(totp_names(user)) >= MAX_TOTP:
        raise TooManyFactors(f"a user has at most {MAX_TOTP} authenticator apps; remove one first", limit=MAX_TOTP)
    after = users.changed(user, now, factors=user.factors | {name})
    put = {"Put": ex.put(identities_table, to_item(factor), ex.NOT_TAKEN)}
    return Change(after, (users.update_if_version(users_table, user, after), put))


def removal(
    users_table: str, identities_table: str, user: User, names: Sequence[str], now: datetime, *, serial: str
) -> Change | None:
    """Return the writes that remove factors; ``None`` if the user has none of them.

    Recovery codes replace a lost factor, so they are removed with the last one.
    """
    left = user.factors - set(names)
    if left == frozenset({RECOVERY}):
        left = frozenset[str]()
    gone = user.factors - left
    if not gone:
        return None
    after = users.changed(user, now, factors=left, token_serials=serials_after_removal(user, serial))
    dropped = [users.drop_identity(identities_table, key, user.id) for key in users.factor_keys(user, gone)]
    return Change(after, (users.update_if_version(users_table, user, after), *dropped))


def serials_after_removal(user: User, serial: str) -> dict[str, str]:
    """Return the user's serials after a removal: open challenges end, and trust in browsers ends for good."""
    return {**user.token_serials, SECOND_FACTOR: serial}


def with_passkeys(users_table: str, user: User, now: datetime) -> Change | None:
    """Return the write that makes passkeys count as a second factor; ``None`` if they do already."""
    if PASSKEY in user.factors:
        return None
    after = users.changed(user, now, factors=user.factors | {PASSKEY})
    return Change(after, (users.update_if_version(users_table, user, after),))


def accept(table: str, user_id: str, name: str, step: int, write_id: str, now: datetime) -> dict[str, Any]:
    """Return the ``UpdateItem`` that accepts a TOTP step once."""
    return _use(
        table,
        user_id,
        name,
        write_id,
        now,
        ("#last_step = :step", ""),
        "#last_step < :step",
        {":step": av.number(step)},
    )


def use_recovery_code(table: str, user_id: str, mark: str, write_id: str, now: datetime) -> dict[str, Any]:
    """Return the ``UpdateItem`` that uses up a recovery code."""
    values = {":mark": {"S": mark}, ":gone": av.string_set({mark})}
    return _use(
        table, user_id, RECOVERY, write_id, now, ("", " DELETE #codes :gone"), "contains(#codes, :mark)", values
    )


def _use(
    table: str,
    user_id: str,
    name: str,
    write_id: str,
    now: datetime,
    changes: tuple[str, str],
    condition: str,
    values: dict[str, Attribute],
) -> dict[str, Any]:
    # The last writes are remembered, so that a retry after a lost response is recognised: see was_used_by.
    register = ex.register(_USED, _REMEMBERED_WRITES, write_id, "")
    assignments = ", ".join(part for part in (changes[0], "#last_used_at = :now", register.assignments) if part)
    return ex.update(
        table,
        item_key(factor_key(user_id, name)),
        f"SET {assignments}{changes[1]}",
        f"#user_id = :user_id AND {condition} AND {register.not_in_it}",
        {":user_id": {"S": user_id}, ":now": {"S": to_text(now)}, **values, **register.values},
        returns=True,
    )


def was_used_by(item: Item | None, write_id: str) -> bool:
    """Whether a write was applied, perhaps by an earlier attempt whose response was lost."""
    names = (f"{_USED}{index}" for index in range(1, _REMEMBERED_WRITES + 1))
    return item is not None and any(item.get(name) == {"S": write_id} for name in names)


def check_marks(value: object, *, most: int = _MAX_MARKS) -> frozenset[str]:
    """Check what is to be stored of recovery codes."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | frozenset | set):
        raise ValidationError("marks", f"must be a collection of strings, not {type(value).__name__}")
    marks: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]  # checked one by one
    if not 1 <= len(marks) <= most:
        raise ValidationError("marks", f"must be 1 to {most} marks, not {len(marks)}")
    return frozenset(validation.text(mark, "marks", most=128) for mark in marks)


def recovery(users_table: str, identities_table: str, user: User, marks: frozenset[str], now: datetime) -> Change:
    """Return the writes that replace a user's recovery codes."""
    after = users.changed(user, now, factors=user.factors | {RECOVERY})
    # Not a put: the item keeps the last uses of earlier codes, so that their retries are recognised (was_used_by).
    update = ex.update(
        identities_table,
        item_key(factor_key(user.id, RECOVERY)),
        "SET #user_id = :user_id, #kind = :kind, #name = :name, #created_at = :now, #codes = :codes, "
        "#schema_version = :schema REMOVE #last_used_at",
        "attribute_not_exists(#id) OR #user_id = :user_id",
        {
            ":user_id": {"S": user.id},
            ":kind": {"S": "recovery"},
            ":name": {"S": "Recovery codes"},
            ":now": {"S": to_text(now)},
            ":codes": av.string_set(marks),
            ":schema": av.number(SCHEMA_VERSION),
        },
    )
    return Change(after, (users.update_if_version(users_table, user, after), {"Update": update}))


def reseal(table: str, factor: Factor, secret: bytes) -> dict[str, Any]:
    """Return the ``UpdateItem`` that replaces a seed sealed under an old secret, if it is still the one read."""
    assert factor.secret is not None
    return ex.update(
        table,
        item_key(factor_key(factor.user_id, factor_name(factor.id))),
        "SET #secret = :new",
        "#user_id = :user_id AND #secret = :old",
        {":new": av.binary(secret), ":old": av.binary(factor.secret), ":user_id": {"S": factor.user_id}},
    )
