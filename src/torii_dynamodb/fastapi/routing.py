"""What all JSON routes share: errors as problems, no caching, bounded bodies, and their OpenAPI descriptions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import Message, Receive, Scope

from torii_dynamodb._web.navigation import note_root_path
from torii_dynamodb._web.problems import REASONS, STATUS
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.fastapi.errors import Problem, ProblemResponse, problem_of, validation_problem

__all__ = ["BODY", "RECENT", "AuthRoute", "Router", "problems", "without_body"]

_LARGEST = 64 * 1024  # a passkey with its attestation takes a few KB

_ACTING = "/callback"  # the only GET route with an effect: HEAD and prefetching must not cause it

Responses: TypeAlias = dict[int | str, dict[str, Any]]


class Router(APIRouter):
    """A router that supports HEAD wherever it supports GET (RFC 9110, 9.3.2), and OPTIONS."""

    def add_api_route(
        self, path: str, endpoint: Callable[..., Any], *, methods: set[str] | list[str] | None = None, **options: Any
    ) -> None:
        """FastAPI's hook. HEAD is a route of its own, so that OpenAPI does not list it."""
        super().add_api_route(path, endpoint, methods=methods, **options)
        if methods is None or "GET" in methods:
            options["include_in_schema"] = False
            super().add_api_route(path, endpoint, methods=["HEAD"], **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """FastAPI's hook: whether one of the routes matches, of which there are dozens.

        Requests for the application's own routes come by here, so one comparison comes first. The prefix may not be at
        the start of the path, because an application can include the router below a prefix of its own.
        """
        path = scope["path"]
        if self.prefix in path or "/.well-known/" in path:
            return super().matches(scope)
        return Match.NONE, {}

    def add_options(self) -> None:
        """Add a route for OPTIONS to each path. Call it last: the response lists the methods of the other routes.

        CORS preflight requests never arrive here: the application's middleware handles them before any route.
        """
        allowed: dict[str, set[str]] = {}
        for route in self.routes:
            if isinstance(route, APIRoute):
                allowed.setdefault(route.path, {"OPTIONS"}).update(route.methods or ())
        for path, methods in allowed.items():
            # A plain route of Starlette's: FastAPI would take a third of the time of building all routes for these.
            allow = _allowing(", ".join(sorted(methods)))
            self.add_route(path, allow, methods=["OPTIONS"], include_in_schema=False)


def _allowing(allow: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def options(_request: Request) -> Response:
        return Response(status_code=204, headers={"Allow": allow})

    return options


def without_body(request: Request, response: Response) -> Response:
    """The response, without its body for HEAD. All headers stay, including the length."""
    if request.method == "HEAD":
        response.body = b""
    return response


class AuthRoute(APIRoute):
    """A route whose errors are problems, however the application handles its own. Nothing is cached."""

    require_tenant: Callable[[], None] = staticmethod(lambda: None)

    @staticmethod
    def note_languages(connection: HTTPConnection) -> None:
        """Note which languages the browser asks for, in routers that send mail."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's hook."""
        inner = super().get_route_handler()
        acting = self.path.endswith(_ACTING)

        async def handle(request: Request) -> Response:
            note_root_path(request)
            try:
                self.require_tenant()  # before the body is read, so that the response is the same for any body
                self.note_languages(request)
                if acting and request.method == "HEAD":
                    response = Response()
                elif acting and request.method == "GET" and _is_prefetch(request):
                    # Browsers discard a refused prefetch, and send the request again when the person navigates there.
                    raise Problem(503, "prefetch", "requests to this URL have an effect; do not prefetch it")
                else:
                    response = await inner(Request(request.scope, _bounded(request.receive)))
            except ToriiError as error:
                response = ProblemResponse(problem_of(error))
            except Problem as problem:
                response = ProblemResponse(problem)
            except RequestValidationError as error:
                response = ProblemResponse(validation_problem(error.errors()))
            except HTTPException as error:
                # FastAPI raises it if the body is not JSON at all.
                if error.status_code != 400:
                    raise
                response = ProblemResponse(Problem(422, "validation_error", "the body is not valid JSON"))
            response.headers.setdefault("Cache-Control", "no-store")
            return without_body(request, response)

        return handle


def _is_prefetch(request: Request) -> bool:
    return any(
        request.headers.get(name, "").strip().lower().startswith(("prefetch", "preview", "prerender"))
        for name in ("sec-purpose", "purpose", "x-purpose", "x-moz")
    )


def _bounded(receive: Receive) -> Receive:
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > _LARGEST:
            raise Problem(413, "body_too_large", f"the body must be at most {_LARGEST} bytes")
        return message

    return bounded


_DESCRIPTIONS: dict[str, str] = {
    "account_locked": "Too many attempts on this account.",
    "account_locked_by_administrator": "An administrator locked the account.",
    "already_exists": "It belongs to another user.",
    "body_too_large": "The body is too large.",
    "cache_unavailable": "It was done, but other servers may see it only after a minute.",
    "cloned_authenticator": "The passkey may have been copied.",
    "cross_site": "The request comes from another site.",
    "email_not_verified": "The address is not verified.",
    "internal_error": "Something went wrong.",
    "invalid_code": "The code is wrong, was used, or has expired.",
    "invalid_credentials": "The address or password is wrong.",
    "invalid_token": "The link is not valid, has expired or has been used.",
    "last_sign_in_method": "It is the only way left to sign in.",
    "not_found": "It does not exist.",
    "not_signed_in": "Nobody is signed in.",
    "oauth_error": "The sign-in through the provider failed; see `reason`.",
    "other_user_signed_in": "Another user is signed in in this browser.",
    "overloaded": "Too many passwords are being checked at the moment.",
    "passkey_error": "The passkey was not accepted; see `reason`.",
    "rate_limited": "Too many requests.",
    "recent_sign_in_required": "Sign in again first.",
    "revoked": "All sessions ended after this was started.",
    "second_factor_required": "Give a second factor first.",
    "session_required": "An access token is not enough: send the session token.",
    "throttled": "The storage is busy.",
    "too_many_factors": "No more can be added.",
    "too_many_identities": "No more can be added.",
    "unavailable": "The storage cannot be reached.",
    "validation_error": "The request is not valid; see `errors`.",
    "version_conflict": "It was changed at the same time.",
}


BODY = ("cross_site", "body_too_large", "validation_error")
"""The errors of a route that takes a body."""
RECENT = ("not_signed_in", "recent_sign_in_required", "second_factor_required")
"""The errors of a route that requires a recent sign-in, with a second factor of users who have one."""


def problems(*codes: str) -> Responses:
    """The errors of a route, for OpenAPI. Errors that any route can return are added."""
    by_status: dict[int, list[str]] = {}
    if "not_signed_in" in codes:
        codes += ("session_required",)
    for code in ("unavailable", "cache_unavailable", "throttled", "internal_error", *codes):
        for status in {STATUS[code], *(status for (name, _), status in REASONS.items() if name == code)}:
            by_status.setdefault(status, []).append(code)
    return {status: _response(status, found) for status, found in sorted(by_status.items())}


def _response(status: int, codes: list[str]) -> dict[str, Any]:
    names = list(dict.fromkeys(code.removesuffix("_by_administrator") for code in codes))
    properties: dict[str, Any] = {
        "title": {"type": "string"},
        "status": {"type": "integer", "const": status},
        "code": {"type": "string", "enum": names},
        "detail": {"type": "string"},
    }
    response: dict[str, Any] = {"description": " ".join(_DESCRIPTIONS[code] for code in codes)}
    example: dict[str, Any] = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": names[0],
        "detail": _DESCRIPTIONS[codes[0]],
    }
    if status == 422:
        item = {"type": "object", "properties": {"field": {"type": "string"}, "message": {"type": "string"}}}
        properties["errors"] = {"type": "array", "items": item}
        example["errors"] = [{"field": "email", "message": "is not a valid email address"}]
    if status in (429, 503):
        properties["retry_after"] = {"type": "integer", "description": "Seconds to wait, as in the header."}
        example["retry_after"] = 60
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    if {"oauth_error", "passkey_error"} & set(names):
        properties["reason"] = {"type": "string"}
    schema = {"type": "object", "required": ["title", "status", "code", "detail"], "properties": properties}
    response["content"] = {"application/problem+json": {"schema": schema, "example": example}}
    return response
