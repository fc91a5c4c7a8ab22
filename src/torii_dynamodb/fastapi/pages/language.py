"""Choosing the language of the pages."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.fastapi.pages.render import Site

__all__ = ["add"]


def add(router: APIRouter, site: Site) -> None:
    """Add the route to a router, if there is a choice."""
    offered = site.settings.languages.offered
    if len(offered) < 2:
        return

    @router.post("/language")
    async def choose(request: Request) -> Response:
        form = await site.form(request)
        response = site.redirect(site.web.navigation.safe_next(form.get("next"), site.path("sign-in")))
        if form.get("language") in offered:
            site.web.leave_language(response, form["language"])
        return response
