"""Passkeys."""

from __future__ import annotations

import binascii
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.responses import JSONResponse
from starlette.routing import Route

from torii_dynamodb._rules import base64url
from torii_dynamodb.errors import NotFound
from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.routing import BODY, RECENT, problems
from torii_dynamodb.fastapi.schemas import (
    PasskeyIn,
    PasskeyNameIn,
    PasskeyOptionsOut,
    PasskeyOut,
    PasskeySignInIn,
    PasskeysOut,
    SignInOut,
)
from torii_dynamodb.fastapi.web import Caller, Web

__all__ = ["add", "credential_id"]

_MISSING = "you have no such passkey"

PasskeyId = Annotated[
    str, Path(pattern="^[A-Za-z0-9_-]{1,1400}$", description="The credential ID, base64url, from the list of passkeys.")
]


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes, if passkeys are set up."""
    if web.torii.takes_passkeys:
        _add_registration(router, web, dependencies)
        _add_signing_in(router, web)
        _add_management(router, web, dependencies)
        if web.model.passkeys.settings.related_origins:
            _add_related_origins(router, web)


def _add_related_origins(router: APIRouter, web: Web) -> None:
    async def related_origins(_: Request) -> JSONResponse:
        return JSONResponse(web.torii.passkeys.related_origins())

    # Browsers look at the root of the domain, so it has no prefix.
    router.routes.append(Route("/.well-known/webauthn", related_origins, include_in_schema=False))


def credential_id(text: str) -> bytes:
    """Decode a credential ID from base64url.

    Raises:
        NotFound: It is not valid.
    """
    try:
        return base64url.decode(text)
    except (binascii.Error, ValueError) as error:
        raise NotFound("passkey", _MISSING) from error


def _add_registration(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.post(
        "/passkeys/registration/begin",
        summary="Begin adding a passkey",
        responses=problems("cross_site", *RECENT),
    )
    async def begin(found: Caller = Depends(dependencies.recent())) -> PasskeyOptionsOut:
        """Returns options for `navigator.credentials.create`."""
        return PasskeyOptionsOut(options=await torii.passkeys.begin_registration(found.user))

    @router.post(
        "/passkeys/registration/complete",
        status_code=201,
        summary="Add a passkey",
        responses=problems(*BODY, *RECENT, "passkey_error", "already_exists", "too_many_identities", "revoked"),
    )
    async def complete(body: PasskeyIn, found: Caller = Depends(dependencies.recent())) -> PasskeyOut:
        """Verifies the browser's response and adds the passkey."""
        passkey = await torii.passkeys.complete_registration(found.user, body.credential, name=body.name)
        return PasskeyOut.of(passkey)


def _add_signing_in(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post(
        "/passkeys/sign-in/begin",
        summary="Begin a sign-in with a passkey",
        responses=problems("cross_site", "rate_limited"),
    )
    async def begin(request: Request) -> PasskeyOptionsOut:
        """Returns options for `navigator.credentials.get`. The person picks a passkey, without typing an address."""
        await web.limit(request)
        return PasskeyOptionsOut(options=await torii.passkeys.begin_sign_in())

    @router.post(
        "/passkeys/sign-in/complete",
        summary="Sign in with a passkey",
        responses=problems(
            *BODY,
            "passkey_error",
            "cloned_authenticator",
            "rate_limited",
            "account_locked_by_administrator",
            "other_user_signed_in",
        ),
    )
    async def complete(body: PasskeySignInIn, request: Request, response: Response) -> SignInOut:
        """Verifies the browser's response and signs in. A passkey that verified its user counts as both factors."""
        web.require_transport(body.transport)
        await web.limit(request)
        result = await torii.passkeys.complete_sign_in(body.credential, browser=web.browser(request))
        return await web.answer(request, response, result, transport=body.transport, replace=body.replace_session)


def _add_management(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.get("/passkeys", summary="Your passkeys", responses=problems("not_signed_in"))
    async def passkeys(found: Caller = Depends(dependencies.signed_in)) -> PasskeysOut:
        """Oldest first."""
        held = await torii.passkeys.list_for_user(found.user.id)
        return PasskeysOut(passkeys=[PasskeyOut.of(passkey) for passkey in held])

    @router.patch(
        "/passkeys/{passkey_id}",
        summary="Rename a passkey",
        responses=problems(*BODY, "not_signed_in", "not_found"),
    )
    async def rename(
        passkey_id: PasskeyId, body: PasskeyNameIn, found: Caller = Depends(dependencies.signed_in)
    ) -> PasskeyOut:
        """Changes its name."""
        renamed = await torii.passkeys.rename(found.user.id, credential_id(passkey_id), body.name)
        if renamed is None:
            raise NotFound("passkey", _MISSING)
        return PasskeyOut.of(renamed)

    @router.delete(
        "/passkeys/{passkey_id}",
        status_code=204,
        summary="Remove a passkey",
        responses=problems("cross_site", "validation_error", *RECENT, "not_found", "last_sign_in_method", "revoked"),
    )
    async def remove(passkey_id: PasskeyId, found: Caller = Depends(dependencies.recent())) -> None:
        """The user can no longer sign in with it."""
        if not await torii.passkeys.remove(
            found.user.id, credential_id(passkey_id), user=found.user, allow_verified_email=torii.sends_mail
        ):
            raise NotFound("passkey", _MISSING)
