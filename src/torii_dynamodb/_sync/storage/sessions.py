# Generated from src/torii_dynamodb/_async/storage/sessions.py by tools/unasync.py. Do not edit.

"""Sessions on DynamoDB."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading, sessions, users
from torii_dynamodb._core.keys import item_key
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.secrets import ParsedSecret, parse_session_token
from torii_dynamodb._rules.times import epoch_seconds, to_text
from torii_dynamodb._sync.contract import SessionStorage
from torii_dynamodb._sync.primitives import both
from torii_dynamodb._sync.storage.base import StorageBase, no_such_user
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import Listing

if TYPE_CHECKING:
    from torii_dynamodb.models import NewSession, Session, SignedIn, User

__all__ = ["Sessions"]


class Sessions(StorageBase, SessionStorage):
    """``SessionStorage`` on DynamoDB."""

    def create_session(self, new_session: NewSession, *, user: User | None = None) -> Session:
        now = self._now()
        checked = sessions.new_session_model(new_session, user, now)
        if user is None:
            user = self._read_user(checked.user_id, consistent=True)
            if user is None:
                raise no_such_user()
        session = sessions.bind(checked, user.session_epoch, now, self.config.random)
        # No condition is needed: the key is the hash of a new random token, so a retry writes the same item again.
        self._client.call("PutItem", ex.put(self._sessions, sessions.to_item(session)))
        return session

    def get_session(self, token: str, *, consistent: bool | None = None) -> Session | None:
        found = self.get_signed_in(token, consistent=consistent)
        return None if found is None else found.session

    def get_signed_in(self, token: str, *, consistent: bool | None = None) -> SignedIn | None:
        strong = self._strong(consistent)
        parsed = parse_session_token(validation.token_argument(token))
        return None if parsed is None else self._check(parsed, token, strong, cached=consistent is not True)

    def get_signed_in_by_id(self, user_id: str, session_id: str, *, consistent: bool | None = None) -> SignedIn | None:
        strong = self._strong(consistent)
        named = ParsedSecret(validation.user_id(user_id), validation.session_id(session_id))
        return self._check(named, "", strong, cached=consistent is not True)

    def _check(self, parsed: ParsedSecret, token: str, strong: bool, *, cached: bool) -> SignedIn | None:
        session_key = self._session_key(parsed.user_id, parsed.digest)
        keys = ((self._sessions, session_key), (self._users, item_key(parsed.user_id)))
        if cached and self._cached is not None:
            return self._cached.check(
                parsed.user_id,
                parsed.digest,
                keys,
                lambda session, user: sessions.judge(parsed, token, session, user, self._now()),
                consistent=strong,
            )
        session, user = (self._local or self._client).batch_get(keys, consistent=strong)
        found = sessions.judge(parsed, token, session, user, self._now())
        if found is None and self._local is not None:
            # It may be too recent to have been replicated to this Region.
            session, user = self._client.batch_get(keys, consistent=strong)
            found = sessions.judge(parsed, token, session, user, self._now())
        return found

    def list_sessions_for_user(self, user_id: str) -> Listing[Session]:
        validation.user_id(user_id)
        now = self._now()
        query = sessions.by_user(self._sessions, user_id, after=epoch_seconds(now))
        user, rows = both(lambda: self._read_user(user_id, consistent=True), lambda: self._query(query))
        if user is None:
            return Listing()
        read = reading.listing(sessions.latest(rows), sessions.read)
        found = [session for session in read if sessions.is_current(session, user, now)]
        return Listing(sorted(found, key=lambda session: (session.created_at, session.id), reverse=True), read.corrupt)

    def refresh_session(self, token: str, *, expires_at: datetime) -> Session | None:
        parsed = parse_session_token(validation.token_argument(token))
        now, ends = self._now(), validation.moment(expires_at, "expires_at")
        if ends <= now:
            raise ValidationError("expires_at", f"{to_text(ends)} is in the past; give a time in the future")
        if parsed is None:
            return None
        key = self._session_key(parsed.user_id, parsed.digest)
        body = sessions.extend(self._sessions, key, parsed.user_id, epoch_seconds(ends), epoch_seconds(now))
        item = self._update(body)
        if item is None:
            return None
        session = sessions.read(item, token)
        return session if session.user_id == parsed.user_id and session.expires_at > now else None

    def delete_session(self, token: str) -> None:
        parsed = parse_session_token(validation.token_argument(token))
        if parsed is not None:
            key = self._session_key(parsed.user_id, parsed.digest)
            self._client.call("DeleteItem", ex.delete(self._sessions, key))

    def delete_session_by_id(self, user_id: str, session_id: str) -> bool:
        owner = validation.user_id(user_id)
        key = self._session_key(owner, validation.session_id(session_id))
        # A transaction, because a single delete could not tell on a retry whether its first attempt deleted the row.
        return self._transact(users.delete_owned(self._sessions, key, owner)) is None

    def delete_sessions_for_user(self, user_id: str) -> int | None:
        validation.user_id(user_id)
        item = self._update(sessions.end_all(self._users, user_id, self._write_id(), self._now()))
        self._clean_up_sessions(user_id)
        return None if item is None else users.read(item).session_epoch

    def cleanup_expired_sessions(self) -> int:
        return 0
