"""One-time tokens on DynamoDB."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torii_dynamodb import _core
from torii_dynamodb._async.contract import AsyncTokenStorage
from torii_dynamodb._async.primitives import both
from torii_dynamodb._async.storage.base import AsyncStorageBase, no_such_user
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import users
from torii_dynamodb._core.keys import code_key, item_key, token_key
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.secrets import parse_one_time_token
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.models import User

if TYPE_CHECKING:
    from torii_dynamodb.models import NewToken, Token, VerifiedToken

__all__ = ["AsyncTokens"]


class AsyncTokens(AsyncStorageBase, AsyncTokenStorage):
    """``TokenStorage`` on DynamoDB."""

    async def create_token(self, new_token: NewToken, *, user: User | None = None) -> Token:
        now = self._now()
        checked = _core.tokens.checked_token(new_token, user, now)
        if checked.user_id is not None and checked.revoke_earlier:
            return await self._replace_tokens(checked, checked.user_id, user)
        if checked.user_id is not None and user is None:
            user = await self._read_user(checked.user_id, consistent=True)
            if user is None:
                raise no_such_user()
        token = _core.tokens.issue(checked, user, now, self.config.random)
        # No condition is needed: the key is the hash of a new random secret, so a retry writes the same item again.
        await self._client.call("PutItem", ex.put(self._tokens, _core.tokens.bearer_item(token, user)))
        return token

    async def _replace_tokens(self, checked: NewToken, user_id: str, user: User | None) -> Token:
        token = _core.tokens.issue(checked, None, self._now(), self.config.random)
        serial = _core.tokens.serial_for(token)

        def decide(user: User) -> users.Change:
            change = _core.tokens.set_serial(self._users, user, checked.purpose, serial, self._now())
            item = _core.tokens.bearer_item(replace(token, email=user.email), change.user)
            return users.Change(change.user, (*change.items, {"Put": ex.put(self._tokens, item)}))

        after = await self._change_user(user_id, decide, user)
        if after is None:
            raise no_such_user()
        return replace(token, email=after.email)

    async def verify_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        validation.purpose(purpose)
        parsed = parse_one_time_token(validation.token_argument(token))
        if parsed is None:
            return None
        key = token_key(purpose, parsed.digest)
        if not parsed.user_id:
            return _core.tokens.verified(await self._consume(key), "", None)
        user_id = parsed.user_id
        item, user = await both(lambda: self._consume(key), lambda: self._read_user(user_id, consistent=True))
        return _core.tokens.verified(item, user_id, user)

    async def check_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        return await self._held_token(token, validation.purpose(purpose))

    async def get_latest_token(self, user_id: str, *, purpose: str, user: User | None = None) -> Token | None:
        validation.purpose(purpose)
        holder = await self._issued_to(user_id, user)
        key = None if holder is None else _core.tokens.latest_id(holder, purpose)
        if key is None:
            return None
        item = await self._get(self._tokens, item_key(key), consistent=True)
        found = _core.tokens.verified(item, user_id, holder) if _core.tokens.is_unused(item, self._now()) else None
        return None if found is None else found.token

    async def revoke_latest_token(self, user_id: str, *, purpose: str) -> bool:
        validation.purpose(purpose)
        user = await self._issued_to(user_id, None)
        key = None if user is None else _core.tokens.latest_id(user, purpose)
        return key is not None and _core.tokens.verified(await self._consume(key), user_id, user) is not None

    async def _issued_to(self, user_id: str, user: User | None) -> User | None:
        validation.user_id(user_id)
        if user is None:
            return await self._read_user(user_id, consistent=True)
        validation.instance(user, "user", User)
        if user.id != user_id:
            raise ValidationError("user", "is not the user that user_id names")
        return user

    async def create_code(self, new_token: NewToken, code: str, *, user: User | None = None) -> Token:
        now = self._now()
        checked = _core.tokens.checked_token(new_token, user, now)
        digits = _core.tokens.check_code(code)
        if user is None and checked.user_id is not None:
            user = await self._read_user(checked.user_id, consistent=True)
            if user is None:
                raise no_such_user()
        token = _core.tokens.issue_code(checked, user, now, self.config.random)
        await self._client.call("PutItem", ex.put(self._tokens, _core.tokens.code_item(token, user, digits)))
        return token

    async def try_code(self, token: str, code: str, *, purpose: str) -> VerifiedToken | None:
        validation.purpose(purpose)
        parsed = parse_one_time_token(validation.token_argument(token))
        from torii_dynamodb._rules import typed_codes

        digits = typed_codes.typed(code)
        if parsed is None or digits is None:
            return None
        key = code_key(parsed.digest)
        attempt = f"{self._write_id()}.{typed_codes.mark(token, digits)}"
        body = _core.tokens.try_code(self._tokens, key, purpose, attempt, self._now())
        # If the condition failed, a retry finds its first try; all others were refused.
        item = await self._update(body)
        if item is None or not _core.tokens.code_passes(item, attempt):
            return None
        user_id = _core.tokens.read(item).user_id
        user = None if user_id is None else await self._read_user(user_id, consistent=True)
        return _core.tokens.verified(item, user_id or "", user)

    async def cleanup_expired_tokens(self) -> int:
        return 0
