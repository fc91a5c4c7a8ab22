"""Signing up."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb._rules import validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb.errors import AlreadyExists, NotFound, RateLimited, ValidationError
from torii_dynamodb.fastapi.pages.check_mail import mail_sent
from torii_dynamodb.fastapi.pages.forms import FieldError, all_refusals, refusal
from torii_dynamodb.fastapi.pages.providers import failure_of, offered
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.languages import gettext, marked

__all__ = ["add"]

_FIELDS = {
    "name": ("name", marked("The name")),
    "email": ("email", marked("The email address")),
    "password": ("password", marked("The password")),
}


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router."""
    web, torii = site.web, site.torii

    def require_registration() -> None:
        if web.config.registration == "off":
            raise NotFound("page", "nobody can sign up here")

    @router.get("/sign-up")
    async def page(request: Request) -> Response:
        require_registration()
        target = request.query_params.get("next", "")
        if request.query_params.get("error") == "confirm":
            return site.redirect(site.path("check-mail", kind="provider"))
        if await web.signed_in(request) is not None:
            return site.redirect(web.navigation.safe_next(target))
        return await site.page(
            request,
            "sign_up",
            email="",
            name="",
            target=target,
            providers=offered(site),
            failed=failure_of(site, request),
        )

    @router.post("/sign-up")
    async def submit(request: Request) -> Response:
        require_registration()
        form = await site.form(request)
        email, name, target = form.get("email", "").strip(), form.get("name", "").strip(), form.get("next", "")
        password = form.get("password", "")
        try:
            await web.limit(request)
            if web.config.registration == "private":
                binding = web.sign_up_binding(request)
                await torii.password.sign_up(email, password, name=name or None, browser_binding=binding)
                response = mail_sent(site, "sign-up", email)
                web.leave_binding(response, binding)
                return response
            user = await torii.password.register(email, password, name=name or None)
            left = web.sign_up_binding(request) if torii.sends_mail else None
            if left is not None:
                await torii.email_verification.send(user, browser_binding=left)
            result = await torii.sign_in(user, method="password", browser=web.browser(request))
            response = await enter(site, request, result, target)
            if left is not None:
                web.leave_binding(response, left)
            return response
        except ValidationError as error:
            errors, status = (
                await all_refusals(
                    error,
                    _FIELDS,
                    lambda: name and validation.text(name, "name", most=256),
                    lambda: normalise_email(email),
                    lambda: torii.password.check_policy(password, email=email),
                ),
                422,
            )
        except RateLimited as error:
            errors, status = refusal(error, _FIELDS, wait_at="email")
        except AlreadyExists:
            errors, status = (
                [FieldError("email", gettext("This address already has an account. If it is yours, sign in."))],
                409,
            )
        return await site.page(
            request,
            "sign_up",
            email=email,
            name=name,
            target=target,
            providers=offered(site),
            failed=None,
            errors=errors,
            status=status,
        )
