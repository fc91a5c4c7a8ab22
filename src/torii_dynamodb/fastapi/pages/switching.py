"""Signing in while another user is signed in in this browser: the person is asked first."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.models import SignedIn
from torii_dynamodb.second_factor import SecondFactorChallenge, SignInResult

__all__ = ["add", "enter"]


async def enter(
    site: Site,
    request: Request,
    result: SignInResult,
    target: str | None,
    *,
    replaces: str | None = None,
    trust_device: bool = False,
) -> Response:
    """Give the browser its new session and redirect, or ask first if it would replace another user's.

    If a second factor is required, there is no session yet: redirect to the page that asks for it.

    Args:
        site: The pages.
        request: The request.
        result: What the sign-in led to.
        target: Where to go; ``None``: to a mailed link that waits to be opened, otherwise the default.
        replaces: The ID of the user whose session the person agreed to replace.
        trust_device: Whether this browser need not give a second factor for a while.
    """
    web = site.web
    if isinstance(result, SecondFactorChallenge):
        response = site.redirect(site.path("second-factor", next=target))
        web.leave_challenge(response, result)
        return response
    user, session = result
    if not target and web.cookies.read(request, web.cookies.link) is not None:
        target = site.path("change-email")
    other = await web.other_user(request, user.id)
    if other is not None and other.id != replaces:
        response = site.redirect(site.path("switch", next=target))
        web.leave_pending(response, session)
        web.forget_challenge(response)
        return response
    response = site.redirect(web.navigation.safe_next(target))
    await web.begin_session(request, response, user, session, replace=True, trust_device=trust_device)
    return response


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router."""
    web, torii = site.web, site.torii

    async def pending(request: Request) -> SignedIn | None:
        token = web.cookies.read(request, web.cookies.pending)
        return None if token is None else await torii.get_signed_in(token)

    @router.get("/switch")
    async def ask(request: Request) -> Response:
        target = request.query_params.get("next", "")
        found = await pending(request)
        if found is None:
            return site.redirect(site.path("sign-in", next=target))
        signed_in = await web.signed_in(request)
        return await site.page(
            request,
            "switch",
            signed_in=signed_in,
            current=None if signed_in is None else signed_in.user,
            new=found.user,
            target=target,
        )

    @router.post("/switch")
    async def answer(request: Request) -> Response:
        form = await site.form(request)
        target = form.get("next", "")
        found = await pending(request)
        if found is None:
            return site.redirect(site.path("sign-in", next=target))
        user, session = found
        if form.get("user") != user.id:
            # Another sign-in has replaced it since the page was rendered: ask again.
            return site.redirect(site.path("switch", next=target))
        if form.get("way") == "stay":
            response = site.redirect(site.path("account"))
            await torii.delete_session(session.token)
        else:
            response = site.redirect(web.navigation.safe_next(target))
            await web.begin_session(request, response, user, session, replace=True)
        web.cookies.delete(response, web.cookies.pending)
        return response
