"""When the storage is opened and closed: servers, Lambda (Mangum), mounted applications, plain Starlette."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from mangum import Mangum
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message
from tests.lambda_events import FORMATS, PEER, event, headers_of
from tests.services._async.support import SECRET, QuickHasher, settings
from tests.web.api import API, SITE, UNLIMITED, problem

from torii_dynamodb import AsyncTorii, DynamoDbConfig, NewUser, User
from torii_dynamodb.errors import AccessDenied, ConfigurationError, Unavailable, ValidationError
from torii_dynamodb.fastapi import AuthRouter, ToriiMiddleware, WebConfig, dynamodb, router
from torii_dynamodb.fastapi.storage import close_storage
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.mail import AsyncMemoryMailer
from torii_dynamodb.oauth import google
from torii_dynamodb.testing import AsyncMemoryStorage


class Recorded:
    """Services on an engine, opened when needed, and their requests.

    Attributes:
        sent: The operations since the last :meth:`taken`.
        torii: The services.
    """

    def __init__(self, engine: LocalEngine, prefix: str, **options: Any) -> None:
        self.sent: list[str] = []
        config = engine.config(table_prefix=prefix, on_call=lambda record: self.sent.append(record.operation))
        self.torii = AsyncTorii(dynamodb(config), hasher=QuickHasher(), **({"secret": SECRET} | options))
        self.auth: AuthRouter = router(self.torii, config=WebConfig(registration="direct", ip_limit=UNLIMITED))

    def taken(self) -> list[str]:
        """The operations since this was last called."""
        sent, self.sent[:] = sorted(self.sent), []
        return sent

    def app(self) -> FastAPI:
        """An application with the routes and one of its own."""
        app = FastAPI()
        app.include_router(self.auth)

        @app.get("/mine")
        async def mine(user: User = Depends(self.auth.current_user)) -> str:
            return user.id

        return app

    async def token(self) -> str:
        """A session's token."""
        user = await self.torii.password.register("ada@example.com", "correct horse battery staple")
        return (await self.torii.create_session(user)).token or ""


@pytest.fixture
def here(dynoxide: LocalEngine, table_prefix: str) -> Recorded:
    """Services on the engine."""
    return Recorded(dynoxide, table_prefix)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The event loop of a Lambda function, which is paused between invocations."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    made.close()


def invoke(handler: Mangum, path: str, token: str, form: str = "url") -> dict[str, Any]:
    """An invocation."""
    sent = event(form, path=path, headers={"authorization": f"Bearer {token}"})
    return handler(sent, object())  # type: ignore[arg-type] # nothing reads the context


@pytest.mark.parametrize("lifespan", ["auto", "on", "off"])
@pytest.mark.parametrize("on_lambda", [True, False])
def test_mangum(
    here: Recorded, loop: asyncio.AbstractEventLoop, lifespan: Any, on_lambda: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the adapter runs the lifespan, a warm request costs one DynamoDB request, none to the control plane.

    Whatever is in front of the function, and on Lambda over one handle, which the process opens once.
    """
    if on_lambda:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "app")
    storage: Any = here.torii.storage
    opened: list[Any] = []
    open_one = storage._open

    async def counted() -> Any:
        opened.append(await open_one())
        return opened[-1]

    monkeypatch.setattr(storage, "_open", counted)
    token = loop.run_until_complete(here.token())
    handler = Mangum(here.app(), lifespan=lifespan)
    invoke(handler, "/mine", token)
    here.taken()
    for form in FORMATS:
        for path in ("/mine", f"{API}/me"):
            answer = invoke(handler, path, token, form)
            assert answer["statusCode"] == 200, answer
            assert here.taken() == ["BatchGetItem"]
    assert len(opened) == 1 or (not on_lambda and lifespan != "off")
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    loop.run_until_complete(here.auth.web.end())


@pytest.mark.parametrize("form", FORMATS)
def test_a_sign_in_under_mangum(dynoxide: LocalEngine, table_prefix: str, form: str) -> None:
    """Sign-up, cookies in every format, the session in the next invocation, sign-out, each in its own event loop."""
    here = Recorded(dynoxide, table_prefix)
    app = here.app()
    person = {"email": "ada@example.com", "password": "correct horse battery staple"}
    jar: dict[str, str] = {}

    def call(method: str, path: str, sent: dict[str, str] | None = None) -> dict[str, Any]:
        made = asyncio.new_event_loop()
        asyncio.set_event_loop(made)
        try:
            headers = {"content-type": "application/json", "sec-fetch-site": "same-origin", "host": "app.example.com"}
            headers["x-forwarded-for"] = "192.0.2.66"  # made up by the client
            body = None if sent is None else json.dumps(sent).encode()
            cookies = ["; ".join(f"{name}={value}" for name, value in jar.items())] if jar else []
            asked = event(form, method, path, headers=headers, cookies=cookies, body=body)
            answer = Mangum(app)(asked, object())  # type: ignore[arg-type] # nothing reads the context
        finally:
            made.run_until_complete(here.auth.web.end())
            asyncio.set_event_loop(None)
            made.close()
        for name, value in headers_of(answer):
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                jar[key] = rest.partition(";")[0].strip('"')
        return answer

    assert call("POST", f"{API}/register", person)["statusCode"] == 201
    signed_in = call("POST", f"{API}/sign-in", person)
    assert signed_in["statusCode"] == 200, signed_in
    assert jar["__Host-torii"].startswith("torii_s1_")
    assert call("GET", "/mine")["statusCode"] == 200
    sessions = json.loads(call("GET", f"{API}/sessions")["body"])
    assert [one["ip_address"] for one in sessions["sessions"]] == [PEER]
    assert call("POST", f"{API}/sign-out")["statusCode"] == 204
    assert call("GET", "/mine")["statusCode"] == 401


def test_a_cold_start(dynoxide: LocalEngine, table_prefix: str, loop: asyncio.AbstractEventLoop) -> None:
    """The first invocation verifies the tables once; with create_tables=False it sends no request for that."""
    first = Recorded(dynoxide, table_prefix)
    token = loop.run_until_complete(first.token())
    loop.run_until_complete(first.auth.web.end())
    cold = Recorded(dynoxide, table_prefix)
    assert invoke(Mangum(cold.app()), "/mine", token)["statusCode"] == 200
    assert set(cold.sent) == {"DescribeTable", "DescribeTimeToLive", "BatchGetItem"}
    loop.run_until_complete(cold.auth.web.end())


def test_the_connection_outlives_an_invocation(
    here: Recorded, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Lambda the end of the lifespan closes nothing, but waits for work that would freeze with the process."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "app")
    token = loop.run_until_complete(here.token())
    handler = Mangum(here.app())
    invoke(handler, "/mine", token)
    storage: Any = here.torii.storage
    before = loop.run_until_complete(storage.handle())
    ended: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        ended.append("done")

    loop.run_until_complete(_spawn(before, work))
    invoke(handler, "/mine", token)
    assert ended == ["done"]
    assert loop.run_until_complete(storage.handle()) is before
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    loop.run_until_complete(here.auth.web.end())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # about connections nobody could close
def test_a_new_loop_for_each_invocation(
    dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter that closes its event loop after each invocation, and nothing else, gets an answer each time."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "app")

    def invocations() -> None:
        here = Recorded(dynoxide, table_prefix)
        token = asyncio.run(here.token())
        handler = Mangum(here.app())
        asyncio.get_event_loop().close()  # the adapter has made one, and would leave it
        for _ in range(3):
            made = asyncio.new_event_loop()
            asyncio.set_event_loop(made)
            here.taken()
            assert invoke(handler, "/mine", token)["statusCode"] == 200
            assert here.taken() == ["BatchGetItem"]
            asyncio.set_event_loop(None)
            made.close()

    invocations()
    # Nobody could close these. When they are collected, during another test, the warnings about them would be errors.
    for one in gc.get_objects():
        if isinstance(one, asyncio.Transport) and (sock := getattr(one, "_sock", None)) is not None:
            sock.close()
            one._sock = None  # type: ignore[attr-defined]


async def _spawn(handle: Any, work: Any) -> None:
    handle._background.spawn(work, "a test")


def test_a_new_loop_for_each_request(here: Recorded) -> None:
    """Adapters and test clients with an event loop per request work; the tables are verified once."""
    app = here.app()

    async def begin() -> str:
        token = await here.token()
        await here.auth.web.end()
        return token

    token = asyncio.run(begin())

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
            answer = await client.get("/mine", headers={"Authorization": f"Bearer {token}"})
        await here.auth.web.end()
        return answer.status_code

    asyncio.run(ask())
    here.taken()
    for _ in range(2):
        assert asyncio.run(ask()) == 200
        assert here.taken() == ["BatchGetItem"]


def test_two_loops_at_once(here: Recorded) -> None:
    """Two loops of one process, used in turns, each have their own connections."""
    loops = [asyncio.new_event_loop(), asyncio.new_event_loop()]
    token = loops[0].run_until_complete(here.token())
    for loop in (*loops, *loops):
        assert loop.run_until_complete(here.torii.get_signed_in(token)) is not None
    for loop in loops:
        loop.run_until_complete(here.auth.web.end())
        loop.close()


def test_a_loop_that_went_without_a_word(here: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handle whose loop was closed is dropped, so handles do not pile up with new loops."""
    storage: Any = here.torii.storage

    class Handle:
        async def get_user(self, _: str) -> None:
            """Nobody."""

    async def opened() -> Handle:
        return Handle()

    monkeypatch.setattr(storage, "_open", opened)
    for _ in range(3):
        assert asyncio.run(here.torii.get_user("usr_nobody")) is None
        assert len(storage._handles) == 1


async def test_a_mounted_application(here: Recorded) -> None:
    """Servers do not run the lifespan of a mounted application: its storage opens once, at the first use."""
    outer = Starlette(routes=[Mount("/inner", app=here.app())])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url=SITE) as client:
        bearer = {"Authorization": "Bearer torii_s1_usr_nobody." + "a" * 43}
        answers = await asyncio.gather(*(client.get("/inner/mine", headers=bearer) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {401}
        assert here.taken().count("CreateTable") == 5
    await here.auth.web.end()


async def test_lent_to_the_outer_application(here: Recorded) -> None:
    """With the router's lifespan, the outer application opens the storage at its start and closes it at its end."""
    outer = FastAPI(lifespan=here.auth.lifespan_context)
    outer.mount("/inner", here.app())
    storage: Any = here.torii.storage
    async with outer.router.lifespan_context(outer):
        assert here.taken().count("CreateTable") == 5
    assert not storage._handles


async def test_a_failure_to_open_is_not_kept(dynoxide: LocalEngine, table_prefix: str) -> None:
    """After a failed open the next call tries again; a cancelled caller does not cancel the others."""
    here = Recorded(dynoxide, table_prefix)
    storage: Any = here.torii.storage
    good = storage.config
    storage.config = DynamoDbConfig(region="us-east-1", endpoint_url="http://127.0.0.1:9", retry_attempts=1)
    for _ in range(2):
        with pytest.raises((Unavailable, ConfigurationError)):
            await here.torii.get_user("usr_nobody")
    storage.config = good
    hasty = asyncio.create_task(here.torii.get_user("usr_nobody"))
    patient = asyncio.create_task(here.torii.get_user("usr_nobody"))
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient is None
    with pytest.raises(AttributeError):
        _ = storage.no_such_operation
    await here.auth.web.end()


def starlette_app(torii: AsyncTorii, config: WebConfig | None = None) -> Starlette:
    """An application without FastAPI, whose only route says who is signed in."""

    async def who(request: Request) -> JSONResponse:
        return JSONResponse(None if request.state.user is None else request.state.user.id)

    return Starlette(routes=[Route("/who", who)], middleware=[Middleware(ToriiMiddleware, torii=torii, config=config)])


async def run_lifespan(app: ASGIApp) -> list[Message]:
    """What an application sends to a server that starts and stops it."""
    said: list[Message] = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return next(events)

    async def send(message: Message) -> None:
        said.append(message)

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return said


async def test_the_middleware_opens_its_storage(here: Recorded) -> None:
    """The storage opens at the first use without a lifespan; otherwise it opens at the start and closes at the end."""
    app = starlette_app(here.torii)
    token = await here.token()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
        answer = await client.get("/who", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert answer.json().startswith("usr_")
    storage: Any = here.torii.storage
    assert [message["type"] for message in await run_lifespan(app)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert not storage._handles


async def test_a_server_does_not_start_without_its_storage() -> None:
    """Problems with the storage are reported when the application starts, by the middleware and by the router."""
    config = DynamoDbConfig(region="us-east-1", endpoint_url="http://127.0.0.1:9", retry_attempts=1)
    app = starlette_app(AsyncTorii(dynamodb(config)))
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    with pytest.raises((Unavailable, ConfigurationError)):
        await app({"type": "lifespan", "state": {}}, receive, send)
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]


@pytest.mark.parametrize("config", [None, WebConfig(), WebConfig(registration="off")])
def test_the_middleware_needs_no_mailer(config: WebConfig | None) -> None:
    """Checking who is signed in needs neither mail nor providers; the routes need both."""
    torii = AsyncTorii(AsyncMemoryStorage(), oauth=[google("id", "secret")])
    ToriiMiddleware(starlette_app(torii), torii, config=config)
    with pytest.raises(ConfigurationError):
        router(torii, config=config)
    mailing = AsyncTorii(AsyncMemoryStorage(), secret=SECRET, mailer=AsyncMemoryMailer(), mail=settings())
    router(mailing)


class Broken:
    """A storage whose checks fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def get_signed_in(self, _: str) -> None:
        """Fails."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unavailable("no answer", attempts=3), 503, "unavailable"),
        (AccessDenied("not allowed", request_id="r"), 500, "internal_error"),
        (ConfigurationError("no region"), 500, "internal_error"),
    ],
)
async def test_a_check_that_cannot_be_made(error: Exception, status: int, code: str) -> None:
    """A failure is reported as problem details over HTTP and to WebSockets, never as a bare 500, and admits nobody."""
    storage: Any = Broken(error)
    app = starlette_app(AsyncTorii(storage))
    bearer = {"Authorization": "Bearer torii_s1_usr_nobody." + "a" * 43}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
        problem(await client.get("/who", headers=bearer), status, code)
    denied = await web_socket(app, bearer, {"websocket.http.response": {}})
    assert [message["type"] for message in denied] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert denied[0]["status"] == status
    closed = await web_socket(app, bearer, {})
    assert closed == [{"type": "websocket.close", "code": 1011}]


async def web_socket(app: ASGIApp, headers: dict[str, str], extensions: dict[str, Any]) -> list[Message]:
    """What a connecting WebSocket receives."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": "/who", "query_string": b"", "headers": raw, "extensions": extensions}
    await app(scope, receive, send)
    return sent


async def test_tenants_of_a_storage_that_is_opened_later(dynoxide: LocalEngine, table_prefix: str) -> None:
    """They are opened with it, at the first use of any, with its tables created once; closing one closes it."""
    sent: list[str] = []
    storage = dynamodb(dynoxide.config(table_prefix=table_prefix, on_call=lambda record: sent.append(record.operation)))
    acme, other = (AsyncTorii(storage.tenant(name), secret=SECRET) for name in ("acme", "other"))
    assert (acme.tenant_name, other.tenant_name, storage.tenant_name, sent) == ("acme", "other", None, [])
    created = await asyncio.gather(
        *(torii.storage.create_user(NewUser(id="usr_1", email="ada@example.com")) for torii in (acme, other))
    )
    assert sent.count("CreateTable") == 5
    session = await acme.create_session(created[0])
    assert await acme.get_signed_in(session.token) is not None
    assert await other.get_signed_in(session.token) is None
    assert await AsyncTorii(storage).get_user("usr_1") is None
    await close_storage(acme.storage)
    assert await AsyncTorii(storage.tenant("acme").tenant("other")).get_user("usr_1") is not None
    assert sent.count("CreateTable") == 5
    await close_storage(storage)
    with pytest.raises(ValidationError, match="tenant"):
        storage.tenant("ACME")
