"""Who sent a request: the credential in it, and its check. Authorizers and event handlers share this."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from torii_dynamodb._rules.checking import check_kind
from torii_dynamodb._rules.cross_site import is_cross_site
from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.origins import check_origins
from torii_dynamodb.cookies import read_cookie
from torii_dynamodb.errors import ConfigurationError, InvalidToken
from torii_dynamodb.models import Session, User

if TYPE_CHECKING:
    from torii_dynamodb._rules.jwt import AccessClaims
    from torii_dynamodb._sync.services.torii import Torii

__all__ = ["AuthorizedCaller", "Callers", "Refusal", "Transport"]

Transport: TypeAlias = Literal["cookie", "bearer", "jwt"]
Refusal: TypeAlias = Literal["not_signed_in", "cross_site", "not_permitted"]


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedCaller:
    """Who sent a request that is about to be allowed.

    Args:
        user_id: The user.
        session_id: The session.
        transport: How the credential was sent: ``"cookie"``, ``"bearer"``, or ``"jwt"`` for an access token.
        expires_at: When the session ends, or the access token expires if it was checked offline.
        user: The user as stored now; ``None`` if an access token was checked offline.
        session: The session as stored now; ``None`` as for ``user``.
        claims: The claims of an access token; ``None`` for a session token.
        tenant: The user's tenant; ``None`` outside of any.
    """

    user_id: str
    session_id: str
    transport: Literal["cookie", "bearer", "jwt"]
    expires_at: datetime
    user: User | None
    session: Session | None
    claims: AccessClaims | None
    tenant: str | None = None


class Callers:
    """Finds out who sent a request. The options are those of :class:`~torii_dynamodb.aws_lambda.Authorizer`.

    Raises:
        ConfigurationError: An option is wrong, or access tokens are to be accepted but not set up.
    """

    def __init__(
        self,
        torii: Torii,
        *,
        transports: Sequence[Transport],
        cookie: str,
        trusted_origins: Sequence[str],
        extend_sessions: bool,
        offline: bool = False,
    ) -> None:
        check_kind("torii", torii, "torii_dynamodb._sync.services.torii.Torii", "Torii(...), the blocking services")
        if isinstance(transports, str) or not transports or not {*transports} <= {"cookie", "bearer", "jwt"}:
            raise ConfigurationError("transports: give at least one of 'cookie', 'bearer' and 'jwt', in a list")
        if "jwt" in transports:
            torii.jwt  # noqa: B018 - reports missing settings and wrong keys now, not at the first request
        elif offline:
            raise ConfigurationError("offline: only access tokens can be checked offline: add 'jwt' to transports")
        if not re.fullmatch(r"[!#-'*+.0-9A-Z^_`a-z|~-]+", cookie):
            raise ConfigurationError(f"cookie: {cookie!r} is not the name of a cookie")
        check_origins("trusted_origins", trusted_origins)
        self._torii = torii
        self._transports = frozenset(transports)
        self._cookie = cookie
        self._origins = frozenset(trusted_origins)
        self._offline = offline
        self._extends = extend_sessions

    def find(
        self,
        *,
        method: str | None,
        header: Callable[[str], str | None],
        cookies: Sequence[str],
        token: str | None,
    ) -> AuthorizedCaller | Refusal:
        """Check the credential of a request, with one request to DynamoDB, or say why nobody is let through.

        Args:
            method: The method; ``None``: a WebSocket.
            header: Returns a header by its name in lower case; ``None`` if there is none.
            cookies: The ``Cookie`` headers.
            token: The token that was sent in ``Authorization`` or instead of it; ``None`` if there is none.
        """
        found = self._credential(cookies, token)
        if found is None:
            return "not_signed_in"
        credential, transport = found
        if transport == "cookie" and is_cross_site(method, header, origins=self._origins, cookie=True):
            return "cross_site"
        return self._check(credential, transport, method) or "not_signed_in"

    def _credential(self, cookies: Sequence[str], token: str | None) -> tuple[str, Transport] | None:
        if token is not None and not self._transports.isdisjoint(("bearer", "jwt")):
            # A JWT has three parts separated by dots (RFC 7515, 7.1), a session token has two.
            transport: Transport = "jwt" if token.count(".") == 2 else "bearer"
            return (token, transport) if transport in self._transports else None
        cookie = read_cookie(cookies, self._cookie) if "cookie" in self._transports else None
        return None if cookie is None else (cookie, "cookie")

    def _check(self, token: str, transport: Transport, method: str | None) -> AuthorizedCaller | None:
        if transport == "jwt":
            return self._check_access_token(token)
        found = self._torii.get_signed_in(token)
        if found is None:
            return None
        user, session = found
        # HEAD does not count as use of the session.
        used = self._torii.touch_session(session) if self._extends and method != "HEAD" else session
        return None if used is None else self._caller(user, used, transport)

    def _check_access_token(self, token: str) -> AuthorizedCaller | None:
        if not self._offline:
            found = self._torii.jwt.check(token)
            return None if found is None else self._caller(found[1].user, found[1].session, "jwt", found[0])
        try:
            claims = self._torii.jwt.verify(token)
        except InvalidToken:
            return None
        return AuthorizedCaller(
            user_id=claims.user_id,
            session_id=claims.session_id,
            transport="jwt",
            expires_at=claims.expires_at,
            user=None,
            session=None,
            claims=claims,
            tenant=claims.tenant,
        )

    def _caller(
        self, user: User, session: Session, transport: Transport, claims: AccessClaims | None = None
    ) -> AuthorizedCaller:
        return AuthorizedCaller(
            user_id=user.id,
            session_id=session.id,
            transport=transport,
            expires_at=session.expires_at,
            user=user,
            session=session,
            claims=claims,
            tenant=self._torii.tenant_name,
        )
