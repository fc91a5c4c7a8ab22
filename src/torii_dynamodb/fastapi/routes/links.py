"""Verifying and changing the email address, and signing in with a mailed link."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.routes.passwords import SENT
from torii_dynamodb.fastapi.routing import BODY, RECENT, problems
from torii_dynamodb.fastapi.schemas import (
    EmailIn,
    LinkOut,
    LinkSignInIn,
    NewEmailIn,
    ProofIn,
    SentOut,
    SignInOut,
    TokenIn,
    UserOut,
)
from torii_dynamodb.fastapi.web import Caller, Web

__all__ = ["add"]

_PROOF = ("invalid_token", "invalid_credentials", "account_locked", "account_locked_by_administrator")
_LIMITED = (*BODY, "rate_limited")


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes, if there is a mailer."""
    if web.torii.sends_mail:
        _add_verification(router, web, dependencies)
        _add_change(router, web, dependencies)
        _add_magic_link(router, web)


def _add_verification(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.post(
        "/email/verification",
        status_code=202,
        summary="Request a verification link",
        responses=problems("cross_site", "not_signed_in", "rate_limited"),
    )
    async def send(request: Request, found: Caller = Depends(dependencies.signed_in)) -> SentOut:
        """Sends it to the address of the signed-in user."""
        await web.limit(request)
        sent = await torii.email_verification.send(found.user, browser_binding=web.held_binding(request))
        return SentOut(detail="a mail is on its way" if sent else "your address is already verified")

    @router.post(
        "/email/verification/send",
        status_code=202,
        summary="Request a verification link without signing in",
        responses=problems(*_LIMITED),
    )
    async def send_to(body: EmailIn, request: Request) -> SentOut:
        """The response is the same for known and unknown addresses."""
        await web.limit(request)
        await torii.email_verification.send_to(body.email)
        return SentOut(detail=SENT)

    @router.post(
        "/email/verification/complete",
        summary="Verify an address",
        responses=problems(*_LIMITED, *_PROOF, "session_required"),
    )
    async def complete(
        body: ProofIn,
        request: Request,
        response: Response,
        found: Caller | None = Depends(dependencies.optional_signed_in),
    ) -> UserOut:
        """Uses a link. It does not sign in. A signed-in user can use only their own links.

        The first proof of the address removes what was set up before it: password, sessions, linked accounts, passkeys,
        links. It is kept in the browser that signed up (identified by a cookie), or if `password` is correct.
        """
        await web.limit(request)
        user = await torii.email_verification.complete(
            body.token,
            user_id=None if found is None else found.user.id,
            browser_binding=web.held_binding(request),
            password=body.password,
            new_password=body.new_password,
            browser=web.browser(request),
        )
        if found is not None and found.transport == "cookie" and not found.outlives(user):
            web.forget_session(response)
        return UserOut.of(user)


def _add_change(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.post(
        "/email/change",
        status_code=202,
        summary="Request a change of the email address",
        responses=problems(*_LIMITED, *RECENT),
    )
    async def change(body: NewEmailIn, request: Request, found: Caller = Depends(dependencies.recent())) -> SentOut:
        """Sends a link to the new address; using it makes the change. The response is the same for a taken address."""
        await web.limit(request)
        await torii.email_verification.send_change(found.user, body.new_email, session=found.session)
        return SentOut(detail=SENT)

    @router.post(
        "/email/change/complete",
        summary="Change the email address",
        responses=problems(*_LIMITED, *_PROOF, "not_signed_in", "already_exists"),
    )
    async def complete_change(
        body: ProofIn, request: Request, response: Response, found: Caller = Depends(dependencies.signed_in)
    ) -> UserOut:
        """Uses a link. The old address is notified.

        It is the first proof of the new address. What was set up before is kept for the session that requested the
        link, or if `password` is correct; otherwise it is removed, including this session.
        """
        await web.limit(request)
        browser = web.browser(request)
        user = await torii.email_verification.complete_change(
            body.token,
            user_id=found.user.id,
            session=found.session,
            password=body.password,
            new_password=body.new_password,
            browser=browser,
        )
        if found.transport == "cookie" and not found.outlives(user):
            web.forget_session(response)
        elif found.transport == "cookie" and torii.remembers_devices:
            # A device token depends on the address.
            known = torii.devices.recognise(browser.device_token, found.user) is not None
            web.leave_device(response, user, browser.device_token if known else None)
        return UserOut.of(user)


def _add_magic_link(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post("/magic-link", status_code=202, summary="Request a sign-in link", responses=problems(*_LIMITED))
    async def send(body: EmailIn, request: Request) -> SentOut:
        """The response is the same for known and unknown addresses."""
        await web.limit(request)
        await torii.magic_link.send(body.email)
        return SentOut(detail=SENT)

    @router.post("/magic-link/check", summary="Check a link without using it", responses=problems(*_LIMITED))
    async def check(body: TokenIn, request: Request) -> LinkOut:
        """For a page that asks for a click: mail scanners follow links, and would use them."""
        await web.limit(request)
        found = await torii.magic_link.check(body.token)
        return LinkOut(valid=found is not None, email=None if found is None else found.token.email)

    @router.post(
        "/magic-link/complete",
        summary="Sign in with a link",
        responses=problems(*_LIMITED, "invalid_token", "account_locked_by_administrator", "other_user_signed_in"),
    )
    async def complete(body: LinkSignInIn, request: Request, response: Response) -> SignInOut:
        """Uses a link. This also proves the address."""
        web.require_transport(body.transport)
        await web.limit(request)
        if body.transport == "cookie" and not body.replace_session and web.has_cookie(request):
            # Checked before the link is used.
            found = await torii.magic_link.check(body.token)
            if found is not None:
                await web.refuse_switch(request, None if found.user is None else found.user.id)
        result = await torii.magic_link.complete(body.token, browser=web.browser(request))
        return await web.answer(request, response, result, transport=body.transport, replace=body.replace_session)
