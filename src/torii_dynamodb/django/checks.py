"""System checks: what is missing in the settings, and what to write there."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

import warnings
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse

from torii_dynamodb.django.configuration import accounts, options
from torii_dynamodb.errors import ConfigurationError

__all__: list[str] = []

_OURS = "torii_dynamodb.django.middleware.ToriiMiddleware"
_THEIRS = "django.contrib.auth.middleware.AuthenticationMiddleware"


def check_settings(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Check ``TORII``, ``MIDDLEWARE``, the URLs and ``LOGIN_URL``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torii.W001 says the same
            accounts()
    except ConfigurationError as error:
        return [Error(str(error), hint='See docs/django.md, "Settings".', id="torii.E001")]
    return [*_middleware(), *_urls(), *_secret(), *_mirror()]


def _middleware() -> list[CheckMessage]:
    middleware = list(settings.MIDDLEWARE)
    if _OURS not in middleware:
        return [Error("ToriiMiddleware is not installed.", hint=f"Add {_OURS!r} to MIDDLEWARE.", id="torii.E002")]
    if _THEIRS in middleware[middleware.index(_OURS) :]:
        message = "AuthenticationMiddleware comes after ToriiMiddleware, and replaces its request.user."
        return [Error(message, hint=f"Move {_OURS!r} below {_THEIRS!r} in MIDDLEWARE.", id="torii.E003")]
    return []


def _urls() -> list[CheckMessage]:
    if options().get("pages") is None:
        return []
    try:
        ours = reverse("torii:sign-in")
    except NoReverseMatch:
        hint = 'Add path("", include("torii_dynamodb.django.urls")) to the URLs.'
        return [Error("The account pages have no URLs.", hint=hint, id="torii.E004")]
    if resolve_url(settings.LOGIN_URL).partition("?")[0] != ours:
        message = f"LOGIN_URL is {settings.LOGIN_URL!r}, so login_required does not lead to the account pages."
        return [Warning(message, hint='Set LOGIN_URL = "torii:sign-in".', id="torii.W002")]
    return []


def _secret() -> list[CheckMessage]:
    if options().get("secret") is not None:
        return []
    message = "TORII has no SECRET: there are no second factors, and a stranger who guesses can lock an owner out."
    hint = "Give 32 random bytes that stay the same, for example from secrets.token_urlsafe(32), in the environment."
    return [Warning(message, hint=hint, id="torii.W001")]


def _mirror() -> list[CheckMessage]:
    if options().get("mirror") is True and not apps.is_installed("django.contrib.auth"):
        hint = "Add 'django.contrib.auth' and 'django.contrib.contenttypes' to INSTALLED_APPS."
        return [Error("MIRROR needs the rows of django.contrib.auth.", hint=hint, id="torii.E005")]
    return []


def check_deployment(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Check what matters on the internet: ``manage.py check --deploy``."""
    try:
        site = accounts()
    except ConfigurationError:
        return []  # torii.E001 says so
    if not site.config.secure_cookies:
        message = (
            "WebConfig(secure_cookies=False) is for http on this machine: anybody on the way can read the session."
        )
        return [Warning(message, hint="Leave it out, and serve the site by https.", id="torii.W003")]
    return []
