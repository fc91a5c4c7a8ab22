"""A provider in this process, with discovery, keys, token endpoint and userinfo, that signs real tokens.

PyJWT signs and joserfc verifies, so that a bug in one does not hide the same bug in the other.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from torii_dynamodb.testing import FakeClock

ISSUER = "https://issuer.example"


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """A key pair, made once for the whole run because that is slow."""
    assert number >= 0
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(number: int, kid: str) -> dict[str, Any]:
    """The public key as providers publish it."""
    made = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(number).public_key(), as_dict=True)
    return {**{key: value for key, value in made.items() if key != "key_ops"}, "kid": kid, "alg": "RS256", "use": "sig"}


class FakeProvider:
    """An OpenID Connect issuer that also answers like GitHub.

    Attributes:
        claims: Claims of the next ID token, besides the required ones; a value of ``None`` removes the claim.
        header: The same for its header.
        userinfo: The response of the userinfo endpoint.
        requests: Method and path of each request so far.
        forms: The forms sent to the token endpoint.
        signer: Signs tokens instead of PyJWT, which refuses to make some of them.
        answers: Responses by path that replace the usual one: a function of the request, a body or a status.
    """

    def __init__(self, clock: FakeClock, client_id: str = "client") -> None:
        self.clock = clock
        self.client_id = client_id
        self.claims: dict[str, Any] = {"sub": "subject-1", "email": "ada@example.com", "email_verified": True}
        self.header: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {"sub": "subject-1"}
        self.metadata: dict[str, Any] = {}
        self.keys = {"key-1": 0}
        self.signs_with = ("key-1", 0)
        self.algorithm = "RS256"
        self.secret_key: Any = None
        self.signer: Callable[[bytes], bytes] | None = None
        self.requests: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.answers: dict[str, Callable[[httpx.Request], httpx.Response] | bytes | int] = {}
        self.pkce = True
        self.headers: list[dict[str, str]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.down = False
        self.emails: list[dict[str, Any]] = []

    def transport(self) -> httpx.MockTransport:
        """The transport that replaces the network."""
        return httpx.MockTransport(self.answer)

    def authorize(self, url: str) -> dict[str, str]:
        """Sign in; returns what the browser brings back. Fails on a request without state and PKCE."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        if self.pkce:
            assert query["code_challenge_method"] == "S256"
            assert len(query["code_challenge"]) == 43
        assert len(query["state"]) == 43
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The response to a request."""
        path = request.url.path
        self.requests.append(f"{request.method} {path}")
        self.headers.append(dict(request.headers))
        if self.down:
            raise httpx.ConnectError("the provider is down", request=request)
        instead = self.answers.get(path)
        if callable(instead):
            return instead(request)
        if instead is not None:
            return httpx.Response(200, content=instead) if isinstance(instead, bytes) else httpx.Response(instead)
        if path.endswith("/.well-known/openid-configuration"):
            described = {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "userinfo_endpoint": f"{ISSUER}/userinfo",
                "jwks_uri": f"{ISSUER}/keys",
            }
            return httpx.Response(200, json=described | self.metadata)
        if path == "/keys":
            return httpx.Response(200, json={"keys": [public_jwk(key, kid) for kid, key in self.keys.items()]})
        if path in ("/token", "/login/oauth/access_token"):
            return self._token(request)
        if path in ("/userinfo", "/user"):
            assert request.headers["authorization"] == "Bearer the-access-token"
            return httpx.Response(200, json=self.userinfo)
        if path == "/user/emails":
            return httpx.Response(200, json=self.emails)
        return httpx.Response(404)

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        self.forms.append(form)
        asked = self.codes.pop(form["code"], None)
        verifier = form.get("code_verifier", "")
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        proved = asked is not None and (not self.pkce or asked["code_challenge"] == challenge)
        if asked is None or not proved or asked["redirect_uri"] != form["redirect_uri"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        tokens = {"access_token": "the-access-token", "token_type": "Bearer"}
        if "openid" in asked["scope"].split():
            tokens["id_token"] = self.id_token(asked.get("nonce"))
        return httpx.Response(200, json=tokens)

    def id_token(self, nonce: str | None) -> str:
        """An ID token, signed."""
        now = int(self.clock().timestamp())
        claims = {"iss": ISSUER, "aud": self.client_id, "iat": now, "exp": now + 300, "nonce": nonce} | self.claims
        kid, key = self.signs_with
        return self.signed(claims, {"kid": kid} | self.header, key)

    def signed(self, claims: dict[str, Any], header: dict[str, Any], key: int = 0) -> str:
        """A JWT signed with one of the provider's keys."""
        if self.signer is not None:
            parts = ({"alg": self.algorithm} | header, claims)
            data = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
            return (data + b"." + urlsafe_b64encode(self.signer(data)).rstrip(b"=")).decode()
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            self.secret_key if self.secret_key is not None else rsa_key(key),
            algorithm=self.algorithm,
            headers={name: value for name, value in header.items() if value is not None},
        )
