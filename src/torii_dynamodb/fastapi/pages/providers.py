"""Signing in through a provider: the buttons' form, and what a failure is called in words."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import ToriiError
from torii_dynamodb.fastapi.flows import begin_flow, failure_target
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.words import provider_failure, provider_name
from torii_dynamodb.fastapi.web import SignedIn

__all__ = ["add", "failure_of", "go_on", "offered"]

# The pages with buttons for providers; where a failure comes back to.
_PAGES = ("sign-in", "sign-up")


def add(router: APIRouter, site: Site) -> None:
    """Add the page to a router; none where there are no providers."""
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


def offered(site: Site) -> list[dict[str, str]]:
    """The providers, by name and as people call them."""
    return [{"name": one.name, "label": provider_name(one.name)} for one in site.torii.oauth_providers]


def failure_of(site: Site, request: Request) -> str | None:
    """What to say of a sign-in through a provider that came to nothing, as the page's address tells."""
    reason = request.query_params.get("error")
    if not reason:
        return None
    named = request.query_params.get("provider", "")
    known = any(provider.name == named for provider in site.torii.oauth_providers)
    return provider_failure(reason, provider_name(named) if known else "the provider")


async def go_on(
    site: Site,
    request: Request,
    provider: str,
    *,
    next_url: str,
    failure_url: str,
    link_to: SignedIn | None = None,
) -> Response:
    """The page that leads on to the provider; or back, if that cannot be reached."""
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
    # A page, and no redirect: "form-action 'self'" forbids that a form leads to another site.
    response = await site.page(request, "connect", signed_in=link_to, url=start.url, label=provider_name(provider))
    response.raw_headers.extend(pair for pair in carrier.raw_headers if pair[0] == b"set-cookie")
    return response
