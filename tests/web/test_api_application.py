"""The dependencies and the middleware in an application, the example on an engine, and fuzzed requests."""

from __future__ import annotations

import importlib.util
import re
import sys
from datetime import timedelta
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import Depends, FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocket
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting
from tests.services.authenticator import ORIGIN, RP_ID
from tests.web.api import API, SITE, UNLIMITED, Site, problem

from torii_dynamodb import DynamoDbConfig, Session, SignedIn, User
from torii_dynamodb._async.storage.handle import AsyncDynamoDbStorage
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import Problem, ToriiMiddleware, WebConfig, dynamodb, render_problem
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.passkeys import PasskeySettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def own_routes(site: Site) -> None:
    """An application's own routes, one for each dependency."""
    auth, app = site.auth, site.app

    @app.get("/user")
    async def user(user: User = Depends(auth.current_user)) -> str:
        return user.id

    @app.post("/both")
    async def both(
        user: User = Depends(auth.current_user),
        session: Session = Depends(auth.current_session),
        maybe: User | None = Depends(auth.optional_user),
    ) -> bool:
        return user.id == session.user_id and maybe == user

    @app.get("/optional")
    async def optional(user: User | None = Depends(auth.optional_user)) -> str | None:
        return None if user is None else user.id

    @app.get("/verified")
    async def verified(user: User = Depends(auth.require_verified)) -> str:
        return user.id

    @app.get("/recent")
    async def recent(user: User = Depends(auth.require_recent_sign_in(timedelta(minutes=1)))) -> str:
        return user.id


async def test_the_dependencies() -> None:
    """Each admits the right callers, and refuses the others with its own status."""
    site = Site(require_verified_to_sign_in=False)
    own_routes(site)
    user = await site.user(verified=False)
    async with site.browser() as browser:
        assert (await browser.get("/optional")).json() is None
        refused = await browser.get("/user")
        assert (refused.status_code, refused.json()) == (401, {"detail": "sign in to do this"})
        assert refused.headers["www-authenticate"].startswith("Bearer")
        await site.signed_in(browser)
        for path in ("/user", "/optional", "/recent"):
            assert (await browser.get(path)).json() == user.id
        assert (await browser.get("/verified")).status_code == 403
        site.here.clock.advance(timedelta(minutes=2))
        assert (await browser.get("/recent")).status_code == 403
        assert (await browser.get("/user")).status_code == 200
        await site.torii.storage.mark_email_verified(user.id, email=user.email)
        assert (await browser.get("/verified")).status_code == 200
    site = Site()
    own_routes(site)
    site.app.add_exception_handler(Problem, render_problem)
    async with site.browser() as browser:
        problem(await browser.get("/user"), 401, "not_signed_in")


@pytest.mark.parametrize("which", ["auth.require_recent_sign_in", "requirements.recent", "auth.require_second_factor"])
def test_a_maker_of_dependencies_is_no_dependency(which: str) -> None:
    """Without being called it would admit everyone, so the route cannot be defined."""
    site = Site()
    maker = attrgetter(which.removeprefix("auth."))(site.auth)

    async def danger() -> None:
        """A route."""

    with pytest.raises(ConfigurationError, match="call it"):
        site.app.get("/danger", dependencies=[Depends(maker)])(danger)


async def test_the_dependencies_of_a_websocket() -> None:
    """They work in WebSocket routes: a refused connection is denied before it opens."""
    extensions: dict[str, Any] = {"websocket.http.response": {}}
    site = Site()
    user = await site.user()
    session = await site.torii.create_session(user)

    @site.app.websocket("/ws")
    async def talk(websocket: WebSocket, user: User = Depends(site.auth.current_user)) -> None:
        await websocket.accept()
        await websocket.send_json(user.id)
        await websocket.close()

    @site.app.websocket("/recent")
    async def recent(websocket: WebSocket, user: User = Depends(site.auth.require_recent_sign_in())) -> None:
        await websocket.accept()
        await websocket.close()

    cookie = f"__Host-torii={session.token}"
    for headers in ({"cookie": cookie, "origin": SITE}, {"authorization": f"Bearer {session.token}"}):
        opened = await web_socket(site.app, headers, extensions)
        assert [message["type"] for message in opened] == ["websocket.accept", "websocket.send", "websocket.close"]
        assert opened[1]["text"] == f'"{user.id}"'
    site.here.clock.advance(timedelta(hours=1))
    denials = [
        (401, await web_socket(site.app, {}, extensions)),
        (403, await web_socket(site.app, {"cookie": cookie, "origin": "https://evil.example"}, extensions)),
        (403, await web_socket(site.app, {"cookie": cookie, "origin": SITE}, extensions, "/recent")),
    ]
    for status, denied in denials:
        assert denied[0]["status"] == status
        assert {message["type"] for message in denied} == {
            "websocket.http.response.start",
            "websocket.http.response.body",
        }


async def test_one_check_a_request() -> None:
    """A request costs one storage call, whether or not several dependencies and the middleware check the session."""
    site = Site()
    own_routes(site)
    site.app.add_middleware(ToriiMiddleware, web=site.auth.web)
    await site.user()
    async with site.browser() as browser:
        site.counting.taken()
        await browser.get("/optional")
        assert not site.counting.taken(), "without a token nothing is asked"
        await site.signed_in(browser)
        site.counting.taken()
        assert (await browser.post("/both")).json() is True
        assert site.counting.taken() == {"get_signed_in": 1}


async def test_other_sites_requests_to_ones_own_routes() -> None:
    """The dependencies include the protection against requests from other sites."""
    site = Site()
    own_routes(site)
    await site.user()
    async with site.browser() as browser, site.browser(origin="https://evil.example") as elsewhere:
        await site.signed_in(browser)
        elsewhere.cookies = browser.cookies
        assert (await elsewhere.post("/both")).status_code == 403
        assert (await browser.post("/both")).status_code == 200


async def test_sliding_sessions() -> None:
    """A session in use is extended, at most once an hour, and the cookie is then set again."""
    site = Site()
    own_routes(site)
    await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        first = await browser.get("/user")
        assert "set-cookie" not in first.headers
        for _ in range(3):
            site.here.clock.advance(timedelta(days=6))
            site.counting.taken()
            moved = await browser.get("/user")
            assert moved.headers["set-cookie"].startswith("__Host-torii=torii_s1_")
            assert site.counting.taken() == {"get_signed_in": 1, "refresh_session": 1}
            assert "set-cookie" not in (await browser.get("/user")).headers
        site.here.clock.advance(timedelta(days=8))
        assert (await browser.get("/user")).status_code == 401, "idle for a week"


def starlette_app(site: Site) -> Starlette:
    """An application without FastAPI."""

    async def who(request: Request) -> JSONResponse:
        user = request.state.user
        return JSONResponse({"user": None if user is None else user.id, "session": request.state.session is not None})

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(None if websocket.state.user is None else websocket.state.user.id)
        await websocket.close()

    app = Starlette(routes=[Route("/who", who, methods=["GET", "POST"]), WebSocketRoute("/ws", socket)])
    app.add_middleware(ToriiMiddleware, torii=site.torii, config=WebConfig(registration="off"))
    return app


async def test_the_middleware() -> None:
    """request.state has user and session; other sites' requests are refused; an extended cookie is set again."""
    site = Site()
    user = await site.user()
    session = await site.torii.create_session(user)
    transport = httpx.ASGITransport(starlette_app(site))
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        assert (await client.get("/who")).json() == {"user": None, "session": False}
        client.cookies.set("__Host-torii", session.token)
        assert (await client.get("/who")).json() == {"user": user.id, "session": True}
        problem(await client.post("/who"), 403, "cross_site")
        assert (await client.post("/who", headers={"Origin": SITE})).status_code == 200
        site.here.clock.advance(timedelta(days=1))
        moved = await client.get("/who")
        assert moved.headers["set-cookie"].startswith("__Host-torii=torii_s1_")
        await site.torii.delete_session(session.token)
        assert (await client.get("/who")).json()["user"] is None


async def test_websockets() -> None:
    """A WebSocket opens for the site's own pages, with the user, but never for another site's page with the cookie."""
    site = Site()
    user = await site.user()
    session = await site.torii.create_session(user)
    cookie = f"__Host-torii={session.token}"
    opened = await web_socket(starlette_app(site), {"cookie": cookie, "origin": SITE})
    assert [message["type"] for message in opened] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert opened[1]["text"] == f'"{user.id}"'
    refused = await web_socket(starlette_app(site), {"cookie": cookie, "origin": "https://evil.example"})
    assert [message["type"] for message in refused] == ["websocket.close"]


async def web_socket(
    app: ASGIApp, headers: dict[str, str], extensions: dict[str, Any] | None = None, path: str = "/ws"
) -> list[Message]:
    """What an application sends to a connecting WebSocket, as a server receives it."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "extensions": extensions or {},
        "query_string": b"",
        "headers": [(b"host", b"app.example.com")]
        + [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    return sent


def load(path: Path) -> ModuleType:
    """Import a module afresh by its file."""
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def aws(dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a program that uses the engine."""
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL_DYNAMODB": dynoxide.endpoint_url,
        "TORII_SECRET": "s" * 43,
    }.items():
        monkeypatch.setenv(name, value)
    return table_prefix


async def test_the_ten_lines(aws: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The unchanged FastAPI example on the engine: a person registers, verifies, signs in, is greeted, signs out."""
    assert aws
    module = load(EXAMPLES / "fastapi_app" / "app.py")
    app: FastAPI = module.app
    email = f"{aws}@example.com"
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://localhost:8000",
            headers={"Origin": "http://localhost:8000"},
        ) as browser,
    ):
        body = {"email": email, "password": PASSWORD, "name": "Ada"}
        assert (await browser.post(f"{API}/register", json=body)).status_code == 202
        await module.torii.wait_for_mail()
        mailed = re.search(r"verify-email\?token=(\S+)", capsys.readouterr().err)
        assert mailed is not None
        assert (await browser.get("/")).status_code == 401
        body.pop("name")
        assert (await browser.post(f"{API}/sign-in", json=body)).status_code == 401
        link = {"token": mailed[1]}
        assert (await browser.post(f"{API}/email/verification/complete", json=link)).status_code == 200
        assert (await browser.post(f"{API}/sign-in", json=body)).status_code == 200
        assert (await browser.get("/")).json() == "Hello Ada"
        assert (await browser.post(f"{API}/sessions/end-all")).status_code == 204
        assert (await browser.get("/")).status_code == 401


async def test_a_storage_that_is_opened_later(aws: str) -> None:
    """It opens when the application starts and closes when it ends, and can be opened again."""
    site = Site()
    storage: Any = dynamodb(DynamoDbConfig(table_prefix=aws))
    site.torii.storage = storage
    for _ in range(2):
        async with site.app.router.lifespan_context(site.app):
            assert storage._handles
            assert await site.torii.get_user("usr_nobody") is None
        assert not storage._handles


async def test_on_the_engine(aws: str) -> None:
    """On the engine, a signed-in user's request costs one request; a sign-in costs six, including the IP limit."""
    sent: list[str] = []
    config = DynamoDbConfig(table_prefix=aws, on_call=lambda record: sent.append(record.operation))
    async with AsyncDynamoDbStorage.open(config) as storage:
        site = Site(WebConfig(), here=AsyncSetting(storage=storage, clock=config.clock))
        async with site.browser() as browser:
            await browser.post(f"{API}/register", json={"email": EMAIL, "password": PASSWORD})
            link = {"token": await site.mailed("verify_email")}
            assert (await browser.post(f"{API}/email/verification/complete", json=link)).status_code == 200
            sent.clear()
            await site.signed_in(browser)
            assert sorted(sent) == ["DeleteItem", "GetItem", "GetItem", "PutItem", "UpdateItem", "UpdateItem"]
            sent.clear()
            assert (await browser.get(f"{API}/me")).status_code == 200
            assert sent == ["BatchGetItem"]
            assert (await browser.post(f"{API}/sessions/end-all")).status_code == 204
            problem(await browser.get(f"{API}/me"), 401, "not_signed_in")
        await site.torii.close()


async def test_schemathesis() -> None:
    """No request causes a 5xx response, and every response is one that OpenAPI describes."""
    passkeys = PasskeySettings(rp_id=RP_ID, rp_name="Example", origins=[ORIGIN])
    site = Site(WebConfig(ip_limit=UNLIMITED), passkeys=passkeys, lockout=UNLIMITED)
    user = await site.user()
    session = await site.torii.create_session(user)

    async def always_signed_in(_: str) -> SignedIn:
        return SignedIn(user, session)

    # Otherwise the first sign-out would hide what the others do.
    site.counting.get_signed_in = always_signed_in  # type: ignore[attr-defined]
    headers = {"Authorization": f"Bearer {session.token}"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", site.app)
    tried = 0
    for operation in schema.get_all_operations():
        api = operation.ok()  # type: ignore[union-attr]

        @settings(
            max_examples=8, deadline=None, database=None, derandomize=True,
            phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=api.as_strategy())
        def fuzz(case: schemathesis.Case[Any]) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(
                headers=headers, checks=[not_a_server_error, response_schema_conformance, content_type_conformance]
            )

        fuzz()
    assert tried > 200
