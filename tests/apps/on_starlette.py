"""The application on Starlette."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.apps.support import PAGES, SITE, WEB, Ground, InLoop, Site

from torii_dynamodb import AsyncTorii
from torii_dynamodb._wsgi.in_threads import InThreads
from torii_dynamodb.events import Event
from torii_dynamodb.starlette import (
    Accounts,
    login,
    login_required,
    logout,
    recent_required,
    second_factor_required,
    verified_required,
)


@contextmanager
def on_starlette(ground: Ground, **options: Any) -> Iterator[Site]:
    """The application on Starlette."""
    given = {"pages": PAGES, **options}
    given["config"] = given.pop("web", WEB)
    services = {**ground.options, "mailer": InThreads(ground.mailer), "require_verified_to_sign_in": True}
    torii = AsyncTorii(cast("Any", InThreads(ground.storage)), **services)
    accounts = Accounts(torii, **given)

    async def who(request: Request) -> Response:
        return JSONResponse({"email": request.user.email or None, "ip": accounts.web.browser(request).ip_address})

    async def page(request: Request) -> Response:
        name = request.user.name if request.user.is_authenticated else ""
        return PlainTextResponse(f"{name}|{accounts.path('sign-in')}")

    async def own_sign_in(request: Request) -> Response:
        form = await request.form()
        browser = accounts.web.browser(request)
        result = await torii.password.authenticate(str(form["email"]), str(form["password"]), browser=browser)
        carrier = Response()
        signed_in = await login(request, carrier, result)
        response = JSONResponse({"signed_in": signed_in, "email": form["email"] if signed_in else None})
        response.raw_headers.extend(pair for pair in carrier.raw_headers if pair[0] == b"set-cookie")
        return response

    async def own_sign_out(request: Request) -> Response:
        response = JSONResponse({"email": None})
        await logout(request, response)
        return response

    views: dict[str, Any] = {
        "/open": who,
        "/me": login_required(who),
        "/verified": verified_required(who),
        "/recent": recent_required(who),
        "/recent-minute": recent_required(timedelta(minutes=1))(who),
        "/factor": second_factor_required(who),
        "/factor-minute": second_factor_required(timedelta(minutes=1))(who),
        "/page": page,
        "/own-sign-in": own_sign_in,
        "/own-sign-out": own_sign_out,
        "/starlettes": requires("authenticated")(who),
        "/starlettes-verified": requires(["authenticated", "verified"])(who),
        "/starlettes-page": requires("authenticated", redirect="sign-in")(who),
    }
    app = Starlette(
        routes=[*accounts.routes, *(Route(path, view, methods=["GET", "POST"]) for path, view in views.items())],
        middleware=accounts.middleware,
        exception_handlers=accounts.exception_handlers,
        lifespan=accounts.lifespan,
    )
    site = Site(ground, lambda **kept: httpx.Client(transport=transport, base_url=SITE, **kept))

    async def hear(event: Event) -> None:
        site.heard.append(event.name)

    torii.events.subscribe(hear)
    transport = InLoop(app)
    yield site
    transport.run(accounts.web.end())
    transport.end()
