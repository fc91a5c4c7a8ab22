"""The application on Flask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
from flask import Flask, render_template_string, request
from tests.apps.support import PAGES, SITE, WEB, Ground, Site

from torii_dynamodb.events import Event
from torii_dynamodb.flask import (
    ToriiFlask,
    current_user,
    login,
    login_required,
    logout,
    recent_required,
    second_factor_required,
    verified_required,
)

TEMPLATE = "{% if current_user.is_authenticated %}{{ current_user.name }}{% endif %}|{{ torii.path('sign-in') }}"


@contextmanager
def on_flask(ground: Ground, **options: Any) -> Iterator[Site]:
    """The application on Flask."""
    app = Flask("application")
    torii = ToriiFlask(app, ground.storage, **{"web": WEB, "pages": PAGES, **ground.options, **options})
    site = Site(ground, lambda **kept: httpx.Client(transport=httpx.WSGITransport(app=app), base_url=SITE, **kept))

    @torii.services.events.on(Event)
    def hear(event: Event) -> None:
        site.heard.append(event.name)

    def who() -> dict[str, Any]:
        return {"email": current_user.email or None, "ip": torii.browser.ip_address}

    for path, decorated in {
        "/open": who,
        "/me": login_required(who),
        "/verified": verified_required(who),
        "/recent": recent_required(who),
        "/recent-minute": recent_required(timedelta(minutes=1))(who),
        "/factor": second_factor_required(who),
        "/factor-minute": second_factor_required(timedelta(minutes=1))(who),
    }.items():
        app.add_url_rule(path, path, decorated, methods=["GET", "POST"])

    @app.get("/page")
    def page() -> str:
        return render_template_string(TEMPLATE)

    @app.post("/own-sign-in")
    def own_sign_in() -> dict[str, Any]:
        result = torii.services.password.authenticate(
            request.form["email"], request.form["password"], browser=torii.browser
        )
        return {"signed_in": login(result), "email": current_user.email or None}

    @app.post("/own-sign-out")
    def own_sign_out() -> dict[str, Any]:
        logout()
        return who()

    yield site
    torii.close()
