"""Requests to a provider: metadata, keys, redeeming a code, userinfo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from torii_dynamodb._async.primitives import Flight, outcome
from torii_dynamodb._rules import oidc
from torii_dynamodb._rules.extras import needed
from torii_dynamodb._rules.oauth import OAuthError, OAuthIdentity, OAuthProvider, ProviderMetadata
from torii_dynamodb.clock import Clock
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncProviderClient"]

_KEEP = timedelta(hours=1)
# A token that no key verifies makes us read the keys again, but no more often than this.
_ASK_AGAIN_AFTER = timedelta(minutes=1)
_LARGEST = 1_000_000
# For connecting, sending, and reading the whole response. A person is waiting.
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Keys:
    keys: list[Mapping[str, Any]]
    read_at: datetime


# Error codes for a refresh token that is no longer accepted; GitHub has its own.
_NO_MORE = ("invalid_grant", "bad_refresh_token")


class AsyncProviderClient:
    """A client for one provider. Caches its metadata and keys for an hour.

    Args:
        provider: The provider.
        http: Returns the application's HTTP client; ``None`` if it has none: then our own connections are used.
        clock: The clock.
    """

    def __init__(self, provider: OAuthProvider, http: Callable[[], httpx.AsyncClient | None], clock: Clock) -> None:
        self.provider = provider
        self._http = http
        self._clock = clock
        self._metadata: tuple[ProviderMetadata, datetime] | None = None
        self._keys: _Keys | None = None
        self._asked_again_at: datetime | None = None
        self._describing = Flight[ProviderMetadata]()
        self._reading = Flight[_Keys]()

    async def metadata(self) -> ProviderMetadata:
        """Return the provider's metadata.

        Raises:
            OAuthError: It cannot be reached, or its metadata names another issuer.
        """
        if not self.provider.is_oidc:
            return oidc.plain_metadata(self.provider)
        known = self._metadata
        if known is not None and self._clock() - known[1] < _KEEP:
            return known[0]
        return await self._describing.join(self._describe)

    async def _describe(self) -> ProviderMetadata:
        found = oidc.read_metadata(self.provider, await self._get(self.provider.discovery))
        self._metadata = (found, self._clock())
        return found

    async def redeem(
        self, code: str, *, redirect_uri: str, verifier: str, nonce: str, posted_user: str | None = None
    ) -> tuple[OAuthIdentity, Mapping[str, Any]]:
        """Redeem a code, and return the identity and the provider's tokens.

        Args:
            code: As received.
            redirect_uri: As sent.
            verifier: The PKCE verifier.
            nonce: As sent.
            posted_user: The ``user`` that Apple posts with the code, only the first time. It is not signed, so only the
                display name is used.

        Raises:
            OAuthError: The code is refused, the ID token is not valid, or a check refuses the account.
        """
        metadata = await self.metadata()
        headers, body = oidc.token_request(
            self.provider, metadata, code=code, redirect_uri=redirect_uri, verifier=verifier, now=self._clock()
        )
        answer = await self._request("POST", metadata.token_endpoint, headers=headers, content=body)
        # GitHub and Slack return 200 for a code that they refuse.
        tokens = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {"error": answer}
        if tokens.get("error") is not None or answer is None:
            raise OAuthError("provider", f"{self.provider.name} refused the code{oidc.shown_code(tokens)}")
        access_token = tokens.get("access_token")
        access = access_token if isinstance(access_token, str) else None
        if self.provider.is_oidc:
            name = None if self.provider.apple is None else oidc.posted_name(posted_user)
            identity = await self.identify(tokens.get("id_token"), nonce=nonce, access_token=access, name=name)
        else:
            identity = await self._checked(await self._ask(metadata, access))
        return identity, tokens

    async def refresh(self, refresh_token: str, *, unique: str) -> Mapping[str, Any]:
        """Redeem a refresh token, and return the provider's response. It may replace the refresh token.

        Args:
            refresh_token: The latest.
            unique: A secret that is new with every request.

        Raises:
            OAuthError: ``reason="revoked"``: it is no longer accepted. ``reason="provider"``: the request failed.
        """
        metadata = await self.metadata()
        headers, body = oidc.refresh_request(
            self.provider, metadata, refresh_token=refresh_token, unique=unique, now=self._clock()
        )
        try:
            answer = await self._request("POST", metadata.token_endpoint, headers=headers, content=body)
            told = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
            code = oidc.code_of(told)
        except OAuthError as error:
            if error.error_code not in _NO_MORE:
                raise
            told, code = {}, error.error_code
        if code in _NO_MORE:
            raise OAuthError("revoked", f"{self.provider.name} no longer gives access ({code})", error_code=code)
        if not told or told.get("error") is not None:
            raise OAuthError("provider", f"{self.provider.name} refused the refresh{oidc.shown_code(told)}")
        return told

    async def identify(
        self, id_token: object, *, nonce: str, access_token: str | None, name: str | None = None, native: bool = False
    ) -> OAuthIdentity:
        """Verify an ID token, run the checks, and return its identity.

        Args:
            id_token: As received.
            nonce: The nonce that it must contain.
            access_token: For querying userinfo for what the token lacks; ``None`` not to query it.
            name: The display name if the claims contain none.
            native: Whether a mobile SDK obtained it, possibly for one of ``OAuthProvider.native_client_ids``.

        Raises:
            OAuthError: It is not valid, or a check refuses the account.
        """
        if not isinstance(id_token, str):
            raise OAuthError("id_token", f"{self.provider.name} sent no ID token")
        metadata = await self.metadata()
        header, claims = await self._verified(metadata, id_token)
        subject = oidc.check_claims(
            self.provider,
            metadata,
            header,
            claims,
            nonce=nonce,
            access_token=access_token,
            now=self._clock(),
            native=native,
        )
        if metadata.userinfo_endpoint is not None and access_token is not None:
            claims = await self._completed(metadata, metadata.userinfo_endpoint, claims, access_token)
        elif self.provider.userinfo == "always":
            raise OAuthError("provider", f"{self.provider.name} has no userinfo endpoint, or sent no access token")
        identity = oidc.identity_of(self.provider, claims, subject)
        return await self._checked(identity if identity.name is not None else replace(identity, name=name))

    async def _checked(self, identity: OAuthIdentity) -> OAuthIdentity:
        for check in self.provider.checks:
            refusal = await outcome(check(identity))
            if isinstance(refusal, str):
                raise OAuthError("refused", refusal)
            if refusal is not None:
                raise ConfigurationError(f"check returned {refusal!r}: return None, or why the account is refused")
        return identity

    async def _verified(self, metadata: ProviderMetadata, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and claims of a token that one of the provider's keys signed."""
        known = await self._known_keys(metadata)
        found = oidc.verified(self.provider, metadata, token, known.keys)
        if found is None:
            # The provider may have a new key, even with the old key's id.
            newer = await self._newer_keys(metadata, known)
            found = None if newer is known else oidc.verified(self.provider, metadata, token, newer.keys)
        if found is None:
            raise OAuthError("id_token", f"no key of {self.provider.name} verifies the ID token")
        return found

    async def _known_keys(self, metadata: ProviderMetadata) -> _Keys:
        known = self._keys
        if known is not None and self._clock() - known.read_at < _KEEP:
            return known
        return await self._reading.join(lambda: self._read_keys(metadata))

    async def _newer_keys(self, metadata: ProviderMetadata, known: _Keys) -> _Keys:
        """Read the keys again, or return the known ones if they were read again just now."""
        if self._keys is not None and self._keys is not known:
            return self._keys
        asked = self._asked_again_at
        if asked is not None and self._clock() - asked < _ASK_AGAIN_AFTER:
            return known
        found = await self._reading.join(lambda: self._read_keys(metadata))
        self._asked_again_at = self._clock()
        return found

    async def _read_keys(self, metadata: ProviderMetadata) -> _Keys:
        assert metadata.jwks_uri is not None
        found = _Keys(oidc.read_keys(self.provider, await self._get(metadata.jwks_uri)), self._clock())
        self._keys = found
        return found

    async def _completed(
        self, metadata: ProviderMetadata, userinfo: str, claims: dict[str, Any], access_token: str
    ) -> dict[str, Any]:
        """Return the claims of an ID token, merged with those of the userinfo endpoint for the same subject."""
        if not oidc.needs_userinfo(self.provider, claims):
            return claims
        always = self.provider.userinfo == "always"
        told: object = None
        try:
            told = await self._get(userinfo, access_token)
        except OAuthError:
            if always:
                raise
        if isinstance(told, str):
            _, told = await self._verified(metadata, told)
            oidc.check_userinfo(self.provider, metadata, told)
        if isinstance(told, dict) and "sub" in told:
            return oidc.merged(self.provider, claims, cast("dict[str, Any]", told))
        if always:
            raise OAuthError("provider", f"the userinfo endpoint of {self.provider.name} sent no subject")
        # Without a subject, userinfo is not used; for a linked account, the ID token's subject is enough.
        return claims

    async def _ask(self, metadata: ProviderMetadata, access_token: str | None) -> OAuthIdentity:
        if access_token is None or metadata.userinfo_endpoint is None:
            raise OAuthError("provider", f"{self.provider.name} sent no access token")
        user = await self._get(metadata.userinfo_endpoint, access_token)
        if self.provider.emails_endpoint is not None:
            try:
                emails = await self._get(self.provider.emails_endpoint, access_token)
            except OAuthError:
                # A GitHub App that may not read addresses; a linked account needs none.
                emails = None
            return oidc.github_identity(self.provider, user, emails)
        return oidc.plain_identity(self.provider, user)

    async def _get(self, url: str, access_token: str | None = None) -> object:
        headers = {} if access_token is None else {"Authorization": f"Bearer {access_token}"}
        return await self._request("GET", url, headers=headers)

    async def _request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> object:
        needed("httpx", "oauth")
        from torii_dynamodb._async.services.outbound import exchange

        sent = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "torii-dynamodb", **headers}
        try:
            answer = await exchange(
                method,
                url,
                headers=sent,
                content=content,
                reach=self.provider.reach,
                most=_LARGEST,
                seconds=_SECONDS,
                http=self._http(),
            )
        except Exception as error:  # noqa: BLE001 - sockets, TLS, httpx, httpcore and the application's transport
            # Without the cause: a request's error can contain its body, with code and secret.
            kind = type(error).__name__
        else:
            return oidc.read_json(self.provider, answer)
        raise OAuthError("provider", f"{self.provider.name} could not be reached: {kind}")
