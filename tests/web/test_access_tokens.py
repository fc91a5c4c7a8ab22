"""Access tokens (JWT) on an application's own routes: what they allow, and what they never do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.services._async.support import EMAIL, PASSWORD
from tests.services.authenticator import ORIGIN, RP_ID
from tests.web.api import API, SITE, UNLIMITED, Site, problem
from tests.web.test_api_application import own_routes

from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import Caller, ToriiMiddleware, WebConfig, access_claims, render_problem, router
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.pages import PagesConfig, pages
from torii_dynamodb.fastapi.settings import Credential
from torii_dynamodb.jwt import AccessClaims, JwtKey, JwtSettings, JwtTokens
from torii_dynamodb.passkeys import PasskeySettings

KEYS = [JwtKey(kid="k1", algorithm="HS256", private_key="a shared secret of more than 32 bytes")]
SETTINGS = JwtSettings(issuer=SITE, audience="api", keys=KEYS)
ALL: tuple[Credential, ...] = ("cookie", "bearer", "jwt")


class Issued:
    """An application that accepts access tokens, and one of them.

    Attributes:
        site: The application.
        session: The session's token.
        token: The access token.
    """

    site: Site
    session: str
    token: str

    @classmethod
    async def made(cls, transports: Any = ALL) -> Issued:
        """With a signed-in user, whose access token is the only credential sent."""
        here = cls()
        passkeys = PasskeySettings(rp_id=RP_ID, rp_name="E", origins=[ORIGIN])
        config = WebConfig(ip_limit=UNLIMITED, transports=transports)
        here.site = Site(config, jwt=SETTINGS, passkeys=passkeys)
        here.site.app.add_exception_handler(Problem, render_problem)
        own_routes(here.site)
        user = await here.site.user()
        await here.site.torii.storage.mark_email_verified(user.id, email=user.email)
        session = await here.site.torii.create_session(user)
        here.session = session.token
        here.token = (await here.site.torii.jwt.issue(user, session)).token
        return here

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A program that sends the access token, or another one."""
        return self.site.browser(origin=None, Authorization=f"Bearer {token or self.token}")


async def test_the_dependencies_take_access_tokens() -> None:
    """User and session are those behind the token, as stored now. It costs one storage request, as for a session."""
    here = await Issued.made()

    @here.site.app.get("/how")
    async def how(found: Caller = Depends(here.site.auth.requirements.caller)) -> list[Any]:
        assert found.claims is not None
        return [found.transport, found.claims.session_id == found.session.id, found.session.token]

    async with here.client() as client:
        here.site.counting.taken()
        for path in ("/user", "/optional", "/verified", f"{API}/me"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.post("/both")).json() is True
        assert (await client.get("/how")).json() == ["jwt", True, ""]
        assert here.site.counting.taken() == {"get_signed_in_by_id": 6}


@pytest.mark.parametrize("how", ["sign out", "everywhere", "lock", "delete", "password"])
async def test_what_ends_the_session_ends_the_token(how: str) -> None:
    """Every dependency that returns a user notices at once; the check without storage only when the token expires."""
    here = await Issued.made()
    torii = here.site.torii

    @here.site.app.get("/claims")
    async def claims(found: AccessClaims = Depends(here.site.auth.access_claims)) -> str:
        return found.user_id

    async with here.client() as client:
        user_id = (await client.get("/user")).json()
        endings: dict[str, Callable[[], Any]] = {
            "sign out": lambda: torii.delete_session(here.session),
            "everywhere": lambda: torii.delete_sessions_for_user(user_id),
            "lock": lambda: torii.lock_user(user_id),
            "delete": lambda: torii.delete_user(user_id),
            "password": lambda: torii.password.change_password(user_id, PASSWORD, PASSWORD + "!"),
        }
        await endings[how]()
        here.site.counting.taken()
        assert (await client.get("/claims")).json() == user_id
        assert not here.site.counting.taken(), "the token alone is looked at"
        problem(await client.get("/user"), 401, "not_signed_in")
        assert (await client.get("/optional")).json() is None
        here.site.here.clock.advance(timedelta(minutes=6))
        problem(await client.get("/claims"), 401, "not_signed_in")


async def test_no_route_of_ours_takes_one_for_a_session() -> None:
    """Every route that changes something, issues a token or lists the account's devices requires a session token."""
    here = await Issued.made()
    tried = 0
    async with here.client() as client:
        for path, methods in here.site.app.openapi()["paths"].items():
            for method, operation in methods.items():
                if not path.startswith(API) or not operation.get("security") or (method, path) == ("get", f"{API}/me"):
                    continue
                tried += 1
                asked = path.format(session_id="0" * 64, passkey_id="AAAA", provider="google", factor_id="recovery")
                body = {
                    "name": "Eve", "new_email": "eve@example.com", "new_password": PASSWORD + "?", "token": "t",
                    "current_password": PASSWORD, "credential": {},
                }  # fmt: skip
                wanted = _fields(here.site.app, operation)
                sent = {name: value for name, value in body.items() if name in wanted}
                answer = await client.request(method, asked, json=sent or None)
                problem(answer, 403, "session_required")
        problem(await client.get("/recent"), 403, "session_required")
    assert tried > 15
    assert await here.site.torii.get_signed_in(here.session) is not None


def _fields(app: FastAPI, operation: dict[str, Any]) -> set[str]:
    if "requestBody" not in operation:
        return set()
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(app.openapi()["components"]["schemas"][name]["properties"])


async def test_it_signs_nobody_in_to_the_pages() -> None:
    """Pages are for browsers with a session."""
    here = await Issued.made()
    here.site.app.include_router(pages(here.site.auth.web, PagesConfig(app_name="Example")))
    async with here.client() as client:
        assert (await client.get("/auth/account")).headers["location"].startswith("/auth/sign-in")


async def test_each_is_taken_for_what_it_is() -> None:
    """A disabled transport is refused in every header; neither credential is tried as the other, or as a cookie."""
    here = await Issued.made(("cookie", "bearer"))
    async with here.client() as client:
        problem(await client.get("/user"), 401, "not_signed_in")
    here = await Issued.made(("cookie", "jwt"))
    async with here.client(here.session) as client:
        problem(await client.get("/user"), 401, "not_signed_in")
    here = await Issued.made()
    async with here.client() as client, here.site.browser() as browser:
        await here.site.signed_in(browser)
        client.cookies = browser.cookies
        client.headers["Authorization"] = f"Bearer {here.token[:-4]}AAAA"
        here.site.counting.taken()
        problem(await client.get("/user"), 401, "not_signed_in")
        assert not here.site.counting.taken(), "a forged token asks for nothing, and does not fall back to the cookie"
        client.cookies = httpx.Cookies({"__Host-torii": here.token})
        del client.headers["Authorization"]
        problem(await client.get("/user"), 401, "not_signed_in")


async def test_signing_in_ends_no_session_by_an_access_token() -> None:
    """A sign-in with an access token in the header returns a session; the one behind the token stays."""
    here = await Issued.made()
    async with here.client() as client:
        body = {"email": EMAIL, "password": PASSWORD, "transport": "bearer"}
        assert (await client.post(f"{API}/sign-in", json=body)).json()["token"].startswith("torii_s1_")
        assert (await client.get("/user")).status_code == 200
        problem(await client.post(f"{API}/sign-in", json=body | {"transport": "jwt"}), 422, "validation_error")


async def test_the_middleware_takes_access_tokens() -> None:
    """It says how someone is signed in; with an expired token nobody is."""
    here = await Issued.made()

    async def how(request: Request) -> JSONResponse:
        found: Caller | None = request.state.signed_in
        assert (request.state.user is None) == (found is None)
        return JSONResponse(None if found is None else found.transport)

    app = ToriiMiddleware(Starlette(routes=[Route("/how", how)]), web=here.site.auth.web)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
        bearer = {"Authorization": f"Bearer {here.token}"}
        assert (await client.get("/how", headers=bearer)).json() == "jwt"
        here.site.here.clock.advance(timedelta(minutes=6))
        assert (await client.get("/how", headers=bearer)).json() is None


async def test_a_service_without_tables() -> None:
    """It needs only the keys, and accepts access tokens only in the header."""
    here = await Issued.made()
    app = FastAPI()
    tokens = JwtTokens(SETTINGS)
    now = here.site.here.clock

    class AtNow:
        """The service's clock, for the test."""

        def verify(self, token: str) -> AccessClaims:
            """Check."""
            return tokens.verify(token, now=now())

    @app.get("/elsewhere")
    async def elsewhere(claims: AccessClaims = Depends(access_claims(AtNow()))) -> str:
        return claims.email

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE) as client:
        for refused in ({}, {"Authorization": f"Bearer {here.session}"}, {"Authorization": f"Basic {here.token}"}):
            assert (await client.get("/elsewhere", headers=refused)).status_code == 401
        answer = await client.get("/elsewhere", headers={"Authorization": f"bearer {here.token}"})
        assert answer.json() == "ada@example.com"
        now.advance(timedelta(minutes=6))
        assert (await client.get("/elsewhere", headers={"Authorization": f"Bearer {here.token}"})).status_code == 401


def test_wrong_set_ups_are_told_at_the_start() -> None:
    """Accepted access tokens must be set up; a string is not a sequence of transports; keys are checked."""
    with pytest.raises(ConfigurationError, match="jwt"):
        router(Site().torii, config=WebConfig(transports=ALL))
    with pytest.raises(ConfigurationError, match="transports"):
        WebConfig(transports="jwt")  # type: ignore[arg-type] # what a hurried user writes
    weak = JwtSettings(issuer=SITE, audience="api", keys=[JwtKey(kid="k", algorithm="HS256", private_key="short")])
    with pytest.raises(ConfigurationError, match="32"):
        Site(jwt=weak)
    with pytest.raises(ConfigurationError, match="jwt"):
        _ = Site().auth.access_claims
