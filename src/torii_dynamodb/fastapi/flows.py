"""A sign-in through a provider, as the browser sees it: bound to it by a cookie, with a page to return to."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response

from torii_dynamodb.errors import NotFound, ToriiError
from torii_dynamodb.fastapi.errors import problem_of
from torii_dynamodb.models import SignedIn

if TYPE_CHECKING:
    from starlette.requests import Request

    from torii_dynamodb._rules.oauth import OAuthResult, OAuthStart
    from torii_dynamodb.fastapi.web import Caller, Web
    from torii_dynamodb.second_factor import SignInResult

__all__ = [
    "CALLBACK",
    "asked_again",
    "begin_flow",
    "callback_url",
    "drop_flow",
    "failure_target",
    "reason_of",
    "second_factor_target",
    "sign_in_of",
    "with_cookies",
]

Sent = TypeVar("Sent", bound=Response)

CALLBACK = "/callback"

# A browser that restores its tabs may begin several at once. Each takes a cookie of 100 bytes.
_MOST = 5


def callback_url(web: Web, provider: str) -> str:
    """The redirect URI to register with the provider."""
    return web.navigation.url(f"{web.config.prefix}/oauth/{provider}{CALLBACK}")


async def begin_flow(
    web: Web,
    request: Request,
    response: Response,
    provider: str,
    *,
    next_url: str | None,
    failure_url: str | None = None,
    replace: bool = False,
    link_to: Caller | None = None,
) -> OAuthStart:
    """Begin a sign-in and store its binding in the browser, which drops its oldest flows if it has too many.

    Args:
        web: The web layer.
        request: The request.
        response: The response that sets the cookie.
        provider: The provider's name.
        next_url: Where to go afterwards; a target on an untrusted site is dropped.
        failure_url: Where to go after a failure; likewise.
        replace: Whether the person agreed to replace the session of the user who is now signed in in this browser.
        link_to: Who is signed in, to link the account instead of signing in.
    """
    other = await web.other_user(request, None) if replace else None
    start = await web.torii.oauth.begin(
        provider,
        redirect_uri=callback_url(web, provider),
        next_url=web.navigation.safe_next(next_url),
        failure_url=web.navigation.safe_next(failure_url, "") or None,
        replaces=None if other is None else other.id,
        link_to=None if link_to is None else link_to.session,
    )
    for name in web.cookies.flows(request)[: -(_MOST - 1)]:
        web.cookies.delete(response, name)
    web.cookies.set(response, web.cookies.flow(start.state), start.browser_binding, until=start.expires_at)
    return start


def asked_again(web: Web, request: Request) -> Response | None:
    """A page that reloads the same URL from this site; ``None`` if that is not needed.

    Browsers send no ``SameSite=Strict`` cookie with a navigation that another site started, nor with the redirects that
    follow it: nobody could link an account, and people would appear signed out after signing in.
    """
    marker = "again"
    site = request.headers.get("sec-fetch-site")
    ours = site in ("same-origin", "same-site", "none")
    if web.config.same_site != "strict" or ours or marker in request.query_params:
        return None
    target = escape("?" + urlencode([*request.query_params.multi_items(), (marker, "1")]))
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>One moment</title>
<meta http-equiv="refresh" content="0;url={target}"><p><a href="{target}">Continue</a></p></html>""",
        headers={"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"},
    )


def drop_flow(web: Web, request: Request, response: Response, state: str | None) -> str | None:
    """Return the binding of the flow with this state, and delete its cookie. Other flows stay."""
    if not state:
        return None
    name = web.cookies.flow(state)
    binding = web.cookies.read(request, name)
    if binding is not None:
        web.cookies.delete(response, name)
    return binding


def failure_target(
    web: Web, provider: str, began_at: str | None, error: ToriiError, signed_in: Caller | None
) -> str | None:
    """Where to go after a failure, with ``error`` and ``provider`` in the query; ``None``: respond with a problem.

    The place that the request named, otherwise the configuration's ``oauth_error_path``, otherwise a page.
    """
    if isinstance(error, NotFound):
        return None
    path = began_at
    if path is None:
        path = _error_path(web)
    if path is None and web.page is not None:
        path = web.page("sign-in" if signed_in is None else "account")
    if path is None:
        return None
    problem_of(error)  # logs internal errors
    return _with_query(path, error=reason_of(error), provider=provider)


def second_factor_target(web: Web, provider: str, began_at: str | None, next_url: str) -> str:
    """Where to go when a second factor is needed: to its page, if there are pages.

    Without pages: back to where the sign-in began, otherwise to the configuration's ``oauth_error_path``, otherwise to
    where it was to lead; with ``error=second_factor_required``, ``provider`` and ``next`` in the query. There a front
    end asks ``second-factor/check`` what the challenge, which is in a cookie, asks for.
    """
    if web.page is not None:
        return f"{web.page('second-factor')}?{urlencode({'next': next_url})}"
    path = next(one for one in (began_at, _error_path(web), next_url) if one is not None)
    return _with_query(path, error="second_factor_required", provider=provider, next=next_url)


def sign_in_of(result: OAuthResult) -> SignInResult:
    """What a completed sign-in through a provider led to: a session, or a challenge."""
    if result.challenge is not None:
        return result.challenge
    assert result.session is not None
    return SignedIn(result.user, result.session)


def _error_path(web: Web) -> str | None:
    path = web.config.oauth_error_path
    return None if path is None else web.navigation.inside(path)


def _with_query(path: str, **query: str) -> str:
    path, hash_sign, fragment = path.partition("#")
    return f"{path}{'&' if '?' in path else '?'}{urlencode(query)}{hash_sign}{fragment}"


def reason_of(error: ToriiError) -> str:
    """The name of a failure in a URL: ``OAuthError.reason``, or the code of any other error."""
    return str(getattr(error, "reason", error.code)) if error.code == "oauth_error" else error.code


def with_cookies(response: Sent, carrier: Response) -> Sent:
    """Copy the cookies that were set on another response."""
    response.raw_headers.extend(pair for pair in carrier.raw_headers if pair[0] == b"set-cookie")
    return response
