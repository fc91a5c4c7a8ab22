"""Registering, signing in and out, and the password."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from torii_dynamodb.errors import NotFound
from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.routing import BODY, RECENT, problems
from torii_dynamodb.fastapi.schemas import (
    ChangePasswordIn,
    EmailIn,
    LinkOut,
    NewPasswordIn,
    RegisterIn,
    ResetIn,
    SentOut,
    SignedInOut,
    SignInIn,
    SignInOut,
    TokenIn,
)
from torii_dynamodb.fastapi.web import Caller, Web

__all__ = ["SENT", "add"]

SENT = "if this address can be used here, a mail is on its way"


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes."""
    if web.config.registration != "off":
        _add_registration(router, web)
    _add_signing_in(router, web)
    _add_password(router, web, dependencies)
    if web.torii.sends_mail:
        _add_reset(router, web)


def _add_registration(router: APIRouter, web: Web) -> None:
    torii = web.torii

    if web.config.registration == "private":

        @router.post(
            "/register",
            status_code=202,
            summary="Register",
            responses=problems(*BODY, "rate_limited", "overloaded"),
        )
        async def register(body: RegisterIn, request: Request, response: Response) -> SentOut:
            """The response is the same whether or not the address is taken; the mail to the address says which.

            It sets a cookie: in this browser, the link in the mail keeps the password. Elsewhere the link asks for it.
            """
            _require_registration(web)
            await web.limit(request)
            binding = web.sign_up_binding(request)
            await torii.password.sign_up(body.email, body.password, name=body.name, browser_binding=binding)
            web.leave_binding(response, binding)
            return SentOut(detail=SENT)

    else:

        @router.post(
            "/register",
            status_code=201,
            summary="Register and sign in",
            responses=problems(*BODY, "rate_limited", "overloaded", "already_exists", "other_user_signed_in"),
        )
        async def register_directly(body: RegisterIn, request: Request, response: Response) -> SignInOut:
            """Registers and signs in at once. It reveals whether an address is taken."""
            _require_registration(web)
            web.require_transport(body.transport)
            await web.limit(request)
            if body.transport == "cookie" and not body.replace_session:
                await web.refuse_switch(request, None)
            user = await torii.password.register(body.email, body.password, name=body.name)
            result = await torii.sign_in(user, method="password", browser=web.browser(request))
            answer = await web.answer(request, response, result, transport=body.transport, replace=body.replace_session)
            if torii.sends_mail:
                # For the link that is requested next.
                web.leave_binding(response, web.sign_up_binding(request))
            return answer


def _require_registration(web: Web) -> None:
    if web.config.registration == "off":  # of a tenant
        raise NotFound("page", "nobody can register here")


def _add_signing_in(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post(
        "/sign-in",
        summary="Sign in with a password",
        responses=problems(
            *BODY,
            "invalid_credentials",
            "account_locked",
            "rate_limited",
            "overloaded",
            "account_locked_by_administrator",
            "other_user_signed_in",
        ),
    )
    async def sign_in(body: SignInIn, request: Request, response: Response) -> SignInOut:
        """Signs in. The response is the same for a wrong password, an unknown address and an unverified one."""
        web.require_transport(body.transport)
        await web.limit(request)
        result = await torii.password.authenticate(
            body.email, body.password, require_verified=web.requires_verified, browser=web.browser(request)
        )
        return await web.answer(request, response, result, transport=body.transport, replace=body.replace_session)


def _add_password(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.put(
        "/password",
        summary="Change the password",
        responses=problems(
            *BODY,
            "not_signed_in",
            "invalid_credentials",
            "account_locked",
            "rate_limited",
            "overloaded",
            "version_conflict",
            "revoked",
        ),
    )
    async def change_password(
        body: ChangePasswordIn,
        request: Request,
        response: Response,
        found: Caller = Depends(dependencies.signed_in),
    ) -> SignedInOut:
        """All sessions end. This one is replaced with a new one."""
        await web.limit(request)
        user = await torii.password.change_password(
            found.user.id, body.current_password, body.new_password, user=found.user, browser=web.browser(request)
        )
        session, token = await web.renew_session(request, response, found, user, method="password")
        return SignedInOut.of(user, session, token)

    @router.post(
        "/password",
        summary="Set a first password",
        responses=problems(*BODY, *RECENT, "rate_limited", "overloaded", "version_conflict", "revoked"),
    )
    async def set_password(
        body: NewPasswordIn,
        request: Request,
        response: Response,
        found: Caller = Depends(dependencies.recent()),
    ) -> SignedInOut:
        """For users without a password. All sessions end. This one is replaced with a new one."""
        await web.limit(request)
        user = await torii.password.set_password(found.user.id, body.new_password, user=found.user)
        session, token = await web.renew_session(request, response, found, user, method="password")
        return SignedInOut.of(user, session, token)

    @router.delete(
        "/password",
        status_code=204,
        summary="Remove the password",
        responses=problems("cross_site", *RECENT, "last_sign_in_method", "revoked"),
    )
    async def remove_password(response: Response, found: Caller = Depends(dependencies.recent())) -> None:
        """All sessions end, including this one: sign in another way."""
        await torii.password.remove_password(found.user.id, user=found.user, allow_verified_email=torii.sends_mail)
        if found.transport == "cookie":
            web.forget_session(response)


def _add_reset(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post(
        "/password/reset",
        status_code=202,
        summary="Request a link to choose a new password",
        responses=problems(*BODY, "rate_limited"),
    )
    async def reset(body: EmailIn, request: Request) -> SentOut:
        """The response is the same for known and unknown addresses."""
        await web.limit(request)
        await torii.password.send_reset(body.email)
        return SentOut(detail=SENT)

    @router.post(
        "/password/reset/check",
        summary="Check a link without using it",
        responses=problems(*BODY, "rate_limited"),
    )
    async def check(body: TokenIn, request: Request) -> LinkOut:
        """For the page with the form."""
        await web.limit(request)
        found = await torii.password.check_reset(body.token)
        user = None if found is None else found.user
        return LinkOut(valid=user is not None, email=None if user is None else user.email_as_given)

    @router.post(
        "/password/reset/complete",
        status_code=204,
        summary="Choose a new password",
        responses=problems(*BODY, "invalid_token", "rate_limited", "overloaded", "account_locked_by_administrator"),
    )
    async def complete(body: ResetIn, request: Request, response: Response) -> None:
        """All sessions and links become invalid. It does not sign in."""
        await web.limit(request)
        await torii.password.complete_reset(body.token, body.new_password)
        web.forget_session(response)
