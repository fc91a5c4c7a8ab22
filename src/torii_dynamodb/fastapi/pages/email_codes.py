"""Typing a code from an email, to sign in, to verify the address or to reset the password."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import AccountLocked, InvalidCode, RateLimited, ValidationError
from torii_dynamodb.fastapi.pages.forms import FieldError, refused_code, wait_text
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.languages import marked
from torii_dynamodb.models import EMAIL_VERIFICATION, MAGIC_LINK, PASSWORD_RESET, EmailCodePurpose

__all__ = ["add", "send_code"]

# By the name in the URL: what the code is for, and the page that asks for one.
_KINDS: dict[str, tuple[EmailCodePurpose, str]] = {
    "": (MAGIC_LINK, "sign-in"),
    "reset": (PASSWORD_RESET, "forgot-password"),
    "verify": (EMAIL_VERIFICATION, "account"),
}
# Where the link would have led that a code stands for.
_PAGES = {PASSWORD_RESET: "reset-password", EMAIL_VERIFICATION: "verify-email"}
_WRONG = marked("The code is wrong or has expired. After five tries, ask for a new one.")


async def send_code(
    site: Site,
    email: str,
    *,
    kind: str = "",
    target: str = "",
    binding: str | None = None,
    notice: str | None = None,
) -> Response:
    """Mail a code, and lead to the page that asks for it.

    Args:
        site: The pages.
        email: The address that was typed.
        kind: What the code is for: ``""`` to sign in, ``"verify"`` or ``"reset"``.
        target: Where to go after a sign-in.
        binding: What a sign-up left with the browser; for a verification.
        notice: What the page says besides.

    Raises:
        ValidationError: It is not an address.
        RateLimited: Enough mails were sent to it.
    """
    flow_token = await site.torii.email_code.send(email, purpose=_KINDS[kind][0], browser_binding=binding)
    response = site.redirect(site.path("email-code", kind=kind, next=target, notice=notice))
    site.web.leave_email_code(response, flow_token)
    site.web.leave_mailed(response, f"code-{kind}", email)
    return response


def add(router: APIRouter, site: Site) -> None:
    """Add the page to a router; none where no mail can be sent."""
    web, torii = site.web, site.torii
    if not torii.sends_mail:
        return

    def kind_of(fields: Mapping[str, str]) -> str:
        kind = fields.get("kind", "")
        return kind if kind in _KINDS else ""

    def start(kind: str, target: str, notice: str | None = None) -> str:
        return site.path(_KINDS[kind][1], next=target, notice=notice)

    async def show(
        request: Request, kind: str, target: str, errors: list[FieldError] | None = None, status: int = 200
    ) -> Response:
        return await site.page(
            request,
            "email_code",
            kind=kind,
            email=web.mailed(request, f"code-{kind}"),
            target=target,
            start=start(kind, target),
            errors=errors or [],
            status=status,
        )

    async def resend(request: Request, kind: str, target: str) -> Response:
        found, email = await site.person(request), web.mailed(request, f"code-{kind}")
        if kind == "verify":  # whose binding it is, only a session can tell
            email = None if found is None else found.user.email_as_given
        binding = web.held_binding(request) if kind == "verify" else None
        if email is None:
            return site.redirect(start(kind, target))
        try:
            await web.limit(request)
            return await send_code(site, email, kind=kind, target=target, binding=binding, notice="sent-again")
        except ValidationError:  # the cookie is not ours
            return site.redirect(start(kind, target))
        except RateLimited as error:
            return await show(request, kind, target, [FieldError("resend", wait_text(error))], 429)

    @router.get("/email-code")
    async def page(request: Request) -> Response:
        kind, target = kind_of(request.query_params), request.query_params.get("next", "")
        if web.email_code_token(request) is None:
            return site.redirect(start(kind, target, "email-code-expired"))
        return await show(request, kind, target)

    @router.post("/email-code")
    async def submit(request: Request) -> Response:
        form = await site.form(request)
        kind, target, code = kind_of(form), form.get("next", ""), form.get("code", "")
        purpose = _KINDS[kind][0]
        if form.get("way") == "resend":
            return await resend(request, kind, target)
        flow_token = web.email_code_token(request) or ""
        try:
            await web.limit(request)
            if purpose in _PAGES:
                token = await torii.email_code.exchange(flow_token, code, purpose=purpose)
                response = site.redirect(site.path(_PAGES[purpose], token=token))
            else:
                result = await torii.email_code.complete(flow_token, code, browser=web.browser(request))
                response = await enter(site, request, result, target)
        except (InvalidCode, AccountLocked, RateLimited) as error:
            errors, status = refused_code(error, _WRONG)
            return await show(request, kind, target, errors, status)
        web.forget_email_code(response)
        return response
