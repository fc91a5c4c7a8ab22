"""Typing a code from an email, to sign in or to reset a password."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import AccountLocked, InvalidCode, RateLimited
from torii_dynamodb.fastapi.pages.forms import FieldError, refused_code
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.models import MAGIC_LINK, PASSWORD_RESET, EmailCodePurpose

__all__ = ["add", "send_code"]

_RESET = "reset"
_WRONG = "The code is wrong or has expired. After five tries, ask for a new one."


async def send_code(site: Site, email: str, *, purpose: EmailCodePurpose = MAGIC_LINK, target: str = "") -> Response:
    """Mail a code, and lead to the page that asks for it.

    Args:
        site: The pages.
        email: The address that was typed.
        purpose: What the code is for.
        target: Where to go after a sign-in.

    Raises:
        ValidationError: It is not an address.
        RateLimited: Enough mails were sent to it.
    """
    flow_token = await site.torii.email_code.send(email, purpose=purpose)
    kind = _RESET if purpose == PASSWORD_RESET else None
    response = site.redirect(site.path("email-code", kind=kind, next=target))
    site.web.leave_email_code(response, flow_token)
    return response


def add(router: APIRouter, site: Site) -> None:
    """Add the page to a router; none where no mail can be sent."""
    web, torii = site.web, site.torii
    if not torii.sends_mail:
        return

    async def show(
        request: Request, kind: str, target: str, errors: list[FieldError] | None = None, status: int = 200
    ) -> Response:
        resets = kind == _RESET
        return await site.page(
            request,
            "email_code",
            kind=kind,
            target=target,
            resets=resets,
            start=site.path("forgot-password") if resets else site.path("sign-in", next=target),
            errors=errors or [],
            status=status,
        )

    @router.get("/email-code")
    async def page(request: Request) -> Response:
        kind, target = request.query_params.get("kind", ""), request.query_params.get("next", "")
        if web.email_code_token(request) is None:
            start = "forgot-password" if kind == _RESET else "sign-in"
            return site.redirect(site.path(start, next=target, notice="email-code-expired"))
        return await show(request, kind, target)

    @router.post("/email-code")
    async def submit(request: Request) -> Response:
        form = await site.form(request)
        kind, target, code = form.get("kind", ""), form.get("next", ""), form.get("code", "")
        flow_token = web.email_code_token(request) or ""
        try:
            await web.limit(request)
            if kind == _RESET:
                token = await torii.email_code.exchange(flow_token, code, purpose=PASSWORD_RESET)
                response = site.redirect(site.path("reset-password", token=token))
            else:
                result = await torii.email_code.complete(flow_token, code, browser=web.browser(request))
                response = await enter(site, request, result, target)
        except (InvalidCode, AccountLocked, RateLimited) as error:
            errors, status = refused_code(error, _WRONG)
            return await show(request, kind, target, errors, status)
        web.forget_email_code(response)
        return response
