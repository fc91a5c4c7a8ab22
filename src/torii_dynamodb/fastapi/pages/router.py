"""All pages in one router."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from torii_dynamodb.errors import NotFound
from torii_dynamodb.fastapi.pages import (
    account,
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

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    "icon.svg": "image/svg+xml",
    "pages.css": "text/css; charset=utf-8",
    "once.js": "text/javascript; charset=utf-8",
    "recovery-codes.js": "text/javascript; charset=utf-8",
    "passkeys.js": "text/javascript; charset=utf-8",
}


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
        if name not in _TYPES:
            raise NotFound("file", "there is no such file")
        return FileResponse(
            _STATIC / name,
            media_type=_TYPES[name],
            headers={"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"},
        )

    for part in (
        sign_in,
        sign_up,
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
