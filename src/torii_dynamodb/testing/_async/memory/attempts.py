"""Attempts, lockout and the audit of failures in memory."""

from __future__ import annotations

from datetime import datetime, timedelta

from torii_dynamodb._async.contract import AsyncBruteForceStorage
from torii_dynamodb._core import attempts, keys
from torii_dynamodb._rules import times, validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb.models import AttemptKind, AttemptResult, FailedAttempt, Listing, LockoutPolicy, LockoutStatus, User
from torii_dynamodb.testing._memory import inputs
from torii_dynamodb.testing._memory.base import MemoryBase, copied_user
from torii_dynamodb.testing._memory.state import AuditRow

__all__ = ["AsyncMemoryAttempts"]


class AsyncMemoryAttempts(MemoryBase, AsyncBruteForceStorage):
    """The contract's ``AsyncBruteForceStorage``."""

    async def acquire_login_attempt(self, email: str, *, policy: LockoutPolicy | None = None) -> AttemptResult:
        subject = _login(normalise_email(email).normalised)
        limits = validation.policy(policy)
        with self._state.lock:
            return self._acquire(subject, limits)

    async def acquire_attempt(
        self, kind: AttemptKind, value: str, *, purpose: str | None = None, policy: LockoutPolicy | None = None
    ) -> AttemptResult:
        subject = attempts.subject(kind, value, purpose)
        limits = validation.policy(policy)
        with self._state.lock:
            return self._acquire(subject, limits)

    def _acquire(self, subject: str, policy: LockoutPolicy) -> AttemptResult:
        if not policy.enabled:
            return AttemptResult(allowed=True)
        register = self._state.registers.get(subject, ())
        retry_after = self._retry_after(register, policy)
        if retry_after is not None:
            return AttemptResult(allowed=False, retry_after=retry_after)
        attempt_id = attempts.new_attempt_id(self._now(), self._random)
        self._state.registers[subject] = (attempt_id, *register)[: validation.MAX_ATTEMPTS]
        return AttemptResult(allowed=True, attempt_id=attempt_id)

    def _retry_after(self, register: tuple[str, ...], policy: LockoutPolicy) -> timedelta | None:
        """Return the time until the attempt ``max_attempts`` ago leaves the window; ``None`` if it has."""
        if len(register) < policy.max_attempts:
            return None
        frees = _millis(register[policy.max_attempts - 1]) + _window(policy)
        wait = frees - times.epoch_millis(self._now())
        return timedelta(milliseconds=wait) if wait > 0 else None

    async def record_failed_attempt(
        self,
        email: str,
        attempt_id: str,
        *,
        ip_address: str | None = None,
        user_agent: str | None = None,
        policy: LockoutPolicy | None = None,
    ) -> None:
        subject = _login(normalise_email(email).normalised)
        limits = validation.policy(policy)
        address = validation.ip_address(ip_address)
        agent = validation.user_agent(user_agent)
        if not limits.enabled:
            return
        named = attempts.attempt_id(attempt_id)
        with self._state.lock:
            now = self._now()
            row = AuditRow(
                attempt_id=named,
                at=now,
                ip_address=address,
                user_agent=agent,
                expires_at=inputs.seconds(now + limits.retention),
            )
            self._state.audit.setdefault(subject, {}).setdefault(named, row)

    async def get_lockout_status(self, email: str, *, policy: LockoutPolicy | None = None) -> LockoutStatus:
        subject = _login(normalise_email(email).normalised)
        limits = validation.policy(policy)
        with self._state.lock:
            if not limits.enabled:
                return LockoutStatus(locked=False, attempts=0, retry_after=None)
            register = self._state.registers.get(subject, ())
            cutoff = times.epoch_millis(self._now()) - _window(limits)
            retry_after = self._retry_after(register, limits)
            return LockoutStatus(
                locked=retry_after is not None,
                attempts=sum(_millis(attempt) > cutoff for attempt in register[: limits.max_attempts]),
                retry_after=retry_after,
            )

    async def clear_attempts(self, email: str, *, attempt_id: str | None = None) -> None:
        subject = _login(normalise_email(email).normalised)
        # An attempt that no policy counted has the id "".
        named = attempt_id if not attempt_id and attempt_id in (None, "") else attempts.attempt_id(attempt_id)
        with self._state.lock:
            self._clear(subject, named)

    async def clear_attempt(
        self, kind: AttemptKind, value: str, *, attempt_id: str, purpose: str | None = None
    ) -> None:
        subject = attempts.subject(kind, value, purpose)
        named = attempt_id if attempt_id == "" else attempts.attempt_id(attempt_id)
        with self._state.lock:
            self._clear(subject, named)

    def _clear(self, subject: str, named: str | None) -> None:
        register = self._state.registers.get(subject, ())
        if named is None or (register and register[0] == named):
            self._state.registers.pop(subject, None)

    async def list_failed_attempts(self, email: str, *, limit: int = 100) -> Listing[FailedAttempt]:
        normalised = normalise_email(email).normalised
        most = inputs.limit(limit)
        with self._state.lock:
            now, locked = self._now(), self._is_locked(normalised)
            kept = [
                row for row in self._state.audit.get(_login(normalised), {}).values() if locked or now < row.expires_at
            ]
            kept.sort(key=lambda row: (row.at, row.attempt_id), reverse=True)
            return Listing(
                FailedAttempt(
                    attempt_id=row.attempt_id, at=row.at, ip_address=row.ip_address, user_agent=row.user_agent
                )
                for row in kept[:most]
            )

    async def cleanup_old_attempts(self, email: str, *, before: datetime) -> int:
        normalised = normalise_email(email).normalised
        moment = validation.moment(before, "before")
        with self._state.lock:
            audit = self._state.audit.get(_login(normalised), {})
            if self._is_locked(normalised):
                return 0
            old = [attempt for attempt, row in audit.items() if row.at < moment]
            for attempt in old:
                del audit[attempt]
            return len(old)

    def _is_locked(self, email: str) -> bool:
        user = self._holder(email)
        return user is not None and user.locked_at is not None

    async def set_locked_at(self, user_id: str, locked_at: datetime | None) -> User | None:
        validation.user_id(user_id)
        moment = None if locked_at is None else validation.moment(locked_at, "locked_at")
        with self._state.lock:
            user = self._state.users.get(user_id)
            if user is None:
                return None
            if moment == user.locked_at:
                return copied_user(user)
            if moment is None:
                return copied_user(self._change(user, locked_at=None))
            if user.locked_at is None:
                self._drop_expired_audit(user.email)
            changed = self._change(user, locked_at=moment, session_epoch=user.session_epoch + 1)
            self._drop_ended_sessions(changed)
            return copied_user(changed)

    def _drop_expired_audit(self, email: str) -> None:
        """Remove rows whose retention is over: a lock must not bring them back."""
        audit, now = self._state.audit.get(_login(email), {}), self._now()
        for attempt in [attempt for attempt, row in audit.items() if now >= row.expires_at]:
            del audit[attempt]

    async def get_locked_at(self, user_id: str) -> datetime | None:
        validation.user_id(user_id)
        with self._state.lock:
            user = self._state.users.get(user_id)
            return None if user is None else user.locked_at


def _login(email: str) -> str:
    return keys.attempt_subject("login", email)


def _millis(attempt_id: str) -> int:
    return int(attempt_id.partition("#")[0])


def _window(policy: LockoutPolicy) -> int:
    return policy.window // timedelta(milliseconds=1)
