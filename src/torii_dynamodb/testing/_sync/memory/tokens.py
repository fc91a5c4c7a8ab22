# Generated from src/torii_dynamodb/testing/_async/memory/tokens.py by tools/unasync.py. Do not edit.

"""One-time tokens in memory."""

from __future__ import annotations

from dataclasses import replace

from torii_dynamodb._core import keys
from torii_dynamodb._core import tokens as core
from torii_dynamodb._rules import secrets, typed_codes, validation
from torii_dynamodb._sync.contract import TokenStorage
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import NewToken, Token, User, VerifiedToken
from torii_dynamodb.testing._memory import inputs, rows
from torii_dynamodb.testing._memory.base import MemoryBase, copied_user
from torii_dynamodb.testing._memory.state import TokenRow

__all__ = ["MemoryTokens"]


class MemoryTokens(MemoryBase, TokenStorage):
    """The contract's ``TokenStorage``."""

    def create_token(self, new_token: NewToken, *, user: User | None = None) -> Token:
        new = core.checked_token(new_token, user, self._now())
        with self._state.lock:
            holder = self._user(new.user_id) if new.user_id is not None and user is None else user
            serial = None if holder is None else self._serial(holder, new.purpose)
            token = core.issue(new, holder, self._now(), self._random)
            if new.revoke_earlier and new.user_id is not None:
                stored = self._user(new.user_id)
                changed = self._change(
                    stored, token_serials={**stored.token_serials, new.purpose: core.serial_for(token)}
                )
                serial = self._serial(changed, new.purpose)
            return self._put_token(_row(token, holder, serial), token)

    def _put_token(self, row: TokenRow, token: Token) -> Token:
        rows.check_size(rows.token_row(row), "the token")
        self._state.tokens[row.id] = row
        return replace(token, metadata=inputs.own(token.metadata))

    def create_code(self, new_token: NewToken, code: str, *, user: User | None = None) -> Token:
        new = core.checked_token(new_token, user, self._now())
        digits = core.check_code(code)
        with self._state.lock:
            holder = self._user(new.user_id) if new.user_id is not None and user is None else user
            token = core.issue_code(new, holder, self._now(), self._random)
            row = _row(token, holder, None if holder is None else self._serial(holder, new.purpose))
            return self._put_token(replace(row, mark=typed_codes.mark(token.token, digits)), token)

    def try_code(self, token: str, code: str, *, purpose: str) -> VerifiedToken | None:
        validation.token_argument(token)
        validation.purpose(purpose)
        digits = typed_codes.typed(code)
        parsed = secrets.parse_one_time_token(token)
        if parsed is None or digits is None:
            return None
        with self._state.lock:
            row = self._state.tokens.get(keys.code_key(parsed.digest))
            if row is None or row.purpose != purpose or len(row.tries) >= typed_codes.TRIES:
                return None
            if self._now() >= row.expires_at:
                return None
            mark = typed_codes.mark(token, digits)
            used = row.mark in row.tries
            self._state.tokens[row.id] = replace(row, tries=(*row.tries, mark))
            found = self._token_user(row, self._now())
            if mark != row.mark or used or found is None:
                return None
            return _verified(*found)

    def verify_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        validation.token_argument(token)
        validation.purpose(purpose)
        with self._state.lock:
            found = self._holding(token, purpose)
            if found is None:
                return None
            self._consume(found[0])
            return _verified(*found)

    def check_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        validation.token_argument(token)
        validation.purpose(purpose)
        with self._state.lock:
            found = self._holding(token, purpose)
            return None if found is None else _verified(*found)

    def get_latest_token(self, user_id: str, *, purpose: str, user: User | None = None) -> Token | None:
        validation.user_id(user_id)
        validation.purpose(purpose)
        if user is not None:
            validation.instance(user, "user", User)
            if user.id != user_id:
                raise ValidationError("user", "is not the user that user_id names")
        with self._state.lock:
            found = self._latest(self._state.users.get(user_id), purpose)
            return None if found is None else _verified(*found).token

    def revoke_latest_token(self, user_id: str, *, purpose: str) -> bool:
        validation.user_id(user_id)
        validation.purpose(purpose)
        with self._state.lock:
            found = self._latest(self._state.users.get(user_id), purpose)
            if found is not None:
                self._consume(found[0])
            return found is not None

    def _latest(self, user: User | None, purpose: str) -> tuple[TokenRow, User | None] | None:
        key = None if user is None else core.latest_id(user, purpose)
        return None if key is None else self._token_user(self._state.tokens.get(key), self._now())

    def _holding(self, token: str, purpose: str) -> tuple[TokenRow, User | None] | None:
        parsed = secrets.parse_one_time_token(token)
        row = None if parsed is None else self._state.tokens.get(keys.token_key(purpose, parsed.digest))
        if parsed is None or row is None or (row.user_id or "") != parsed.user_id:
            return None
        return self._token_user(row, self._now())

    def cleanup_expired_tokens(self) -> int:
        with self._state.lock:
            now, before = self._now(), len(self._state.tokens)
            self._state.tokens = {key: row for key, row in self._state.tokens.items() if now < row.expires_at}
            return before - len(self._state.tokens)


def _row(token: Token, holder: User | None, serial: str | None) -> TokenRow:
    return TokenRow(
        id=token.id,
        purpose=token.purpose,
        created_at=token.created_at,
        expires_at=token.expires_at,
        metadata=token.metadata,
        user_id=token.user_id,
        email=token.email,
        epoch=None if holder is None else holder.session_epoch,
        serial=serial,
    )


def _verified(row: TokenRow, user: User | None) -> VerifiedToken:
    token = Token(
        id=row.id,
        purpose=row.purpose,
        user_id=row.user_id,
        email=row.email,
        created_at=row.created_at,
        expires_at=row.expires_at,
        metadata=inputs.own(row.metadata),
    )
    return VerifiedToken(token=token, user=None if user is None else copied_user(user))
