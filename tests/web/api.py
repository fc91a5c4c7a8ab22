"""What the tests of the JSON routes share: an application, its browsers, and a storage that counts."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import httpx
from fastapi import FastAPI
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting

from torii_dynamodb import LockoutPolicy, User
from torii_dynamodb.fastapi import AuthRouter, WebConfig, router

SITE = "https://app.example.com"
API = "/api/auth"
UNLIMITED = LockoutPolicy(enabled=False)


class Counting:
    """A storage that counts its calls."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self.storage, name)

    def taken(self) -> Counter[str]:
        """The calls since this was last called."""
        calls = Counter(self.calls)
        self.calls.clear()
        return calls


class Site:
    """An application with the routes, over services in memory.

    Attributes:
        here: The services, their clock, outbox and events.
        counting: The storage.
        auth: The router.
        app: The application.

    Args:
        config: For the web layer; without it there is no limit by IP address.
        options: For the services.
    """

    def __init__(self, config: WebConfig | None = None, **options: Any) -> None:
        self.here = options.pop("here", None) or AsyncSetting(**options)
        self.counting = Counting(self.here.torii.storage)
        self.here.torii.storage = self.counting
        self.torii = self.here.torii
        self.auth: AuthRouter = router(self.torii, config=config or WebConfig(ip_limit=UNLIMITED))
        self.app = FastAPI()
        self.app.include_router(self.auth)

    def browser(self, *, origin: str | None = SITE, client: str = "198.51.100.7", **headers: str) -> httpx.AsyncClient:
        """A browser on a page of this origin."""
        given = {} if origin is None else {"Origin": origin}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(client, 50000)),
            base_url=SITE,
            headers={**given, **headers},
        )

    async def user(self, email: str = EMAIL, password: str = PASSWORD, *, verified: bool = True) -> User:
        """A user with a password and a verified address, which private registration requires to sign in."""
        user: User = await self.torii.password.register(email, password)
        if verified:
            marked = await self.here.storage.mark_email_verified(user.id, email=user.email)
            assert marked is not None
            user = marked
        return user

    async def signed_in(self, browser: httpx.AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> None:
        """Sign a browser in."""
        answer = await browser.post(f"{API}/sign-in", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text

    async def mailed(self, template: str) -> str:
        """The token in the last mail of a kind."""
        await self.torii.wait_for_mail()
        text = next(one.text for one in reversed(self.here.mailer.messages) if one.template == template)
        found = re.search(r"token=(torii_t1_[A-Za-z0-9_.-]+)", text)
        assert found is not None, text
        return found.group(1)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that the response is this problem, and return it."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert body["title"]
    assert body["detail"]
    assert answer.headers["cache-control"] == "no-store"
    return body
