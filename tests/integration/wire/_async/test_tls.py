"""TLS: without the right certificate and name there is no connection."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.integration.wire.server import Answer, Server

from torii_dynamodb import errors
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb.config import Credentials, DynamoDbConfig

GET = {"TableName": "torii_users", "Key": {"id": {"S": "usr_1"}}}


def certificate(folder: Path, *names: x509.GeneralName) -> ssl.SSLContext:
    """Write a self-signed certificate for these names to ``ca.pem``, and return a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


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
