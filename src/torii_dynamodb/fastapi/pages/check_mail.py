"""The page after a mail was sent, which names the address and sends the mail again."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import RateLimited, ValidationError
from torii_dynamodb.fastapi.pages.forms import FieldError, wait_text
from torii_dynamodb.fastapi.pages.render import Site

__all__ = ["add", "mail_sent"]

_KINDS = ("magic-link", "provider", "reset", "sign-up")


def mail_sent(site: Site, kind: str, email: str) -> Response:
    """Lead to the page that says that a mail was sent, if the address can be used here.

    Args:
        site: The pages.
        kind: What was sent.
        email: The address that was typed. It waits in a cookie: URLs end up in logs and histories.
    """
    response = site.redirect(site.path("check-mail", kind=kind))
    site.web.leave_mailed(response, kind, email)
    return response


def add(router: APIRouter, site: Site) -> None:
    """Add the page to a router."""
    web, torii = site.web, site.torii

    async def send(kind: str, email: str) -> None:
        # Each does the same work whether or not anybody has the address, within the limit of mails to it.
        if kind == "magic-link":
            await torii.magic_link.send(email)
        elif kind == "reset":
            await torii.password.send_reset(email)
        else:
            # Without the binding of the sign-up: who asks for another link may not be who registered the address.
            await torii.email_verification.send_to(email)

    def kind_of(given: str | None) -> str:
        return given if given is not None and given in _KINDS else ""

    @router.get("/check-mail")
    async def check_mail(request: Request) -> Response:
        kind = kind_of(request.query_params.get("kind"))
        return await site.page(request, "check_mail", kind=kind, email=web.mailed(request, kind))

    @router.post("/check-mail")
    async def send_again(request: Request) -> Response:
        form = await site.form(request)
        kind = kind_of(form.get("kind"))
        email = web.mailed(request, kind)
        if email is None or not torii.sends_mail:
            return site.redirect(site.path("sign-in"))
        try:
            await web.limit(request)
            await send(kind, email)
        except ValidationError:  # the cookie is not ours
            return site.redirect(site.path("sign-in"))
        except RateLimited as error:
            errors = [FieldError("resend", wait_text(error))]
            return await site.page(request, "check_mail", kind=kind, email=email, errors=errors, status=429)
        return site.redirect(site.path("check-mail", kind=kind, notice="sent-again"))
