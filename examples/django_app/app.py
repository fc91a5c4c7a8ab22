"""Accounts for a Django application, with the blocking twin, in one file. Run it with ``python app.py runserver``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, Torii
from torii_dynamodb.cookies import read_cookie
from torii_dynamodb.errors import AccountLocked, AlreadyExists, InvalidCredentials, ToriiError, ValidationError

COOKIE = "__Host-session"
STATUS: dict[type[ToriiError], int] = {
    InvalidCredentials: 401,
    AccountLocked: 429,
    AlreadyExists: 409,
    ValidationError: 422,
}


@cache
def torii() -> Torii:
    """The services: one handle a process, opened by the first request (after a server has forked)."""
    return Torii(DynamoDbStorage().initialize(DynamoDbConfig()), secret=os.environ["TORII_SECRET"])


def cookie(request: HttpRequest, name: str) -> str | None:
    """A cookie of ours. Django's parser would take one that a subdomain set, with a space of Unicode in its name."""
    return read_cookie([request.META.get("HTTP_COOKIE", "")], name)


def torii_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Puts ``torii_user`` and ``torii_session`` on the request; answers errors. CSRF is Django's own middleware's."""

    def middleware(request: Any) -> HttpResponse:
        token = cookie(request, COOKIE)
        found = torii().get_session(token) if token else None
        request.torii_session, request.torii_user = found or (None, None)
        return get_response(request)

    def process_exception(_: HttpRequest, error: Exception) -> HttpResponse | None:
        status = STATUS.get(type(error)) if isinstance(error, ToriiError) else None
        return None if status is None else JsonResponse({"detail": str(error)}, status=status)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


@require_GET
def csrf(request: HttpRequest) -> HttpResponse:
    """The token that posts carry in X-CSRFToken."""
    return JsonResponse({"token": get_token(request)})


@require_POST
def register(request: HttpRequest) -> HttpResponse:
    body = json.loads(request.body)
    user = torii().password.register(body["email"], body["password"], name=body.get("name"))
    return JsonResponse({"id": user.id}, status=201)


@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    body = json.loads(request.body)
    device = f"{COOKIE}-device"
    user, session = torii().password.authenticate(
        body["email"],
        body["password"],
        user_agent=request.headers.get("User-Agent"),
        ip_address=request.META.get("REMOTE_ADDR"),
        device_token=cookie(request, device),
    )
    response = JsonResponse({"id": user.id})
    issued = torii().devices.issue(user, cookie(request, device))
    for name, value in ((COOKIE, session.token or ""), (device, issued)):
        response.set_cookie(name, value, secure=True, httponly=True, samesite="Lax", max_age=30 * 86400)
    return response


@require_POST
def sign_out_everywhere(request: Any) -> HttpResponse:
    if request.torii_user is None:
        return JsonResponse({"detail": "sign in first"}, status=401)
    torii().delete_sessions_for_user(request.torii_user.id)
    return HttpResponse(status=204)


@require_GET
def hello(request: Any) -> HttpResponse:
    if request.torii_user is None:
        return JsonResponse({"detail": "sign in first"}, status=401)
    return HttpResponse(f"Hello {request.torii_user.name or request.torii_user.email}", content_type="text/plain")


urlpatterns = [
    path("csrf", csrf),
    path("register", register),
    path("sign-in", sign_in),
    path("sign-out-everywhere", sign_out_everywhere),
    path("hello", hello),
]

if not settings.configured:
    settings.configure(
        SECRET_KEY=os.environ["TORII_SECRET"],
        ALLOWED_HOSTS=os.environ.get("ALLOWED_HOSTS", "localhost").split(","),
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", f"{__name__}.torii_middleware"],
        USE_TZ=True,
    )
    django.setup()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
