"""The services of tenants: made once, kept within bounds, forgotten, and shared by whatever a request starts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.responses import StreamingResponse
from tests.services._async.support import PASSWORD, SECRET, settings
from tests.web.tenanted import API, Tenanted, sign_in

from torii_dynamodb import AsyncTorii
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import (
    Tenant,
    TenantMiddleware,
    Tenants,
    ToriiMiddleware,
    by_header,
    by_host,
    by_path,
    dynamodb,
    router,
)
from torii_dynamodb.fastapi.admin import Activity, Admin
from torii_dynamodb.fastapi.pages import PagesConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.mail import AsyncMemoryMailer
from torii_dynamodb.testing import AsyncMemoryStorage

ADA = "ada@example.com"


def made(**options: Any) -> Tenanted:
    """Tenants by host."""
    return Tenanted(by_host("{tenant}.example.com"), **options)


async def which(here: Tenanted, *names: str) -> list[int]:
    """Ask for the tenants' names, one after the other."""
    browser = here.browser()
    return [(await browser.get(f"https://{name}.example.com/which")).status_code for name in names]


async def test_at_most_so_many_are_kept() -> None:
    """The tenant used least recently goes first; names that do not exist take no place."""
    here = made(tenants={"size": 2})
    for name in ("initech", "umbrella"):
        here.titles[name], here.storages[name] = (
            name.title(),
            here.storages["acme"].__class__(name, here.calls, here.clock),
        )
    await which(here, "acme", "globex", "acme", *(f"nope-{number}" for number in range(5)), "initech")
    here.asked.clear()
    assert await which(here, "acme", "initech", "globex") == [200, 200, 200]
    assert here.asked == ["globex"]


async def test_concurrent_first_requests_make_it_once() -> None:
    """A tenant's services are made once, also when the request that began to make them is cancelled."""
    here = made()
    ask, go = here.tenant_of, asyncio.Event()

    async def slow(name: str) -> Tenant | None:
        await go.wait()
        return await ask(name)

    here.tenants._tenant_of = slow
    browser = here.browser()
    requests = [asyncio.create_task(browser.get("https://acme.example.com/which")) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    requests[0].cancel()
    await asyncio.sleep(0)
    go.set()
    answers = await asyncio.gather(*requests[1:])
    assert {answer.json() for answer in answers} == {"acme"}
    assert here.asked == ["acme"]


async def test_changes_are_noticed() -> None:
    """A forgotten tenant is asked for again, also one that was being made; others after ``max_age``."""
    here = made(tenants={"max_age": timedelta(minutes=1)})
    page = "https://acme.example.com/auth/sign-in"
    browser = here.browser()
    assert "- Acme</title>" in (await browser.get(page)).text
    here.titles["acme"] = "Acme & Sons"
    assert "- Acme</title>" in (await browser.get(page)).text
    here.tenants.forget("acme")
    assert "- Acme &amp; Sons</title>" in (await browser.get(page)).text
    del here.titles["acme"]
    here.clock.advance(timedelta(minutes=1))
    assert (await browser.get(page)).status_code == 404


async def test_a_tenant_forgotten_while_it_is_made_is_made_again() -> None:
    """What was read before the change is not kept."""
    here = made()
    browser = here.browser()
    ask, asked, go = here.tenant_of, asyncio.Event(), asyncio.Event()

    async def stale(name: str) -> Tenant | None:
        found = await ask(name)
        asked.set()
        await go.wait()
        return found

    here.tenants._tenant_of = stale
    reading = asyncio.create_task(browser.get("https://globex.example.com/which"))
    await asked.wait()
    here.titles["globex"] = "Globex Corporation"
    here.tenants.forget("globex")
    go.set()
    await reading
    assert "- Globex Corporation</title>" in (await browser.get("https://globex.example.com/auth/sign-in")).text


async def test_errors_of_the_lookup_are_not_kept() -> None:
    """If the lookup fails, the response is an error, and the next request tries again."""
    here = made()
    ask = here.tenant_of

    def broken(name: str) -> Any:
        raise ConfigurationError("the list of customers is missing")

    here.tenants._tenant_of = broken
    assert await which(here, "acme") == [500]
    here.tenants._tenant_of = ask
    assert await which(here, "acme") == [200]


async def test_services_of_another_tenant_are_refused() -> None:
    """A lookup that returns another tenant's services, or those of none, is an error, and serves nobody."""
    here = made()
    acme = await here.tenant_of("acme")
    assert acme is not None
    here.tenants._tenant_of = lambda _: acme
    assert await which(here, "globex") == [500]
    nobody = Tenant(torii=AsyncTorii(AsyncMemoryStorage()), app_name="Acme", base_url="https://acme.example.com")
    here.tenants._tenant_of = lambda _: nobody
    assert await which(here, "acme") == [500]
    paths = Tenanted(by_path("/t/{tenant}"), "https://app.example.com")
    assert (await paths.browser().get("https://app.example.com/t/acme/which")).status_code == 500


async def test_whatever_a_request_starts_keeps_its_tenant() -> None:
    """Threads, background tasks and streams of concurrent requests each see their own tenant."""
    here = made()
    app, tenants = here.app, here.tenants
    seen: list[str] = []

    @app.get("/thread")
    def thread() -> str | None:
        return tenants.current

    @app.get("/later")
    async def later(background: BackgroundTasks) -> str:
        background.add_task(lambda: seen.append(tenants.current or ""))
        return "ok"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield f"{tenants.current} "

        return StreamingResponse(parts())

    browser = here.browser()
    names = ["acme", "globex"] * 5
    for path, wanted in (("thread", '"{}"'), ("stream", "{0} {0} {0} "), ("later", '"ok"')):
        answers = await asyncio.gather(*(browser.get(f"https://{name}.example.com/{path}") for name in names))
        assert [answer.text for answer in answers] == [wanted.format(name) for name in names]
    assert sorted(seen) == sorted(names)
    assert tenants.current is None


async def test_mails_in_the_background_are_the_tenants() -> None:
    """Mails sent after the response have the tenant's sender; the end of the application waits for them."""
    slow, go = AsyncMemoryMailer(), asyncio.Event()

    class Slow:
        async def send(self, message: Any) -> None:
            await go.wait()
            await slow.send(message)

    own = {"mailer": Slow(), "mail": settings(sender="Acme <hello@acme.example.com>", delivery="background")}
    here = made(own={"acme": own})
    await here.user("acme", ADA)
    await here.browser().post(f"https://acme.example.com{API}/password/reset", json={"email": ADA})
    here.tenants.forget("acme")
    ending = asyncio.create_task(here.auth.web.end())
    await asyncio.sleep(0)
    assert not ending.done()
    go.set()
    await ending
    assert [message.sender for message in slow.messages] == ["Acme <hello@acme.example.com>"]


async def test_a_tenant_may_offer_less() -> None:
    """What a tenant lacks although others have it is not found, and its list of ways says so."""
    here = made(own={"acme": {"passkeys": None}})
    here.tenants._tenant_of = lambda name: _closed(here, name)
    browser = here.browser()
    base = "https://acme.example.com"
    ways = (await browser.get(f"{base}{API}/methods")).json()
    assert (ways["passkeys"], ways["registration"]) == (False, False)
    assert (await browser.post(f"{base}{API}/passkeys/sign-in/begin")).status_code == 404
    register = await browser.post(f"{base}{API}/register", json={"email": ADA, "password": PASSWORD})
    assert register.status_code == 404
    assert (await browser.get(f"{base}/auth/sign-up")).status_code == 404


async def _closed(here: Tenanted, name: str) -> Tenant | None:
    found = await here.tenant_of(name)
    assert found is not None
    return Tenant(torii=found.torii, app_name=found.app_name, base_url=found.base_url, sign_up=False)


async def test_without_the_middleware_nothing_is_served() -> None:
    """An application that lacks the middleware fails with an error that names it, instead of serving no tenant."""
    here = made()
    bare = FastAPI()
    bare.include_router(here.auth)
    transport = httpx.ASGITransport(bare)
    async with httpx.AsyncClient(transport=transport, base_url="https://acme.example.com") as browser:
        assert (await browser.get(f"{API}/me", headers={"Authorization": "Bearer x"})).status_code == 500
    with pytest.raises(ConfigurationError, match="TenantMiddleware"):
        _ = here.auth.web.torii.storage
    assert here.calls.total() == 0


async def test_the_other_middleware() -> None:
    """``ToriiMiddleware`` says who is signed in to the tenant, and that nobody is where there is none."""
    here = made()
    user = await here.user("acme", ADA)
    app = FastAPI()
    app.include_router(here.auth)
    app.add_middleware(ToriiMiddleware, web=here.auth.web)
    app.add_middleware(TenantMiddleware, web=here.auth.web)
    said: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        said.append(None if scope["state"]["user"] is None else scope["state"]["user"].id)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app.mount("/inner", inner)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as browser:
        browser.headers["Sec-Fetch-Site"] = "same-origin"
        await sign_in(browser, "https://acme.example.com", ADA)
        for base in ("https://acme.example.com", "https://globex.example.com", "https://example.com"):
            await browser.get(f"{base}/inner/")
    assert said == [user.id, None, None]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: by_host("example.com"), "by_host"),
        (lambda: by_host("{tenant}.Example.com"), "by_host"),
        (lambda: by_host("{tenant}.example.com:8000"), "by_host"),
        (lambda: by_path("/t/"), "by_path"),
        (lambda: by_path("/{tenant}/app"), "by_path"),
        (lambda: by_header("X Tenant"), "by_header"),
        (lambda: Tenants("acme", find=by_path("/t/{tenant}")), "tenant_of"),  # type: ignore[arg-type]
        (lambda: Tenants(lambda _: None, find="/t/{tenant}"), "find"),  # type: ignore[arg-type]
        (lambda: Tenants(lambda _: None, find=by_path("/t/{tenant}"), size=0), "size"),
        (lambda: Tenants(lambda _: None, find=by_path("/t/{tenant}"), max_age=timedelta(0)), "max_age"),
        (
            lambda: Tenant(torii=AsyncTorii(AsyncMemoryStorage()), app_name=" ", base_url="https://x.example.com"),
            "app_name",
        ),
        (lambda: Tenant(torii=AsyncTorii(AsyncMemoryStorage()), app_name="X", base_url="x.example.com"), "base_url"),
        (lambda: Admin({ADA}, activity=Activity()).router(made().auth.web, PagesConfig(app_name="X")), "activity"),
        (lambda: router(AsyncTorii(AsyncMemoryStorage(), secret=SECRET), tenants=made().tenants), "mailer|tenants"),
    ],
)
def test_wrong_options(make: Any, message: str) -> None:
    """A wrong option is reported where it is given, by name."""
    with pytest.raises(ConfigurationError, match=message):
        make()


async def test_the_pages_application_opens_one_storage(dynoxide: LocalEngine, table_prefix: str) -> None:
    """The application in the documentation: one storage for all tenants, and one request for a warm check."""
    text = (Path(__file__).parents[2] / "docs" / "tenants.md").read_text(encoding="utf-8")
    section = text.split("\n## In the web layer\n")[1]
    program = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert program is not None
    shown: dict[str, Any] = {"__name__": "tenants_page"}
    exec(compile(program[1], "tenants.md", "exec", dont_inherit=True), shown)
    sent: list[str] = []
    config = dynoxide.config(table_prefix=table_prefix, on_call=lambda record: sent.append(record.operation))
    storage, mailer = dynamodb(config), AsyncMemoryMailer()
    titles = {"acme": "Acme", "globex": "Globex"}

    async def title_of(name: str) -> str | None:
        return titles.get(name)

    app: FastAPI = shown["application"](storage, SECRET, mailer, title_of)
    async with app.router.lifespan_context(app):
        for name in titles:
            user = await AsyncTorii(storage.tenant(name), secret=SECRET).password.register(ADA, PASSWORD)
            await storage.tenant(name).mark_email_verified(user.id, email=user.email)
        assert sent.count("CreateTable") == 5
        for name in titles:
            base = f"https://{name}.example.com"
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as browser:
                browser.headers["Sec-Fetch-Site"] = "same-origin"
                await sign_in(browser, "", ADA)
                sent.clear()
                assert (await browser.get("/mine")).json() == f"{ADA} at {name}"
                assert sent == ["BatchGetItem"]
        sent.clear()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as browser:
            assert (await browser.get("https://nope.example.com/mine")).status_code == 404
        assert sent == []
