"""Signing in through providers, and linking them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from starlette.responses import RedirectResponse

from torii_dynamodb._core.oauth_types import OAuthStart
from torii_dynamodb.errors import NotFound, ToriiError
from torii_dynamodb.fastapi.dependencies import Dependencies
from torii_dynamodb.fastapi.routing import problems
from torii_dynamodb.fastapi.schemas import OAuthAccountOut, OAuthAccountsOut, OAuthStartOut
from torii_dynamodb.fastapi.web import SignedIn, Web

__all__ = ["CALLBACK", "add"]

CALLBACK = "/callback"

Provider = Annotated[str, Path(pattern="^[a-z0-9_-]{1,32}$", description="The provider's name.", examples=["google"])]
Next = Annotated[
    str | None,
    Query(max_length=2048, description="Where to go at the end: a path, or an address at a trusted origin."),
]
Answer = Annotated[str | None, Query(max_length=8192)]
Posted = Annotated[str | None, Form(max_length=8192)]


def add(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    """Add the routes, where there are providers. Accounts once linked are listed and unlinked without them too."""
    if web.torii.oauth_providers:
        _add_beginning(router, web, dependencies)
        _add_callback(router, web, dependencies)
        _add_accounts(router, web, dependencies)


def _add_beginning(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    async def begin(
        provider: str, next_url: str | None, response: Response, link_to: SignedIn | None = None
    ) -> OAuthStart:
        assert web.config.base_url is not None
        start = await torii.oauth.begin(
            provider,
            redirect_uri=f"{web.config.base_url.rstrip('/')}{web.config.prefix}/oauth/{provider}{CALLBACK}",
            next_url=web.safe_next(next_url),
            link_to=None if link_to is None else link_to.session,
        )
        web.cookies.set(response, web.cookies.oauth, start.browser_binding, until=start.expires_at, now=torii.clock())
        return start

    @router.get(
        "/oauth/{provider}/begin",
        status_code=303,
        response_class=RedirectResponse,
        summary="Sign in through a provider, by a link",
        responses=problems("not_found", "validation_error", "oauth_error", "rate_limited"),
    )
    async def begin_by_link(provider: Provider, request: Request, next: Next = None) -> Response:  # noqa: A002
        """Sends the browser to the provider."""
        await web.limit(request)
        response = RedirectResponse("/", status_code=303)
        start = await begin(provider, next, response)
        response.headers["Location"] = start.url
        return response

    @router.post(
        "/oauth/{provider}/begin",
        summary="Sign in through a provider, by script",
        responses=problems("cross_site", "not_found", "validation_error", "oauth_error", "rate_limited"),
    )
    async def begin_by_script(
        provider: Provider,
        request: Request,
        response: Response,
        next: Next = None,  # noqa: A002
    ) -> OAuthStartOut:
        """Tells where to send the browser."""
        await web.limit(request)
        return OAuthStartOut(url=(await begin(provider, next, response)).url)

    @router.post(
        "/oauth/{provider}/link",
        summary="Link an account at a provider",
        responses=problems(
            "cross_site", "not_signed_in", "recent_sign_in_required", "not_found", "validation_error", "oauth_error"
        ),
    )
    async def link(
        provider: Provider,
        response: Response,
        next: Next = None,  # noqa: A002
        found: SignedIn = Depends(dependencies.recent()),
    ) -> OAuthStartOut:
        """Tells where to send the browser; back again, the account is linked to whoever is signed in now."""
        return OAuthStartOut(url=(await begin(provider, next, response, found)).url)


def _add_callback(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    async def come_back(
        request: Request,
        response: Response,
        provider: str,
        found: SignedIn | None,
        *,
        state: str | None,
        code: str | None,
        error: str | None,
        iss: str | None,
    ) -> str:
        result = await torii.oauth.complete(
            provider,
            state=state,
            browser_binding=web.cookies.read(request, web.cookies.oauth),
            code=code,
            error=error,
            iss=iss,
            session=None if found is None else found.session,
            **web.browser(request),
        )
        if result.session is not None:
            await web.begin_session(request, response, result.user, result.session)
        return web.safe_next(result.next_url)

    @router.get(
        "/oauth/{provider}" + CALLBACK,
        status_code=303,
        response_class=RedirectResponse,
        summary="Back from a provider",
        responses=problems(
            "not_found",
            "validation_error",
            "oauth_error",
            "already_exists",
            "too_many_identities",
            "revoked",
            "account_locked_by_administrator",
        ),
    )
    async def callback(
        provider: Provider,
        request: Request,
        state: Answer = None,
        code: Answer = None,
        error: Answer = None,
        iss: Answer = None,
        found: SignedIn | None = Depends(dependencies.optional_signed_in),
    ) -> Response:
        """Signs in, or links, and goes on to where the person wanted to be."""
        response = RedirectResponse("/", status_code=303)
        web.cookies.delete(response, web.cookies.oauth)
        try:
            target = await come_back(request, response, provider, found, state=state, code=code, error=error, iss=iss)
        except ToriiError as refused:
            if web.config.oauth_error_path is None or isinstance(refused, NotFound):
                raise
            reason = getattr(refused, "reason", refused.code)
            target = f"{web.config.oauth_error_path}?{urlencode({'error': reason})}"
        response.headers["Location"] = target
        return response

    @router.post(
        "/oauth/{provider}" + CALLBACK,
        status_code=303,
        response_class=RedirectResponse,
        summary="Back from a provider that posts (Apple)",
        responses=problems("validation_error", "body_too_large"),
    )
    async def posted_callback(
        provider: Provider,
        state: Posted = None,
        code: Posted = None,
        error: Posted = None,
        iss: Posted = None,
    ) -> Response:
        """Sends the browser on to the same address by GET.

        A POST from another site carries no ``SameSite=Lax`` cookie; the GET that follows it does. So the binding cookie
        can stay ``Lax``.
        """
        given = {"state": state, "code": code, "error": error, "iss": iss}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        path = f"{web.config.base_url}".rstrip("/") + f"{web.config.prefix}/oauth/{provider}{CALLBACK}"
        return RedirectResponse(f"{path}?{query}", status_code=303)


def _add_accounts(router: APIRouter, web: Web, dependencies: Dependencies) -> None:
    torii = web.torii

    @router.get("/oauth/accounts", summary="Linked accounts", responses=problems("not_signed_in"))
    async def accounts(found: SignedIn = Depends(dependencies.signed_in)) -> OAuthAccountsOut:
        """The accounts at providers that sign this user in."""
        linked = await torii.oauth.accounts(found.user.id)
        return OAuthAccountsOut(accounts=[OAuthAccountOut.of(account) for account in linked])

    @router.delete(
        "/oauth/accounts/{provider}",
        status_code=204,
        summary="Unlink an account",
        responses=problems(
            "cross_site",
            "validation_error",
            "not_signed_in",
            "recent_sign_in_required",
            "not_found",
            "last_sign_in_method",
        ),
    )
    async def unlink(
        provider: Provider,
        subject: Annotated[str, Query(max_length=255, description="As the list of accounts names it.")],
        found: SignedIn = Depends(dependencies.recent()),
    ) -> None:
        """The account does not sign this user in any more."""
        if not await torii.oauth.unlink(found.user.id, provider, subject, allow_verified_email=torii.sends_mail):
            raise NotFound("oauth_account", "you have no such account")
