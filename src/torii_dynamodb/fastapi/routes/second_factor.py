"""Second factors: giving one to complete a sign-in, setting them up, and giving one again while signed in."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from torii_dynamodb._rules.second_factor import factor_kinds, is_enrolled
from torii_dynamodb.errors import InvalidCode, InvalidToken, NotFound
from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.qr_code import qr_code
from torii_dynamodb.fastapi.routing import BODY, RECENT, problems
from torii_dynamodb.fastapi.schemas import (
    BeginEnrolmentIn,
    ChallengeIn,
    ChallengeWithCodeIn,
    ChallengeWithEnrolmentIn,
    ChallengeWithPasskeyIn,
    CodeIn,
    EnrolledOut,
    EnrolmentIn,
    FactorNameIn,
    FactorOut,
    FactorsOut,
    PasskeyAnswerIn,
    PasskeyOptionsOut,
    RecoveryCodesOut,
    SecondFactorOut,
    SignedInOut,
    TotpEnrolmentOut,
)
from torii_dynamodb.fastapi.web import Caller, Web
from torii_dynamodb.models import SignedIn
from torii_dynamodb.second_factor import EnrolledFactor, SecondFactorChallenge, TotpEnrolment

__all__ = ["add"]

_LIMITED = (*BODY, "rate_limited")
_CHALLENGE = (*_LIMITED, "invalid_token", "account_locked_by_administrator")
_COMPLETED = (*_CHALLENGE, "other_user_signed_in")
_CODE = ("invalid_code", "account_locked")
_PASSKEY = ("invalid_code", "passkey_error", "cloned_authenticator")
_NO_FACTOR = "you have no such second factor"

FactorId = Annotated[
    str, Path(pattern="^[A-Za-z0-9_-]{1,64}$", description="As the list names it; `recovery` for the recovery codes.")
]


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes, if the services have a ``secret``."""
    if not web.torii.takes_second_factors:
        return
    _add_completing(router, web)
    _add_enrolling_at_sign_in(router, web)
    _add_step_up(router, web, dependencies)
    _add_setting_up(router, web, dependencies)
    _add_management(router, web, dependencies)
    if web.torii.takes_passkeys:
        _add_completing_with_passkey(router, web)
        _add_passkey_step_up(router, web, dependencies)
        _add_passkeys(router, web, dependencies)


# Completing a sign-in


def _token(web: Web, request: Request, body: ChallengeIn) -> str:
    """The token of the challenge, which may still be invalid.

    Raises:
        InvalidToken: There is none.
    """
    token = web.challenge_token(request, body.challenge)
    if token is None:
        raise InvalidToken("the sign-in has expired or was completed; sign in again")
    return token


async def _challenge(web: Web, request: Request, body: ChallengeIn) -> SecondFactorChallenge:
    found = await web.torii.second_factor.check(_token(web, request, body))
    if found is None:
        raise InvalidToken("the sign-in has expired or was completed; sign in again")
    return found


async def _completing(
    web: Web,
    request: Request,
    body: ChallengeWithCodeIn | ChallengeWithPasskeyIn | ChallengeWithEnrolmentIn,
) -> str:
    """What comes before each completion. Returns the challenge's token."""
    web.require_transport(body.transport)
    await web.limit(request)
    if body.transport == "cookie" and not body.replace_session and web.has_cookie(request):
        # Asked before challenge and code are used up.
        await web.refuse_switch(request, (await _challenge(web, request, body)).user.id)
    return _token(web, request, body)


async def _signed_in(
    web: Web,
    request: Request,
    response: Response,
    body: ChallengeWithCodeIn | ChallengeWithPasskeyIn | ChallengeWithEnrolmentIn,
    signed_in: SignedIn,
) -> SignedInOut:
    user, session = signed_in
    token = await web.begin_session(
        request,
        response,
        user,
        session,
        transport=body.transport,
        replace=body.replace_session,
        trust_device=body.trust_device,
    )
    return SignedInOut.of(user, session, token)


def _add_completing(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post(
        "/second-factor/check",
        summary="Check what a sign-in still needs",
        responses=problems(*_LIMITED, "invalid_token"),
    )
    async def check(body: ChallengeIn, request: Request) -> SecondFactorOut:
        """For a front end that was redirected to by a provider, or loaded again. The challenge is not used up."""
        await web.limit(request)
        challenge = await _challenge(web, request, body)
        return web.describe_challenge(challenge, transport="cookie" if body.challenge is None else "bearer")

    @router.post(
        "/second-factor/complete",
        summary="Sign in with a code as second factor",
        responses=problems(*_COMPLETED, *_CODE),
    )
    async def complete(body: ChallengeWithCodeIn, request: Request, response: Response) -> SignedInOut:
        """Takes a code of an authenticator app, or a recovery code. A wrong code does not use up the challenge."""
        token = await _completing(web, request, body)
        signed_in = await torii.second_factor.complete(
            token, body.code, factor_id=body.factor_id, browser=web.browser(request)
        )
        return await _signed_in(web, request, response, body, signed_in)


def _add_completing_with_passkey(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post(
        "/second-factor/passkey/begin",
        summary="Begin to give a passkey as second factor",
        responses=problems(*_CHALLENGE),
    )
    async def begin(body: ChallengeIn, request: Request) -> PasskeyOptionsOut:
        """Options for `navigator.credentials.get`."""
        await web.limit(request)
        return PasskeyOptionsOut(options=await torii.second_factor.begin_passkey(_token(web, request, body)))

    @router.post(
        "/second-factor/passkey/complete",
        summary="Sign in with a passkey as second factor",
        responses=problems(*_COMPLETED, *_PASSKEY),
    )
    async def complete(body: ChallengeWithPasskeyIn, request: Request, response: Response) -> SignedInOut:
        """Verifies the browser's response and signs in."""
        token = await _completing(web, request, body)
        signed_in = await torii.second_factor.complete_with_passkey(
            token, body.credential, browser=web.browser(request)
        )
        return await _signed_in(web, request, response, body, signed_in)


def _add_enrolling_at_sign_in(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post(
        "/second-factor/enrolment/begin",
        summary="Begin to set up the second factor that a sign-in needs",
        responses=problems(*_CHALLENGE),
    )
    async def begin(body: BeginEnrolmentIn, request: Request) -> TotpEnrolmentOut:
        """For a challenge with `enrolment`. Nothing is stored yet."""
        await web.limit(request)
        challenge = await _challenge(web, request, body)
        if not challenge.enrolment:
            raise InvalidToken("you have a second factor already: give it to sign in")
        return _enrolment(await torii.second_factor.begin_enrolment(challenge.user, name=body.name))

    @router.post(
        "/second-factor/enrolment/complete",
        status_code=201,
        summary="Set up the second factor that a sign-in needs, and sign in",
        responses=problems(*_COMPLETED, *_CODE, "too_many_factors", "revoked"),
    )
    async def complete(body: ChallengeWithEnrolmentIn, request: Request, response: Response) -> EnrolledOut:
        """Verifies the app's first code. Show the recovery codes now: they are not stored."""
        token = await _completing(web, request, body)
        signed_in, enrolled = await torii.second_factor.complete_by_enrolling(
            token, body.enrolment, body.code, browser=web.browser(request)
        )
        return _enrolled(enrolled, await _signed_in(web, request, response, body, signed_in))


def _enrolment(begun: TotpEnrolment) -> TotpEnrolmentOut:
    qr_svg = None if find_spec("segno") is None else qr_code(begun.uri)
    return TotpEnrolmentOut(uri=begun.uri, secret=begun.secret, enrolment=begun.token, qr_svg=qr_svg)


def _enrolled(enrolled: EnrolledFactor, signed_in: SignedInOut) -> EnrolledOut:
    return EnrolledOut(
        factor=FactorOut.of(enrolled.factor), recovery_codes=list(enrolled.recovery_codes), signed_in=signed_in
    )


# While signed in


def _add_step_up(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.post(
        "/second-factors/step-up",
        summary="Give a second factor again",
        responses=problems(*_LIMITED, "not_signed_in", *_CODE, "account_locked_by_administrator", "revoked"),
    )
    async def step_up(
        body: CodeIn, request: Request, response: Response, found: Caller = Depends(dependencies.signed_in)
    ) -> SignedInOut:
        """For what needs a recent second factor. The session is replaced by a new one."""
        await web.limit(request)
        raised = await torii.second_factor.step_up(
            SignedIn(found.user, found.session), body.code, browser=web.browser(request)
        )
        return _replaced(web, response, found, raised)


def _add_passkey_step_up(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.post(
        "/second-factors/step-up/passkey/begin",
        summary="Begin to give a passkey as second factor again",
        responses=problems("cross_site", "not_signed_in", "rate_limited", "invalid_code"),
    )
    async def begin(request: Request, found: Caller = Depends(dependencies.signed_in)) -> PasskeyOptionsOut:
        """Options for `navigator.credentials.get`."""
        await web.limit(request)
        _require_passkeys(found)
        return PasskeyOptionsOut(options=await torii.passkeys.begin_sign_in(user=found.user))

    @router.post(
        "/second-factors/step-up/passkey/complete",
        summary="Give a passkey as second factor again",
        responses=problems(*_LIMITED, "not_signed_in", *_PASSKEY, "account_locked_by_administrator", "revoked"),
    )
    async def complete(
        body: PasskeyAnswerIn, request: Request, response: Response, found: Caller = Depends(dependencies.signed_in)
    ) -> SignedInOut:
        """Verifies the browser's response. The session is replaced by a new one."""
        await web.limit(request)
        _require_passkeys(found)
        raised = await torii.second_factor.step_up_with_passkey(SignedIn(found.user, found.session), body.credential)
        return _replaced(web, response, found, raised)


def _require_passkeys(found: Caller) -> None:
    if "passkey" not in factor_kinds(found.user):
        raise InvalidCode("your passkeys are not a second factor")


def _replaced(web: Web, response: Response, found: Caller, signed_in: SignedIn) -> SignedInOut:
    """Answer with the session that has replaced the one of the request."""
    user, session = signed_in
    if found.transport == "bearer":
        return SignedInOut.of(user, session, session.token)
    web.leave_session(response, session)
    return SignedInOut.of(user, session)


def _add_setting_up(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.post(
        "/second-factors/totp/begin",
        summary="Begin to set up an authenticator app",
        responses=problems(*BODY, *RECENT),
    )
    async def begin(body: FactorNameIn, found: Caller = Depends(dependencies.recent())) -> TotpEnrolmentOut:
        """Nothing is stored before the app's first code has been verified."""
        return _enrolment(await torii.second_factor.begin_enrolment(found.user, name=body.name))

    @router.post(
        "/second-factors/totp/complete",
        status_code=201,
        summary="Set up an authenticator app",
        responses=problems(*_LIMITED, *RECENT, "invalid_token", *_CODE, "too_many_factors", "revoked"),
    )
    async def complete(
        body: EnrolmentIn, request: Request, response: Response, found: Caller = Depends(dependencies.recent())
    ) -> EnrolledOut:
        """Verifies the app's first code. The session is replaced by one for which a second factor was given.

        Show the recovery codes now: they are not stored. There are none if the user already had some.
        """
        await web.limit(request)
        enrolled = await torii.second_factor.complete_enrolment(found.user, body.enrolment, body.code)
        session = await torii.sessions.rotate(found.token, second_factor="otp")
        if session is None:
            raise Problem(401, "not_signed_in", "all sessions were ended elsewhere; sign in again")
        return _enrolled(enrolled, _replaced(web, response, found, SignedIn(found.user, session)))


def _add_management(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.get("/second-factors", summary="Your second factors", responses=problems("not_signed_in"))
    async def second_factors(found: Caller = Depends(dependencies.signed_in)) -> FactorsOut:
        """Authenticator apps, recovery codes, and whether passkeys are a second factor."""
        held = await torii.second_factor.list_for_user(found.user.id, user=found.user)
        return FactorsOut(
            enrolled=is_enrolled(found.user),
            factors=[FactorOut.of(factor) for factor in held],
            passkeys="passkey" in factor_kinds(found.user),
        )

    @router.post(
        "/second-factors/recovery-codes",
        summary="Make new recovery codes",
        responses=problems("cross_site", *RECENT, "not_found", "revoked"),
    )
    async def recovery_codes(found: Caller = Depends(dependencies.recent())) -> RecoveryCodesOut:
        """Ten codes that replace the earlier ones. Show them now: they are not stored."""
        if not is_enrolled(found.user):
            raise NotFound("second_factor", "set up a second factor first; recovery codes alone are none")
        return RecoveryCodesOut(recovery_codes=list(await torii.second_factor.make_recovery_codes(found.user)))

    @router.delete(
        "/second-factors/{factor_id}",
        status_code=204,
        summary="Remove a second factor",
        responses=problems("cross_site", "validation_error", *RECENT, "not_found", "revoked"),
    )
    async def remove(factor_id: FactorId, found: Caller = Depends(dependencies.recent())) -> None:
        """Removes an authenticator app, or with `recovery` the recovery codes."""
        if not await torii.second_factor.remove(found.user, factor_id):
            raise NotFound("second_factor", _NO_FACTOR)


def _add_passkeys(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.put(
        "/second-factors/passkeys/enabled",
        summary="Use your passkeys as a second factor",
        responses=problems("cross_site", *RECENT, "not_found", "revoked"),
    )
    async def use_passkeys(found: Caller = Depends(dependencies.recent())) -> RecoveryCodesOut:
        """Returns recovery codes to show now, if the user had none."""
        return RecoveryCodesOut(recovery_codes=list(await torii.second_factor.use_passkeys(found.user)))

    @router.delete(
        "/second-factors/passkeys/enabled",
        status_code=204,
        summary="Stop using your passkeys as a second factor",
        responses=problems("cross_site", *RECENT, "revoked"),
    )
    async def do_not_use_passkeys(found: Caller = Depends(dependencies.recent())) -> None:
        """They still sign in."""
        await torii.second_factor.use_passkeys(found.user, False)
