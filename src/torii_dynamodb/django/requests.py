"""What belongs to one request: who is signed in, cookies to set, signing in and out."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, HttpResponseRedirect
from django.template import TemplateDoesNotExist, loader
from django.utils.cache import patch_vary_headers

from torii_dynamodb._web.callers import is_navigation
from torii_dynamodb._web.connection import Environ
from torii_dynamodb._web.current import Deferred
from torii_dynamodb._web.problems import Refusal
from torii_dynamodb._wsgi.bridge import Answer
from torii_dynamodb.django.configuration import accounts
from torii_dynamodb.django.users import user_of
from torii_dynamodb.errors import ToriiError
from torii_dynamodb.models import SignedIn, User

if TYPE_CHECKING:
    from torii_dynamodb._rules.signing_in import Browser
    from torii_dynamodb.second_factor import SignInResult

__all__ = ["browser", "login", "logout"]

_NAME = "_torii_request"


def environ_of(request: Any) -> Environ:
    """The request as the web layer sees it."""
    found: Environ | None = getattr(request, _NAME, None)
    if found is None:
        found = Environ(request.META)
        found.scope["method"] = request.method  # other middleware may have replaced it
        setattr(request, _NAME, found)
    return found


def cookies_of(request: Any) -> Deferred:
    """The cookies to set once there is a response."""
    found: Deferred = environ_of(request).scope.setdefault("cookies", Deferred())
    return found


def browser(request: Any) -> Browser:
    """Return the browser that sent a request, for the services: ``authenticate(..., browser=browser(request))``."""
    return accounts().browser(environ_of(request))


def login(request: Any, who: User | SignInResult, *, replace: bool = False) -> bool:
    """Sign someone in in this browser, in your own view.

    The session that the browser came with is ended. A user who has a second factor has to give it first: then nobody
    is signed in yet, and you redirect to ``reverse("torii:second-factor")``.

    Args:
        request: The request.
        who: What a service returned (``services().password.authenticate(...)``), or a user whom you have authenticated.
        replace: Whether the session may replace another user's in this browser, because the person was asked.

    Returns:
        Whether they are signed in now.

    Raises:
        AccountLocked: An administrator locked the account.
    """
    caller = accounts().sign_in(environ_of(request), cookies_of(request), who, replace=replace)
    if caller is not None:
        request.user = user_of(caller)
    return caller is not None


def logout(request: Any) -> None:
    """End the session of a request. ``django.contrib.auth.logout`` does so too."""
    accounts().sign_out(environ_of(request), cookies_of(request))
    request.user = user_of(None)


def listen() -> None:
    """Follow the functions of ``django.contrib.auth``, if it is installed."""
    from django.apps import apps

    if apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        user_logged_in.connect(_logged_in)
        user_logged_out.connect(_logged_out)


def _logged_in(sender: object, *, request: Any, user: Any, **_: object) -> None:
    result: SignedIn | None = getattr(user, "torii_signed_in", None)
    if result is not None:
        accounts().sign_in(environ_of(request), cookies_of(request), result)


def _logged_out(sender: object, *, request: Any, **_: object) -> None:
    accounts().sign_out(environ_of(request), cookies_of(request))


def finish(request: Any, response: Any) -> Any:
    """Set the cookies of a response."""
    this, site = environ_of(request), accounts()
    if "cookies" in this.scope:
        cookies_of(request).leave(response.set_cookie)
    else:
        site.leave_moved(this, response)
    if site.was_looked_up(this):
        patch_vary_headers(response, ["Cookie"])
    return response


def response_to(request: Any, error: ToriiError | Refusal) -> HttpResponse:
    """A page where the person can go on, the project's own page for the status, or a problem as JSON."""
    this, site = environ_of(request), accounts()
    problem = site.refused(error) if isinstance(error, ToriiError) else error
    where = site.remedy(this, problem, request.get_full_path())
    if where is not None:
        return HttpResponseRedirect(where, status=303)
    if not is_navigation(this):
        return plain(Answer().refuse(problem))
    try:
        text = loader.render_to_string(f"{problem.status_code}.html", {"exception": problem.detail}, request)
    except TemplateDoesNotExist:
        text, problem.headers = problem.detail, {**problem.headers, "Content-Type": "text/plain; charset=utf-8"}
    return HttpResponse(text.encode(), status=problem.status_code, headers=dict(problem.headers))


def plain(answer: Answer) -> HttpResponse:
    """A response of the pages and routes, as Django's."""
    response = HttpResponse(answer.body, status=answer.status)
    for name, value in answer.headers:
        if name.lower() == "set-cookie":
            response.cookies.load(value)
        else:
            response[name] = value
    return response
