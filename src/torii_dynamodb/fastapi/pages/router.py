"""All pages in one router."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import NotFound
from torii_dynamodb.fastapi.pages import (
    account,
    check_mail,
    devices,
    email_codes,
    factors,
    identities,
    language,
    links,
    providers,
    recovery,
    second_factor,
    sign_in,
    sign_up,
    switching,
)
from torii_dynamodb.fastapi.pages.render import AdminLink, Site, new_router
from torii_dynamodb.fastapi.pages.settings import PagesConfig
from torii_dynamodb.fastapi.web import Web

__all__ = ["pages"]


def pages(web: Web, settings: PagesConfig | None = None, *, admin: AdminLink | None = None) -> APIRouter:
    """Return a router with all pages.

    ::

        auth = router(torii, config=config)
        app.include_router(auth)
        app.include_router(pages(auth.web, PagesConfig(app_name="Example")))

    They share cookies and sessions with the JSON routes. Sign-in through providers requires those routes, because
    providers send the browser back to them.

    Args:
        web: The web layer of the JSON routes.
        settings: The configuration of the pages.
        admin: The admin area, which is linked for those who may see it.
    """
    site = Site(web, settings or PagesConfig(app_name="Your account"), admin=admin)
    router = new_router(site, site.settings.prefix)
    # The JSON routes send browsers here after a failure at a provider, and to ask before they replace a session.
    web.page = site.path

    @router.get("/static/{name}")
    async def static(name: str, request: Request) -> Response:
        file = site.files.get(name)
        if file is None:
            raise NotFound("file", "there is no such file")
        asked = request.query_params.get("v")
        if asked == file.version:
            caching = "public, max-age=31536000, immutable"
        else:  # by a page of another version of the application, while it is being deployed
            caching = "no-store" if asked else "public, max-age=300"
        headers = {
            "Cache-Control": caching,
            "X-Content-Type-Options": "nosniff",
            # An SVG that is opened by itself runs no script.
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        return Response(file.content, media_type=file.media_type, headers=headers)

    for part in (
        sign_in,
        sign_up,
        check_mail,
        second_factor,
        email_codes,
        providers,
        switching,
        recovery,
        links,
        account,
        factors,
        devices,
        identities,
        language,
    ):
        part.add(router, site)
    router.add_options()
    return router
