"""User accounts for a Starlette application. Run it with ``uvicorn app:app`` and open http://localhost:8000."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from torii_dynamodb import AsyncTorii, DynamoDbConfig
from torii_dynamodb.fastapi import dynamodb
from torii_dynamodb.mail import AsyncConsoleMailer, MailSettings
from torii_dynamodb.passkeys import PasskeySettings
from torii_dynamodb.starlette import Accounts, PagesConfig, WebConfig, logout, recent_required, second_factor_required

URL = os.environ.get("BASE_URL", "http://localhost:8000")

torii = AsyncTorii(
    dynamodb(DynamoDbConfig(table_prefix=os.environ.get("TABLE_PREFIX", "torii"))),
    secret=os.environ["TORII_SECRET"],  # 32 random bytes that stay the same, for known browsers and second factors
    mailer=AsyncConsoleMailer(),  # later: AsyncSmtpMailer("smtp.example.com", username=..., password=...)
    mail=MailSettings(sender="no-reply@example.com", app_name="Example", base_url=URL),
    passkeys=PasskeySettings(rp_id="localhost", rp_name="Example", origins=[URL]),
)
accounts = Accounts(
    torii,
    config=WebConfig(base_url=URL, secure_cookies=URL.startswith("https:")),
    pages=PagesConfig(app_name="Example"),
)
templates = Jinja2Templates(Path(__file__).parent / "templates", context_processors=[lambda _: {"torii": accounts}])
NOTES: dict[str, list[str]] = {}  # by user; your application has a table


async def home(request: Request) -> Response:
    return templates.TemplateResponse(request, "home.html")


@requires("authenticated", redirect="sign-in")
async def notes(request: Request) -> Response:
    mine = NOTES.setdefault(request.user.id, [])
    if request.method == "POST":
        form = await request.form(max_part_size=4096)
        mine.append(str(form["text"])[:200])
        return RedirectResponse("/notes", 303)
    return templates.TemplateResponse(request, "notes.html", {"notes": mine})


@recent_required
async def delete_notes(request: Request) -> Response:
    NOTES.pop(request.user.id, None)
    return RedirectResponse("/notes", 303)


@second_factor_required
async def vault(request: Request) -> Response:
    return templates.TemplateResponse(request, "vault.html")


async def leave(request: Request) -> Response:
    response = RedirectResponse("/", 303)
    await logout(request, response)
    return response


app = Starlette(
    routes=[
        *accounts.routes,
        Route("/", home),
        Route("/notes", notes, methods=["GET", "POST"]),
        Route("/notes/delete", delete_notes, methods=["POST"]),
        Route("/vault", vault),
        Route("/leave", leave, methods=["POST"]),
    ],
    middleware=accounts.middleware,
    exception_handlers=accounts.exception_handlers,
    lifespan=accounts.lifespan,
)
