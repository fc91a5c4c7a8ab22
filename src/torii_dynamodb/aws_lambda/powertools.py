"""Who is signed in, for the event handler of Powertools for AWS Lambda.

The resolvers for REST APIs, HTTP APIs, load balancers and function URLs take the same middleware::

    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

    from torii_dynamodb.aws_lambda.powertools import signed_in, user_of

    app = APIGatewayHttpResolver()


    @app.get("/hello", middlewares=[signed_in(torii)])
    def hello() -> dict[str, str]:
        return {"hello": user_of(app).email}
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from torii_dynamodb.aws_lambda._callers import AuthorizedCaller, Callers, Transport
from torii_dynamodb.aws_lambda.http import LambdaRequest
from torii_dynamodb.errors import ConfigurationError, Unavailable
from torii_dynamodb.models import User

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response
    from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver, BaseRouter
    from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

    from torii_dynamodb._sync.services.torii import Torii

__all__ = ["SignedInMiddleware", "caller_of", "signed_in", "user_of"]

_log = logging.getLogger("torii_dynamodb")

_REFUSALS: Mapping[str, tuple[int, str]] = {
    "not_signed_in": (401, "sign in to do this"),
    "cross_site": (403, "the browser does not confirm that this request comes from this site"),
    "unavailable": (503, "the service is busy; try again"),
}
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="torii"'},
    503: {"Retry-After": "1"},
}


class SignedInMiddleware(Protocol):
    """A middleware of Powertools' event handler, made by :func:`signed_in`."""

    def __call__(self, app: ApiGatewayResolver, next_middleware: NextMiddleware, /) -> Response[Any]:
        """Let the request through to the route, or respond."""
        ...


def signed_in(
    torii: Torii,
    *,
    transports: Sequence[Transport] = ("cookie", "bearer"),
    cookie: str = "__Host-torii",
    trusted_origins: Sequence[str] = (),
    extend_sessions: bool = True,
    optional: bool = False,
) -> SignedInMiddleware:
    """Return a middleware that lets only requests of people who are signed in through to the route.

    For one route (``middlewares=[...]``) or all (``app.use([...])``). The check is one request to DynamoDB, and
    :func:`user_of` returns the user. Nobody signed in: 401. A request that another site made the browser send with its
    cookie: 403. DynamoDB cannot be reached: 503. The responses are JSON with ``code`` and ``detail``.

    Args:
        torii: The blocking services.
        transports: Which credentials count: the session cookie (``"cookie"``), the session token in ``Authorization:
            Bearer`` (``"bearer"``), an access token in that header, whose session is checked (``"jwt"``).
        cookie: The session cookie's whole name, with its prefix.
        trusted_origins: Other origins whose pages may use the cookie, as in ``WebConfig``.
        extend_sessions: Whether requests count as use of the session, so that it does not end as idle: one write per
            session and ``SessionPolicy.refresh_after``. A cookie's own lifetime stays as it was set.
        optional: Whether requests of nobody are let through, too. What carries a credential and comes from another
            site is refused nevertheless.

    Raises:
        ConfigurationError: Powertools is not installed, an option is wrong, or access tokens are to be accepted but not
            set up.
    """
    try:
        from aws_lambda_powertools.event_handler import Response
    except ImportError as error:
        raise ConfigurationError("signed_in() needs Powertools: pip install aws-lambda-powertools") from error
    callers = Callers(
        torii,
        transports=transports,
        cookie=cookie,
        trusted_origins=trusted_origins,
        extend_sessions=extend_sessions,
    )

    def refuse(code: str) -> Response[Any]:
        status, detail = _REFUSALS[code]
        body = json.dumps({"status": status, "code": code, "detail": detail})
        headers = {"Cache-Control": "no-store", **_HEADERS.get(status, {})}
        return Response(status, "application/problem+json", body, headers)

    def torii_signed_in(app: ApiGatewayResolver, next_middleware: NextMiddleware, /) -> Response[Any]:
        request = LambdaRequest.from_event(app.current_event.raw_event)
        try:
            found = callers.find(
                method=request.method, header=request.headers.get, cookies=request.cookies, token=request.bearer
            )
        except Unavailable as error:
            _log.error("%s: %s (AWS request id %s)", error.code, error.message, error.request_id)
            return refuse("unavailable")
        if isinstance(found, AuthorizedCaller):
            _context(app).update(user=found.user, caller=found)
        elif found == "not_signed_in" and optional:
            _context(app).update(user=None, caller=None)
        else:
            return refuse(found)
        return next_middleware(app)  # pyright: ignore[reportUnknownVariableType] - its types are incomplete

    return torii_signed_in


def caller_of(app: BaseRouter) -> AuthorizedCaller | None:
    """Return who sent the current request, with the session; ``None`` if nobody is signed in (``optional``).

    The same as ``app.context.get("caller")``, with a type.
    """
    return _context(app).get("caller")


def user_of(app: BaseRouter) -> User:
    """Return the user who sent the current request: ``app.context["user"]``, with a type.

    Raises:
        ConfigurationError: The route is not behind :func:`signed_in`, or nobody is signed in (``optional``).
    """
    caller = caller_of(app)
    if caller is None or caller.user is None:
        raise ConfigurationError("nobody is signed in: put the route behind signed_in(torii), without optional=True")
    return caller.user


def _context(app: BaseRouter) -> dict[str, Any]:
    return cast("dict[str, Any]", app.context)  # pyright: ignore[reportUnknownMemberType] - a plain dict there
