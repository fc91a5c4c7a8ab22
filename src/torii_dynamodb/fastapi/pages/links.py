"""The pages of mailed links. Visiting them changes nothing, because mail scanners do too; clicking a button does."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import AccountLocked, AlreadyExists, InvalidCredentials, InvalidToken, ValidationError
from torii_dynamodb.fastapi.pages.forms import FieldError
from torii_dynamodb.fastapi.pages.proving import chosen, refused
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.fastapi.web import Caller
from torii_dynamodb.languages import gettext
from torii_dynamodb.models import VerifiedToken

__all__ = ["add"]

_WAITS = timedelta(minutes=15)


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router, if mail can be sent."""
    web, torii = site.web, site.torii
    if not torii.sends_mail:
        return

    async def dead(request: Request, way: str, way_text: str) -> Response:
        return await site.page(
            request,
            "link_dead",
            status=400,
            way=way,
            way_text=way_text,
            signed_in=await web.signed_in(request),
        )

    async def no_magic(request: Request) -> Response:
        return await dead(request, site.path("sign-in"), gettext("Go to sign in"))

    async def no_verification(request: Request) -> Response:
        return await dead(request, site.path("account"), gettext("Go to your account to request a new link"))

    @router.get("/magic-link")
    async def magic_link(request: Request) -> Response:
        token = request.query_params.get("token", "")
        found = await torii.magic_link.check(token)
        if found is None:
            return await no_magic(request)
        email = found.token.email if found.user is None else found.user.email_as_given
        signed_in = await web.signed_in(request)
        other = (
            None
            if signed_in is None or (found.user is not None and signed_in.user.id == found.user.id)
            else signed_in.user
        )
        return await site.page(
            request,
            "magic_link",
            token=token,
            email=email,
            is_new=found.user is None,
            other=other,
            signed_in=signed_in,
        )

    @router.post("/magic-link")
    async def use_magic_link(request: Request) -> Response:
        form = await site.form(request)
        await web.limit(request)
        try:
            result = await torii.magic_link.complete(form.get("token", ""), browser=web.browser(request))
        except InvalidToken:
            return await no_magic(request)
        return await enter(site, request, result, None, replaces=form.get("replaces"))

    @router.get("/verify-email")
    async def verify_email(request: Request) -> Response:
        token = request.query_params.get("token", "")
        signed_in = await web.signed_in(request)
        found = await torii.email_verification.check(token)
        if found is None or found.user is None:
            if signed_in is not None and signed_in.user.is_email_verified:
                return site.redirect(site.path("account", notice="verified"))
            return await no_verification(request)
        return await ask_to_verify(request, token, found)

    async def ask_to_verify(
        request: Request, token: str, found: VerifiedToken, *errors: FieldError, status: int = 200
    ) -> Response:
        assert found.user is not None
        return await site.page(
            request,
            "verify_email",
            token=token,
            email=found.user.email_as_given,
            kept=torii.email_verification.keeps(found, browser_binding=web.held_binding(request)),
            signed_in=await web.signed_in(request),
            errors=errors,
            status=status,
        )

    @router.post("/verify-email")
    async def use_verification(request: Request) -> Response:
        form = await site.form(request)
        await web.limit(request)
        token, signed_in = form.get("token", ""), await web.signed_in(request)
        found = await torii.email_verification.check(token)
        if found is None or (signed_in is not None and found.user is not None and signed_in.user.id != found.user.id):
            return await no_verification(request)
        binding = web.held_binding(request)
        try:
            choice = chosen(form)
            if not choice and not torii.email_verification.keeps(found, browser_binding=binding):
                return await ask_to_verify(request, token, found)
            user = await torii.email_verification.complete(
                token,
                user_id=None if signed_in is None else signed_in.user.id,
                browser_binding=binding,
                **choice,
                browser=web.browser(request),
            )
        except InvalidToken:
            return await no_verification(request)
        except (AccountLocked, InvalidCredentials, ValidationError) as error:
            errors, status = refused(error)
            return await ask_to_verify(request, token, found, *errors, status=status)
        if signed_in is not None and signed_in.outlives(user):
            return site.redirect(site.path("account", notice="verified"))
        response = site.redirect(site.path("sign-in", notice="verified-sign-in"))
        if signed_in is not None:
            web.forget_session(response)
        return response

    def sign_in_first(token: str) -> Response:
        # The token is kept in a cookie: URLs end up in logs and histories, and are passed on as ``next``.
        response = site.redirect(site.path("sign-in", next=site.path("change-email")))
        if token:
            web.cookies.set(response, web.cookies.link, token, until=_WAITS)
        return response

    @router.get("/change-email")
    async def change_email(request: Request) -> Response:
        token = request.query_params.get("token") or web.cookies.read(request, web.cookies.link) or ""
        signed_in = await web.signed_in(request)
        # Only a valid token may go into a cookie.
        found = await torii.email_verification.check_change(token) if token else None
        if signed_in is None and (found is not None or not token):
            return sign_in_first(token)
        if signed_in is None or found is None or found.user is None or found.user.id != signed_in.user.id:
            response = await no_verification(request)
        else:
            response = await ask_to_change(request, token, found, signed_in)
        web.cookies.delete(response, web.cookies.link)
        return response

    async def ask_to_change(
        request: Request,
        token: str,
        found: VerifiedToken,
        signed_in: Caller,
        *errors: FieldError,
        status: int = 200,
    ) -> Response:
        return await site.page(
            request,
            "change_email",
            token=token,
            email=str(found.token.metadata.get("new_email", "")),
            kept=torii.email_verification.keeps(found, session=signed_in.session),
            signed_in=signed_in,
            errors=errors,
            status=status,
        )

    @router.post("/change-email")
    async def use_change(request: Request) -> Response:
        form = await site.form(request)
        token = form.get("token", "")
        signed_in = await web.signed_in(request)
        if signed_in is None:
            found = await torii.email_verification.check_change(token)
            return await no_verification(request) if found is None else sign_in_first(token)
        await web.limit(request)
        found = await torii.email_verification.check_change(token)
        if found is None or found.user is None or signed_in.user.id != found.user.id:
            return await no_verification(request)
        try:
            choice = chosen(form)
            if not choice and not torii.email_verification.keeps(found, session=signed_in.session):
                return await ask_to_change(request, token, found, signed_in)
            user = await torii.email_verification.complete_change(
                token, user_id=signed_in.user.id, session=signed_in.session, **choice, browser=web.browser(request)
            )
        except (InvalidToken, AlreadyExists):
            return await no_verification(request)
        except (AccountLocked, InvalidCredentials, ValidationError) as error:
            errors, status = refused(error)
            return await ask_to_change(request, token, found, signed_in, *errors, status=status)
        if signed_in.outlives(user):
            return site.redirect(site.path("account", notice="email-changed"))
        response = site.redirect(site.path("sign-in", notice="email-changed"))
        web.forget_session(response)
        return response
