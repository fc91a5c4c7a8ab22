"""TLS: without the right certificate and name there is no connection."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from tests.integration.wire.certificate import certificate
from tests.integration.wire.server import Answer, Server

from torii_dynamodb import errors
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb.config import Credentials, DynamoDbConfig

GET = {"TableName": "torii_users", "Key": {"id": {"S": "usr_1"}}}


def client_of(url: str) -> AsyncClient:
    """Return a client for an address."""
    return AsyncClient(
        DynamoDbConfig(
            region="eu-central-1",
            endpoint_url=url,
            retry_attempts=0,
            credentials=Credentials(access_key_id="a", secret_access_key="b"),
        )
    )


async def test_a_trusted_certificate_is_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host is reached by name and by address, with a large response, over one reused connection."""
    context = certificate(tmp_path, x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    answer = {"Item": {"big": {"S": "x" * 300_000}}}
    with Server(otherwise=Answer(answer), tls=context) as server:
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            client = client_of(url)
            for _ in range(3):
                assert await client.call("GetItem", GET) == answer
            await client.aclose()
        assert server.connections == 2


async def test_another_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A certificate for another host ends the connection before a request is sent."""
    context = certificate(tmp_path, x509.DNSName("example.com"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Server(tls=context) as server:
        client = client_of(server.url.replace("127.0.0.1", "localhost"))
        with pytest.raises(errors.Unavailable, match=r"[Hh]ostname mismatch"):
            await client.call("GetItem", GET)
        await client.aclose()
        assert server.seen == []


async def test_an_unknown_issuer_is_refused(tmp_path: Path) -> None:
    """A certificate that nobody vouches for ends the connection."""
    context = certificate(tmp_path, x509.DNSName("localhost"))
    with Server(tls=context) as server:
        client = client_of(server.url.replace("127.0.0.1", "localhost"))
        with pytest.raises(errors.Unavailable, match="certificate verify failed"):
            await client.call("GetItem", GET)
        await client.aclose()
        assert server.seen == []
