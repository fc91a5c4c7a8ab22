# Generated from src/torii_dynamodb/_async/services/provider_tokens.py by tools/unasync.py. Do not edit.

"""Storing providers' tokens, and keeping their access tokens fresh."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from torii_dynamodb._rules import provider_tokens as kept
from torii_dynamodb._rules.oauth import OAuthAccessToken, OAuthError
from torii_dynamodb._rules.provider_tokens import KeptTokens
from torii_dynamodb._sync.primitives import Flight, sleep
from torii_dynamodb.errors import NotFound, Unavailable, ValidationError, VersionConflict

if TYPE_CHECKING:
    from torii_dynamodb._sync.contract import Storage
    from torii_dynamodb._sync.secret_box import SecretBox
    from torii_dynamodb._sync.services.oauth_client import ProviderClient
    from torii_dynamodb.clock import Clock, RandomBytes
    from torii_dynamodb.models import OAuthAccount

__all__ = ["ProviderTokens"]

# Pauses while another host refreshes; in total longer than its lease.
_WAITS = (0.05, 0.1, 0.2, 0.3, 0.5, *(1.0 for _ in range(34)))
_REVOKED = "the provider no longer gives access; the person has to sign in through it, or link it, again"


class ProviderTokens:
    """Providers' tokens, sealed in the account's row.

    Args:
        storage: Stores the accounts.
        box: Seals and opens.
        clock: The clock.
        random: The randomness for lease ids.
    """

    def __init__(self, storage: Storage, box: SecretBox, *, clock: Clock, random: RandomBytes) -> None:
        self._storage = storage
        self._box = box
        self._clock = clock
        self._random = random

    def keep(self, user_id: str, provider: str, subject: str, answer: Mapping[str, Any]) -> None:
        """Store a token endpoint's response to a sign-in or a link; a refresh token that it omits stays.

        One read and one write (of 2 units).
        """
        for _ in _WAITS:
            account = self._storage.get_oauth_account_by_provider_and_subject(provider, subject, consistent=True)
            if account is None or account.user_id != user_id:
                return
            tokens = KeptTokens.of(answer, self._clock(), self._opened(account))
            if tokens is None or self._write(account, tokens, expected=account.tokens):
                return
        raise Unavailable("the tokens kept changing; try again", attempts=len(_WAITS))

    def access_token(
        self, client: ProviderClient, user_id: str, subject: str | None, min_validity: timedelta
    ) -> OAuthAccessToken:
        """See :meth:`OAuthService.access_token`."""
        first: bytes | None = None
        for pause in _WAITS:
            account = self._account(user_id, client.provider.name, subject)
            sealed, tokens = kept.sealed_of(account), self._opened(account)
            if tokens is None:
                raise OAuthError("revoked", _REVOKED)
            now = self._clock()
            # A token that another caller has just fetched cannot get any fresher, however short its lifetime.
            renewed = first is not None and sealed != first
            if tokens.holds(now, timedelta(0) if renewed else min_validity):
                return _shown(account, tokens)
            first = first or sealed
            if tokens.refresh_token is None:
                if tokens.holds(now):
                    return _shown(account, tokens)
                raise OAuthError("revoked", _REVOKED)
            if kept.is_leased(account.tokens, now):
                sleep(pause)
                continue
            lease = kept.leased(account.tokens, self._random(16).hex(), now)
            try:
                holder = self._storage.update_oauth_account(
                    user_id, account.provider, account.subject, tokens=lease, expected_tokens=account.tokens
                )
            except VersionConflict:
                continue  # another host was first
            if holder is None:
                continue
            # Continues if the caller gives up: a refresh token that was used but not stored would be lost.
            refresh = partial(self._refresh, client, holder, tokens)
            fresh = Flight[KeptTokens | None]().join(refresh)
            if fresh is not None:
                return _shown(account, fresh)
        raise Unavailable("the tokens are being refreshed elsewhere; try again", attempts=len(_WAITS))

    def _refresh(self, client: ProviderClient, holder: OAuthAccount, tokens: KeptTokens) -> KeptTokens | None:
        """Refresh while holding the lease. ``None`` if the tokens were replaced meanwhile, whatever failed here."""
        assert tokens.refresh_token is not None
        try:
            answer = client.refresh(tokens.refresh_token, unique=self._random(32).hex())
            fresh = tokens.renewed(answer, self._clock())
            if fresh is None:
                raise OAuthError("provider", f"{client.provider.name} sent no access token")
        except OAuthError as error:
            revoked = error.reason == "revoked"
            left = self._write(holder, tokens.without_refresh() if revoked else tokens, expected=holder.tokens)
            if revoked and not left:
                return None
            raise
        # Fails only after a newer sign-in, or if our lease expired; the access token is valid either way.
        self._write(holder, fresh, expected=holder.tokens)
        return fresh

    def _write(self, account: OAuthAccount, tokens: KeptTokens, *, expected: Mapping[str, Any]) -> bool:
        associated = kept.associated(account.provider, account.subject)
        sealed = self._box.seal(tokens.dump(), associated=associated)
        try:
            self._storage.update_oauth_account(
                account.user_id,
                account.provider,
                account.subject,
                tokens=kept.stored(sealed),
                expected_tokens=expected,
            )
        except VersionConflict:
            return False
        return True

    def _opened(self, account: OAuthAccount) -> KeptTokens | None:
        sealed = kept.sealed_of(account)
        if sealed is None:
            return None
        try:
            plain = self._box.open(sealed, associated=kept.associated(account.provider, account.subject))
        except ValueError:
            # Sealed under a secret that is no longer configured. The person signs in again, as after a revocation.
            return None
        return KeptTokens.load(plain)

    def _account(self, user_id: str, provider: str, subject: str | None) -> OAuthAccount:
        if subject is not None:
            found = self._storage.get_oauth_account_by_provider_and_subject(provider, subject, consistent=True)
            accounts = [] if found is None or found.user_id != user_id else [found]
        else:
            linked = self._storage.list_oauth_accounts_for_user(user_id)
            accounts = [account for account in linked if account.provider == provider]
        if not accounts:
            raise NotFound("oauth_account", "the user has linked no such account")
        if len(accounts) > 1:
            raise ValidationError("subject", "the user has linked several accounts at this provider: give one")
        return accounts[0]


def _shown(account: OAuthAccount, tokens: KeptTokens) -> OAuthAccessToken:
    return OAuthAccessToken(
        provider=account.provider,
        subject=account.subject,
        access_token=tokens.access_token,
        expires_at=tokens.expires_at,
        scopes=tokens.scopes,
    )
