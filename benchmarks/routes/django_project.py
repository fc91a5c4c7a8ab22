"""A Django project with one route: the middleware of docs/django.md, and no database."""

import django
from django.conf import settings
from django.urls import path


def project(urls, *middleware, **more):
    """Set Django up. The module ``urls`` has the ``urlpatterns``."""
    settings.configure(
        SECRET_KEY="k" * 50,
        ALLOWED_HOSTS=["127.0.0.1"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            *middleware,
        ],
        ROOT_URLCONF=urls,
        **more,
    )
    django.setup()


def routes(view):
    """Return the URL patterns."""
    return [path("me", view)]
