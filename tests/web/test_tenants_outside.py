"""What other sites see of tenants: redirect URIs at providers, and the documents about access tokens."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.services._async.test_jwt import key
from tests.services.provider import ISSUER, FakeProvider
from tests.web.api import problem
from tests.web.tenanted import API, Tenanted, sign_in

from torii_dynamodb.fastapi import by_host, by_path
from torii_dynamodb.jwt import JwtSettings
from torii_dynamodb.oauth import oidc

ADA = "ada@example.com"
WAYS = [
    (by_host("{tenant}.example.com"), "https://{tenant}.example.com"),
    (by_path("/t/{tenant}"), "https://app.example.com/t/{tenant}"),
]


@pytest.mark.parametrize(("find", "base"), WAYS, ids=["host", "path"])
async def test_a_sign_in_through_a_provider_belongs_to_its_tenant(find: Any, base: str) -> None:
    """Each tenant has a redirect URI of its own; an answer of the provider is of no use to another tenant."""
    offered = oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=("*",))
    here = Tenanted(find, base, model={"oauth": [offered]})
    provider = FakeProvider(here.clock, offered.client_id)
    async with httpx.AsyncClient(transport=provider.transport()) as http:
        here._model["http"] = http
        browser = here.browser()
        acme, globex = here.url("acme"), here.url("globex")
        begun = await browser.post(f"{acme}{API}/oauth/issuer/begin")
        url = begun.json()["url"]
        back = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        assert back == f"{acme}{API}/oauth/issuer/callback"
        answer = provider.authorize(url)
        query: dict[str, str] = {str(name): str(answer[name]) for name in ("state", "code")}
        # As if the cookie had the other tenant's name.
        cookies = {one.name.replace("acme", "globex"): str(one.value) for one in browser.cookies.jar}
        stranger = await here.browser(Cookie="; ".join(f"{k}={v}" for k, v in cookies.items())).get(
            f"{globex}{API}/oauth/issuer/callback", params=query
        )
        root = urlsplit(globex).path
        assert stranger.headers["location"].startswith(f"{root}/auth/sign-in?error=")
        done = await browser.get(f"{acme}{API}/oauth/issuer/callback", params=query)
        assert (done.status_code, done.headers["location"]) == (303, f"{urlsplit(acme).path}/")
        assert (await browser.get(f"{acme}/mine")).json()["tenant"] == "acme"


@pytest.mark.parametrize(("find", "base"), WAYS, ids=["host", "path"])
async def test_access_tokens_are_the_tenants(find: Any, base: str) -> None:
    """Each tenant publishes its own issuer and keys; its tokens are refused by the other, even with the same keys."""
    pair = key("RS256", "r")

    def jwt(name: str) -> JwtSettings:
        return JwtSettings(issuer=base.format(tenant=name), audience="api", keys=[pair])

    here = Tenanted(
        find,
        base,
        config={"transports": ("cookie", "bearer", "jwt")},
        model={"jwt": JwtSettings(issuer="https://app.example.com", audience="api", keys=[pair])},
        own={name: {"jwt": jwt(name)} for name in ("acme", "globex")},
    )
    user = await here.user("acme", ADA)
    await here.user("globex", ADA)
    browser = here.browser()
    acme, globex = here.url("acme"), here.url("globex")
    await sign_in(browser, acme, ADA)
    token = (await browser.post(f"{acme}{API}/token")).json()["access_token"]
    for name in ("acme", "globex"):
        document = (await browser.get(f"{here.url(name)}/.well-known/openid-configuration")).json()
        assert document["issuer"] == here.url(name)
        assert [one["kid"] for one in (await browser.get(document["jwks_uri"])).json()["keys"]] == ["r"]
    program = here.browser(Authorization=f"Bearer {token}")
    assert (await program.get(f"{acme}/mine")).json() == {"tenant": "acme", "user": user.id}
    problem(await program.get(f"{globex}{API}/me"), 401, "not_signed_in")
    assert (await browser.get("https://app.example.com/.well-known/jwks.json")).status_code == 404
