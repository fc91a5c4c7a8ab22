"""What a dependency costs a route, and what it says about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import Depends
from fastapi.dependencies.models import Dependant
from tests.web.api import API, Site

from torii_dynamodb import User
from torii_dynamodb.fastapi import AuthRouter
from torii_dynamodb.fastapi.routing import AuthRoute

NAMES: dict[str, Callable[[AuthRouter], Any]] = {
    "current_user": lambda auth: auth.current_user,
    "current_session": lambda auth: auth.current_session,
    "optional_user": lambda auth: auth.optional_user,
    "require_verified": lambda auth: auth.require_verified,
    "require_recent_sign_in": lambda auth: auth.require_recent_sign_in(),
    "require_second_factor": lambda auth: auth.require_second_factor(),
    "caller": lambda auth: auth.requirements.caller,
    "optional_caller": lambda auth: auth.requirements.optional_caller,
    "signed_in": lambda auth: auth.requirements.signed_in,
    "optional_signed_in": lambda auth: auth.requirements.optional_signed_in,
    "recent": lambda auth: auth.requirements.recent(),
}


def site_with(name: str) -> Site:
    """An application with one route, which has one dependency."""
    site = Site()

    @site.app.get("/mine")
    async def mine(found: object = Depends(NAMES[name](site.auth))) -> bool:
        return found is not None

    return site


def below(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from below(one)


@pytest.mark.parametrize("name", NAMES)
async def test_what_a_dependency_costs(name: str) -> None:
    """FastAPI solves two dependencies for each of ours, itself and a security scheme, and the storage gets one call."""
    site = site_with(name)
    route = next(one for one in site.app.routes if getattr(one, "path", None) == "/mine")
    assert len(list(below(route.dependant))) == 2  # type: ignore[attr-defined]
    await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        site.counting.taken()
        assert (await browser.get("/mine")).status_code == (403 if name == "require_second_factor" else 200)
        assert site.counting.taken() == {"get_signed_in": 1}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_dependency_says(name: str) -> None:
    """OpenAPI shows that a route takes the cookie or the header."""
    schema = site_with(name).app.openapi()
    assert schema["paths"]["/mine"]["get"]["security"] == [{"cookie": []}, {"bearer": []}]
    assert schema["components"]["securitySchemes"] == {
        "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-torii", "description": "The session cookie."},
        "bearer": {"type": "http", "scheme": "bearer", "description": "The session token."},
    }


async def test_a_dependency_is_overridden() -> None:
    """``dependency_overrides`` replaces the dependency that it names, and no other."""
    site = site_with("current_session")

    @site.app.get("/name")
    async def name(user: User = Depends(site.auth.current_user)) -> str:
        return user.email

    user = await site.user()
    site.app.dependency_overrides[site.auth.current_user] = lambda: user
    async with site.browser() as browser:
        site.counting.taken()
        assert (await browser.get("/name")).json() == user.email
        assert not site.counting.taken()
        assert (await browser.get("/mine")).status_code == 401


async def test_the_routes_of_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request for a route of the application is not compared with each of the router's routes."""
    site = Site()
    compared: list[str] = []
    matches = AuthRoute.matches

    def counted(route: AuthRoute, scope: Any) -> Any:
        compared.append(route.path)
        return matches(route, scope)

    monkeypatch.setattr(AuthRoute, "matches", counted)

    @site.app.get("/mine")
    async def mine() -> None:
        """Nothing."""

    async with site.browser() as browser:
        assert (await browser.get("/mine")).status_code == 200
        assert not compared
        assert (await browser.get(f"{API}/me")).status_code == 401
        assert compared
