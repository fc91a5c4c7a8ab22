"""The application on Django: its settings, URLs and views. A process has one Django project."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import reverse
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from tests.apps.support import PAGES, WEB, Ground

from torii_dynamodb import django as torii

if not settings.configured:
    _ground = Ground()
    settings.configure(
        SECRET_KEY="k" * 50,
        ALLOWED_HOSTS=["app.example.com", "testserver"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                        "django.contrib.messages", "django.contrib.admin", "torii_dynamodb.django"],
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware",
                    "django.contrib.sessions.middleware.SessionMiddleware",
                    "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware",
                    "django.contrib.messages.middleware.MessageMiddleware",
                    "torii_dynamodb.django.middleware.ToriiMiddleware"],
        AUTHENTICATION_BACKENDS=["torii_dynamodb.django.backends.ToriiBackend"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        ROOT_URLCONF="tests.apps.django_urls",
        LOGIN_URL="torii:sign-in",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                    "DIRS": [Path(__file__).parent / "none"],
                    "OPTIONS": {"context_processors": ["torii_dynamodb.django.context_processors.torii",
                                                       "django.template.context_processors.request",
                                                       "django.contrib.auth.context_processors.auth",
                                                       "django.contrib.messages.context_processors.messages"]}}],
        STATIC_URL="/static/",
        USE_TZ=True,
        TORII={"STORAGE": _ground.storage, "WEB": WEB, "PAGES": PAGES,
               **{key.upper(): one for key, one in _ground.options.items()}},
    )  # fmt: skip
    django.setup()

from torii_dynamodb.django import decorators, mixins

PAGE = "{% if user.is_authenticated %}{{ user.name }}{% endif %}|{% url 'torii:sign-in' %}"


def who(request: Any) -> JsonResponse:
    """Who is signed in, and where the request comes from."""
    return JsonResponse({"email": request.user.email or None, "ip": torii.browser(request).ip_address})


async def who_later(request: Any) -> JsonResponse:
    """The same, as an asynchronous view."""
    user = await request.auser()
    return JsonResponse({"email": user.email or None})


class Vault(mixins.SecondFactorRequiredMixin, mixins.VerifiedRequiredMixin, View):  # type: ignore[misc]
    """A view that requires two things."""

    def get(self, request: Any) -> JsonResponse:
        """It is open."""
        return who(request)


def page(request: Any) -> HttpResponse:
    """A page of the project's own."""
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


def own_sign_in(request: Any) -> JsonResponse:
    """Sign in without our pages."""
    sent = request.POST
    result = torii.services().password.authenticate(sent["email"], sent["password"], browser=torii.browser(request))
    signed_in = torii.login(request, result)
    return JsonResponse({"signed_in": signed_in, "email": request.user.email or None})


def own_sign_out(request: Any) -> JsonResponse:
    """Sign out without our pages."""
    torii.logout(request)
    return who(request)


VIEWS = {
    "open": who,
    "theirs": login_required(who),
    "verified": decorators.verified_required(who),
    "recent": decorators.recent_required(who),
    "recent-minute": decorators.recent_required(timedelta(minutes=1))(who),
    "factor": decorators.second_factor_required(who),
    "factor-minute": decorators.second_factor_required(timedelta(minutes=1))(who),
    "me": decorators.login_required(who),
    "async-me": decorators.login_required(who_later),
    "async-theirs": login_required(who_later),
    "vault": Vault.as_view(),
    "page": page,
    "own-sign-in": own_sign_in,
    "own-sign-out": own_sign_out,
}
EXEMPT = {name: csrf_exempt(view) for name, view in VIEWS.items()}

# Django keeps the URLs of the first use, so they must not depend on which test, with which settings, comes first.
reverse("torii:sign-in")
