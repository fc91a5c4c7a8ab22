"""Proxies: real ones, with TLS inside, with a password, refusing, hanging; and other transports."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from tests.integration.wire.certificate import certificate
from tests.integration.wire.proxy import ConnectProxy
from tests.integration.wire.server import Answer, Server

from torii_dynamodb import errors
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.transport import AsyncHttpxTransport, AsyncTransport, Endpoint, Request, Response

GET = {"TableName": "torii_users", "Key": {"id": {"S": "usr_1"}}}


def config_of(url: str, **options: Any) -> DynamoDbConfig:
    """A configuration for an address."""
    settings: dict[str, Any] = {
        "region": "eu-central-1",
        "endpoint_url": url,
        "retry_attempts": 0,
        "credentials": Credentials(access_key_id="a", secret_access_key="b"),
    }
    return DynamoDbConfig(**(settings | options))


async def ask(config: DynamoDbConfig, times: int = 1) -> None:
    """Call over one client."""
    client = AsyncClient(config)
    try:
        for _ in range(times):
            await client.call("GetItem", GET)
    finally:
        await client.aclose()


@pytest.mark.parametrize("password", [None, "us%er:p@ss"])
async def test_tls_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: str | None) -> None:
    """CONNECT, with a name and password where the proxy's URL has them; TLS is with the endpoint, and is kept."""
    context = certificate(tmp_path, x509.DNSName("localhost"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Server(otherwise=Answer({"Item": {}}), tls=context) as server, ConnectProxy(password=password) as proxy:
        userinfo = "us%25er:p%40ss@" if password else ""
        monkeypatch.setenv("HTTPS_PROXY", f"http://{userinfo}{proxy.address}")
        await ask(config_of(f"https://localhost:{server.port}"), times=3)
        assert proxy.asked == [f"CONNECT localhost:{server.port} HTTP/1.1"]
        assert len(server.seen) == 3


async def test_the_tunnel_does_not_spare_the_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A proxy that leads elsewhere gets no request: the certificate is checked inside the tunnel."""
    context = certificate(tmp_path, x509.DNSName("example.com"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Server(tls=context) as server, ConnectProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(errors.Unavailable, match=r"[Hh]ostname mismatch"):
            await ask(config_of(f"https://localhost:{server.port}"))
        assert server.seen == []


@pytest.mark.parametrize("password", [None, "user:pass"])
async def test_without_tls_the_request_itself_is_forwarded(
    monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    """An endpoint without TLS is asked by its whole address; what is said to the proxy stays with it."""
    with Server(otherwise=Answer({"Item": {}})) as server, ConnectProxy(password=password) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{password}@{proxy.address}" if password else proxy.address)
        await ask(config_of(server.url), times=2)
        assert proxy.asked[0] == f"POST {server.url}/ HTTP/1.1"
        assert "proxy-authorization" not in server.seen[0].headers


@pytest.mark.parametrize("tls", [True, False])
async def test_a_proxy_that_wants_a_password_is_a_wrong_set_up(monkeypatch: pytest.MonkeyPatch, tls: bool) -> None:
    """407 is told as such, at once, without the password that was wrong."""
    with ConnectProxy(password="user:right") as proxy:
        monkeypatch.setenv("HTTPS_PROXY" if tls else "HTTP_PROXY", f"http://user:hushhush@{proxy.address}")
        url = "https://dynamodb.eu-central-1.amazonaws.com" if tls else "http://dynamodb.invalid"
        with pytest.raises(errors.ConfigurationError, match=f"proxy {proxy.url} refused .* HTTP 407") as told:
            await ask(config_of(url, retry_attempts=3))
        assert "hushhush" not in repr(told.value) + str(told.value.__cause__)
        assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("raw", "requests", "kind", "words"),
    [
        (b"HTTP/1.1 403 No\r\n\r\n<html>", 1, errors.ConfigurationError, "HTTP 403.*NO_PROXY"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 2, errors.Unavailable, "HTTP 502"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 2, errors.Unavailable, "is not HTTP"),
        (b"HTTP/1.1 twohundred\r\n\r\n", 2, errors.Unavailable, "is not HTTP"),
        (b"HTTP/1.1 200 O", 2, errors.Unavailable, "closed the connection without"),
        (b"", 2, errors.Unavailable, "closed the connection without"),
        (b"x" * 20_000, 2, errors.Unavailable, "too long|closed|reset"),
        (b"HTTP/1.1 200 OK\r\n\r\n", 2, errors.Unavailable, "no connection to"),
    ],
    ids=["forbids", "gateway", "ssh", "no-number", "cut", "closes", "endless", "closes-after"],
)
async def test_a_proxy_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, raw: bytes, requests: int, kind: type[Exception], words: str
) -> None:
    """What will not change is not tried again; everything else is an outage."""
    with ConnectProxy(raw=raw) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(kind, match=words):
            await ask(config_of("https://dynamodb.eu-central-1.amazonaws.com", retry_attempts=1))
        assert len(proxy.asked) == requests


async def test_a_proxy_that_hangs_costs_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for connections is for the proxy's answer, too."""
    with ConnectProxy(hang=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(errors.Unavailable, match=f"through the proxy {proxy.url} in time"):
            await ask(config_of("https://dynamodb.eu-central-1.amazonaws.com", connect_timeout=0.1))


async def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy at its address: the message says which, without its password."""
    with ConnectProxy() as proxy:
        address = proxy.address
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hushhush@{address}")
    with pytest.raises(errors.Unavailable, match=f"through the proxy http://{address}: ") as told:
        await ask(config_of("https://dynamodb.eu-central-1.amazonaws.com"))
    assert "hushhush" not in repr(told.value) + str(told.value.__cause__)


async def test_what_is_excepted_goes_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY: the endpoint is reached without the proxy."""
    with Server(otherwise=Answer({"Item": {}})) as server, ConnectProxy(raw=b"") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.0/8")
        await ask(config_of(server.url))
        assert proxy.asked == []


async def test_a_bundle_that_cannot_be_read_is_a_wrong_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing or broken file of certificates is named, and is not an outage; nothing is left connected."""
    (tmp_path / "broken.pem").write_text("no certificate")
    for name in ("missing.pem", "broken.pem"):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / name))
        with Server() as server, pytest.raises(errors.ConfigurationError, match=f"{name}.*cannot be used"):
            await ask(config_of(server.url.replace("http:", "https:")))


async def test_a_transport_of_ones_own_is_used_and_closed() -> None:
    """``DynamoDbConfig(transport=...)`` makes it once, for the endpoint; closing the client closes it."""
    made: list[Own] = []

    class Own:
        def __init__(self, endpoint: Endpoint) -> None:
            self.endpoint = endpoint
            self.closed = False
            made.append(self)

        async def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response:
            assert request.target == "/"
            return Response.of(200, [], b"{}")

        async def aclose(self) -> None:
            self.closed = True

    await ask(config_of("http://nowhere.invalid", transport=Own), times=2)
    assert [(one.endpoint.host, one.closed) for one in made] == [("nowhere.invalid", True)]


async def test_what_makes_no_transport_is_refused() -> None:
    """The other twin's kind, or anything else, is named at the first call."""
    for wrong in (lambda _: None, lambda _: httpx.Response, lambda _: lambda *_: None):
        with pytest.raises(errors.ConfigurationError, match="not an AsyncTransport"):
            await ask(config_of("http://nowhere.invalid", transport=wrong))


async def test_httpx_sends_through_its_own_proxy(tmp_path: Path) -> None:
    """The transport over httpx: TLS through a proxy that it was given, answers as they came."""
    context = certificate(tmp_path, x509.DNSName("localhost"))
    trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    answer = {"Item": {"big": {"S": "x" * 100_000}}}
    with Server(otherwise=Answer(answer), tls=context) as server, ConnectProxy(password="u:p") as proxy:

        def over_httpx(endpoint: Endpoint) -> AsyncTransport:
            return AsyncHttpxTransport(
                endpoint, httpx.AsyncClient(verify=trust, proxy=f"http://u:p@{proxy.address}", trust_env=False)
            )

        await ask(config_of(f"https://localhost:{server.port}", transport=over_httpx), times=2)
        assert proxy.asked == [f"CONNECT localhost:{server.port} HTTP/1.1"]
        assert [seen.operation for seen in server.seen] == ["GetItem", "GetItem"]


async def test_httpx_tells_its_failures_as_ours() -> None:
    """Nothing of httpx' leaves the transport."""
    with Server(Answer(cut=True), otherwise=Answer({})) as server:
        config = config_of(server.url, transport=AsyncHttpxTransport)
        with pytest.raises(errors.Unavailable, match="connection ended"):
            await ask(config)
    with pytest.raises(errors.Unavailable, match="no connection to"):
        await ask(config)
