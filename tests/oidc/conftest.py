"""A real OpenID provider for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.oidc.provider import RealProvider

CALLBACK = "http://127.0.0.1:1/api/auth/oauth/real/callback"
SECRET = "the client's secret, long enough"


def client(name: str, **options: Any) -> dict[str, Any]:
    """A client as the provider knows it."""
    settings = {
        "client_id": name,
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post",
    }
    return {key: value for key, value in (settings | options).items() if value is not None}


@pytest.fixture(scope="session")
def provider() -> Iterator[RealProvider]:
    """The provider, one a test process. Missing, it fails the test."""
    clients = [
        client("app"),
        client("another-app"),
        client("basic", token_endpoint_auth_method="client_secret_basic"),
        client("public", token_endpoint_auth_method="none", client_secret=None),
        *(client(name.lower(), id_token_signed_response_alg=name) for name in ("PS256", "ES256", "EdDSA", "Ed25519")),
    ]
    with RealProvider(clients) as running:
        yield running
