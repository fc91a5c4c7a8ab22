"""Where a request comes from: headers of proxies, trusted and untrusted, and proxies that are not configured."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send
from tests.web.api import API, Site, problem

from torii_dynamodb._web.limits import ClientAddress
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.fastapi.example import server

PROXY = "10.0.0.1"
CLIENT = "203.0.113.9"


def connection(*headers: tuple[str, str], client: str | None = PROXY) -> HTTPConnection:
    """A connection with these headers."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": "POST", "headers": raw, "client": None if client is None else (client, 0)}
    return HTTPConnection(scope)


def found(
    header: str, *lines: str, client: str | None = PROXY, proxies: tuple[str, ...] = ("10.0.0.0/8",)
) -> str | None:
    """Return the client's address."""
    option: Any = "forwarded" if header == "Forwarded" else "x-forwarded-for"
    address = ClientAddress(WebConfig(trusted_proxies=proxies, forwarded_header=option))
    return address.of(connection(*((header, line) for line in lines), client=client))


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ("203.0.113.9", CLIENT),
        ("203.0.113.9:51008", CLIENT),
        ('"203.0.113.9:51008"', CLIENT),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ('"[2001:db8::7]:443"', "2001:db8::7"),
        ("[::ffff:203.0.113.9]:443", CLIENT),
        ("::ffff:203.0.113.9", CLIENT),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        # Not an address: the nearest proxy, which wrote it, counts.
        ("unknown", PROXY),
        ("_hidden", PROXY),
        ("203.0.113.9:51008:1", PROXY),
        ("[203.0.113.9", PROXY),
        ("203.0.113.999", PROXY),
        ("example.com", PROXY),
        ("[2001:db8::7]443", PROXY),
        ("", PROXY),
        (",", PROXY),
    ],
)
def test_what_proxies_write(hop: str, expected: str) -> None:
    """An address with or without port, brackets or quotes; entries to its left can be made up by the client."""
    assert found("X-Forwarded-For", hop) == expected
    for made_up in ("6.6.6.6", "garbage", '"', "6.6.6.6:1, [::1", ", ,"):
        assert found("X-Forwarded-For", f"{made_up}, {hop}") == (
            expected if hop.strip(",") else found("X-Forwarded-For", made_up)
        )
        if hop.strip(","):
            assert found("X-Forwarded-For", made_up, hop) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("for=203.0.113.9", CLIENT),
        ("For=203.0.113.9;proto=https;by=203.0.113.43", CLIENT),
        ("proto=https ; for=203.0.113.9", CLIENT),
        ('for="203.0.113.9:51008"', CLIENT),
        ("for=203.0.113.9:51008", CLIENT),
        ('for="203.0.113.9:_port"', CLIENT),
        ('for="[2001:db8::7]:443"', "2001:db8::7"),
        ('for="[2001:db8::7]";host="a,b;c=\\"d\\""', "2001:db8::7"),
        ("for=6.6.6.6, for=203.0.113.9", CLIENT),
        ("for=6.6.6.6,for=203.0.113.9,for=10.1.1.1", CLIENT),
        ("for=203.0.113.9,", CLIENT),
        ("for=6.6.6.6, for=unknown", PROXY),
        ("for=6.6.6.6, for=_SEVKISEK", PROXY),
        ("for=6.6.6.6, for=unknown, for=10.1.1.1", "10.1.1.1"),
        ("for=6.6.6.6, proto=https", PROXY),
        ("for=6.6.6.6, by=10.0.0.3", PROXY),
        ("", PROXY),
        # A quotation mark opened by the client does not hide what the proxy adds.
        ('for=6.6.6.6;x=", for="[2001:db8::7]:443"', PROXY),
        ('for=6.6.6.6;x=", for=203.0.113.9', PROXY),
        ('for="6.6.6.6, for=203.0.113.9', PROXY),
        ("for=6.6.6.6 for=203.0.113.9", PROXY),
        ("for 6.6.6.6", PROXY),
    ],
)
def test_the_standard_header(line: str, expected: str) -> None:
    """RFC 7239, from the right, quoted or not; an obfuscated or broken entry ends the search at its proxy."""
    assert found("Forwarded", line) == expected


def test_only_one_header_is_read() -> None:
    """The header that the proxies do not write comes from the client, and does not count."""
    both = (("X-Forwarded-For", CLIENT), ("Forwarded", "for=6.6.6.6"))
    assert ClientAddress(WebConfig(trusted_proxies=[PROXY])).of(connection(*both)) == CLIENT
    other = WebConfig(trusted_proxies=[PROXY], forwarded_header="forwarded")
    assert ClientAddress(other).of(connection(*both)) == "6.6.6.6"
    assert found("X-Forwarded-For", CLIENT, client="192.0.2.1") == "192.0.2.1", "not from a proxy of ours"


def test_several_proxies() -> None:
    """All proxies of a chain are named, by address or network; the first address that is not named is the client."""
    chain = ("10.0.0.0/8", "198.51.100.0/24", "2001:db8:1::/48")
    for line in ("6.6.6.6, 203.0.113.9, 198.51.100.7, 10.2.2.2", "203.0.113.9:1, [2001:db8:1::5]:2, 10.2.2.2:3"):
        assert found("X-Forwarded-For", line, proxies=chain) == CLIENT
    assert found("X-Forwarded-For", "203.0.113.9, 198.51.100.7") == "198.51.100.7", "a proxy that is not named"
    assert found("X-Forwarded-For", "10.3.3.3, 10.2.2.2") == "10.3.3.3", "a client inside the network"


def test_a_load_balancer_in_front_of_a_function() -> None:
    """Where an adapter names all hops instead of the client, the one that the load balancer appended counts."""
    hops = f"192.0.2.66, {CLIENT}"
    assert found("X-Forwarded-For", hops, client=hops, proxies=()) == CLIENT
    assert ClientAddress(WebConfig()).counted_as(connection(("X-Forwarded-For", hops), client=hops)) == CLIENT


def test_a_unix_socket() -> None:
    """A connection without an address is a proxy's if the configuration says so."""
    assert found("X-Forwarded-For", CLIENT, client=None) is None
    assert found("X-Forwarded-For", CLIENT, client=None, proxies=("unix",)) == CLIENT
    assert found("X-Forwarded-For", CLIENT, client="", proxies=("unix",)) == CLIENT
    assert found("X-Forwarded-For", CLIENT, client="192.0.2.1", proxies=("unix",)) == "192.0.2.1"
    assert found("X-Forwarded-For", CLIENT, client="testclient", proxies=("unix",)) is None


@given(st.lists(st.text(alphabet=',;="\\ \tfor.:[]0129_x', max_size=60), max_size=3))
def test_any_header(lines: list[str]) -> None:
    """Whatever a client sends, the separate line that the proxy adds decides."""
    assert found("X-Forwarded-For", *lines, CLIENT) == CLIENT
    assert found("Forwarded", *lines, f"for={CLIENT}") == CLIENT
    for header in ("X-Forwarded-For", "Forwarded"):
        assert found(header, *lines) is not None


@pytest.mark.parametrize("proxy", ["0.0.0.0/0", "::/0", "everyone", "10.0.0.1/8", "*"])
def test_nobody_trusts_everybody(proxy: str) -> None:
    """A network of all addresses is refused, because it would let each client choose its own."""
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        WebConfig(trusted_proxies=[proxy])


async def _ask(site: Site, client: str, **headers: str) -> int:
    async with site.browser(client=client, **headers) as browser:
        answer = await browser.post(f"{API}/magic-link/check", json={"token": "x"})
        if answer.status_code == 429:
            problem(answer, 429, "rate_limited")
        return answer.status_code


@pytest.mark.parametrize("peer", ["10.0.0.7", "172.17.0.1", "127.0.0.1", "fd00::7", "100.64.0.3", "::ffff:192.168.1.2"])
async def test_a_proxy_that_nobody_named(peer: str, caplog: pytest.LogCaptureFixture) -> None:
    """With all clients behind one internal address, nobody is refused for the others, and the log says what to set."""
    site = Site(WebConfig())
    with caplog.at_level(logging.WARNING, logger="torii_dynamodb"):
        codes = [await _ask(site, peer, **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(60)]
    assert set(codes) == {200}
    (record,) = caplog.records
    assert "trusted_proxies" in record.getMessage()
    assert peer.removeprefix("::ffff:") in record.getMessage()
    assert "203.0.113" not in record.getMessage()


async def test_a_client_behind_it_is_still_limited() -> None:
    """One client's requests are counted, also with the standard header, and its session records the proxy's address."""
    site = Site(WebConfig())
    for name, value in (("X-Forwarded-For", "6.6.6.6, 203.0.113.9:1"), ("Forwarded", "for=6.6.6.7, for=203.0.113.77")):
        codes = [await _ask(site, "10.0.0.7", **{name: value}) for _ in range(22)]
        assert codes == [200] * 20 + [429] * 2


async def test_one_who_makes_headers_up_is_bounded() -> None:
    """A client in the internal network that chooses the header gets at most 64 times the limit."""
    site = Site(WebConfig())
    web = site.auth.web
    counted = {
        web._client.counted_as(connection(("X-Forwarded-For", f"203.0.{n // 256}.{n % 256}"), client="10.0.0.7"))
        for n in range(5_000)
    }
    assert len(counted) == 64
    assert all(address is not None and address.startswith("0.0.0.") for address in counted)


async def test_from_outside_the_header_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A connection from the internet is counted by its address, whatever the header says; the log notes it."""
    site = Site(WebConfig())
    with caplog.at_level(logging.WARNING, logger="torii_dynamodb"):
        codes = [await _ask(site, "198.51.100.7", **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(23)]
    assert codes == [200] * 20 + [429] * 3
    (record,) = caplog.records
    assert "trusted_proxies" in record.getMessage()


async def test_a_second_proxy_that_nobody_named(caplog: pytest.LogCaptureFixture) -> None:
    """For a named balancer behind proxies that are not named, the refusal is logged once."""
    site = Site(WebConfig(trusted_proxies=["10.0.0.0/8"]))
    with caplog.at_level(logging.WARNING, logger="torii_dynamodb"):
        lines = [f"203.0.113.{n}, 198.51.100.7" for n in range(22)]
        codes = [await _ask(site, "10.0.0.7", **{"X-Forwarded-For": line}) for line in lines]
    assert codes == [200] * 20 + [429] * 2
    (record,) = caplog.records
    assert "198.51.100.7" in record.getMessage()
    assert "203.0.113" not in record.getMessage()


async def test_without_a_header_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """An internal client without such a header is a client; so is one that the server has already resolved."""
    with caplog.at_level(logging.WARNING, logger="torii_dynamodb"):
        site = Site(WebConfig())
        assert [await _ask(site, "10.0.0.7") for _ in range(21)][-1] == 429
        assert await _ask(site, "192.168.1.5", **{"X-Forwarded-For": "192.168.1.5"}) == 200
        named = Site(WebConfig(trusted_proxies=["10.0.0.0/8"]))
        assert await _ask(named, "10.0.0.7", **{"X-Forwarded-For": CLIENT}) == 200
    assert caplog.records == []


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"Forwarded": "for=203.0.113.9"}, "forwarded_header='forwarded'"),
        ({"X-Forwarded-For": "unknown"}, "no address in x-forwarded-for"),
    ],
)
async def test_a_proxy_that_says_nothing_of_use(
    headers: dict[str, str], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A trusted proxy that writes the other header, or an unreadable one, is logged once."""
    site = Site(WebConfig(trusted_proxies=["10.0.0.0/8"]))
    with caplog.at_level(logging.WARNING, logger="torii_dynamodb"):
        for _ in range(3):
            await _ask(site, "10.0.0.7", **headers)
    (record,) = caplog.records
    assert says in record.getMessage()


async def test_serve_believes_nobody() -> None:
    """``torii-dynamodb serve`` leaves the connection's address and scheme alone, whatever a client sends."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None: ...

    for config in (server.settings(app), uvicorn.Config(app)):
        config.load()
        headers = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-proto", b"https")]
        scope: Any = {"type": "http", "scheme": "http", "client": ("127.0.0.1", 1), "headers": headers}
        await config.loaded_app(scope, receive, send)
    assert [(scope["client"][0], scope["scheme"]) for scope in seen] == [("127.0.0.1", "http"), ("6.6.6.6", "https")]
