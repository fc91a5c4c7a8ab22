"""Attempts: a shift register that limits them, in one conditional write, and audit rows.

The register of a subject contains the times of its last ``M`` attempts, newest first. An attempt is allowed if the
oldest of them is outside the window, and is then shifted in. So at most ``M`` are allowed in any window, however many
run in parallel: DynamoDB orders the writes of one item. A refused attempt changes nothing, so an attacker cannot
prolong a lockout.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from torii_dynamodb._core import attributes as av
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading
from torii_dynamodb._core.attributes import Attribute, Item
from torii_dynamodb._core.keys import REGISTER, attempt_key, attempt_subject
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.times import epoch_millis, epoch_seconds, to_text
from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.errors import CorruptItem, ValidationError
from torii_dynamodb.models import AttemptResult, FailedAttempt, LockoutStatus
from torii_dynamodb.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from torii_dynamodb.models import AttemptKind, LockoutPolicy

__all__ = [
    "acquire",
    "attempt_id",
    "audit",
    "audit_item",
    "clear",
    "holds",
    "keep",
    "new_attempt_id",
    "read_audit",
    "refusal",
    "release",
    "status",
    "subject",
]

_KINDS: tuple[AttemptKind, ...] = ("login", "ip", "mail", "device", "user")
_ATTEMPT_ID = re.compile(r"[0-9]{13}#[0-9a-f]{16}", re.ASCII)
_CELL = "a"
# Sorts before every attempt id, which begins with thirteen digits.
_NEVER = "0"


def subject(kind: object, value: object, purpose: object = None) -> str:
    """Return what attempts of any kind are counted under, with all three arguments checked."""
    if kind not in _KINDS:
        raise ValidationError("kind", f"give one of {', '.join(_KINDS)}")
    checked = None if purpose is None else validation.purpose(purpose)
    if kind in ("login", "mail"):
        return attempt_subject(kind, normalise_email(value, field="value").normalised, checked)
    return attempt_subject(kind, validation.attempt_value(kind, value), checked)


def attempt_id(value: object) -> str:
    """Check an attempt's id, as returned in ``AttemptResult.attempt_id``."""
    if not isinstance(value, str) or not _ATTEMPT_ID.fullmatch(value):
        raise ValidationError("attempt_id", "is not an attempt id; give AttemptResult.attempt_id of an allowed attempt")
    return value


def new_attempt_id(now: datetime, random: RandomBytes) -> str:
    """Return an id for an attempt: its time in milliseconds, so that ids sort by time, and a random part."""
    return f"{epoch_millis(now):013d}#{random(8).hex()}"


def acquire(table: str, subject: str, attempt_id: str, policy: LockoutPolicy, now: datetime) -> dict[str, Any]:
    """Return the ``UpdateItem`` that records an attempt or is refused. A retry finds itself in the register."""
    register = ex.register(_CELL, policy.max_attempts, attempt_id, _NEVER)
    last = f"#{_CELL}{policy.max_attempts}"
    return ex.update(
        table,
        attempt_key(subject),
        f"SET {register.assignments}, #expires_at = :expires_at, #schema_version = :schema",
        f"{register.not_in_it} AND (attribute_not_exists({last}) OR {last} <= :cutoff)",
        {
            ":cutoff": {"S": _cutoff(policy, now)},
            ":expires_at": av.number(epoch_seconds(now + policy.window) + 1),
            ":schema": av.number(SCHEMA_VERSION),
            **register.values,
        },
    )


def holds(register: Item | None, attempt_id: str, policy: LockoutPolicy) -> bool:
    """Return whether an attempt is in the register."""
    return attempt_id in _cells(register, policy)


def refusal(register: Item | None, policy: LockoutPolicy, now: datetime) -> AttemptResult:
    """Return the result of a refused attempt."""
    return AttemptResult(allowed=False, retry_after=_wait(register, policy, now) or timedelta(milliseconds=1))


def status(register: Item | None, policy: LockoutPolicy, now: datetime) -> LockoutStatus:
    """Return the status of a subject."""
    wait = _wait(register, policy, now)
    return LockoutStatus(
        locked=wait is not None,
        attempts=sum(cell > _cutoff(policy, now) for cell in _cells(register, policy)),
        retry_after=wait,
    )


def clear(table: str, subject: str, attempt_id: str | None) -> dict[str, Any]:
    """Return the ``DeleteItem`` of a register; with an attempt id, only if that attempt is the latest."""
    if attempt_id is None:
        return ex.delete(table, attempt_key(subject))
    return ex.delete(table, attempt_key(subject), f"#{_CELL}1 = :me", {":me": {"S": attempt_id}})


def audit_item(
    subject: str, attempt_id: str, now: datetime, ip_address: str | None, user_agent: str | None, policy: LockoutPolicy
) -> Item:
    """Return the audit row of an attempt that failed."""
    item: Item = {
        **attempt_key(subject, attempt_id),
        "at": {"S": to_text(now)},
        "expires_at": av.number(epoch_seconds(now + policy.retention)),
        "schema_version": av.number(SCHEMA_VERSION),
    }
    if ip_address is not None:
        item["ip_address"] = {"S": ip_address}
    if user_agent is not None:
        item["user_agent"] = {"S": user_agent}
    return item


def audit(table: str, subject: str, *, consistent: bool, limit: int | None) -> dict[str, Any]:
    """Return the ``Query`` for the audit rows, newest first."""
    values: Item = {":subject": {"S": subject}, ":register": {"S": REGISTER}}
    body = ex.query(table, "#subject = :subject AND #attempt > :register", values, consistent=consistent)
    return body | {"ScanIndexForward": False} | ({} if limit is None else {"Limit": limit})


@reading.reader("login_attempts")
def read_audit(item: Item) -> FailedAttempt:
    """Read a failed attempt from its audit row."""
    if "expires_at" in item:
        reading.expires_at(item)
    return FailedAttempt(
        attempt_id=reading.text(item, "attempt"),
        at=reading.moment(item, "at"),
        ip_address=reading.optional_text(item, "ip_address"),
        user_agent=reading.optional_text(item, "user_agent"),
    )


def is_kept(item: Item, now: datetime) -> bool:
    """Return whether an audit row has not expired. A locked account's rows do not expire; an unreadable one is kept."""
    if "expires_at" not in item:
        return True
    try:
        return _end(item) > now
    except CorruptItem:
        return True


@reading.reader("login_attempts")
def _end(item: Item) -> datetime:
    return reading.expires_at(item)


def keep(item: Item, now: datetime) -> Item | None:
    """Return an audit row without an expiry, for a locked account; ``None`` if it has none or has expired."""
    if "expires_at" not in item or not is_kept(item, now):
        return None
    kept = dict(item)
    kept["kept_expires_at"] = kept.pop("expires_at")
    return kept


def release(item: Item) -> Item | None:
    """Return the row with its expiry restored, the inverse of :func:`keep`; ``None`` if nothing changes."""
    if "kept_expires_at" not in item:
        return None
    released = dict(item)
    released["expires_at"] = released.pop("kept_expires_at")
    return released


def _cells(register: Item | None, policy: LockoutPolicy) -> list[str]:
    cells: list[Attribute] = [
        (register or {}).get(f"{_CELL}{index}", {}) for index in range(1, policy.max_attempts + 1)
    ]
    return [value for cell in cells if isinstance(value := cell.get("S"), str)]


def _cutoff(policy: LockoutPolicy, now: datetime) -> str:
    # "~" sorts after "#": an attempt exactly one window ago is outside.
    return f"{epoch_millis(now - policy.window):013d}~"


def _wait(register: Item | None, policy: LockoutPolicy, now: datetime) -> timedelta | None:
    """Return how long until the next attempt is allowed; ``None`` if one is allowed now."""
    cells = _cells(register, policy)
    if len(cells) < policy.max_attempts or cells[-1] <= _cutoff(policy, now):
        return None
    try:
        oldest = int(cells[-1].partition("#")[0])
    except ValueError:
        return policy.window
    wait = oldest - epoch_millis(now - policy.window)
    return timedelta(milliseconds=max(wait, 1))
