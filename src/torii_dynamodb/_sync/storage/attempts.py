# Generated from src/torii_dynamodb/_async/storage/attempts.py by tools/unasync.py. Do not edit.

"""Attempts, lockout and their audit on DynamoDB."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from torii_dynamodb import _core, models
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.keys import attempt_key, attempt_subject
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.times import to_text
from torii_dynamodb._sync.contract import BruteForceStorage
from torii_dynamodb._sync.storage.base import StorageBase
from torii_dynamodb._wire.errors import ConditionFailed

if TYPE_CHECKING:
    from torii_dynamodb.models import (
        AttemptKind,
        AttemptResult,
        FailedAttempt,
        Listing,
        LockoutPolicy,
        LockoutStatus,
        User,
    )

__all__ = ["Attempts"]


class Attempts(StorageBase, BruteForceStorage):
    """``BruteForceStorage`` on DynamoDB."""

    def acquire_login_attempt(self, email: str, *, policy: LockoutPolicy | None = None) -> AttemptResult:
        return self._acquire(_login(email), validation.policy(policy))

    def acquire_attempt(
        self, kind: AttemptKind, value: str, *, purpose: str | None = None, policy: LockoutPolicy | None = None
    ) -> AttemptResult:
        return self._acquire(_core.attempts.subject(kind, value, purpose), validation.policy(policy))

    def _acquire(self, subject: str, policy: LockoutPolicy) -> AttemptResult:
        if not policy.enabled:
            return models.AttemptResult(allowed=True)
        now = self._now()
        attempt_id = _core.attempts.new_attempt_id(now, self.config.random)
        try:
            self._client.call("UpdateItem", _core.attempts.acquire(self._attempts, subject, attempt_id, policy, now))
        except ConditionFailed as refused:
            if not _core.attempts.holds(refused.item, attempt_id, policy):
                return _core.attempts.refusal(refused.item, policy, now)
        return models.AttemptResult(allowed=True, attempt_id=attempt_id)

    def record_failed_attempt(
        self,
        email: str,
        attempt_id: str,
        *,
        ip_address: str | None = None,
        user_agent: str | None = None,
        policy: LockoutPolicy | None = None,
    ) -> None:
        checked = validation.policy(policy)
        if not checked.enabled and attempt_id == "":
            return
        now = self._now()
        item = _core.attempts.audit_item(
            _login(email),
            _core.attempts.attempt_id(attempt_id),
            now,
            validation.ip_address(ip_address),
            validation.user_agent(user_agent),
            checked,
        )
        normalised = normalise_email(email).normalised
        credentials = self._credentials(normalised)
        # If nobody has the address, read a user that does not exist, so that timing reveals nothing.
        user_id = f"usr_{self.config.random(16).hex()}" if credentials is None else credentials.user_id
        user = self._read_user(user_id, consistent=True)
        if user is not None and user.locked_at is not None and user.email == normalised:
            item = _core.attempts.keep(item, now) or item
        # The key is unique to the attempt: an existing row is ours, and a lock may have changed it since the first try.
        with suppress(ConditionFailed):
            self._client.call("PutItem", ex.put(self._attempts, item, "attribute_not_exists(#subject)"))

    def get_lockout_status(self, email: str, *, policy: LockoutPolicy | None = None) -> LockoutStatus:
        checked, subject = validation.policy(policy), _login(email)
        if not checked.enabled:
            return models.LockoutStatus(locked=False, attempts=0, retry_after=None)
        register = self._get(self._attempts, attempt_key(subject), consistent=True)
        return _core.attempts.status(register, checked, self._now())

    def clear_attempts(self, email: str, *, attempt_id: str | None = None) -> None:
        subject = _login(email)
        if attempt_id == "":
            return
        if attempt_id is None:
            # A transaction, so that a retry does not delete attempts made after the first try was applied.
            self._transact({"Delete": _core.attempts.clear(self._attempts, subject, None)})
            return
        self._clear(subject, _core.attempts.attempt_id(attempt_id))

    def clear_attempt(self, kind: AttemptKind, value: str, *, attempt_id: str, purpose: str | None = None) -> None:
        subject = _core.attempts.subject(kind, value, purpose)
        if attempt_id != "":
            self._clear(subject, _core.attempts.attempt_id(attempt_id))

    def _clear(self, subject: str, attempt_id: str) -> None:
        # Where the condition fails, others were made since, or it is cleared already.
        with suppress(ConditionFailed):
            self._client.call("DeleteItem", _core.attempts.clear(self._attempts, subject, attempt_id))

    def list_failed_attempts(self, email: str, *, limit: int = 100) -> Listing[FailedAttempt]:
        validation.integer(limit, "limit", least=1, most=10_000)
        now = self._now()
        query = _core.attempts.audit(
            self._attempts, _login(email), consistent=self.config.consistent_reads, limit=limit
        )
        rows = self._query(query, keep=lambda row: _core.attempts.is_kept(row, now), limit=limit)
        return reading.listing(rows, _core.attempts.read_audit)

    def cleanup_old_attempts(self, email: str, *, before: datetime) -> int:
        subject, end = _login(email), to_text(validation.moment(before, "before"))
        user = self._holder(normalise_email(email).normalised)
        if user is not None and user.locked_at is not None:
            return 0
        rows = self._query(_core.attempts.audit(self._attempts, subject, consistent=True, limit=None))
        old = [row for row in rows if row.get("at", {}).get("S", end) < end]
        self._client.batch_write(
            [(self._attempts, {"DeleteRequest": {"Key": attempt_key(subject, row["attempt"]["S"])}}) for row in old]
        )
        return len(old)

    def set_locked_at(self, user_id: str, locked_at: datetime | None) -> User | None:
        validation.user_id(user_id)
        moment = None if locked_at is None else validation.moment(locked_at, "locked_at")

        def decide(user: User) -> users.Change | None:
            return users.lock(self._users, user, moment, self._now())

        user = self._change_user(user_id, decide)
        if user is None:
            return None
        rows = self._query(_core.attempts.audit(self._attempts, _login(user.email), consistent=True, limit=None))
        now = self._now()
        turned = [_core.attempts.keep(row, now) if moment is not None else _core.attempts.release(row) for row in rows]
        self._client.batch_write([(self._attempts, {"PutRequest": {"Item": row}}) for row in turned if row is not None])
        if moment is not None:
            self._clean_up_sessions(user_id)
        return user

    def get_locked_at(self, user_id: str) -> datetime | None:
        user = self._read_user(validation.user_id(user_id), consistent=True)
        return None if user is None else user.locked_at


def _login(email: str) -> str:
    return attempt_subject("login", normalise_email(email).normalised)
