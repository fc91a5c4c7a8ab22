"""The middleware for Powertools' event handler, with its resolvers for every format."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import (
    ALBResolver,
    APIGatewayHttpResolver,
    APIGatewayRestResolver,
    LambdaFunctionUrlResolver,
)
from aws_lambda_powertools.event_handler.api_gateway import Router
from tests.lambda_events import event, headers_of
from tests.services._sync.support import Setting
from tests.services._sync.test_jwt import pem

from torii_dynamodb.aws_lambda.powertools import caller_of, signed_in, user_of
from torii_dynamodb.errors import ConfigurationError, Throttled, Unavailable
from torii_dynamodb.jwt import JwtKey, JwtSettings

RESOLVERS: dict[str, Callable[[], Any]] = {
    "rest": APIGatewayRestResolver,
    "http2": APIGatewayHttpResolver,
    "url": LambdaFunctionUrlResolver,
    "alb": ALBResolver,
    "alb-multi": ALBResolver,
}
ALL = pytest.mark.parametrize("form", RESOLVERS)
HERE = {"sec-fetch-site": "same-origin"}


class App:
    """An application behind one of the resolvers, and somebody who is signed in."""

    def __init__(self, form: str, **options: Any) -> None:
        jwt = JwtSettings(
            issuer="https://app.example.com",
            audience="api",
            keys=[JwtKey(kid="k", algorithm="ES256", private_key=pem("ES256")[0])],
        )
        self.torii = Setting(jwt=jwt).torii
        self.user = self.torii.password.register("ada@example.com", "correct horse battery staple")
        self.session = self.torii.create_session(self.user)
        self.token = self.session.token
        self.form = form
        self.handler = app = RESOLVERS[form]()
        self.ran = 0

        def mine() -> dict[str, Any]:
            self.ran += 1
            caller = caller_of(app)
            if caller is None:
                return {"user": None}
            assert app.context["user"] is user_of(app) is caller.user
            return {"user": user_of(app).id, "session": caller.session_id, "transport": caller.transport}

        for route in (app.get, app.post):
            route("/mine", middlewares=[signed_in(self.torii, **options)])(mine)
        app.get("/open")(mine)

    def ask(self, path: str = "/mine", method: str = "GET", **options: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers of a response."""
        answer = self.handler(event(self.form, method, path, **options), object())
        return answer["statusCode"], json.loads(answer["body"]), dict(headers_of(answer))


@ALL
def test_whoever_is_signed_in_gets_through(form: str) -> None:
    """By bearer and by cookie; the route finds user and session in the context."""
    app = App(form)
    expected = {"user": app.user.id, "session": app.session.id}
    bearer = app.ask(headers={"Authorization": f"Bearer {app.token}"})
    assert bearer[:2] == (200, expected | {"transport": "bearer"})
    cookie = app.ask(cookies=[f"theme=dark; __Host-torii={app.token}"])
    assert cookie[:2] == (200, expected | {"transport": "cookie"})
    posted = app.ask(method="POST", cookies=[f"__Host-torii={app.token}"], headers=HERE)
    assert posted[:2] == (200, expected | {"transport": "cookie"})


@ALL
def test_nobody_gets_401(form: str) -> None:
    """Without a valid credential the route does not run, and nothing is left of the previous request."""
    app = App(form)
    assert app.ask(headers={"Authorization": f"Bearer {app.token}"})[0] == 200
    app.torii.delete_sessions_for_user(app.user.id)
    for options in (
        {},
        {"headers": {"Authorization": f"Bearer {app.token}"}},
        {"headers": {"Authorization": f"Basic {app.token}"}},
        {"cookies": [f"__Host-torii={app.token}"]},
        {"cookies": [f"torii={app.token}"]},
    ):
        status, body, headers = app.ask(**options)
        assert (status, body["code"]) == (401, "not_signed_in")
        assert headers["www-authenticate"].startswith("Bearer")
        assert headers["content-type"] == "application/problem+json"
        assert headers["cache-control"] == "no-store"
    assert app.ran == 1
    assert app.ask("/open")[1] == {"user": None}


@ALL
def test_another_site_gets_403(form: str) -> None:
    """A request that another site made the browser send with its cookie is refused, unless the site is trusted."""
    app = App(form)
    cookie = [f"__Host-torii={app.token}"]
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example.com"}, {}):
        assert app.ask(method="POST", cookies=cookie, headers=headers)[1]["code"] == "cross_site"
    trusting = App(form, trusted_origins=["https://front.example.com"])
    cookie = [f"__Host-torii={trusting.token}"]
    assert trusting.ask(method="POST", cookies=cookie, headers={"origin": "https://front.example.com"})[0] == 200


@ALL
def test_access_tokens_where_they_are_accepted(form: str) -> None:
    """An access token counts only if "jwt" is among the transports, and ends with its session."""
    app = App(form, transports=["jwt"])
    access = {"Authorization": f"Bearer {app.torii.jwt.issue(app.user, app.session).token}"}
    assert app.ask(headers=access)[1]["transport"] == "jwt"
    assert app.ask(headers={"Authorization": f"Bearer {app.token}"})[0] == 401
    assert App(form).ask(headers=access)[0] == 401
    app.torii.sessions.end(app.token)
    assert app.ask(headers=access)[0] == 401


@ALL
def test_nobody_is_let_through_where_that_is_wanted(form: str) -> None:
    """With optional=True the route finds nobody in the context; a forged request is still refused."""
    app = App(form, optional=True)
    assert app.ask(headers={"Authorization": f"Bearer {app.token}"})[1]["user"] == app.user.id
    assert app.ask()[:2] == (200, {"user": None})
    assert app.ask(method="POST", cookies=[f"__Host-torii={app.token}"])[0] == 403


@ALL
@pytest.mark.parametrize("error", [Unavailable("no answer", attempts=3), Throttled("slow down", attempts=3)])
def test_a_storage_that_cannot_be_reached(form: str, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither 200 nor 401, which would sign people out, but 503, and the details stay in the log."""
    app = App(form)

    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(app.torii, "get_signed_in", fail)
    status, body, headers = app.ask(headers={"Authorization": f"Bearer {app.token}"})
    assert (status, body["code"], headers["retry-after"]) == (503, "unavailable", "1")
    assert str(error) not in json.dumps(body)
    assert app.ran == 0


def test_for_all_routes_and_in_routers() -> None:
    """The middleware works for a whole application, and the user is found through a router, too."""
    app = App("url")
    router = Router()  # type: ignore[no-untyped-call] # it has no annotations

    @router.get("/routed")
    def routed() -> dict[str, str]:
        return {"user": user_of(router).id}

    app.handler.use([signed_in(app.torii)])
    app.handler.include_router(router)
    assert app.ask("/routed")[0] == app.ask("/open")[0] == 401
    assert app.ask("/routed", headers={"Authorization": f"Bearer {app.token}"})[1] == {"user": app.user.id}


def test_a_long_body_is_the_route_s_business() -> None:
    """The middleware does not read the body."""
    app = App("url")
    headers = {"Authorization": f"Bearer {app.token}"}
    assert app.ask(method="POST", headers=headers, body=b"x" * 1_000_000)[0] == 200


def test_a_route_that_is_not_behind_the_middleware() -> None:
    """Asking for the user there is reported as a mistake of the application, not answered with somebody."""
    with pytest.raises(ConfigurationError, match="signed_in"):
        user_of(APIGatewayHttpResolver())


def test_powertools_is_needed_only_when_it_is_used() -> None:
    """The module is imported without Powertools; the function says what to install."""
    code = (
        "import sys; sys.modules['aws_lambda_powertools'] = None\n"
        "from torii_dynamodb.aws_lambda.powertools import signed_in\n"
        "from torii_dynamodb.errors import ConfigurationError\n"
        "try: signed_in(None)\n"
        "except ConfigurationError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install aws-lambda-powertools" in done.stdout
