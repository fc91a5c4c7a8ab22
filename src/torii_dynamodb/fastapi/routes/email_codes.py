"""Codes that people type from an email: to sign in, to verify an address, to reset a password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from torii_dynamodb.errors import InvalidCode
from torii_dynamodb.fastapi.routes.passwords import SENT
from torii_dynamodb.fastapi.routing import BODY, problems
from torii_dynamodb.fastapi.schemas import (
    EmailCodeIn,
    EmailCodeSentOut,
    ExchangeCodeIn,
    ExchangedCodeOut,
    HeldCodeIn,
    SignInOut,
    SignInWithCodeIn,
)
from torii_dynamodb.fastapi.web import Web
from torii_dynamodb.models import EMAIL_VERIFICATION, MAGIC_LINK, PASSWORD_RESET, EmailCodePurpose

__all__ = ["add"]

_LIMITED = (*BODY, "rate_limited")
_PURPOSES: dict[str, EmailCodePurpose] = {
    "sign_in": MAGIC_LINK,
    "verify_email": EMAIL_VERIFICATION,
    "reset_password": PASSWORD_RESET,
}


def add(router: APIRouter, web: Web) -> None:
    """Add the routes, if there is a mailer."""
    if web.torii.sends_mail:
        _add(router, web)


def _flow(web: Web, request: Request, body: HeldCodeIn) -> str:
    flow = web.email_code_token(request, body.flow)
    if flow is None:
        raise InvalidCode("this browser did not ask for a code, or did so too long ago; ask for a new one")
    return flow


def _add(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post("/email-code", status_code=202, summary="Ask for a code by email", responses=problems(*_LIMITED))
    async def send(body: EmailCodeIn, request: Request, response: Response) -> EmailCodeSentOut:
        """The response is the same for known and unknown addresses. The code works only in this browser."""
        web.require_transport(body.transport)
        await web.limit(request)
        purpose = _PURPOSES[body.purpose]
        found = await web.caller(request) if purpose == EMAIL_VERIFICATION else None
        # The browser that signed up keeps what it set up, as with a link that a signed-in user asks for.
        flow = await torii.email_code.send(
            body.email,
            purpose=purpose,
            browser_binding=web.held_binding(request),
            user_id=None if found is None else found.user.id,
        )
        if body.transport == "bearer":
            return EmailCodeSentOut(detail=SENT, flow=flow)
        web.leave_email_code(response, flow)
        return EmailCodeSentOut(detail=SENT)

    @router.post(
        "/email-code/complete",
        summary="Sign in with a code from an email",
        responses=problems(
            *_LIMITED, "invalid_code", "invalid_token", "account_locked_by_administrator", "other_user_signed_in"
        ),
    )
    async def complete(body: SignInWithCodeIn, request: Request, response: Response) -> SignInOut:
        """Uses a code. This also proves the address. After five tries, only a new code works."""
        web.require_transport(body.transport)
        await web.limit(request)
        result = await torii.email_code.complete(_flow(web, request, body), body.code, browser=web.browser(request))
        return await web.answer(request, response, result, transport=body.transport, replace=body.replace_session)

    @router.post(
        "/email-code/exchange",
        summary="Exchange a code for the token of a link",
        responses=problems(*_LIMITED, "invalid_code"),
    )
    async def exchange(body: ExchangeCodeIn, request: Request, response: Response) -> ExchangedCodeOut:
        """The token is for `email/verification/complete` or `password/reset/complete`, as if from a link."""
        await web.limit(request)
        token = await torii.email_code.exchange(_flow(web, request, body), body.code, purpose=_PURPOSES[body.purpose])
        if body.flow is None:
            web.forget_email_code(response)
        return ExchangedCodeOut(token=token)
