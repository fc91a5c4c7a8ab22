"""What the tests of tenants in the web layer share: an application with tenants, over services in memory."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import httpx
from fastapi import Depends, FastAPI, WebSocket
from tests.services._async.support import PASSWORD, SECRET, QuickHasher, settings
from tests.web.paged import ADMIN

from torii_dynamodb import AsyncTorii, LockoutPolicy, User
from torii_dynamodb.branding import Brand
from torii_dynamodb.fastapi import Tenant, TenantMiddleware, Tenants, WebConfig, router
from torii_dynamodb.fastapi.admin import Admin
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.mail import AsyncMemoryMailer
from torii_dynamodb.passkeys import PasskeySettings
from torii_dynamodb.testing import AsyncMemoryStorage, FakeClock

API = "/api/auth"
GATEWAY = "192.0.2.1"


class Shared:
    """A storage of one tenant in memory, which counts the calls of all tenants together."""

    def __init__(self, name: str | None, calls: Counter[str], clock: FakeClock) -> None:
        self.tenant_name = name
        self._calls = calls
        self._storage = AsyncMemoryStorage(clock=clock)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._calls[name] += 1
            return method(*arguments, **named)

        return call


class Tenanted:
    """An application with JSON routes, pages, an admin area, routes of its own, and two tenants: acme and globex.

    Attributes:
        calls: The calls of all storages.
        asked: The names that tenants were looked up by.
        storages: The tenants' storages.

    Args:
        find: Finds the tenant in a request.
        base: The URL of a tenant, with ``{tenant}``.
        config: Options for the web layer.
        model: Options of the services that all tenants have.
        tenants: Options of ``Tenants``.
        own: Options of one tenant's services, by its name.
    """

    def __init__(
        self,
        find: Any,
        base: str = "https://{tenant}.example.com",
        *,
        config: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        tenants: dict[str, Any] | None = None,
        own: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.mailer = AsyncMemoryMailer()
        self.base = base
        self.calls: Counter[str] = Counter()
        self.asked: list[str] = []
        self.titles = {"acme": "Acme", "globex": "Globex"}
        self.storages = {name: Shared(name, self.calls, self.clock) for name in self.titles}
        self._model = model or {}
        self._own = own or {}
        defaults: dict[str, Any] = {"ip_limit": LockoutPolicy(enabled=False)}
        self.tenants = Tenants(self.tenant_of, find=find, **({"clock": self.clock} | (tenants or {})))
        self.auth = router(
            self.services(Shared(None, self.calls, self.clock), "Nobody"),
            config=WebConfig(**(defaults | (config or {}))),
            tenants=self.tenants,
        )
        admin = Admin({ADMIN})
        look = PagesConfig(app_name="Nobody's", home="/home")
        self.app = FastAPI()
        self.app.include_router(self.auth)
        self.app.include_router(pages(self.auth.web, look, admin=admin))
        self.app.include_router(admin.router(self.auth.web, look))
        self.app.add_middleware(TenantMiddleware, web=self.auth.web)
        self._add_own_routes()
        self.calls.clear()

    def _add_own_routes(self) -> None:
        auth = self.auth

        @self.app.get("/mine")
        def mine(user: User = Depends(auth.current_user), tenant: str = Depends(auth.current_tenant)) -> dict[str, str]:
            return {"tenant": tenant, "user": user.id}

        @self.app.get("/which")
        async def which(tenant: str = Depends(auth.current_tenant)) -> str:
            return tenant

        @self.app.get("/health")
        def health() -> str:
            return "ok"

        @self.app.websocket("/socket")
        async def socket(socket: WebSocket, tenant: str = Depends(auth.current_tenant)) -> None:
            await socket.accept()
            await socket.send_text(tenant)
            await socket.close()

    def services(self, storage: Any, title: str, **options: Any) -> AsyncTorii:
        """The services of a tenant."""
        name = storage.tenant_name or "model"
        base = self.base.format(tenant=name)
        given: dict[str, Any] = {
            "hasher": QuickHasher(),
            "secret": SECRET,
            "mailer": self.mailer,
            "mail": settings(sender=f"{title} <no-reply@{name}.example.com>", app_name=title, base_url=base),
            "passkeys": PasskeySettings(
                rp_id=f"{name}.example.com", rp_name=title, origins=[f"https://{name}.example.com"]
            ),
            "clock": self.clock,
        }
        return AsyncTorii(storage, **(given | self._model | options))

    async def tenant_of(self, name: str) -> Tenant | None:
        """The tenant with this name."""
        self.asked.append(name)
        if name not in self.titles:
            return None
        return Tenant(
            torii=self.services(self.storages[name], self.titles[name], **self._own.get(name, {})),
            app_name=self.titles[name],
            base_url=self.base.format(tenant=name),
            brand=Brand(accent="#aa0000") if name == "acme" else None,
        )

    def url(self, name: str) -> str:
        """A tenant's URL."""
        return self.base.format(tenant=name)

    def browser(self, *, client: str = "198.51.100.7", **headers: str) -> httpx.AsyncClient:
        """A browser, which sends requests of pages of the same site."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(client, 50000)),
            headers={"Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 Firefox/140.0", **headers},
        )

    async def user(self, name: str, email: str) -> User:
        """A user of a tenant with a password and a verified address."""
        torii = self.services(self.storages[name], self.titles[name])
        user = await torii.password.register(email, PASSWORD)
        marked = await torii.storage.mark_email_verified(user.id, email=user.email)
        assert marked is not None
        return marked

    async def mailed(self, template: str) -> str:
        """The token in the last mail of a kind."""
        text = next(one.text for one in reversed(self.mailer.messages) if one.template == template)
        found = re.search(r"token=(torii_t1_[A-Za-z0-9_.-]+)", text)
        assert found is not None, text
        return found.group(1)


async def sign_in(browser: httpx.AsyncClient, base: str, email: str) -> httpx.Response:
    """Sign a browser in through the JSON route."""
    answer = await browser.post(f"{base}{API}/sign-in", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return answer
