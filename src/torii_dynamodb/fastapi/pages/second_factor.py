"""The second step of a sign-in, setting it up where it is required, and asking for it again."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from markupsafe import Markup

from torii_dynamodb.errors import AccountLocked, ClonedAuthenticator, InvalidCode, InvalidToken, RateLimited
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.flows import with_cookies
from torii_dynamodb.fastapi.pages.forms import FieldError, answer_of, refused_code, wait_text
from torii_dynamodb.fastapi.pages.render import Redirected, Site
from torii_dynamodb.fastapi.pages.switching import enter
from torii_dynamodb.fastapi.qr_code import qr_code
from torii_dynamodb.fastapi.routing import AuthRoute
from torii_dynamodb.fastapi.web import Caller
from torii_dynamodb.languages import duration, gettext, marked
from torii_dynamodb.models import SignedIn, User
from torii_dynamodb.passkeys import PasskeyError
from torii_dynamodb.second_factor import SecondFactorChallenge, TotpEnrolment

__all__ = ["add", "show_codes", "show_enrolment"]

_WAYS = ("totp", "passkey", "recovery")
_STEP = "second-factor"
_AGAIN = "second-factor/again"
_WRONG = marked("The code is wrong or was already used. Enter the code that the app shows now.")
_WRONG_RECOVERY = marked("The recovery code is wrong or was already used. Each one works once.")
_WRONG_PASSKEY = marked("The passkey was not accepted. Try again, or choose another way.")


def add(router: APIRouter, site: Site) -> None:
    """Add the pages to a router; none where the services have no ``secret``."""
    if not site.torii.takes_second_factors:
        return
    _add_challenge(router, site)
    _add_required_enrolment(router, site)
    _add_step_up(router, site)


def _add_challenge(router: APIRouter, site: Site) -> None:
    web, torii = site.web, site.torii

    @router.get("/second-factor")
    async def page(request: Request) -> Response:
        target, way = request.query_params.get("next", ""), request.query_params.get("way", "")
        challenge = await _challenge(site, request, target, enrolment=False)
        return await _show(site, request, challenge.user, _STEP, target, way)

    @router.post("/second-factor")
    async def submit(request: Request) -> Response:
        form = await site.form(request)
        target, way = form.get("next", ""), form.get("way", "")
        try:
            await web.limit(request)
            signed_in = await torii.second_factor.complete(
                web.challenge_token(request) or "", form.get("code", ""), browser=web.browser(request)
            )
        except InvalidToken:
            raise _expired(site, target) from None
        except (InvalidCode, AccountLocked, RateLimited) as error:
            challenge = await _challenge(site, request, target, enrolment=False)
            errors, status = refused_code(error, _WRONG_RECOVERY if way == "recovery" else _WRONG)
            return await _show(site, request, challenge.user, _STEP, target, way, errors=errors, status=status)
        return await enter(site, request, signed_in, target, trust_device=form.get("trust") == "yes")

    if not torii.takes_passkeys:
        return

    async def options(request: Request) -> Response:
        await site.form(request)
        await web.limit(request)
        begun = await torii.second_factor.begin_passkey(web.challenge_token(request) or "")
        return JSONResponse(begun, headers=site.headers())

    router.add_api_route("/second-factor/passkey/options", options, methods=["POST"], route_class_override=AuthRoute)

    @router.post("/second-factor/passkey")
    async def passkey(request: Request) -> Response:
        form = await site.form(request)
        target = form.get("next", "")
        try:
            await web.limit(request)
            signed_in = await torii.second_factor.complete_with_passkey(
                web.challenge_token(request) or "", answer_of(form), browser=web.browser(request)
            )
        except InvalidToken:
            raise _expired(site, target) from None
        except (InvalidCode, PasskeyError, ClonedAuthenticator, AccountLocked, RateLimited) as error:
            challenge = await _challenge(site, request, target, enrolment=False)
            errors, status = _refused_passkey(error)
            return await _show(site, request, challenge.user, _STEP, target, "passkey", errors=errors, status=status)
        return await enter(site, request, signed_in, target, trust_device=form.get("trust") == "yes")


def _add_required_enrolment(router: APIRouter, site: Site) -> None:
    web, torii = site.web, site.torii

    @router.get("/second-factor/set-up")
    async def page(request: Request) -> Response:
        target = request.query_params.get("next", "")
        challenge = await _challenge(site, request, target, enrolment=True)
        begun = await torii.second_factor.begin_enrolment(challenge.user)
        return await show_enrolment(site, request, begun, "second-factor/set-up", target)

    @router.post("/second-factor/set-up")
    async def submit(request: Request) -> Response:
        form = await site.form(request)
        target, enrolment = form.get("next", ""), form.get("enrolment", "")
        try:
            try:
                await web.limit(request)
                signed_in, enrolled = await torii.second_factor.complete_by_enrolling(
                    web.challenge_token(request) or "", enrolment, form.get("code", ""), browser=web.browser(request)
                )
            except (InvalidCode, AccountLocked, RateLimited) as error:
                challenge = await _challenge(site, request, target, enrolment=True)
                begun = await torii.second_factor.resume_enrolment(challenge.user, enrolment)
                errors, status = refused_code(error, _WRONG)
                return await show_enrolment(
                    site, request, begun, "second-factor/set-up", target, errors=errors, status=status
                )
        except InvalidToken:
            raise _expired(site, target) from None
        entered = await enter(site, request, signed_in, target)
        return await show_codes(site, request, enrolled.recovery_codes, entered)


def _add_step_up(router: APIRouter, site: Site) -> None:
    web, torii = site.web, site.torii

    async def who(request: Request, target: str) -> Caller:
        found = await site.person(request)
        if found is None:
            raise Redirected(site.redirect(site.path("sign-in", next=site.path(_AGAIN, next=target))))
        if not torii.second_factor.is_enrolled(found.user):
            raise Redirected(site.redirect(site.path("account/second-factor/app", next=target)))
        return found

    def done(signed_in: SignedIn, target: str) -> Response:
        response = site.redirect(web.navigation.safe_next(target))
        web.leave_session(response, signed_in.session)
        return response

    @router.get("/second-factor/again")
    async def page(request: Request) -> Response:
        target, way = request.query_params.get("next", ""), request.query_params.get("way", "")
        found = await who(request, target)
        return await _show(site, request, found.user, _AGAIN, target, way, signed_in=found)

    @router.post("/second-factor/again")
    async def submit(request: Request) -> Response:
        form = await site.form(request)
        target, way = form.get("next", ""), form.get("way", "")
        found = await who(request, target)
        try:
            await web.limit(request)
            stepped_up = await torii.second_factor.step_up(
                SignedIn(found.user, found.session), form.get("code", ""), browser=web.browser(request)
            )
        except (InvalidCode, AccountLocked, RateLimited) as error:
            errors, status = refused_code(error, _WRONG_RECOVERY if way == "recovery" else _WRONG)
            return await _show(
                site, request, found.user, _AGAIN, target, way, errors=errors, status=status, signed_in=found
            )
        return done(stepped_up, target)

    if not torii.takes_passkeys:
        return

    async def options(request: Request) -> Response:
        await site.form(request)
        await web.limit(request)
        found = await site.person(request)
        if found is None:
            raise Problem(401, "not_signed_in", "sign in first, then reload the page")
        return JSONResponse(await torii.passkeys.begin_sign_in(user=found.user), headers=site.headers())

    router.add_api_route(
        "/second-factor/again/passkey/options", options, methods=["POST"], route_class_override=AuthRoute
    )

    @router.post("/second-factor/again/passkey")
    async def passkey(request: Request) -> Response:
        form = await site.form(request)
        target = form.get("next", "")
        found = await who(request, target)
        try:
            await web.limit(request)
            stepped_up = await torii.second_factor.step_up_with_passkey(
                SignedIn(found.user, found.session), answer_of(form)
            )
        except (InvalidCode, PasskeyError, ClonedAuthenticator, AccountLocked, RateLimited) as error:
            errors, status = _refused_passkey(error)
            return await _show(
                site, request, found.user, _AGAIN, target, "passkey", errors=errors, status=status, signed_in=found
            )
        return done(stepped_up, target)


async def _challenge(site: Site, request: Request, target: str, *, enrolment: bool) -> SecondFactorChallenge:
    """The challenge that this browser holds.

    Raises:
        Redirected: It holds none that is valid, or another page is the one for it.
    """
    token = site.web.challenge_token(request)
    found = None if token is None else await site.torii.second_factor.check(token)
    if found is None:
        raise _expired(site, target)
    if found.enrolment is not enrolment:
        page = "second-factor/set-up" if found.enrolment else _STEP
        raise Redirected(site.redirect(site.path(page, next=target)))
    return found


def _expired(site: Site, target: str) -> Redirected:
    response = site.redirect(site.path("sign-in", next=target, notice="second-factor-expired"))
    site.web.forget_challenge(response)
    return Redirected(response)


async def _show(
    site: Site,
    request: Request,
    user: User,
    base: str,
    target: str,
    way: str,
    *,
    errors: Sequence[FieldError] = (),
    status: int = 200,
    signed_in: Caller | None = None,
) -> Response:
    kinds = site.torii.second_factor.kinds(user)
    ways = [one for one in _WAYS if one in kinds and (one != "passkey" or site.torii.takes_passkeys)] or ["totp"]
    chosen = way if way in ways else ways[0]
    trust = site.torii.second_factor.policy.trust_devices_for
    return await site.page(
        request,
        "second_factor",
        errors=errors,
        status=status,
        signed_in=signed_in,
        base=base,
        again=base == _AGAIN,
        target=target,
        way=chosen,
        others=[one for one in ways if one != chosen],
        # A person who uses a recovery code has lost the factor that the device would be trusted in place of.
        trust_for=None if trust is None or base == _AGAIN or chosen == "recovery" else duration(trust),
    )


async def show_enrolment(
    site: Site,
    request: Request,
    begun: TotpEnrolment,
    action: str,
    target: str,
    *,
    errors: Sequence[FieldError] = (),
    status: int = 200,
    signed_in: Caller | None = None,
) -> Response:
    """The page with the QR code, which asks for the app's first code."""
    return await site.page(
        request,
        "second_factor_set_up",
        errors=errors,
        status=status,
        signed_in=signed_in,
        action=action,
        target=target,
        qr=Markup(qr_code(begun.uri, css_class="qr")),  # noqa: S704 - modules drawn by segno, without any text
        uri=begun.uri,
        secret=" ".join(begun.secret[start : start + 4] for start in range(0, len(begun.secret), 4)),
        enrolment=begun.token,
    )


async def show_codes(
    site: Site, request: Request, codes: Sequence[str], entered: Response, *, signed_in: Caller | None = None
) -> Response:
    """The page that shows recovery codes once.

    Args:
        site: The pages.
        request: The request.
        codes: The codes. None: there is no page.
        entered: The redirect to where the person goes on afterwards. Its cookies go with the page.
        signed_in: Who is signed in, where that is known.
    """
    if not codes:
        return entered
    page = await site.page(
        request,
        "recovery_codes",
        codes=codes,
        file_head=gettext("Recovery codes for %(name)s. Each one works once.", name=site.settings.app_name),
        go_on=entered.headers["location"],
        signed_in=signed_in,
    )
    return with_cookies(page, entered)


def _refused_passkey(
    error: InvalidCode | PasskeyError | ClonedAuthenticator | AccountLocked | RateLimited,
) -> tuple[list[FieldError], int]:
    if isinstance(error, AccountLocked | RateLimited):
        return [FieldError("passkey-step", wait_text(error))], 429
    return [FieldError("passkey-step", gettext(_WRONG_PASSKEY))], 401
