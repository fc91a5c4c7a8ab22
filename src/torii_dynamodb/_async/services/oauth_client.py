"""Talking to a provider: where its endpoints are, its keys, redeeming a code, asking who it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from torii_dynamodb._async.primitives import Lock, outcome
from torii_dynamodb._core import oidc
from torii_dynamodb._core.oauth_types import OAuthError, OAuthIdentity, OAuthProvider, ProviderMetadata
from torii_dynamodb.clock import Clock
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncProviderClient"]

_KEEP = timedelta(hours=1)
# A token under an unknown key makes us ask for the keys again; so often at most, whoever sends such tokens.
_ASK_AGAIN_AFTER = timedelta(minutes=1)
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class _Keys:
    keys: list[Mapping[str, Any]]
    read_at: datetime


class AsyncProviderClient:
    """One provider. Remembers its description and keys for an hour.

    Args:
        provider: Which.
        http: Gives the HTTP client, which is made when first used.
        clock: What time it is.
    """

    def __init__(self, provider: OAuthProvider, http: Callable[[], httpx.AsyncClient], clock: Clock) -> None:
        self.provider = provider
        self._http = http
        self._clock = clock
        self._lock = Lock()
        self._metadata: tuple[ProviderMetadata, datetime] | None = None
        self._keys: _Keys | None = None

    async def metadata(self) -> ProviderMetadata:
        """Where its endpoints are.

        Raises:
            OAuthError: It cannot be reached, or describes itself as somebody else.
        """
        provider = self.provider
        if not provider.is_oidc:
            assert provider.authorization_endpoint is not None
            assert provider.token_endpoint is not None
            return ProviderMetadata(
                issuer=None,
                authorization_endpoint=provider.authorization_endpoint,
                token_endpoint=provider.token_endpoint,
                userinfo_endpoint=provider.userinfo_endpoint,
                jwks_uri=None,
                names_itself=False,
            )
        async with self._lock:
            if self._metadata is None or self._clock() - self._metadata[1] >= _KEEP:
                document = await self._get(provider.discovery)
                self._metadata = (oidc.read_metadata(provider, document), self._clock())
            return self._metadata[0]

    async def redeem(
        self, code: str, *, redirect_uri: str, verifier: str, nonce: str, posted_user: str | None = None
    ) -> tuple[OAuthIdentity, Mapping[str, Any]]:
        """Redeem a code: whom the provider says it is, and the provider's tokens.

        Args:
            code: As it came back.
            redirect_uri: As it was sent.
            verifier: PKCE's.
            nonce: As it was sent.
            posted_user: The ``user`` that Apple posts beside the code, the first time only. Nobody signed it, so only
                the name to show is taken from it.

        Raises:
            OAuthError: It does not redeem it, its ID token does not hold, or a check refuses the account.
        """
        identity, tokens = await self._redeemed(code, redirect_uri, verifier, nonce)
        if identity.name is None and self.provider.apple is not None:
            identity = replace(identity, name=oidc.posted_name(posted_user))
        for check in self.provider.checks:
            refusal = await outcome(check(identity))
            if isinstance(refusal, str):
                raise OAuthError("refused", refusal)
            if refusal is not None:
                raise ConfigurationError(f"check returned {refusal!r}: return None, or why the account is refused")
        return identity, tokens

    async def _redeemed(
        self, code: str, redirect_uri: str, verifier: str, nonce: str
    ) -> tuple[OAuthIdentity, Mapping[str, Any]]:
        metadata = await self.metadata()
        tokens = await self._redeem(metadata.token_endpoint, code, redirect_uri, verifier)
        access_token = tokens.get("access_token")
        access = access_token if isinstance(access_token, str) else None
        if not self.provider.is_oidc:
            return await self._ask(metadata, access), tokens
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise OAuthError("id_token", f"{self.provider.name} sent no ID token")
        claims = await self._check(metadata, id_token, nonce, access)
        return await self._complete(metadata, claims, access), tokens

    async def _redeem(self, uri: str, code: str, redirect_uri: str, verifier: str) -> dict[str, Any]:
        to, headers, body = oidc.token_request(
            self.provider, uri, code=code, redirect_uri=redirect_uri, verifier=verifier, now=self._clock()
        )
        answer = await self._request("POST", to, headers=headers, content=body)
        # GitHub answers 200 to a code that it refuses.
        if not isinstance(answer, dict) or "error" in answer:
            raise OAuthError("provider", f"{self.provider.name} does not redeem the code")
        return cast("dict[str, Any]", answer)

    async def _check(
        self, metadata: ProviderMetadata, token: str, nonce: str, access_token: str | None
    ) -> dict[str, Any]:
        kid = oidc.key_id(token)
        keys = oidc.keys_for(await self._read_keys(metadata, fresh=False), kid)
        if not keys:
            # The provider may have begun to sign with a new key.
            keys = oidc.keys_for(await self._read_keys(metadata, fresh=True), kid)
        return oidc.check_id_token(
            self.provider, token, keys, nonce=nonce, access_token=access_token, now=self._clock()
        )

    async def _read_keys(self, metadata: ProviderMetadata, *, fresh: bool) -> list[Mapping[str, Any]]:
        async with self._lock:
            kept = self._keys
            age = None if kept is None else self._clock() - kept.read_at
            if kept is None or age is None or age >= (_ASK_AGAIN_AFTER if fresh else _KEEP):
                assert metadata.jwks_uri is not None
                document = await self._get(metadata.jwks_uri)
                found = cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
                if not isinstance(found, list):
                    raise OAuthError("provider", f"{self.provider.name} sent no list of keys")
                listed = [
                    cast("Mapping[str, Any]", key) for key in cast("Sequence[Any]", found) if isinstance(key, dict)
                ]
                kept = self._keys = _Keys(listed, self._clock())
            return kept.keys

    async def _complete(
        self, metadata: ProviderMetadata, claims: Mapping[str, Any], access_token: str | None
    ) -> OAuthIdentity:
        """What the ID token tells; where it tells no address, what the userinfo endpoint tells of the same subject."""
        subject = cast("str", claims["sub"])
        if "email" not in claims and metadata.userinfo_endpoint is not None and access_token is not None:
            told = await self._get(metadata.userinfo_endpoint, access_token)
            # OpenID Connect Core, 5.3.2: another subject's answer must not be used.
            if not isinstance(told, dict) or cast("dict[str, Any]", told).get("sub") != subject:
                raise OAuthError("provider", f"{self.provider.name} tells of somebody else")
            claims = {**claims, **cast("dict[str, Any]", told)}
        return oidc.identity_of(self.provider, claims, subject)

    async def _ask(self, metadata: ProviderMetadata, access_token: str | None) -> OAuthIdentity:
        if access_token is None or metadata.userinfo_endpoint is None:
            raise OAuthError("provider", f"{self.provider.name} sent no access token")
        user = await self._get(metadata.userinfo_endpoint, access_token)
        if self.provider.emails_endpoint is not None:
            return oidc.github_identity(
                self.provider, user, await self._get(self.provider.emails_endpoint, access_token)
            )
        told = cast("dict[str, Any]", user) if isinstance(user, dict) else {}
        subject = told.get("sub", told.get("id"))
        if not isinstance(subject, str | int) or isinstance(subject, bool) or subject == "":
            raise OAuthError("provider", f"{self.provider.name} names nobody")
        return oidc.identity_of(self.provider, told, str(subject))

    async def _get(self, url: str, access_token: str | None = None) -> object:
        headers = {"Accept": "application/json"}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token}"
        return await self._request("GET", url, headers=headers)

    async def _request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: str | None = None
    ) -> object:
        import httpx

        try:
            answer = await self._http().request(method, url, headers=dict(headers), content=content)
            if answer.status_code != 200 or len(answer.content) > _LARGEST:
                raise OAuthError("provider", f"{self.provider.name} answered {answer.status_code}")
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            # Without the cause: a request's error can show its body, with code and secret.
            kind = type(error).__name__
        raise OAuthError("provider", f"{self.provider.name} could not be asked: {kind}")
