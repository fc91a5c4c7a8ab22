"""OAuth accounts and PKCE verifiers on DynamoDB."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from torii_dynamodb import _core
from torii_dynamodb._async.contract import AsyncOAuthStorage
from torii_dynamodb._async.storage.base import ROUNDS, AsyncStorageBase, contended, failed, old_item, undecided
from torii_dynamodb._core import expressions as ex
from torii_dynamodb._core import reading, users
from torii_dynamodb._core.keys import OAUTH, item_key, oauth_key, pkce_key
from torii_dynamodb._rules import validation
from torii_dynamodb.errors import VersionConflict
from torii_dynamodb.models import UNSET

if TYPE_CHECKING:
    from torii_dynamodb.models import (
        Listing,
        Metadata,
        NewOAuthAccount,
        NewUser,
        OAuthAccount,
        PkceVerifier,
        Unset,
        User,
    )

__all__ = ["AsyncOAuth"]


class AsyncOAuth(AsyncStorageBase, AsyncOAuthStorage):
    """``OAuthStorage`` on DynamoDB."""

    async def create_oauth_account(self, new_user: NewUser, account: NewOAuthAccount) -> tuple[User, OAuthAccount]:
        now = self._now()
        checked = _core.oauth.checked(account)
        plain = users.new_user_model(new_user, None, now, self.config.random)
        model = _core.oauth.account_model(checked, plain.id, now)
        item = _core.oauth.to_item(model)
        user = users.with_identity(plain, item["id"]["S"])
        refused = await self._transact(
            *users.creation(self._users, self._identities, user, None),
            {"Put": ex.put(self._identities, item, ex.NOT_TAKEN)},
        )
        if refused is None:
            return user, model
        held = old_item(refused, 2)
        if undecided(refused, 2):
            held = await self._get(self._identities, item_key(item["id"]["S"]), consistent=True)
        if held is not None and users.is_held_by(held, user.id):
            return await self._existing_user(user, refused), _core.oauth.read(held)
        if failed(refused, 2) or held is not None:
            raise users.taken("oauth_account", refused.request_id) from refused.strip()
        raise users.taken("user" if failed(refused, 0) else "email", refused.request_id) from refused.strip()

    async def link_oauth_account(
        self, user_id: str, account: NewOAuthAccount, *, session_epoch: int | None = None, joining: bool = False
    ) -> OAuthAccount:
        model = _core.oauth.account_model(_core.oauth.checked(account), validation.user_id(user_id), self._now())
        held = await self._add_identity(
            user_id,
            _core.oauth.to_item(model),
            "oauth_account",
            session_epoch=session_epoch,
            provider=model.provider,
            joining=validation.flag(joining, "joining"),
        )
        return _core.oauth.read(held)

    async def get_oauth_account_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> OAuthAccount | None:
        identity = _identity(provider, subject)
        item = await self._get(self._identities, item_key(identity), consistent=self._strong(consistent))
        return None if item is None else _core.oauth.read(item)

    async def get_user_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> User | None:
        strong, identity = self._strong(consistent), _identity(provider, subject)
        item = await self._get(self._identities, item_key(identity), consistent=strong)
        if item is None:
            return None
        user = await self._read_user(_core.oauth.read(item).user_id, consistent=strong)
        return user if user is not None and identity in user.identities else None

    async def list_oauth_accounts_for_user(self, user_id: str) -> Listing[OAuthAccount]:
        items = await self._list_identities(validation.user_id(user_id), OAUTH)
        found = reading.listing(items, _core.oauth.read)
        found.sort(key=lambda account: (account.created_at, account.provider, account.subject))
        return found

    async def update_oauth_account(
        self,
        user_id: str,
        provider: str,
        subject: str,
        *,
        email: str | None | Unset = UNSET,
        profile: Metadata | Unset = UNSET,
        tokens: Metadata | Unset = UNSET,
        expected_tokens: Metadata | Unset = UNSET,
    ) -> OAuthAccount | None:
        validation.user_id(user_id)
        identity = _identity(provider, subject)
        expected: Metadata | Unset = UNSET
        if expected_tokens is not UNSET:
            expected = validation.metadata(expected_tokens, "expected_tokens")
        fields = _core.oauth.checked_changes(email=email, profile=profile, tokens=tokens)
        for _ in range(ROUNDS):
            item = await self._get(self._identities, item_key(identity), consistent=True)
            if item is None or not users.is_held_by(item, user_id):
                return None
            before = _core.oauth.read(item)
            if not _core.oauth.expects(before, expected):
                raise VersionConflict("the account's tokens have changed; read them again")
            # The write is conditional on the item as read, including its tokens.
            after = _core.oauth.changed(before, self._now(), fields)
            if await self._transact(_core.oauth.write_if_unchanged(self._identities, item, after)) is None:
                return after
        raise contended("account")

    async def unlink_oauth_account(
        self,
        user_id: str,
        provider: str,
        subject: str,
        *,
        allow_verified_email: bool = False,
        session_epoch: int | None = None,
    ) -> bool:
        return await self._remove_identity(
            validation.user_id(user_id),
            _identity(provider, subject),
            "the account",
            allow_verified_email=validation.flag(allow_verified_email, "allow_verified_email"),
            session_epoch=validation.session_epoch(session_epoch),
            provider=provider,
        )

    async def store_pkce_verifier(
        self, state: str, verifier: str, *, expires_at: datetime, metadata: Metadata | None = None
    ) -> None:
        item = _core.tokens.pkce_item(state, verifier, expires_at, metadata, self._now(), self.config.random)
        await self._store_once(item, "state")

    async def get_pkce_verifier(self, state: str) -> PkceVerifier | None:
        key = item_key(pkce_key(validation.text(state, "state", most=512)))
        item = await self._get(self._tokens, key, consistent=True)
        return (
            _core.tokens.read_pkce(item, state)
            if item is not None and _core.tokens.is_unused(item, self._now())
            else None
        )

    async def consume_pkce_verifier(self, state: str) -> PkceVerifier | None:
        item = await self._consume(pkce_key(validation.text(state, "state", most=512)))
        return None if item is None else _core.tokens.read_pkce(item, state)


def _identity(provider: str, subject: str) -> str:
    return oauth_key(validation.provider(provider), validation.subject(subject))
