"""User accounts for a Django project, in one file. Run it with ``python app.py runserver`` and open it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import include, path
from django.views.decorators.http import require_GET, require_POST

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb.django import PagesConfig, WebConfig, logout
from torii_dynamodb.django.decorators import login_required, recent_required, second_factor_required
from torii_dynamodb.mail import ConsoleMailer, MailSettings
from torii_dynamodb.passkeys import PasskeySettings

URL = os.environ.get("BASE_URL", "http://localhost:8000")
HERE = Path(__file__).parent

if not settings.configured:
    settings.configure(
        DEBUG=True,
        SECRET_KEY=os.environ["TORII_SECRET"],
        ALLOWED_HOSTS=["localhost"],
        INSTALLED_APPS=["torii_dynamodb.django"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "torii_dynamodb.django.middleware.ToriiMiddleware",
        ],
        ROOT_URLCONF=__name__,
        LOGIN_URL="torii:sign-in",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [HERE / "templates"],
                "OPTIONS": {"context_processors": ["torii_dynamodb.django.context_processors.torii"]},
            }
        ],
        TORII={
            "STORAGE": DynamoDbConfig(table_prefix=os.environ.get("TABLE_PREFIX", "torii")),
            "SECRET": os.environ["TORII_SECRET"],  # 32 random bytes that stay the same
            "MAILER": ConsoleMailer(),  # leave it out, and EMAIL_BACKEND sends the mails
            "MAIL": MailSettings(sender="no-reply@example.com", app_name="Example", base_url=URL),
            "PASSKEYS": PasskeySettings(rp_id="localhost", rp_name="Example", origins=[URL]),
            "WEB": WebConfig(base_url=URL, secure_cookies=URL.startswith("https:")),
            "PAGES": PagesConfig(app_name="Example"),
        },
    )
    django.setup()

NOTES: dict[str, list[str]] = {}  # by user; your project has a model


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html")


@login_required
def notes(request: Any) -> HttpResponse:
    if request.method == "POST":
        NOTES.setdefault(request.user.id, []).append(request.POST["text"][:200])
        return redirect("notes")
    return render(request, "notes.html", {"notes": NOTES.get(request.user.id, [])})


@require_POST
@recent_required
def delete_notes(request: Any) -> HttpResponse:
    NOTES.pop(request.user.id, None)
    return redirect("notes")


@require_GET
@second_factor_required
def vault(request: HttpRequest) -> HttpResponse:
    return render(request, "vault.html")


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("home")


urlpatterns = [
    path("", include("torii_dynamodb.django.urls")),
    path("", home, name="home"),
    path("notes", notes, name="notes"),
    path("notes/delete", delete_notes, name="delete-notes"),
    path("vault", vault, name="vault"),
    path("leave", leave, name="leave"),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
