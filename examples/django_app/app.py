"""User accounts for a Django application, with the blocking API, in one file. Run it with ``python app.py runserver``.

The application does not reveal who has an account: signing up always gets the same response, and the owner of the
address gets a mail. Before you put it on the internet: send real mail, make sure that ``REMOTE_ADDR`` is the
browser's address if you are behind a proxy, and let that proxy limit requests by IP address.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from torii_dynamodb import Browser, DynamoDbConfig, DynamoDbStorage, SecondFactorChallenge, Torii
from torii_dynamodb.cookies import read_cookie
from torii_dynamodb.errors import AccountLocked, RateLimited, ToriiError, ValidationError
from torii_dynamodb.mail import ConsoleMailer, MailSettings

# __Host-: only this host can set them, over https (or on localhost), for all paths.
SESSION, DEVICE, CHALLENGE = "__Host-session", "__Host-device", "__Host-challenge"
ENTER_CODE = "enter the code from your authenticator app, or a recovery code"
STATUS = {
    "account_locked": 429, "invalid_code": 400, "invalid_credentials": 401, "invalid_token": 400, "overloaded": 503,
    "rate_limited": 429, "revoked": 409, "throttled": 503, "unavailable": 503, "validation_error": 422,
}  # fmt: skip
PAGE = Path(__file__).with_name("page.html")


@cache
def torii() -> Torii:
    """Return the services: one instance per process, opened by the first request (after the server has forked)."""
    return Torii(
        DynamoDbStorage().initialize(DynamoDbConfig()),
        secret=os.environ["TORII_SECRET"],  # 32 random bytes that stay the same, for known browsers and second factors
        require_verified_to_sign_in=True,
        mailer=ConsoleMailer(),  # later: SmtpMailer("smtp.example.com", username=..., password=...)
        mail=MailSettings(
            sender="no-reply@example.com",
            app_name="Example",
            base_url=os.environ.get("BASE_URL", "http://localhost:8000"),
            verify_email_path="/#token={token}",
            sign_in_path="/",
        ),
    )


def cookie(request: HttpRequest, name: str) -> str | None:
    """Read one of our cookies. Django's parser would accept one set by a subdomain, with a Unicode space in it."""
    return read_cookie([request.META.get("HTTP_COOKIE", "")], name)


def leave(response: HttpResponse, name: str, value: str, lasts: timedelta) -> None:
    """Set a cookie that no script can read and no other site's POST sends."""
    response.set_cookie(name, value, secure=True, httponly=True, samesite="Lax", max_age=lasts)


def torii_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Set ``torii_user`` on the request, and handle errors. Django's own middleware handles CSRF."""

    def middleware(request: Any) -> HttpResponse:
        token = cookie(request, SESSION)
        found = torii().get_signed_in(token) if token else None
        request.torii_user = found.user if found else None
        return get_response(request)

    def process_exception(_: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, ToriiError):
            return None
        status = STATUS.get(error.code, 500)
        if status >= 500:
            logging.getLogger(__name__).error("%s: %s", error.code, error)
            return JsonResponse({"detail": "something went wrong; try again later"}, status=status)
        wait = error.retry_after if isinstance(error, AccountLocked | RateLimited) else None
        headers = {"Retry-After": str(math.ceil(wait.total_seconds()))} if wait else {}
        return JsonResponse({"detail": str(error)}, status=status, headers=headers)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


def body(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object that was sent. The library checks its values."""
    try:
        found = json.loads(request.body) if request.content_type == "application/json" else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValidationError("body", "send a JSON object, with Content-Type: application/json")
    return found


def browser(request: HttpRequest) -> Browser:
    """Describe the browser that sent the request."""
    agent, address = request.headers.get("User-Agent"), request.META.get("REMOTE_ADDR")
    return Browser(user_agent=agent, ip_address=address, device_token=cookie(request, DEVICE))


@require_GET
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE.read_bytes())


@require_POST
def register(request: HttpRequest) -> HttpResponse:
    sent = body(request)
    torii().password.sign_up(sent.get("email", ""), sent.get("password", ""), name=sent.get("name"))
    return JsonResponse({"detail": "check your email to continue"}, status=202)


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    sent, client = body(request), browser(request)
    torii().email_verification.complete(sent.get("token", ""), password=sent.get("password", ""), browser=client)
    return JsonResponse({"detail": "your address is verified; you can now sign in"})


@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    sent, client = body(request), browser(request)
    if "code" not in sent:
        result = torii().password.authenticate(sent.get("email", ""), sent.get("password", ""), browser=client)
    else:
        result = torii().second_factor.complete(cookie(request, CHALLENGE) or "", sent["code"], browser=client)
    if isinstance(result, SecondFactorChallenge):  # the password was right, but nobody is signed in yet
        response = JsonResponse({"second_factor": True, "detail": ENTER_CODE})
        leave(response, CHALLENGE, result.token, result.expires_at - torii().clock())
        return response
    user, session = result
    torii().sessions.end(cookie(request, SESSION) or "")
    response = JsonResponse({"detail": f"hello {user.name or user.email}"})
    leave(response, SESSION, session.token, session.expires_at - torii().clock())
    leave(response, DEVICE, torii().devices.issue(user, client.device_token), timedelta(days=365))
    return response


@require_POST
def sign_out(request: Any, everywhere: bool = False) -> HttpResponse:
    if request.torii_user is None:
        return JsonResponse({"detail": "sign in first"}, status=401)
    if everywhere:
        torii().delete_sessions_for_user(request.torii_user.id)
    else:
        torii().sessions.end(cookie(request, SESSION) or "")
    response = HttpResponse(status=204)
    leave(response, SESSION, "", timedelta(0))
    return response


@require_GET
def hello(request: Any) -> HttpResponse:
    if request.torii_user is None:
        return JsonResponse({"detail": "sign in first"}, status=401)
    return JsonResponse({"hello": request.torii_user.name or request.torii_user.email})


urlpatterns = [
    path("", page), path("register", register), path("verify", verify), path("sign-in", sign_in), path("hello", hello),
    path("sign-out", sign_out), path("sign-out-everywhere", sign_out, {"everywhere": True}),
]  # fmt: skip

if not settings.configured:
    settings.configure(
        SECRET_KEY=os.environ["TORII_SECRET"],
        ALLOWED_HOSTS=os.environ.get("ALLOWED_HOSTS", "localhost").split(","),
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", f"{__name__}.torii_middleware"],
        CSRF_COOKIE_NAME="__Host-csrftoken",
        CSRF_COOKIE_SECURE=True,
        DATA_UPLOAD_MAX_MEMORY_SIZE=16 * 1024,
    )
    django.setup()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
