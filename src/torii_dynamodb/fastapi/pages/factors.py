"""The account's second factors: setting up, removing, and recovery codes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb.errors import AccountLocked, InvalidCode, InvalidToken, RateLimited, TooManyFactors
from torii_dynamodb.fastapi.pages.account import Account
from torii_dynamodb.fastapi.pages.forms import FieldError, refused_code
from torii_dynamodb.fastapi.pages.render import Site
from torii_dynamodb.fastapi.pages.second_factor import show_codes, show_enrolment
from torii_dynamodb.languages import gettext, marked, ngettext

__all__ = ["add"]

_APP = "account/second-factor/app"
_LONGEST_NAME = 64
_WRONG = marked(
    "The code is wrong. Enter the code that the app shows now, and check that your device's clock is right."
)


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router; none where the services have no ``secret``."""
    account = Account(site)
    web, torii = site.web, site.torii
    if not torii.takes_second_factors:
        return

    @router.get("/account/second-factor/app")
    async def page(request: Request) -> Response:
        target = request.query_params.get("next", "")
        found = await account.who(request, recent=True, back=site.path(_APP, next=target) if target else None)
        name = request.query_params.get("name", "").strip()[:_LONGEST_NAME] or gettext("Authenticator app")
        begun = await torii.second_factor.begin_enrolment(found.user, name=name)
        return await show_enrolment(site, request, begun, _APP, target, signed_in=found)

    @router.post("/account/second-factor/app")
    async def set_up(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        target, enrolment = form.get("next", ""), form.get("enrolment", "")
        done = site.redirect(web.navigation.safe_next(target)) if target else account.done("factor-added")
        try:
            try:
                await web.limit(request)
                enrolled = await torii.second_factor.complete_enrolment(found.user, enrolment, form.get("code", ""))
            except (InvalidCode, AccountLocked, RateLimited) as error:
                begun = await torii.second_factor.resume_enrolment(found.user, enrolment)
                errors, status = refused_code(error, _WRONG)
                return await show_enrolment(
                    site, request, begun, _APP, target, errors=errors, status=status, signed_in=found
                )
        except InvalidToken:
            return account.done("set-up-expired")
        except TooManyFactors as error:
            errors = [
                FieldError(
                    "app-name",
                    ngettext(
                        "You can have only %(num)s authenticator app.",
                        "You can have at most %(num)s authenticator apps.",
                        error.limit,
                    ),
                )
            ]
            return await account.show(request, found, errors=errors, status=409)
        # The code was a second factor given: the person is not to be asked for the next one at once.
        session = await torii.sessions.rotate(found.token, second_factor="otp")
        if session is not None:
            web.leave_session(done, session)
        # Without the navigation: its form would hold a token of the old session.
        return await show_codes(site, request, enrolled.recovery_codes, done)

    @router.post("/account/second-factor/remove")
    async def remove(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        # One that is gone already is removed, too.
        await torii.second_factor.remove(found.user, form.get("id", ""))
        return account.done("factor-removed")

    @router.post("/account/second-factor/recovery-codes")
    async def renew_codes(request: Request) -> Response:
        found, _ = await account.changing(request, recent=True)
        if not torii.second_factor.is_enrolled(found.user):
            return site.redirect(site.path("account"))
        codes = await torii.second_factor.make_recovery_codes(found.user)
        return await show_codes(site, request, codes, site.redirect(site.path("account")), signed_in=found)

    @router.post("/account/second-factor/passkeys")
    async def use_passkeys(request: Request) -> Response:
        found, form = await account.changing(request, recent=True)
        enabled = form.get("enabled") == "yes"
        codes = await torii.second_factor.use_passkeys(found.user, enabled)
        done = account.done("passkeys-second" if enabled else "passkeys-not-second")
        return await show_codes(site, request, codes, done, signed_in=found)
