"""Sessions: what is stored, when one is valid, and the requests that create and end them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from torii_dynamodb import models
from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import item_key
from torii_dynamodb._core.sizes import check_item_size
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.secrets import ParsedSecret, digest, make_session_token
from torii_dynamodb._rules.times import epoch_seconds, from_epoch_seconds, to_text
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.config import SCHEMA_VERSION, USER_SESSIONS_INDEX
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import Session, SignedIn, User

if TYPE_CHECKING:
    from torii_dynamodb.models import NewSession

__all__ = [
    "by_user",
    "end_all",
    "extend",
    "is_current",
    "latest",
    "new_session_model",
    "read",
    "stale",
    "to_item",
]

_EPOCH_WRITES = 4
_MAX_AMR = 16


def new_session_model(new_session: NewSession, user: User | None, now: datetime) -> NewSession:
    """Return the new session with every field checked and normalised."""
    validation.instance(new_session, "new_session", models.NewSession)
    user_id = validation.user_id(new_session.user_id)
    if user is not None:
        validation.instance(user, "user", User)
        if user.id != user_id:
            raise ValidationError("user", "is not the user that new_session.user_id names")
    expires_at = validation.moment(new_session.expires_at, "expires_at")
    if expires_at <= now:
        raise ValidationError("expires_at", f"{to_text(expires_at)} is in the past; give a time in the future")
    return replace(
        new_session,
        expires_at=from_epoch_seconds(epoch_seconds(expires_at)),
        user_agent=validation.user_agent(new_session.user_agent),
        ip_address=validation.ip_address(new_session.ip_address),
        metadata=validation.metadata(new_session.metadata),
        amr=_amr(new_session.amr),
        authenticated_at=_past(new_session.authenticated_at, "authenticated_at", now),
        second_factor_at=_past(new_session.second_factor_at, "second_factor_at", now),
    )


def _amr(value: object) -> tuple[str, ...]:
    if not isinstance(value, tuple) or len(cast("tuple[object, ...]", value)) > _MAX_AMR:
        raise ValidationError("amr", f"give a tuple of at most {_MAX_AMR} names")
    return tuple(validation.text(name, "amr", most=32) for name in cast("tuple[object, ...]", value))


def _past(value: object, field: str, now: datetime) -> datetime | None:
    return None if value is None else min(validation.moment(value, field), now)


def bind(new_session: NewSession, epoch: int, now: datetime, random: RandomBytes) -> Session:
    """Return the session, with its token, bound to a user's epoch."""
    token = make_session_token(new_session.user_id, random)
    return Session(
        id=digest(token),
        user_id=new_session.user_id,
        created_at=now,
        expires_at=new_session.expires_at,
        epoch=epoch,
        user_agent=new_session.user_agent,
        ip_address=new_session.ip_address,
        metadata=new_session.metadata,
        amr=new_session.amr,
        authenticated_at=new_session.authenticated_at,
        second_factor_at=new_session.second_factor_at,
        token=token,
    )


def to_item(session: Session) -> Item:
    """Return the item that a session is stored as, which does not contain its token."""
    item: Item = {
        "id": {"S": session.id},
        "user_id": {"S": session.user_id},
        "created_at": {"S": to_text(session.created_at)},
        "expires_at": av.number(epoch_seconds(session.expires_at)),
        "epoch": av.number(session.epoch),
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if session.user_agent is not None:
        item["user_agent"] = {"S": session.user_agent}
    if session.ip_address is not None:
        item["ip_address"] = {"S": session.ip_address}
    if session.metadata:
        item["metadata"] = av.encode(session.metadata)
    if session.amr:
        item["amr"] = {"L": [{"S": name} for name in session.amr]}
    if session.authenticated_at is not None:
        item["authenticated_at"] = {"S": to_text(session.authenticated_at)}
    if session.second_factor_at is not None:
        item["second_factor_at"] = {"S": to_text(session.second_factor_at)}
    check_item_size(item, "the session")
    return item


@reading.reader("sessions")
def read(item: Item, token: str = "") -> Session:
    """Read a session from its item, adding the caller's token, if there is one."""
    return Session(
        id=reading.text(item, "id"),
        user_id=reading.text(item, "user_id"),
        created_at=reading.moment(item, "created_at"),
        expires_at=reading.expires_at(item),
        epoch=reading.integer(item, "epoch"),
        user_agent=reading.optional_text(item, "user_agent"),
        ip_address=reading.optional_text(item, "ip_address"),
        metadata=reading.metadata(item),
        amr=tuple(reading.text_list(item, "amr")),
        authenticated_at=reading.optional_moment(item, "authenticated_at"),
        second_factor_at=reading.optional_moment(item, "second_factor_at"),
        token=token,
    )


def judge(
    parsed: ParsedSecret, token: str, session_item: Item | None, user_item: Item | None, now: datetime
) -> SignedIn | None:
    """Decide whether a session is valid. Nothing else decides it.

    A session is valid if it exists and has not expired, its user exists, its token, row and user name the same user,
    and its epoch is the user's.
    """
    if session_item is None or user_item is None:
        return None
    session = read(session_item, token)
    if session.expires_at <= now:
        return None
    user = users.read(user_item)
    if not parsed.user_id == session.user_id == user.id or session.epoch != user.session_epoch:
        return None
    return SignedIn(user, session)


def is_current(session: Session, user: User, now: datetime) -> bool:
    """Return whether a listed session is valid."""
    return session.user_id == user.id and session.epoch == user.session_epoch and session.expires_at > now


def extend(table: str, key: Item, user_id: str, expires_at: int, now: int) -> dict[str, Any]:
    """Return the ``UpdateItem`` that moves the expiry of a session forward.

    Only forward, so two extensions have the same result in any order, and a retry finds its own write done.
    """
    return ex.update(
        table,
        key,
        "SET #expires_at = :expires_at",
        f"{ex.OWNED} AND #expires_at > :now AND #expires_at < :expires_at",
        {":expires_at": {"N": str(expires_at)}, ":now": {"N": str(now)}, ":user_id": {"S": user_id}},
        returns=True,
    )


def end_all(table: str, user_id: str, write_id: str, now: datetime) -> dict[str, Any]:
    """Return the ``UpdateItem`` that ends all sessions of a user, by increasing the epoch.

    The last four such writes are recorded, so that a retry whose response was lost does not increase it twice.
    """
    register = ex.register("epoch_write_", _EPOCH_WRITES, write_id, "")
    return ex.update(
        table,
        item_key(user_id),
        "SET #session_epoch = #session_epoch + :one, #version = #version + :one, #updated_at = :now, "
        + register.assignments,
        f"attribute_exists(#id) AND {register.not_in_it}",
        {":one": av.number(1), ":now": {"S": to_text(now)}, **register.values},
        returns=True,
    )


def by_user(table: str, user_id: str, *, after: int | None = None) -> dict[str, Any]:
    """Return the ``Query`` for a user's sessions in the index, or those that expire ``after`` an epoch second."""
    condition, values = "#user_id = :user_id", {":user_id": {"S": user_id}}
    if after is not None:
        condition += " AND #expires_at > :after"
        values[":after"] = {"N": str(after)}
    return ex.query(table, condition, values, index=USER_SESSIONS_INDEX)


def stale(items: list[Item], user: User | None) -> list[str]:
    """Return the ids of session rows that can never be valid again.

    The user must have been read, strongly consistent, *after* the rows: otherwise a row of a later epoch would look
    stale.
    """
    epoch = None if user is None else str(user.session_epoch)
    return [item["id"]["S"] for item in latest(items) if item.get("epoch", {}).get("N") != epoch]


def latest(rows: list[Item]) -> list[Item]:
    """Return each session once, in its latest state.

    The index is sorted by expiry, which a refresh moves, so a session may be on two pages and, while the index lags,
    twice on one. (A ``BatchWriteItem`` that contains a key twice is refused as a whole.)
    """
    return list({row["id"]["S"]: row for row in rows}.values())
