"""Access tokens (JWT)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.routing import problems
from torii_dynamodb.fastapi.schemas import AccessTokenOut
from torii_dynamodb.fastapi.web import Caller, Web

__all__ = ["add"]


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes, if access tokens are set up."""
    torii = web.torii
    if not torii.issues_jwt:
        return
    web.model.jwt.require_signing()

    @router.post("/token", summary="Get an access token", responses=problems("cross_site", "not_signed_in"))
    async def token(found: Caller = Depends(dependencies.signed_in)) -> AccessTokenOut:
        """Use the session to get another one later: there is no separate refresh token."""
        issued = await torii.jwt.issue(found.user, found.session)
        seconds = int((issued.expires_at - torii.clock()).total_seconds())
        return AccessTokenOut(access_token=issued.token, expires_in=max(seconds, 0))

    @router.get("/jwks.json", summary="The keys for verifying access tokens", responses=problems())
    async def jwks() -> dict[str, Any]:
        """Returns the public keys (RFC 7517), for services that verify access tokens."""
        return torii.jwt.jwks()

    for path in web.model.jwt.well_known(web.config.base_url):
        # Others look for them below the issuer's URL, so they have no prefix.
        router.routes.append(Route(path, _serving(web, path), include_in_schema=False))


def _serving(web: Web, path: str) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def serve(_: Request) -> JSONResponse:
        document = web.part.torii.jwt.well_known(web.config.base_url).get(path) if web.part.torii.issues_jwt else None
        if document is None:
            raise Problem(404, "not_found", "there is no such page")
        return JSONResponse(document(), headers={"Cache-Control": "public, max-age=300"})

    return serve
