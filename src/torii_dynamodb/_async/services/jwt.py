"""Short-lived access tokens, refreshed by the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torii_dynamodb._async.primitives import outcome
from torii_dynamodb._rules.jwt import (
    AccessClaims,
    AccessToken,
    AccessTokenClaims,
    JwtSettings,
    JwtTokens,
    merged_claims,
)
from torii_dynamodb.clock import Clock, RandomBytes
from torii_dynamodb.errors import InvalidToken, ValidationError
from torii_dynamodb.models import Session, SignedIn, User

if TYPE_CHECKING:
    from torii_dynamodb._async.contract import AsyncStorage
    from torii_dynamodb._async.services.sessions import AsyncSessionService

__all__ = ["AsyncJwtService"]


class AsyncJwtService:
    """Access tokens. The opaque session token is the refresh token: it is checked with the storage each time.

    See ``torii_dynamodb.jwt.JwtSettings`` for the trade-off: nothing revokes an access token before it expires.

    Args:
        storage: Stores the sessions.
        sessions: Extends them.
        settings: How tokens are made.
        clock: The clock.
        random: The randomness for token ids.
        claims: Returns the application's own claims; ``None`` for none.
        tenant: The tenant of the storage; ``None`` outside of any.
    """

    def __init__(
        self,
        storage: AsyncStorage,
        sessions: AsyncSessionService,
        settings: JwtSettings,
        *,
        clock: Clock,
        random: RandomBytes,
        claims: AccessTokenClaims | None = None,
        tenant: str | None = None,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self._tokens = JwtTokens(settings, tenant=tenant)
        self.settings = settings
        self._clock = clock
        self._random = random
        self._claims = claims

    async def issue(self, user: User, session: Session, *, claims: Mapping[str, Any] | None = None) -> AccessToken:
        """Issue an access token for a session that was just created or checked. No request.

        Args:
            user: The user.
            session: Their session.
            claims: Claims of this token, added to those of ``access_token_claims``, which they replace where the names
                are the same. They are not secret: anyone with the token can read them.

        Raises:
            ConfigurationError: A claim has a reserved name or is not JSON, or they are larger than 4,096 bytes. What
                ``access_token_claims`` raises is raised as it is. No token is issued.
        """
        none: Mapping[str, Any] = {}
        found = none if self._claims is None else await outcome(self._claims(user, session))
        extra = merged_claims(found, claims or {})
        return self._tokens.issue(user, session, now=self._clock(), token_id=self._random(16).hex(), extra=extra)

    async def refresh(self, session_token: str, *, claims: Mapping[str, Any] | None = None) -> AccessToken | None:
        """Check the session with the storage, extend it if that is due, and issue the next access token.

        Args:
            session_token: The session's token.
            claims: As for :meth:`issue`.

        Returns:
            The access token, with the session as it is now; ``None`` if the session is not valid.
        """
        found = await self._storage.get_signed_in(session_token)
        if found is None:
            return None
        session = await self._sessions.touch(found.session)
        return None if session is None else await self.issue(found.user, session, claims=claims)

    def require_signing(self) -> None:
        """Check that there is a key to sign with; checking tokens needs none.

        Raises:
            ConfigurationError: The first key has no private part.
        """
        self._tokens.require_signing()

    def verify(self, token: str) -> AccessClaims:
        """Check an access token. No request, so it does not notice revocations since the token was issued.

        Raises:
            InvalidToken: It is not valid, or another tenant's.
        """
        return self._tokens.verify(token, now=self._clock())

    async def check(self, token: str) -> tuple[AccessClaims, SignedIn] | None:
        """Check an access token and, with the storage, the session that it was issued for. One request.

        So whatever ends the session ends the token at once: signing out, here or everywhere, a new password, a lock, a
        deletion.

        Returns:
            Its claims, and the user and the session (without its token) as they are now; ``None`` if the token or its
            session is not valid.
        """
        try:
            claims = self.verify(token)
            found = await self._storage.get_signed_in_by_id(claims.user_id, claims.session_id)
        except (InvalidToken, ValidationError):  # others with a shared secret may have signed something invalid
            return None
        return None if found is None else (claims, found)

    def jwks(self) -> dict[str, Any]:
        """Return the public keys, for others that check tokens."""
        return self._tokens.jwks()

    def discovery(self) -> dict[str, Any]:
        """Return the discovery document, for others that look for the keys: see ``JwtTokens.discovery``.

        Raises:
            ConfigurationError: The issuer is not an ``https://`` URL, or there are only shared secrets.
        """
        return self._tokens.discovery()

    def well_known(self, base_url: str | None = None) -> dict[str, Callable[[], dict[str, Any]]]:
        """Return what to serve for that, by path: see ``JwtTokens.well_known``."""
        return self._tokens.well_known(base_url)
