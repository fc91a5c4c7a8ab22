# Generated from src/torii_dynamodb/_async/storage/tokens.py by tools/unasync.py. Do not edit.

"""One-time tokens on DynamoDB."""

from __future__ import annotations

from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import tokens, users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import item_key, token_key
from torii_dynamodb._rules import validation
from torii_dynamodb._rules.secrets import parse_one_time_token
from torii_dynamodb._sync.contract import TokenStorage
from torii_dynamodb._sync.primitives import gather
from torii_dynamodb._sync.storage.base import StorageBase, no_such_user
from torii_dynamodb.models import NewToken, Token, User, VerifiedToken

__all__ = ["Tokens"]


class Tokens(StorageBase, TokenStorage):
    """``TokenStorage`` on DynamoDB."""

    def create_token(self, new_token: NewToken, *, user: User | None = None) -> Token:
        now = self._now()
        checked = tokens.checked_token(new_token, user, now)
        if checked.user_id is None:
            token = tokens.issue(checked, None, now, self.config.random)
            return self._put_token(token, tokens.bearer_item(token, None))
        if checked.revoke_earlier:
            return self._replace_tokens(checked, user)
        if user is None:
            user = self._read_user(checked.user_id, consistent=True)
            if user is None:
                raise no_such_user()
        token = tokens.issue(checked, user, now, self.config.random)
        return self._put_token(token, tokens.bearer_item(token, user))

    def _put_token(self, token: Token, item: Item) -> Token:
        # Without a condition: the key is the hash of a fresh random secret, so that a retry writes the same again.
        self._client.call("PutItem", {"TableName": self._tokens, "Item": item})
        return token

    def _replace_tokens(self, checked: NewToken, user: User | None) -> Token:
        serial = self._write_id()
        issued: list[Token] = []

        def decide(user: User) -> users.Change:
            now = self._now()
            token = tokens.issue(checked, user, now, self.config.random)
            issued[:] = [token]
            change = tokens.set_serial(self._users, user, checked.purpose, serial, now)
            put = {"Put": ex.put(self._tokens, tokens.bearer_item(token, change.user))}
            return users.Change(change.user, (*change.items, put))

        if self._change_user(checked.user_id or "", decide, user) is None:
            raise no_such_user()
        return issued[0]

    def verify_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        validation.purpose(purpose)
        parsed = parse_one_time_token(validation.token_argument(token))
        if parsed is None:
            return None
        key = token_key(purpose, parsed.digest)
        if not parsed.user_id:
            return self._verified(self._consume(key), "", None)
        user: User | None = None

        def read_user() -> Item | None:
            nonlocal user
            user = self._read_user(parsed.user_id, consistent=True)
            return None

        item, _ = gather(lambda: self._consume(key), read_user)
        return self._verified(item, parsed.user_id, user)

    def check_token(self, token: str, *, purpose: str) -> VerifiedToken | None:
        validation.purpose(purpose)
        parsed = parse_one_time_token(validation.token_argument(token))
        if parsed is None:
            return None
        keys = [(self._tokens, item_key(token_key(purpose, parsed.digest)))]
        if parsed.user_id:
            keys.append((self._users, item_key(parsed.user_id)))
        item, *rest = self._client.batch_get(keys, consistent=True)
        if not tokens.is_unused(item, self._now()):
            return None
        user = users.read(rest[0]) if rest and rest[0] is not None else None
        return self._verified(item, parsed.user_id, user)

    def _verified(self, item: Item | None, named_user: str, user: User | None) -> VerifiedToken | None:
        if item is None or not tokens.holds_for(item, named_user, user):
            return None
        return VerifiedToken(token=tokens.read(item), user=user)

    def cleanup_expired_tokens(self) -> int:
        return 0
