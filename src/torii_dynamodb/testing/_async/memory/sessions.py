"""Sessions in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from torii_dynamodb._async.contract import AsyncSessionStorage
from torii_dynamodb._core import sessions as core
from torii_dynamodb._rules import secrets, validation
from torii_dynamodb.models import Listing, NewSession, Session, SignedIn, User
from torii_dynamodb.testing._memory import inputs, rows
from torii_dynamodb.testing._memory.base import MemoryBase, copied_user

__all__ = ["AsyncMemorySessions"]


class AsyncMemorySessions(MemoryBase, AsyncSessionStorage):
    """The contract's ``AsyncSessionStorage``."""

    async def create_session(self, new_session: NewSession, *, user: User | None = None) -> Session:
        new = core.new_session_model(new_session, user, self._now())
        with self._state.lock:
            holder = self._user(new.user_id) if user is None else user
            session = core.bind(new, holder.session_epoch, self._now(), self._random)
            rows.check_size(rows.session_row(session), "the session")
            self._state.sessions[session.id] = replace(session, token="")
            return session

    async def get_session(self, token: str, *, consistent: bool | None = None) -> Session | None:
        found = await self.get_signed_in(token, consistent=consistent)
        return None if found is None else found.session

    async def get_signed_in(self, token: str, *, consistent: bool | None = None) -> SignedIn | None:
        validation.token_argument(token)
        inputs.consistent(consistent)
        with self._state.lock:
            found = self._valid(token, self._now())
            return None if found is None else SignedIn(copied_user(found.user), _told(found.session, token))

    async def get_signed_in_by_id(
        self, user_id: str, session_id: str, *, consistent: bool | None = None
    ) -> SignedIn | None:
        validation.user_id(user_id)
        validation.session_id(session_id)
        inputs.consistent(consistent)
        with self._state.lock:
            found = self._standing(user_id, session_id, self._now())
            return None if found is None else SignedIn(copied_user(found.user), _told(found.session, ""))

    def _valid(self, token: str, now: datetime) -> SignedIn | None:
        parsed = secrets.parse_session_token(token)
        return None if parsed is None else self._standing(parsed.user_id, parsed.digest, now)

    def _standing(self, user_id: str, session_id: str, now: datetime) -> SignedIn | None:
        row = self._state.sessions.get(session_id)
        if row is None or row.user_id != user_id:
            return None
        user = self._state.users.get(row.user_id)
        if user is None or not _holds(row, user, now):
            return None
        return SignedIn(user, row)

    async def list_sessions_for_user(self, user_id: str) -> Listing[Session]:
        validation.user_id(user_id)
        with self._state.lock:
            user, now = self._state.users.get(user_id), self._now()
            found = [row for row in self._state.sessions.values() if user is not None and _holds(row, user, now)]
            found.sort(key=lambda row: (row.created_at, row.id), reverse=True)
            return Listing(_told(row, "") for row in found)

    async def refresh_session(self, token: str, *, expires_at: datetime) -> Session | None:
        validation.token_argument(token)
        until = inputs.to_come(expires_at, self._now())
        with self._state.lock:
            found = self._valid(token, self._now())
            if found is None:
                return None
            row = replace(found.session, expires_at=max(found.session.expires_at, until))
            self._state.sessions[row.id] = row
            return _told(row, token)

    async def delete_session(self, token: str) -> None:
        validation.token_argument(token)
        parsed = secrets.parse_session_token(token)
        with self._state.lock:
            if parsed is not None:
                self._state.sessions.pop(parsed.digest, None)

    async def delete_session_by_id(self, user_id: str, session_id: str) -> bool:
        validation.user_id(user_id)
        validation.session_id(session_id)
        with self._state.lock:
            row = self._state.sessions.get(session_id)
            if row is None or row.user_id != user_id:
                return False
            del self._state.sessions[session_id]
            user = self._state.users.get(user_id)
            return user is not None and _holds(row, user, self._now())

    async def delete_sessions_for_user(self, user_id: str) -> int | None:
        validation.user_id(user_id)
        with self._state.lock:
            user = self._state.users.get(user_id)
            if user is None:
                return None
            changed = self._change(user, session_epoch=user.session_epoch + 1)
            self._drop_ended_sessions(changed)
            return changed.session_epoch

    async def cleanup_expired_sessions(self) -> int:
        with self._state.lock:
            now, before = self._now(), len(self._state.sessions)
            self._state.sessions = {key: row for key, row in self._state.sessions.items() if now < row.expires_at}
            return before - len(self._state.sessions)


def _holds(row: Session, user: User, now: datetime) -> bool:
    return row.user_id == user.id and row.epoch == user.session_epoch and now < row.expires_at


def _told(row: Session, token: str) -> Session:
    return replace(row, token=token, metadata=inputs.own(row.metadata))
