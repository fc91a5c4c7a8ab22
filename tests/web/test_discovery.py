"""Finding the keys of access tokens as AWS does: from the issuer to the discovery document, and to the keys."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwk, jwt
from tests.services._async.support import AsyncSetting
from tests.services._async.test_jwt import key, pem, settings
from tests.web.api import SITE, UNLIMITED, Site

from torii_dynamodb import Session, User
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.jwt import JwtKey, JwtSettings


async def gateway(client: httpx.AsyncClient, token: str, *, issuer: str, audience: str, scopes: set[str]) -> Any:
    """Check a token in the steps of the "JWT authorizers" page of API Gateway, with a JOSE library that is not ours.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
    """
    answer = await client.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    assert document["issuer"] == issuer
    keys = await client.get(document["jwks_uri"])
    # Limits of Application Load Balancers ("Verify JWTs"): 10 keys, 150 KB, RS256.
    assert len(keys.json()["keys"]) <= 10
    assert len(keys.content) <= 150_000
    assert all({"kid", "kty", "alg"} <= one.keys() for one in keys.json()["keys"])
    found = jwt.decode(token, jwk.KeySet.import_key_set(keys.json()), algorithms=["RS256"])
    claims = found.claims
    assert found.header["kid"] in {one["kid"] for one in keys.json()["keys"]}
    assert claims["iss"] == issuer
    assert claims["aud"] == audience
    assert {"exp", "nbf", "iat", "auth_time"} <= claims.keys()
    assert scopes <= set(claims["scope"].split())
    return claims


@pytest.mark.parametrize(
    ("issuer", "mount", "config"),
    [
        (SITE, "", {}),
        (f"{SITE}/", "", {}),
        (f"{SITE}/auth", "", {"base_url": SITE}),
        (f"{SITE}/prod", "/prod", {"base_url": f"{SITE}/prod"}),
        (f"{SITE}/prod/auth", "/prod", {"base_url": f"{SITE}/prod"}),
    ],
)
async def test_a_token_is_accepted_by_whoever_knows_the_issuer(issuer: str, mount: str, config: dict[str, Any]) -> None:
    """The issuer and the audience are all that a gateway needs, whether the issuer or the application has a path."""

    def claims(user: User, session: Session) -> dict[str, Any]:
        return {"scope": f"notes:{user.id[:2]} notes:read"}

    made = JwtSettings(issuer=issuer, audience="api", keys=[key("RS256", "r"), key("HS256", "h")])
    site = Site(WebConfig(ip_limit=UNLIMITED, **config), jwt=made, access_token_claims=claims)
    user = await site.user()
    session = await site.torii.create_session(user)
    outer = FastAPI()
    outer.mount(mount, site.app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url=SITE) as client:
        answer = await client.post(f"{mount}/api/auth/token", headers={"Authorization": f"Bearer {session.token}"})
        token = answer.json()["access_token"]
        found = await gateway(client, token, issuer=issuer, audience="api", scopes={"notes:read"})
        assert found["sub"] == user.id
        kept = await client.get(f"{issuer.rstrip('/')}/.well-known/jwks.json")
        assert kept.headers["cache-control"] == "public, max-age=300"
        assert "private" not in kept.text
        assert [one["kid"] for one in kept.json()["keys"]] == ["r"]


@pytest.mark.parametrize("options", [{}, {"jwt": settings(key("HS256"))}])
async def test_nothing_to_discover(options: dict[str, Any]) -> None:
    """Without access tokens, and with shared secrets only, there is no document."""
    site = Site(here=AsyncSetting(**options))
    async with site.browser() as browser:
        assert (await browser.get("/.well-known/openid-configuration")).status_code == 404
        assert (await browser.get("/.well-known/jwks.json")).status_code == 404


def test_the_route_for_tokens_needs_a_private_key() -> None:
    """An application that issues tokens does not start with a key that only checks."""
    public = JwtKey(kid="k", algorithm="ES256", public_key=pem("ES256")[1])
    with pytest.raises(ConfigurationError, match="private key"):
        Site(jwt=settings(public))
