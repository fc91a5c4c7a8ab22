"""The example application."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from torii_dynamodb import AsyncTorii
from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.branding import Brand
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.fastapi.admin import Activity, Admin
from torii_dynamodb.fastapi.auth_router import router
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.fastapi.pages.render import Site, new_router
from torii_dynamodb.fastapi.storage import dynamodb
from torii_dynamodb.mail import AsyncConsoleMailer, MailSettings
from torii_dynamodb.models import User
from torii_dynamodb.passkeys import PasskeySettings

if TYPE_CHECKING:
    from torii_dynamodb.contract import AsyncStorage
    from torii_dynamodb.mail import AsyncMailer
    from torii_dynamodb.oauth import OAuthProvider

__all__ = ["create_app"]

_NAME = "Torii example"
_EVERYBODY = (
    "This is an example: everyone with a verified address is an administrator. Your application decides who is one."
)


def create_app(
    storage: AsyncStorage | DynamoDbConfig,
    *,
    base_url: str = "http://localhost:8000",
    mailer: AsyncMailer | None = None,
    secret: str | bytes | None = None,
    oauth: Sequence[OAuthProvider] = (),
    admins: Collection[str] | None = None,
    note: str = "",
    web: WebConfig | None = None,
    brand: Brand = Brand(),
    **services: Any,
) -> FastAPI:
    """Return the example application: JSON routes, pages and admin area on one host.

    Args:
        storage: The storage. A configuration means DynamoDB, opened when the application starts and closed when it
            ends. A storage that is already open stays open.
        base_url: Where browsers reach it.
        mailer: Sends the mails; ``None``: they are printed to the console.
        secret: For known devices: 32 random bytes that stay the same.
        oauth: Providers to sign in through.
        admins: Verified addresses that may see the admin area; ``None``: everyone with a verified address, because this
            is an example.
        note: A note to show in the admin area.
        web: Configures the web layer; ``None``: cookies to match ``base_url``.
        brand: What pages and mails look like.
        services: More arguments of ``AsyncTorii``.
    """
    parts = urlsplit(base_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    activity = Activity()
    if isinstance(storage, DynamoDbConfig):
        storage = dynamodb(replace(storage, on_call=activity.on_call))
    torii = AsyncTorii(
        storage,
        secret=secret,
        mailer=mailer or AsyncConsoleMailer(),
        mail=MailSettings(sender=f"{_NAME} <no-reply@example.com>", app_name=_NAME, base_url=origin, brand=brand),
        oauth=oauth,
        passkeys=PasskeySettings(rp_id=parts.hostname or "localhost", rp_name=_NAME, origins=[origin]),
        **services,
    )
    config = web or WebConfig(base_url=origin, secure_cookies=parts.scheme == "https", oauth_error_path="/auth/sign-in")
    settings = PagesConfig(app_name=_NAME, templates=Path(__file__).parent / "templates", brand=brand)
    activity.watch(torii.events)
    admin = Admin(
        _is_verified if admins is None else admins,
        activity=activity,
        note=f"{_EVERYBODY if admins is None else ''} {note}".strip() or None,
    )
    app = FastAPI(title=_NAME, docs_url=None, redoc_url=None)
    auth = router(torii, config=config)
    app.include_router(auth)
    app.include_router(pages(auth.web, settings, admin=admin))
    app.include_router(admin.router(auth.web, settings))
    site = Site(auth.web, settings, admin=admin)
    home = new_router(site, "")

    @home.get("/")
    async def start(request: Request) -> Response:
        return await site.page(request, "home", signed_in=await auth.web.signed_in(request))

    app.include_router(home)

    async def page_of_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = {404: "not_found", 500: "internal_error"}.get(status, "error")
        return await site.error(request, Problem(status, code, "that did not work"))

    for status in (404, 405, 500):
        app.add_exception_handler(status, page_of_error)
    app.add_middleware(_OneHost, origin=origin)
    app.state.torii = torii
    return app


def _is_verified(user: User) -> bool:
    return user.is_email_verified


class _OneHost:
    """Redirects browsers to the origin that cookies, passkeys and mails are made for.

    Args:
        app: The application.
        origin: The origin.
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        self._origin = origin
        self._host = urlsplit(origin).netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            request = Request(scope)
            if request.headers.get("host", "").lower() != self._host:
                query = f"?{request.url.query}" if request.url.query else ""
                response = RedirectResponse(f"{self._origin}{request.url.path}{query}", status_code=307)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
