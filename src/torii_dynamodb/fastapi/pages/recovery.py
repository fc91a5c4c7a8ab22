"""A forgotten password: requesting a link and using it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import InvalidToken, RateLimited, ValidationError
from torii_dynamodb.fastapi.errors import problem_of
from torii_dynamodb.fastapi.pages.check_mail import mail_sent
from torii_dynamodb.fastapi.pages.email_codes import send_code
from torii_dynamodb.fastapi.pages.forms import field_error, refusal
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.languages import gettext, marked

__all__ = ["add"]


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router, if mail can be sent."""
    web, torii = site.web, site.torii
    if not torii.sends_mail:
        return

    @router.get("/forgot-password")
    async def forgot(request: Request) -> Response:
        return await site.page(request, "forgot_password", email="")

    @router.post("/forgot-password")
    async def ask(request: Request) -> Response:
        form = await site.form(request)
        email = form.get("email", "").strip()
        try:
            await web.limit(request)
            if form.get("way") == "code":
                return await send_code(site, email, kind="reset")
            await torii.password.send_reset(email)
        except (ValidationError, RateLimited) as error:
            errors, status = refusal(error, {"email": ("email", marked("The email address"))}, wait_at="email")
        else:
            return mail_sent(site, "reset", email)
        return await site.page(request, "forgot_password", email=email, errors=errors, status=status)

    @router.get("/reset-password")
    async def reset(request: Request) -> Response:
        token = request.query_params.get("token", "")
        found = await torii.password.check_reset(token)
        if found is None or found.user is None:
            return await dead(request)
        return await site.page(request, "reset_password", token=token, email=found.user.email_as_given)

    @router.post("/reset-password")
    async def choose(request: Request) -> Response:
        form = await site.form(request)
        token = form.get("token", "")
        try:
            await web.limit(request)
            user = await torii.password.complete_reset(token, form.get("password", ""))
        except InvalidToken:
            return await dead(request)
        except ValidationError as error:
            found = await torii.password.check_reset(token)
            email = "" if found is None or found.user is None else found.user.email_as_given
            errors = [field_error(error, {"password": ("password", marked("The password"))})]
            return await site.page(request, "reset_password", token=token, email=email, errors=errors, status=422)
        result = await torii.sign_in(user, method="password_reset", browser=web.browser(request))
        waiting = web.cookies.read(request, web.cookies.link) is not None
        target = None if waiting else site.path("account", notice="password-changed")
        return await enter(site, request, result, target)

    async def dead(request: Request) -> Response:
        problem = problem_of(InvalidToken("the link is not valid"))
        return await site.page(
            request,
            "link_dead",
            status=problem.status_code,
            way=site.path("forgot-password"),
            way_text=gettext("Request a new link"),
        )
