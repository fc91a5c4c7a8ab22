# Generated from src/torii_dynamodb/testing/_async/memory/oauth.py by tools/unasync.py. Do not edit.

"""OAuth accounts and PKCE verifiers in memory."""

from __future__ import annotations

from datetime import datetime

from torii_dynamodb._core import keys, oauth, users
from torii_dynamodb._core import tokens as one_time
from torii_dynamodb._rules import validation
from torii_dynamodb._sync.contract import OAuthStorage
from torii_dynamodb.errors import AlreadyExists, ProviderDisconnected, VersionConflict
from torii_dynamodb.models import (
    UNSET,
    Listing,
    Metadata,
    NewOAuthAccount,
    NewUser,
    OAuthAccount,
    PkceVerifier,
    Unset,
    User,
)
from torii_dynamodb.testing._memory import inputs, rows
from torii_dynamodb.testing._memory.base import MemoryBase, copied_account, copied_user
from torii_dynamodb.testing._memory.state import TokenRow

__all__ = ["MemoryOAuth"]


class MemoryOAuth(MemoryBase, OAuthStorage):
    """The contract's ``OAuthStorage``."""

    def create_oauth_account(self, new_user: NewUser, account: NewOAuthAccount) -> tuple[User, OAuthAccount]:
        new = users.new_user_model(new_user, None, self._now(), self._random)
        given = oauth.checked(account)
        key = keys.oauth_key(given.provider, given.subject)
        with self._state.lock:
            there = self._state.users.get(new.id)
            linked = self._account(key)
            if there is not None and there.email == new.email and linked and linked.user_id == there.id:
                return copied_user(there), copied_account(linked)
            if linked is not None:
                raise AlreadyExists("oauth_account", "another user holds the account")
            if there is not None:
                raise AlreadyExists("user", f"user {there.id} already exists")
            if keys.email_key(new.email) in self._state.identities:
                raise AlreadyExists("email", "another user holds the address")
            created = oauth.account_model(given, new.id, self._now())
            user = self._insert_user(users.with_identity(new, key), belongings={key: created})
            return copied_user(user), copied_account(created)

    def link_oauth_account(
        self, user_id: str, account: NewOAuthAccount, *, session_epoch: int | None = None, joining: bool = False
    ) -> OAuthAccount:
        validation.user_id(user_id)
        given = oauth.checked(account)
        validation.session_epoch(session_epoch)
        validation.flag(joining, "joining")
        key = keys.oauth_key(given.provider, given.subject)
        with self._state.lock:
            held = self._holder_or_conflict(key, user_id, "oauth_account")
            user = self._user(user_id)
            if isinstance(held, OAuthAccount):
                return copied_account(held)
            self._require_epoch(user, session_epoch)
            if joining and given.provider in user.disconnected:
                raise ProviderDisconnected(
                    "the user disconnected this provider; they can link it again while signed in"
                )
            linked = oauth.account_model(given, user_id, self._now())
            self._add_identity(user, key, linked, disconnected=user.disconnected - {given.provider})
            return copied_account(linked)

    def _account(self, key: str) -> OAuthAccount | None:
        identity = self._state.identities.get(key)
        return identity if isinstance(identity, OAuthAccount) else None

    def get_oauth_account_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> OAuthAccount | None:
        key = _key(provider, subject)
        inputs.consistent(consistent)
        with self._state.lock:
            found = self._account(key)
            return None if found is None else copied_account(found)

    def get_user_by_provider_and_subject(
        self, provider: str, subject: str, *, consistent: bool | None = None
    ) -> User | None:
        key = _key(provider, subject)
        inputs.consistent(consistent)
        with self._state.lock:
            found = self._account(key)
            return None if found is None else copied_user(self._state.users[found.user_id])

    def list_oauth_accounts_for_user(self, user_id: str) -> Listing[OAuthAccount]:
        validation.user_id(user_id)
        with self._state.lock:
            user = self._state.users.get(user_id)
            found = [self._account(key) for key in (() if user is None else user.identities)]
            accounts = [copied_account(account) for account in found if account is not None]
            return Listing(
                sorted(accounts, key=lambda account: (account.created_at, account.provider, account.subject))
            )

    def update_oauth_account(
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
        key = _key(provider, subject)
        changes = oauth.checked_changes(email=email, profile=profile, tokens=tokens)
        expected = expected_tokens
        if not isinstance(expected, Unset):
            expected = validation.metadata(expected, "expected_tokens")
        with self._state.lock:
            found = self._account(key)
            if found is None or found.user_id != user_id:
                return None
            if not oauth.expects(found, expected):
                raise VersionConflict("the account's tokens are not the expected ones; read them again")
            changed = oauth.changed(found, self._now(), changes)
            rows.check_size(rows.identity_row(key, changed), "the identity")
            self._state.identities[key] = changed
            return copied_account(changed)

    def unlink_oauth_account(
        self,
        user_id: str,
        provider: str,
        subject: str,
        *,
        allow_verified_email: bool = False,
        session_epoch: int | None = None,
    ) -> bool:
        validation.user_id(user_id)
        key = _key(provider, subject)
        validation.flag(allow_verified_email, "allow_verified_email")
        validation.session_epoch(session_epoch)
        with self._state.lock:
            found = self._account(key)
            if found is None or found.user_id != user_id:
                return False
            user = self._user(user_id)
            self._require_epoch(user, session_epoch)
            self._remove_identities(
                user,
                frozenset({key}),
                allow_verified_email=allow_verified_email,
                disconnected=user.disconnected | {provider},
            )
            return True

    def store_pkce_verifier(
        self, state: str, verifier: str, *, expires_at: datetime, metadata: Metadata | None = None
    ) -> None:
        key = keys.pkce_key(_oauth_state(state))
        validation.secret_text(verifier, "verifier", least=43, most=128)
        until = inputs.to_come(expires_at, self._now())
        extra = validation.metadata({} if metadata is None else metadata)
        with self._state.lock:
            now = self._now()
            there = self._state.tokens.get(key)
            if there is not None and there.expires_at > now:
                raise AlreadyExists("state", "the state was used before; make a new one for every sign-in")
            row = TokenRow(
                id=key,
                purpose="pkce",
                created_at=now,
                expires_at=until,
                metadata={},
                sealed=one_time.seal_pkce(verifier, extra, state=state, place=key.encode(), random=self._random),
            )
            rows.check_size(rows.token_row(row), "the verifier")
            self._state.tokens[key] = row

    def get_pkce_verifier(self, state: str) -> PkceVerifier | None:
        _oauth_state(state)
        with self._state.lock:
            found = self._verifier(state)
            return None if found is None else _opened(found, state)

    def consume_pkce_verifier(self, state: str) -> PkceVerifier | None:
        _oauth_state(state)
        with self._state.lock:
            found = self._verifier(state)
            if found is None:
                return None
            self._consume(found)
            return _opened(found, state)

    def _verifier(self, state: str) -> TokenRow | None:
        row = self._state.tokens.get(keys.pkce_key(state))
        if row is None or row.consumed_by is not None or self._now() >= row.expires_at:
            return None
        return row


def _key(provider: str, subject: str) -> str:
    return keys.oauth_key(validation.provider(provider), validation.subject(subject))


def _oauth_state(value: object) -> str:
    return validation.secret_text(value, "state", least=16, most=512)


def _opened(row: TokenRow, state: str) -> PkceVerifier:
    assert row.sealed is not None
    verifier, metadata = one_time.unseal_pkce(row.sealed, state=state, place=row.id.encode())
    return PkceVerifier(verifier=verifier, expires_at=row.expires_at, metadata=metadata)
