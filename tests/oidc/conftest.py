"""A real OpenID provider for the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.oidc.provider import RealProvider

CALLBACK = "http://127.0.0.1:1/api/auth/oauth/real/callback"
SECRET = "the client's secret, long enough"
ODD_SECRET = "a secret: 100% of +/&= and ~"
CLIENT_KEY = ec.generate_private_key(ec.SECP256R1())


def public_key() -> dict[str, Any]:
    """The client's public key, as a JWK."""
    made = jwt.algorithms.ECAlgorithm.to_jwk(CLIENT_KEY.public_key(), as_dict=True)
    return {**{name: value for name, value in made.items() if name != "key_ops"}, "kid": "mine", "use": "sig"}


def private_key() -> str:
    """The client's private key, as PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return CLIENT_KEY.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def client(name: str, **options: Any) -> dict[str, Any]:
    """A client's registration at the provider."""
    settings = {
        "client_id": name,
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post",
    }
    return {key: value for key, value in (settings | options).items() if value is not None}


@pytest.fixture(scope="session")
def provider() -> Iterator[RealProvider]:
    """The provider, one for each test process. The test fails if it is not installed."""
    clients = [
        client("app"),
        client("another-app"),
        client("basic", token_endpoint_auth_method="client_secret_basic"),
        client("ba:sic", token_endpoint_auth_method="client_secret_basic", client_secret=ODD_SECRET),
        client("secret-jwt", token_endpoint_auth_method="client_secret_jwt"),
        client("key", token_endpoint_auth_method="private_key_jwt", client_secret=None, jwks={"keys": [public_key()]}),
        client("public", token_endpoint_auth_method="none", client_secret=None),
        client("signed-userinfo", userinfo_signed_response_alg="ES256"),
        *(client(name.lower(), id_token_signed_response_alg=name) for name in ("PS256", "ES256", "EdDSA", "Ed25519")),
    ]
    with RealProvider(clients) as running:
        yield running
