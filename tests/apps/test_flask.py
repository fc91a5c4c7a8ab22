"""What Flask's extension has of its own: factories, error pages, the context of templates, wrong uses."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from tests.apps.support import COOKIE, PAGE, PAGES, SITE, WEB, Ground

from torii_dynamodb import DynamoDbConfig, Torii
from torii_dynamodb._wsgi.accounts import ServiceOptions
from torii_dynamodb.errors import ConfigurationError, ToriiError, Unavailable
from torii_dynamodb.fastapi.admin import Admin
from torii_dynamodb.flask import ToriiFlask, current_user, login_required


@pytest.fixture
def ground() -> Ground:
    """What the applications are on."""
    return Ground()


def factory(torii: ToriiFlask, ground: Ground, **options: Any) -> Flask:
    """An application made by a factory."""
    app = Flask("application")
    torii.init_app(app, ground.storage, web=WEB, pages=PAGES, **ground.options, **options)

    @app.get("/me")
    @login_required
    async def me() -> str:
        return current_user.email

    return app


def test_a_factory(ground: Ground) -> None:
    """``init_app`` adds accounts later; several applications of one process are apart."""
    torii = ToriiFlask()
    with pytest.raises(ConfigurationError, match="init_app"):
        _ = torii.services
    app = factory(torii, ground)
    client, user = app.test_client(), ground.user()
    client.set_cookie(COOKIE, ground.session(user).token, domain="app.example.com", secure=True)
    assert client.get("/me", base_url=SITE).text == user.email
    other = ToriiFlask()
    assert factory(other, Ground()).test_client().get("/me").status_code == 401
    torii.close()
    other.close()


def test_requests_that_share_an_application_context(ground: Ground) -> None:
    """Within one application context, as in tests, every request has its own user."""
    torii = ToriiFlask()
    app = factory(torii, ground)
    token = ground.session(ground.user()).token
    with app.app_context():
        client = app.test_client()
        for signed_in in (True, False, True):
            headers = {"Authorization": f"Bearer {token}"} if signed_in else {}
            assert client.get("/me", headers=headers).status_code == (200 if signed_in else 401)
        assert not current_user.is_authenticated
        assert repr(current_user) == "<CurrentUser nobody>"


def test_an_own_page_for_an_error(ground: Ground) -> None:
    """The application's own handler of a status shows the library's errors to people; its own for a class wins."""
    app = factory(ToriiFlask(), ground)

    @app.get("/fails")
    def fails() -> str:
        raise ConfigurationError("who knows")

    assert app.test_client().get("/fails", headers=PAGE).status_code == 500
    app = factory(ToriiFlask(), ground)
    app.add_url_rule("/fails", "fails", fails)
    app.register_error_handler(500, lambda error: (f"sorry: {error.description}", 500))
    shown = app.test_client().get("/fails", headers=PAGE)
    assert shown.text == "sorry: something went wrong; the error was logged"
    app = factory(ToriiFlask(), ground)
    app.add_url_rule("/fails", "fails", fails)
    app.register_error_handler(ToriiError, lambda error: (error.code, 418))
    assert app.test_client().get("/fails").text == "configuration_error"


def test_without_pages(ground: Ground) -> None:
    """Without pages there are only JSON routes, and browsers get a problem, too."""
    app = Flask("application")
    ToriiFlask(app, ground.storage, web=WEB, **ground.options)
    app.add_url_rule("/me", "me", login_required(lambda: ""))
    browser = app.test_client()
    assert browser.get("/auth/sign-in").status_code == 404
    assert browser.get("/me", headers=PAGE).status_code == 401
    assert "not_signed_in" in browser.get("/api/auth/me").text


def test_wrong_uses(ground: Ground) -> None:
    """What is missing is named."""
    with pytest.raises(ConfigurationError, match="storage"):
        ToriiFlask(Flask("application"))
    with pytest.raises(ConfigurationError, match="init_app"):
        ToriiFlask(None, DynamoDbConfig())
    app = Flask("application")
    app.add_url_rule("/", "home", login_required(lambda: ""))
    app.testing = True
    with pytest.raises(ConfigurationError, match="ToriiFlask"):
        app.test_client().get("/")
    admin = Admin({"ops@example.com"})
    with pytest.raises(ConfigurationError, match="pages"):
        ToriiFlask(Flask("application"), ground.storage, admin=admin, **ground.options)


def test_nothing_is_opened_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making the application makes no connection and starts no thread, so that a server may fork."""
    from torii_dynamodb import DynamoDbStorage

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(DynamoDbStorage, "initialize", refuse)
    ground = Ground()
    torii = ToriiFlask(Flask("application"), DynamoDbConfig(), web=WEB, pages=PAGES, **ground.options)
    torii.services.events.on()(lambda event: None)
    torii.close()


def test_the_options_are_those_of_the_services() -> None:
    """Every option of ``Torii`` can be given to the extensions, and there is no other."""
    import inspect

    of_services = set(inspect.signature(Torii).parameters) - {"storage"}
    assert set(ServiceOptions.__annotations__) == of_services


@pytest.mark.parametrize("fault", ["another site", "the storage is down"])
def test_an_own_error_page_that_shows_the_user(ground: Ground, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """An error page whose navigation asks for the current user shows nobody, and fails no second time."""
    torii = ToriiFlask()
    app = factory(torii, ground)
    for code in (403, 503):
        app.register_error_handler(code, lambda error: (f"nobody: {current_user.is_anonymous}", error.code))
    client = app.test_client()
    client.set_cookie(COOKIE, ground.session(ground.user()).token, domain="app.example.com", secure=True)

    def down(token: str) -> None:
        raise Unavailable("no connection", attempts=1)

    if fault == "another site":
        found = client.post("/me", base_url=SITE, headers=PAGE | {"Sec-Fetch-Site": "cross-site"})
    else:
        monkeypatch.setattr(torii.services, "get_signed_in", down)
        found = client.get("/me", base_url=SITE, headers=PAGE)
    assert (found.status_code, found.text) == (403 if fault == "another site" else 503, "nobody: True")
    torii.close()


def test_options_is_no_way_around_a_decorator(ground: Ground) -> None:
    """A view that handles ``OPTIONS`` itself is guarded there, too: the method would run it for anybody otherwise."""
    app = factory(ToriiFlask(), ground)
    app.add_url_rule("/secret", "secret", login_required(lambda: "secret"), methods=["GET", "OPTIONS"])
    refused = app.test_client().options("/secret")
    assert (refused.status_code, b"not_signed_in" in refused.data) == (401, True)
    assert app.test_client().options("/me").status_code == 200  # Flask's own answer
