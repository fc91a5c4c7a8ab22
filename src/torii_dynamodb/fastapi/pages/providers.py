"""Signing in through a provider: the form with the buttons, and failures in words."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb._rules.oauth import OAuthError
from torii_dynamodb.errors import AccountLocked, AlreadyExists, InvalidToken, TooManyIdentities, ToriiError
from torii_dynamodb.fastapi.flows import begin_flow, failure_target, sign_in_of, with_cookies
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.fastapi.pages.words import provider_failure, provider_label
from torii_dynamodb.fastapi.web import Caller
from torii_dynamodb.languages import gettext

__all__ = ["add", "failure_of", "go_on", "offered"]

# The pages with buttons for providers, to which a failure leads back.
_PAGES = ("sign-in", "sign-up")


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router, if there are providers."""
    if not site.torii.oauth_providers:
        return

    @router.post("/provider")
    async def begin(request: Request) -> Response:
        form = await site.form(request)
        await site.web.limit(request)
        target = form.get("next", "")
        page = form.get("from", "")
        back = site.path(page if page in _PAGES else _PAGES[0], next=target, again=form.get("again"))
        return await go_on(site, request, form.get("provider", ""), next_url=target, failure_url=back)

    if not site.torii.sends_mail:
        return
    web, torii = site.web, site.torii

    @router.get("/confirm-provider")
    async def confirm_provider(request: Request) -> Response:
        token = request.query_params.get("token", "")
        try:
            found = await torii.oauth.check_confirmation(token, browser_binding=held(request))
        except OAuthError:
            return await elsewhere(request)
        if found is None:
            return await dead(request)
        other = await web.other_user(request, None if found.user is None else found.user.id)
        return await site.page(
            request,
            "confirm_provider",
            token=token,
            email=found.email if found.user is None else found.user.email_as_given,
            is_new=found.user is None,
            label=provider_label(found.provider),
            other=other,
            signed_in=await web.signed_in(request),
        )

    @router.post("/confirm-provider")
    async def confirm(request: Request) -> Response:
        form = await site.form(request)
        await web.limit(request)
        try:
            result = await torii.oauth.complete_confirmation(
                form.get("token", ""), browser_binding=held(request), browser=web.browser(request)
            )
        except InvalidToken:
            return await dead(request)
        except OAuthError as error:
            if error.reason == "browser":
                return await elsewhere(request)
            return site.redirect(site.path("sign-in", error=error.reason))
        except (AccountLocked, AlreadyExists, TooManyIdentities) as error:
            return site.redirect(site.path("sign-in", error=error.code))
        return await enter(site, request, sign_in_of(result), result.next_url, replaces=form.get("replaces"))

    def held(request: Request) -> str | None:
        return web.cookies.read(request, web.cookies.confirm)

    async def dead(request: Request) -> Response:
        way = site.path("sign-in")
        return await site.page(request, "link_dead", status=400, way=way, way_text=gettext("Go to sign in"))

    async def elsewhere(request: Request) -> Response:
        return await site.page(request, "confirm_elsewhere", status=400)


def offered(site: Site) -> list[dict[str, str]]:
    """The providers, by name and label."""
    return [{"name": one.name, "label": provider_label(one.name)} for one in site.torii.oauth_providers]


def failure_of(site: Site, request: Request) -> str | None:
    """What to say about a failed sign-in through a provider, which the query names."""
    reason = request.query_params.get("error")
    if not reason:
        return None
    named = request.query_params.get("provider", "")
    known = any(provider.name == named for provider in site.torii.oauth_providers)
    return provider_failure(reason, provider_label(named) if known else gettext("the provider"))


async def go_on(
    site: Site,
    request: Request,
    provider: str,
    *,
    next_url: str,
    failure_url: str,
    link_to: Caller | None = None,
) -> Response:
    """The page that leads to the provider, or a redirect back if the provider cannot be reached."""
    carrier = Response()
    try:
        start = await begin_flow(
            site.web, request, carrier, provider, next_url=next_url, failure_url=failure_url, link_to=link_to
        )
    except ToriiError as error:
        back = failure_target(site.web, provider, failure_url, error, link_to)
        if back is None:
            raise
        return site.redirect(back)
    # A page instead of a redirect, because "form-action 'self'" forbids that a form leads to another site.
    page = await site.page(request, "connect", signed_in=link_to, url=start.url, label=provider_label(provider))
    return with_cookies(page, carrier)
