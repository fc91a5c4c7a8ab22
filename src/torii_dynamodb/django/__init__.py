"""Django: account pages, ``request.user``, decorators, system checks. See docs/django.md.

``torii_dynamodb.django`` goes into ``INSTALLED_APPS``, ``torii_dynamodb.django.middleware.ToriiMiddleware`` into
``MIDDLEWARE``, and ``include("torii_dynamodb.django.urls")`` into the URLs. ``TORII`` in the settings configures it.
"""

from __future__ import annotations

from torii_dynamodb._web.settings import WebConfig
from torii_dynamodb.fastapi.pages.settings import PagesConfig

try:
    from torii_dynamodb.django.configuration import accounts, services
    from torii_dynamodb.django.mail import DjangoMailer
    from torii_dynamodb.django.requests import browser, login, logout
    from torii_dynamodb.django.users import ToriiUser
except ModuleNotFoundError as error:
    if error.name in ("asgiref", "django"):
        raise ImportError("the Django integration needs Django: pip install 'torii-dynamodb[django]'") from error
    raise

__all__ = [
    "DjangoMailer",
    "PagesConfig",
    "ToriiUser",
    "WebConfig",
    "accounts",
    "browser",
    "login",
    "logout",
    "services",
]
