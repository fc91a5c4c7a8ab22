"""Where links from mails lead. A visit changes nothing, for mail scanners visit them too: a click on a button does."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import AlreadyExists, InvalidToken
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter

__all__ = ["add"]

_WAITS = timedelta(minutes=15)


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router; none where no mail can be sent."""
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
        return await dead(request, site.path("sign-in"), "Go to the sign-in page")

    async def no_verification(request: Request) -> Response:
        return await dead(request, site.path("account"), "Go to your account to ask for a new link")

    @router.get("/magic-link")
    async def magic_link(request: Request) -> Response:
        token = request.query_params.get("token", "")
        found = await torii.magic_link.verify(token)
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
            user, session = await torii.magic_link.complete(form.get("token", ""), **web.browser(request))
        except InvalidToken:
            return await no_magic(request)
        return await enter(site, request, user, session, None, replaces=form.get("replaces"))

    @router.get("/verify-email")
    async def verify_email(request: Request) -> Response:
        token = request.query_params.get("token", "")
        signed_in = await web.signed_in(request)
        found = await torii.email_verification.verify(token)
        if found is None or found.user is None:
            if signed_in is not None and signed_in.user.is_email_verified:
                return site.redirect(site.path("account", notice="verified"))
            return await no_verification(request)
        return await site.page(
            request, "verify_email", token=token, email=found.user.email_as_given, signed_in=signed_in
        )

    @router.post("/verify-email")
    async def use_verification(request: Request) -> Response:
        form = await site.form(request)
        await web.limit(request)
        signed_in = await web.signed_in(request)
        try:
            await torii.email_verification.complete(
                form.get("token", ""), user_id=None if signed_in is None else signed_in.user.id
            )
        except InvalidToken:
            return await no_verification(request)
        if signed_in is not None:
            return site.redirect(site.path("account", notice="verified"))
        return site.redirect(site.path("sign-in", notice="verified-sign-in"))

    def sign_in_first(token: str) -> Response:
        # The token waits in a cookie: an address is written to logs, kept in histories, and sent on as ``next``.
        response = site.redirect(site.path("sign-in", next=site.path("change-email")))
        if token:
            now = torii.clock()
            web.cookies.set(response, web.cookies.link, token, until=now + _WAITS, now=now)
        return response

    @router.get("/change-email")
    async def change_email(request: Request) -> Response:
        token = request.query_params.get("token") or web.cookies.read(request, web.cookies.link) or ""
        signed_in = await web.signed_in(request)
        # Only what can be a token may go into a cookie.
        found = await torii.email_verification.verify_change(token) if token else None
        if signed_in is None and (found is not None or not token):
            return sign_in_first(token)
        if signed_in is None or found is None or found.user is None or found.user.id != signed_in.user.id:
            response = await no_verification(request)
        else:
            new_email = str(found.token.metadata.get("new_email", ""))
            response = await site.page(request, "change_email", token=token, new_email=new_email, signed_in=signed_in)
        web.cookies.delete(response, web.cookies.link)
        return response

    @router.post("/change-email")
    async def use_change(request: Request) -> Response:
        form = await site.form(request)
        token = form.get("token", "")
        signed_in = await web.signed_in(request)
        if signed_in is None:
            found = await torii.email_verification.verify_change(token)
            return await no_verification(request) if found is None else sign_in_first(token)
        try:
            await torii.email_verification.complete_change(token, user_id=signed_in.user.id)
        except (InvalidToken, AlreadyExists):
            return await no_verification(request)
        return site.redirect(site.path("account", notice="email-changed"))
