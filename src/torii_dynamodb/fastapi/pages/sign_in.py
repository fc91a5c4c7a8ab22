"""Signing in and out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from torii_dynamodb.errors import (
    AccountLocked,
    ClonedAuthenticator,
    InvalidCredentials,
    RateLimited,
    ValidationError,
)
from torii_dynamodb.fastapi.pages.check_mail import mail_sent
from torii_dynamodb.fastapi.pages.email_codes import send_code
from torii_dynamodb.fastapi.pages.forms import FieldError, answer_of, missing, refusal
from torii_dynamodb.fastapi.pages.providers import failure_of, offered
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.fastapi.routing import AuthRoute
from torii_dynamodb.languages import gettext, marked
from torii_dynamodb.passkeys import PasskeyError

__all__ = ["add"]

_FIELDS = {"email": ("email", marked("The email address")), "password": ("password", marked("The password"))}
_EMPTY = {
    "email": ("email", marked("Enter your email address.")),
    "password": ("password", marked("Enter your password.")),
}
_WRONG = marked("The email address or password is wrong.")
# Shown to everyone, because only its owner may learn whether the address is verified.
_WRONG_OR_NEW = marked(
    "The email address or password is wrong. If you have just signed up, open the link in the email first."
)


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router."""
    web, torii = site.web, site.torii

    async def show(request: Request, *, email: str = "", target: str, again: bool, **more: Any) -> Response:
        return await site.page(
            request,
            "sign_in",
            email=email,
            target=target,
            again=again,
            offers_link=torii.sends_mail,
            offers_passkeys=torii.takes_passkeys,
            autofill=torii.takes_passkeys and site.settings.passkey_autofill,
            offers_sign_up=web.config.registration != "off",
            providers=offered(site),
            failed=failure_of(site, request),
            **more,
        )

    @router.get("/sign-in")
    async def page(request: Request) -> Response:
        signed_in = await web.signed_in(request)
        target = request.query_params.get("next", "")
        again = request.query_params.get("again") == "1" and signed_in is not None
        error, provider = (request.query_params.get(name) for name in ("error", "provider"))
        if error == "confirm":
            return site.redirect(site.path("check-mail", kind="provider"))
        if signed_in is not None and not again:
            failed = site.path("account", error=error, provider=provider)
            return site.redirect(failed if error else web.navigation.safe_next(target))
        email = signed_in.user.email_as_given if signed_in is not None else ""
        return await show(request, email=email, target=target, again=again, signed_in=signed_in)

    @router.post("/sign-in")
    async def submit(request: Request) -> Response:
        form = await site.form(request)
        email, target = form.get("email", "").strip(), form.get("next", "")
        again = form.get("again") == "1"
        try:
            await web.limit(request)
            if form.get("way") == "link" and torii.sends_mail:
                await torii.magic_link.send(email)
                return mail_sent(site, "magic-link", email)
            if form.get("way") == "code" and torii.sends_mail:
                return await send_code(site, email, target=target)
            errors, status = missing(form, _EMPTY), 422
            if errors:
                return await show(request, email=email, target=target, again=again, errors=errors, status=status)
            result = await torii.password.authenticate(
                email,
                form.get("password", ""),
                require_verified=web.requires_verified,
                browser=web.browser(request),
            )
        except (ValidationError, AccountLocked, RateLimited) as error:
            errors, status = refusal(error, _FIELDS, wait_at="email")
        except InvalidCredentials:
            errors, status = [FieldError("password", gettext(_WRONG_OR_NEW if web.requires_verified else _WRONG))], 401
        else:
            return await enter(site, request, result, target)
        return await show(request, email=email, target=target, again=again, errors=errors, status=status)

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        await site.form(request)
        response = site.redirect(site.path("sign-in", notice="signed-out"))
        token = web.cookies.read(request, web.cookies.session)
        if token is not None:
            await torii.delete_session(token)
        web.forget_session(response)
        await web.drop_begun(request, response)
        return response

    if not torii.takes_passkeys:
        return

    async def passkey_options(request: Request) -> Response:
        await site.form(request)
        # Apart from the others: browsers ask for these when they show the page.
        await web.limit(request, purpose="passkey_options")
        return JSONResponse(await torii.passkeys.begin_sign_in(), headers=site.headers())

    router.add_api_route("/passkey/options", passkey_options, methods=["POST"], route_class_override=AuthRoute)

    @router.post("/passkey")
    async def passkey(request: Request) -> Response:
        form = await site.form(request)
        target = form.get("next", "")
        try:
            await web.limit(request)
            result = await torii.passkeys.complete_sign_in(answer_of(form), browser=web.browser(request))
        except (PasskeyError, ClonedAuthenticator):
            message = gettext("The passkey was not accepted. Try again, or sign in another way.")
            errors, status = [FieldError("passkey-sign-in", message)], 401
        except (AccountLocked, RateLimited) as error:
            errors, status = refusal(error, _FIELDS, wait_at="email")
        else:
            return await enter(site, request, result, target)
        return await show(request, target=target, again=form.get("again") == "1", errors=errors, status=status)
