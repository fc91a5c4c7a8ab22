"""Signing in through providers, and linking them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from starlette.responses import RedirectResponse

from torii_dynamodb._rules.oauth import OAuthConfirmationSent, OAuthFlow
from torii_dynamodb.errors import NotFound, ToriiError
from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.errors import Problem, ProblemResponse, problem_of
from torii_dynamodb.fastapi.flows import (
    CALLBACK,
    asked_again,
    begin_flow,
    callback_url,
    drop_flow,
    failure_target,
    second_factor_target,
    sign_in_of,
    with_cookies,
)
from torii_dynamodb.fastapi.routing import BODY, RECENT, problems
from torii_dynamodb.fastapi.schemas import (
    ConfirmationIn,
    ConfirmIn,
    LinkOut,
    NativeSignInIn,
    OAuthAccountOut,
    OAuthAccountsOut,
    OAuthNativeStartOut,
    OAuthStartOut,
    SignInOut,
)
from torii_dynamodb.fastapi.web import Caller, Web

__all__ = ["CALLBACK", "add"]

Provider = Annotated[str, Path(pattern="^[a-z0-9_-]{1,32}$", description="The provider's name.", examples=["google"])]
Next = Annotated[
    str | None,
    Query(max_length=2048, description="Where to go afterwards: a path, or a URL at a trusted origin."),
]
Failure = Annotated[
    str | None,
    Query(
        max_length=2048,
        description="Where to go after a failure, with `error` and `provider` in the query: a path, or a URL at a "
        "trusted origin.",
    ),
]
Replace = Annotated[
    bool,
    Query(
        description="Whether the sign-in may replace the session of another user who is signed in in this browser by a "
        "cookie. Ask the person first."
    ),
]
# Without bounds (the server bounds URLs), so that the person arrives at a page whatever the provider sends.
Answer = Annotated[str | None, Query()]
Posted = Annotated[str | None, Form(max_length=8192)]


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes.

    Beginning, returning and linking require providers. Listing and unlinking accounts is always available: accounts
    stay when a provider is removed, and an application may link accounts through the storage.
    """
    if web.torii.oauth_providers:
        _add_beginning(router, web, dependencies)
        _add_callback(router, web, dependencies)
        if web.torii.sends_mail:
            _add_confirmation(router, web)
        if any(provider.native_client_ids for provider in web.torii.oauth_providers):
            _add_native(router, web)
    _add_accounts(router, web, dependencies)


def _add_beginning(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    # There is no GET route to begin: another site could send the browser there and sign someone in unawares.

    @router.post(
        "/oauth/{provider}/begin",
        summary="Sign in through a provider",
        responses=problems("cross_site", "not_found", "validation_error", "oauth_error", "rate_limited"),
    )
    async def begin(
        provider: Provider,
        request: Request,
        response: Response,
        next: Next = None,  # noqa: A002
        failure: Failure = None,
        replace_session: Replace = False,
    ) -> OAuthStartOut:
        """Returns where to send the browser."""
        await web.limit(request)
        start = await begin_flow(
            web, request, response, provider, next_url=next, failure_url=failure, replace=replace_session
        )
        return OAuthStartOut(url=start.url)

    @router.post(
        "/oauth/{provider}/link",
        summary="Link an account at a provider",
        responses=problems("cross_site", *RECENT, "not_found", "validation_error", "oauth_error"),
    )
    async def link(
        provider: Provider,
        request: Request,
        response: Response,
        next: Next = None,  # noqa: A002
        failure: Failure = None,
        found: Caller = Depends(dependencies.recent()),
    ) -> OAuthStartOut:
        """Returns where to send the browser. Afterwards the account is linked to the signed-in user."""
        start = await begin_flow(web, request, response, provider, next_url=next, failure_url=failure, link_to=found)
        return OAuthStartOut(url=start.url)


def _add_callback(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.get(
        "/oauth/{provider}" + CALLBACK,
        status_code=303,
        response_class=RedirectResponse,
        summary="Return from a provider",
        responses=problems(
            "not_found",
            "validation_error",
            "oauth_error",
            "already_exists",
            "too_many_identities",
            "revoked",
            "account_locked_by_administrator",
            "rate_limited",
            "other_user_signed_in",
        ),
    )
    async def callback(
        provider: Provider,
        request: Request,
        state: Answer = None,
        code: Answer = None,
        error: Answer = None,
        iss: Answer = None,
        user: Answer = None,
        found: Caller | None = Depends(dependencies.optional_signed_in),
    ) -> Response:
        """Signs in or links, and redirects to the requested target, or to the failure target.

        If a second factor is needed, a cookie holds the challenge, and the browser is sent to the page for it; without
        pages to the failure target, with `error=second_factor_required` and `next`.
        """
        once_more = asked_again(web, request)
        if once_more is not None:
            return once_more
        response = RedirectResponse("/", status_code=303)
        binding = drop_flow(web, request, response, state)
        flow: OAuthFlow | None = None
        try:
            flow = await torii.oauth.resume(provider, state=state, browser_binding=binding)
            result = await torii.oauth.complete_flow(
                flow,
                code=code,
                error=error,
                iss=iss,
                posted_user=user,
                session=None if found is None else found.session,
                confirmation_binding=web.cookies.read(request, web.cookies.confirm),
                browser=web.browser(request),
            )
            target = web.navigation.safe_next(result.next_url)
            if result.challenge is not None:
                web.leave_challenge(response, result.challenge)
                target = second_factor_target(web, provider, flow.failure_url, target)
            elif result.session is not None:
                other = await web.other_user(request, result.user.id)
                agreed = other is None or other.id == flow.replaces
                if web.page is not None and not agreed:
                    web.leave_pending(response, result.session)
                    target = f"{web.page('switch')}?{urlencode({'next': target})}"
                else:
                    await web.begin_session(request, response, result.user, result.session, replace=agreed)
        except ToriiError as refused:
            if isinstance(refused, OAuthConfirmationSent):
                web.cookies.set(response, web.cookies.confirm, refused.browser_binding, until=refused.expires_at)
            told = failure_target(web, provider, None if flow is None else flow.failure_url, refused, found)
            if told is None:
                return with_cookies(ProblemResponse(problem_of(refused)), response)
            target = told
        response.headers["Location"] = target
        return response

    @router.post(
        "/oauth/{provider}" + CALLBACK,
        status_code=303,
        response_class=RedirectResponse,
        summary="Return from a provider that posts (Apple)",
        responses=problems("validation_error", "body_too_large"),
    )
    async def posted_callback(
        provider: Provider,
        state: Posted = None,
        code: Posted = None,
        error: Posted = None,
        iss: Posted = None,
        user: Posted = None,
    ) -> Response:
        """Redirects the browser to the same URL with GET.

        A POST from another site carries no ``SameSite=Lax`` cookie, but the GET that follows it does. So the binding
        cookie can stay ``Lax``.
        """
        given = {"state": state, "code": code, "error": error, "iss": iss, "user": user}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        return RedirectResponse(f"{callback_url(web, provider)}?{query}", status_code=303)


def _add_confirmation(router: APIRouter, web: Web) -> None:
    torii = web.torii
    body_problems = (*BODY, "rate_limited", "oauth_error")

    @router.post(
        "/oauth/confirmation/check",
        summary="Check a confirmation link without using it",
        responses=problems(*body_problems),
    )
    async def check_confirmation(body: ConfirmationIn, request: Request) -> LinkOut:
        """For a page that asks for a click. The link is valid only in the browser that began the sign-in."""
        await web.limit(request)
        binding = body.binding or web.cookies.read(request, web.cookies.confirm)
        found = await torii.oauth.check_confirmation(body.token, browser_binding=binding)
        return LinkOut(valid=found is not None, email=None if found is None else found.email)

    @router.post(
        "/oauth/confirmation/complete",
        summary="Confirm an account at a provider with a mailed link, and sign in",
        responses=problems(
            *body_problems,
            "invalid_token",
            "already_exists",
            "too_many_identities",
            "account_locked_by_administrator",
            "other_user_signed_in",
        ),
    )
    async def confirm(body: ConfirmIn, request: Request, response: Response) -> SignInOut:
        """Uses a link. This also proves the address, and links the account to its user or creates a user."""
        web.require_transport(body.transport)
        await web.limit(request)
        binding = body.binding or web.cookies.read(request, web.cookies.confirm)
        if body.transport == "cookie" and not body.replace_session and web.has_cookie(request):
            # Checked before the link is used.
            found = await torii.oauth.check_confirmation(body.token, browser_binding=binding)
            if found is not None:
                await web.refuse_switch(request, None if found.user is None else found.user.id)
        result = await torii.oauth.complete_confirmation(
            body.token, browser_binding=binding, browser=web.browser(request)
        )
        return await web.answer(
            request, response, sign_in_of(result), transport=body.transport, replace=body.replace_session
        )


def _add_native(router: APIRouter, web: Web) -> None:
    torii = web.torii

    @router.post(
        "/oauth/{provider}/native/begin",
        summary="Begin a sign-in with a mobile SDK",
        responses=problems("cross_site", "not_found", "validation_error", "rate_limited"),
    )
    async def begin_native(provider: Provider, request: Request) -> OAuthNativeStartOut:
        """Returns the nonce for Google's or Apple's SDK. It is valid once, for ten minutes."""
        await web.limit(request)
        start = await torii.oauth.begin_native(provider)
        return OAuthNativeStartOut(nonce=start.nonce, expires_at=start.expires_at)

    @router.post(
        "/oauth/{provider}/native/complete",
        summary="Sign in with an ID token from a mobile SDK",
        responses=problems(
            *BODY,
            "not_found",
            "oauth_error",
            "already_exists",
            "account_locked_by_administrator",
            "rate_limited",
            "other_user_signed_in",
        ),
    )
    async def complete_native(
        provider: Provider, body: NativeSignInIn, request: Request, response: Response
    ) -> SignInOut:
        """Checks the token, finds the account by the same rules as in a browser, and signs in.

        If the address has to be confirmed first, the response has the reason `confirm` and a `binding` to store on the
        device: the mailed link works only with it.
        """
        web.require_transport(body.transport)
        await web.limit(request)
        held = body.binding or web.cookies.read(request, web.cookies.confirm)
        try:
            result = await torii.oauth.complete_native(
                provider,
                id_token=body.id_token,
                nonce=body.nonce,
                name=body.name,
                confirmation_binding=held,
                browser=web.browser(request),
            )
        except OAuthConfirmationSent as sent:
            told = problem_of(sent)
            raise Problem(
                told.status_code,
                told.code,
                str(told.detail),
                extra={**told.extra, "binding": sent.browser_binding},
            ) from None
        return await web.answer(
            request, response, sign_in_of(result), transport=body.transport, replace=body.replace_session
        )


def _add_accounts(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.get("/oauth/accounts", summary="Linked accounts", responses=problems("not_signed_in"))
    async def accounts(found: Caller = Depends(dependencies.signed_in)) -> OAuthAccountsOut:
        """The accounts at providers that this user can sign in with."""
        linked = await torii.oauth.accounts(found.user.id)
        return OAuthAccountsOut(accounts=[OAuthAccountOut.of(account) for account in linked])

    @router.delete(
        "/oauth/accounts/{provider}",
        status_code=204,
        summary="Unlink an account",
        responses=problems("cross_site", "validation_error", *RECENT, "not_found", "last_sign_in_method", "revoked"),
    )
    async def unlink(
        provider: Provider,
        subject: Annotated[str, Query(max_length=255, description="From the list of accounts.")],
        found: Caller = Depends(dependencies.recent()),
    ) -> None:
        """The user can no longer sign in with this account."""
        if not await torii.oauth.unlink(
            found.user.id, provider, subject, user=found.user, allow_verified_email=torii.sends_mail
        ):
            raise NotFound("oauth_account", "you have no such account")
