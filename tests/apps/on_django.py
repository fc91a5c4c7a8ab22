"""The application on Django, under WSGI and under ASGI."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import tests.apps.django_project  # noqa: F401 - sets Django up
from tests.apps.support import PAGES, SITE, WEB, Ground, Site

from torii_dynamodb.django import services
from torii_dynamodb.events import Event


@contextmanager
def configured(ground: Ground, **options: Any) -> Iterator[Site]:
    """The project on this ground; without a client."""
    from django.test import override_settings

    given = {"web": WEB, "pages": PAGES, **ground.options, **options}
    with override_settings(TORII={"STORAGE": ground.storage, **{key.upper(): one for key, one in given.items()}}):
        site = Site(ground, httpx.Client)

        @services().events.on(Event)
        def hear(event: Event) -> None:
            site.heard.append(event.name)

        yield site


@contextmanager
def on_django(ground: Ground, **options: Any) -> Iterator[Site]:
    """The application on Django."""
    with configured(ground, **options) as site:
        app = importlib.import_module("django.core.wsgi").get_wsgi_application()
        site.connect = lambda **kept: httpx.Client(transport=httpx.WSGITransport(app=app), base_url=SITE, **kept)
        yield site
