"""Requests to providers over real sockets: to checked addresses only, bounded in size and in time."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.services.server import ScriptedServer

from torii_dynamodb import AsyncTorii
from torii_dynamodb._async.primitives import gather
from torii_dynamodb._async.services import oauth_client, outbound
from torii_dynamodb._rules.outbound import Answer, Reach, TooLarge
from torii_dynamodb.oauth import OAuthError, oidc
from torii_dynamodb.testing import AsyncMemoryStorage

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\n{}"


async def ask(
    url: str, *, reach: Reach = "loopback", seconds: float = 5.0, http: httpx.AsyncClient | None = None
) -> Answer:
    """Send a request as the services do."""
    headers = {"Accept-Encoding": "identity"}
    return await outbound.exchange(
        "GET", url, headers=headers, content=None, reach=reach, most=100_000, seconds=seconds, http=http
    )


def sends(data: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(data)


async def test_a_request() -> None:
    """Status, media type and body come back; the request asks for an uncompressed answer."""
    with ScriptedServer(sends(OK)) as server:
        assert await ask(f"http://127.0.0.1:{server.port}/a?b=c") == Answer(200, "application/json", b"{}")
    assert server.requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert b"accept-encoding: identity\r\n" in server.requests[0].lower()


@pytest.mark.parametrize("own", [True, False], ids=["own connection", "application's client"])
@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX-A: ", HEAD + b"\r\n", None], ids=["headers", "body", "nothing"]
)
async def test_a_slow_answer_times_out(head: bytes | None, own: bool) -> None:
    """An answer that comes byte by byte, or not at all, times out."""

    def script(connection: socket.socket, _: bytes) -> None:
        if head is None:
            server.closing.wait(5)
        else:
            connection.sendall(head)
            server.drip(connection)

    with ScriptedServer(script) as server:
        began = monotonic()
        client = None if own else httpx.AsyncClient(timeout=5.0)
        with pytest.raises(TimeoutError):
            await ask(f"http://127.0.0.1:{server.port}/", seconds=0.3, http=client)
        assert monotonic() - began < 3
    if client is not None:
        await client.aclose()


@pytest.mark.parametrize("own", [True, False], ids=["own connection", "application's client"])
@pytest.mark.parametrize("packed", [True, False])
async def test_a_large_answer_is_refused(own: bool, packed: bool) -> None:
    """A large answer is refused while it is read, even if it is small until it is unpacked."""

    def script(connection: socket.socket, _: bytes) -> None:
        if packed:
            body = gzip.compress(bytes(20_000_000), 9)
            connection.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        else:
            connection.sendall(HEAD + b"\r\n")
            server.drip(connection, every=0, what=b"x" * 10_000)

    with ScriptedServer(script) as server:
        client = None if own else httpx.AsyncClient()
        with pytest.raises(TooLarge):
            await ask(f"http://127.0.0.1:{server.port}/", http=client)
    if client is not None:
        await client.aclose()


async def test_redirects_are_not_followed() -> None:
    """Redirects are not followed, not even with an application's client that does: they would bypass the checks."""
    with ScriptedServer(sends(b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")) as server:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            for http in (None, client):
                assert (await ask(f"http://127.0.0.1:{server.port}/", http=http)).status == 302
        assert len(server.requests) == 2


async def test_resolved_addresses_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to a forbidden address is refused; of several addresses, only allowed ones are used."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def getaddrinfo(name: str, port: int, *args: Any, **options: Any) -> list[Any]:
        asked.append(name)
        addresses = ["169.254.169.254", "127.0.0.1"] if name == "provider.example" else [name]
        return [found for address in addresses for found in really(address, port, *args, **options)]

    with ScriptedServer(sends(OK)) as server:
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with pytest.raises(PermissionError):
            await ask(f"http://provider.example:{server.port}/", reach="public")
        assert server.requests == []
        assert (await ask(f"http://provider.example:{server.port}/", reach="loopback")).status == 200
        # Once for each request, so that a second answer (DNS rebinding) cannot lead elsewhere.
        assert asked.count("provider.example") == 2


async def test_the_certificate_is_checked_against_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address, but TLS sends the name and checks the certificate against it."""
    certificate = tmp_path / "provider.pem"
    certificate.write_bytes(self_signed("provider.example"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    monkeypatch.setattr(outbound, "_tls", lambda: ssl.create_default_context(cafile=str(certificate)))
    really = socket.getaddrinfo
    with ScriptedServer(sends(OK), tls) as server:
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest, **options: really("127.0.0.1", *rest, **options))
        assert (await ask(f"https://provider.example:{server.port}/")).status == 200
        with pytest.raises(Exception, match=r"certificate|CERTIFICATE"):
            await ask(f"https://another.example:{server.port}/")


def self_signed(name: str) -> bytes:
    """A certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + made.public_bytes(encoding)


async def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY and NO_PROXY are respected; with a proxy, the proxy resolves the name."""
    with ScriptedServer(sends(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass@127.0.0.1:{proxy.port}")
        with pytest.raises(Exception, match="407"):
            await ask("https://issuer.example/", reach="public")
        assert proxy.requests[0].startswith(b"CONNECT issuer.example:443 ")
        assert b"proxy-authorization: basic dxnlcjpwyxnz" in proxy.requests[0].lower()
        monkeypatch.setenv("NO_PROXY", "issuer.example")
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
        with pytest.raises(PermissionError):
            await ask("https://issuer.example/", reach="public")
        assert len(proxy.requests) == 1


async def test_a_stuck_provider_does_not_delay_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sign-ins waiting for a stuck provider fail together after the timeout; another provider is not delayed."""
    monkeypatch.setattr(oauth_client, "_SECONDS", 0.5)

    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall(HEAD)
        server.drip(connection, what=b"a: b\r\n")

    with ScriptedServer(script) as server:
        stuck = oidc("stuck", f"http://127.0.0.1:{server.port}", "client", "secret", allow_insecure_http=True)
        away = oidc("away", "http://127.0.0.1:1", "client", "secret", allow_insecure_http=True)
        torii = AsyncTorii(AsyncMemoryStorage(), oauth=[stuck, away])

        async def begin(name: str) -> tuple[float, str]:
            began = monotonic()
            with pytest.raises(OAuthError) as refused:
                await torii.oauth.begin(name, redirect_uri="https://app.example.com/back")
            return monotonic() - began, refused.value.reason

        calls = [lambda: begin("stuck") for _ in range(8)] + [lambda: begin("away")]
        *waited, (elsewhere, _) = await gather(*calls)
        assert all(seconds < 2 for seconds, _ in waited)
        assert {reason for _, reason in waited} == {"provider"}
        assert elsewhere < 0.4
        # They shared one request.
        assert len(server.requests) == 1
        await torii.close()
