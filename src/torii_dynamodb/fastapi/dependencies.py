"""Dependencies for an application's own routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from inspect import Parameter, Signature
from typing import Generic, Protocol, TypeVar

from fastapi import Depends, Response, Security
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from torii_dynamodb._rules.jwt import AccessClaims
from torii_dynamodb._web.callers import (
    Caller,
    bearer_of,
    no_second_factor,
    nobody,
    not_recent,
    session_required,
    unverified,
)
from torii_dynamodb.errors import ConfigurationError, InvalidToken, ToriiError
from torii_dynamodb.fastapi.errors import Problem, problem_of
from torii_dynamodb.fastapi.web import Web
from torii_dynamodb.models import User

__all__ = ["Dependencies", "access_claims"]

T = TypeVar("T")

_BEARER = {False: "The session token.", True: "The session token, or an access token for the application's own routes."}


class _BearerScheme(HTTPBearer):
    """Declares ``Authorization`` to OpenAPI; it is read elsewhere. FastAPI's own class fails in WebSocket routes."""

    async def __call__(self) -> None:  # type: ignore[override]
        """Nothing to do."""


class _Requirement(APIKeyCookie, Generic[T]):
    """A dependency that checks the session, and at the same time the declaration of its cookie to OpenAPI.

    FastAPI solves every dependency of a dependency in each request, also one that only declares something, at about
    5 % of the cost of a route each. So none of ours depends on another: they share the check in ``Web.caller``.

    Args:
        web: The web layer.
        bearer: Declares the header to OpenAPI.
        judge: Returns the dependency's value for whoever is signed in, or raises a :class:`Problem`.
    """

    def __init__(self, web: Web, bearer: HTTPBearer, judge: Callable[[Caller | None], T]) -> None:
        super().__init__(
            name=web.session_cookie, scheme_name="cookie", description="The session cookie.", auto_error=False
        )
        self._web = web
        self._judge = judge
        parameters = {"connection": HTTPConnection, "response": Response}
        self.__signature__ = Signature(
            [
                *(Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in parameters.items()),
                Parameter("_bearer", Parameter.KEYWORD_ONLY, default=Security(bearer)),
            ]
        )

    async def __call__(self, *, connection: HTTPConnection, response: Response, _bearer: object) -> T:  # type: ignore[override]
        web = self._web
        try:
            web.require_tenant()
            found = await web.caller(connection)
        except ToriiError as error:
            raise problem_of(error) from error
        if found is not None and found.moved and found.transport == "cookie":
            web.leave_session(response, found.session)
        return self._judge(found)


class _Uncalled:
    """Detects a dependency factory that is used as a dependency, such as ``Depends(auth.require_recent_sign_in)``.

    FastAPI would call the factory and accept what it returns, so the route would be open to everyone. Since FastAPI
    reads the signature of each dependency when a route is defined, the mistake is reported there.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def __signature__(self) -> Signature:
        raise ConfigurationError(f"{self._name} returns a dependency: call it, as in Depends(auth.{self._name}())")

    def __call__(self) -> None:
        """Never reached unless FastAPI stops reading the signature."""
        _ = self.__signature__


UNCALLED_RECENT = _Uncalled("require_recent_sign_in")
UNCALLED_SECOND_FACTOR = _Uncalled("require_second_factor")


class Dependencies:
    """Dependencies for ``Depends``. All of them share one check of the session per request.

    They raise :class:`~torii_dynamodb.fastapi.Problem`, an ``HTTPException``: 401 if nobody is signed in, 403 if a
    request from another site carries the cookie or if more is required, 503 if the storage cannot be reached. They also
    work in WebSocket routes, where such a response denies the connection.

    With ``"jwt"`` among the configuration's ``transports``, those that return a user or a session accept an access
    token too, and check the session behind it with the storage. Those that return
    :class:`~torii_dynamodb.fastapi.Caller`, and :meth:`recent`, accept only a session token: otherwise 403 with the
    code ``session_required``.

    Attributes:
        optional_signed_in: Who is signed in and how, or ``None``.
        signed_in: Who is signed in and how.
        optional_caller: Who is signed in by a session or an access token, or ``None``.
        caller: Who is signed in by a session or an access token.
        current_user: The user.
        current_session: The session.
        optional_user: The user, or ``None``.
        require_verified: The user, whose address is verified.
        current_tenant: The name of the tenant that the request is for; 404 if it is for none.

    Args:
        web: The web layer.
    """

    def __init__(self, web: Web) -> None:
        self._web = web
        self._bearer = _BearerScheme(
            scheme_name="bearer", description=_BEARER["jwt" in web.config.transports], auto_error=False
        )

        def require_verified(found: Caller | None) -> User:
            user = _caller(found).user
            if not user.is_email_verified:
                raise unverified(Problem)
            return user

        async def current_tenant() -> str:
            name = web.part.torii.tenant_name
            if name is None:
                raise ConfigurationError("current_tenant needs tenants: router(torii, tenants=Tenants(...))")
            return name

        self.current_tenant = current_tenant
        self.optional_caller = self._requires(lambda found: found)
        self.caller = self._requires(_caller)
        self.optional_signed_in = self._requires(_optional_signed_in)
        self.signed_in = self._requires(_signed_in)
        self.current_user = self._requires(lambda found: _caller(found).user)
        self.current_session = self._requires(lambda found: _caller(found).session)
        self.optional_user = self._requires(lambda found: None if found is None else found.user)
        self.require_verified = self._requires(require_verified)

    def _requires(self, judge: Callable[[Caller | None], T]) -> Callable[..., Awaitable[T]]:
        return _Requirement(self._web, self._bearer, judge)

    @property
    def access_claims(self) -> Callable[..., Awaitable[AccessClaims]]:
        """A dependency: the claims of the request's access token, without a storage request.

        It is fast, but unaware of what happened after the token was issued: an ended session and a locked or deleted
        user pass until the token expires (``JwtSettings.lifetime``). 401 if there is no valid token.

        Raises:
            ConfigurationError: Access tokens are not set up.
        """
        web = self._web
        _ = web.model.jwt
        return _access_claims(lambda: web.torii.jwt)

    def recent(
        self, max_age: timedelta | None = None, _: None = Depends(UNCALLED_RECENT)
    ) -> Callable[..., Awaitable[Caller]]:
        """Return a dependency: who is signed in and how, after a recent sign-in.

        Users who have second factors must also have given one recently: 403 ``second_factor_required``.

        Args:
            max_age: The maximum age of the sign-in; ``None``: the configuration's ``recent_sign_in``.
        """
        return self._requires(lambda found: self._recent(found, max_age))

    def _recent(self, found: Caller | None, max_age: timedelta | None) -> Caller:
        web = self._web
        limit = web.config.recent_sign_in if max_age is None else max_age
        caller = _signed_in(found)
        problem = not_recent(Problem, caller, limit, web.torii.clock())
        if problem is not None:
            raise problem
        return caller

    def require_recent_sign_in(
        self, max_age: timedelta | None = None, _: None = Depends(UNCALLED_RECENT)
    ) -> Callable[..., Awaitable[User]]:
        """Return a dependency: the user, who signed in at most ``max_age`` ago (``None``: as configured).

        Users who have second factors must also have given one in that time.
        """
        return self._requires(lambda found: self._recent(found, max_age).user)

    def require_second_factor(
        self, max_age: timedelta | None = None, _: None = Depends(UNCALLED_SECOND_FACTOR)
    ) -> Callable[..., Awaitable[User]]:
        """Return a dependency: the user, who gave a second factor for this session at most ``max_age`` ago.

        403 ``second_factor_required`` otherwise, also for users who have none: ``enrolment`` in the problem tells them
        apart. An access token is not enough.

        Args:
            max_age: ``None``: at any time, also when a trusted browser gave it in an earlier session.
        """

        def require_second_factor(found: Caller | None) -> User:
            caller = _signed_in(found)
            if not self._web.gave_second_factor(caller, max_age):
                raise no_second_factor(Problem, caller, max_age)
            return caller.user

        return self._requires(require_second_factor)


def _caller(found: Caller | None) -> Caller:
    if found is None:
        raise nobody(Problem)
    return found


def _optional_signed_in(found: Caller | None) -> Caller | None:
    if found is not None and found.transport == "jwt":
        raise session_required(Problem)
    return found


def _signed_in(found: Caller | None) -> Caller:
    return _caller(_optional_signed_in(found))


class _Verifies(Protocol):
    def verify(self, token: str) -> AccessClaims: ...


def access_claims(tokens: _Verifies) -> Callable[..., Awaitable[AccessClaims]]:
    """Return a dependency for services without tables: the claims of a request's access token.

    There is no storage request, so a revoked session passes until the token expires. 401 without a valid token in
    ``Authorization: Bearer``.

    Args:
        tokens: ``torii_dynamodb.jwt.JwtTokens(JwtSettings(...))``, with the issuer's public keys.
    """
    return _access_claims(lambda: tokens)


def _access_claims(tokens: Callable[[], _Verifies]) -> Callable[..., Awaitable[AccessClaims]]:
    scheme = _BearerScheme(scheme_name="access token", description="An access token (JWT).", auto_error=False)

    async def claims(connection: HTTPConnection, _scheme: object = Security(scheme)) -> AccessClaims:
        found = bearer_of(connection)
        if found is None or found[1] != "jwt":
            raise nobody(Problem)
        try:
            return tokens().verify(found[0])
        except InvalidToken:
            raise nobody(Problem) from None

    return claims
