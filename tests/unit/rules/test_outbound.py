"""Which addresses requests to providers may go to, and how large an answer may get."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest

from torii_dynamodb._rules.outbound import Answer, Reach, TooLarge, checked_url, may_connect
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.oauth import OAuthProvider, oidc

PUBLIC = ["8.8.8.8", "140.82.121.4", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"]
PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"),
    *("fc00::1", "fd12:3456::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"),
]
NEVER = [
    *("169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
    *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"),  # metadata services
    *("0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.1.2.3", "ff02::1", "240.0.0.1", "255.255.255.255"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "100::1"),
    *("2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::127.0.0.1", "::8.8.8.8", "fec0::1"),
    *("64:ff9b:1::7f00:1", "not an address", "", "127.1", "2130706433", "8.8.8.8 "),
]


@pytest.mark.parametrize("reach", ["public", "loopback", "private"])
def test_which_addresses_are_connected_to(reach: Reach) -> None:
    """Public addresses always; this machine and the private network only if allowed; special addresses never."""
    for addresses, expected in (
        (PUBLIC, True),
        (LOOPBACK, reach != "public"),
        (PRIVATE, reach == "private"),
        (NEVER, False),
    ):
        assert {address: may_connect(address, reach) for address in addresses} == dict.fromkeys(addresses, expected)


@pytest.mark.parametrize(
    "url",
    [
        *("https://issuer.example", "https://issuer.example:8443/a?p=b", "https://8.8.8.8/", "https://[2606:4700::1]/"),
        "https://xn--bcher-kva.example/",
    ],
)
def test_accepted_urls(url: str) -> None:
    """An https URL of a public host is accepted, with any port and path."""
    assert checked_url(url, "public") == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://issuer.example",
            "ftp://issuer.example",
            "file:///etc/passwd",
            "//issuer.example",
            "issuer.example",
            "",
        ),
        *("https://", "https://user@issuer.example", "https://user:secret@issuer.example", "https://issuer.example/#x"),
        *(
            "https://issuer.example\\@127.0.0.1/",
            "https://issuer.example/\n",
            "https://issuer.example/ x",
            " https://a.b",
        ),
        *("https://[::1", "https://[zz]/", "https://issuer.example:99999/", "https://issuer.example:x/"),
        *("https://bücher.example/", "https://ⓘssuer.example/", "https://issuer.example/" + "x" * 3000),
        *("https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/"),
        *("https://0177.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/"),
        *("https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/"),
        *("https://169.254.169.254/latest/meta-data/", "https://127.0.0.1./"),
        *(None, 1, True, ["https://issuer.example"], {"url": "https://issuer.example"}, b"https://issuer.example"),
    ],
)
def test_refused_urls(url: Any) -> None:
    """A URL is refused if it is not https, is ambiguous, or names an address that requests may not go to."""
    with pytest.raises(ConfigurationError):
        checked_url(url, "public")


def test_the_switches_that_widen_the_reach() -> None:
    """Each switch allows only what it names; http to the private network needs both."""

    def made(url: str, **options: Any) -> OAuthProvider:
        return oidc("issuer", url, "client", "secret", **options)

    local, private = {"allow_insecure_http": True}, {"allow_private_network": True}
    made("http://localhost:8080/realms/x", **local)
    made("http://127.0.0.1:8080", **local)
    made("https://localhost:8443", **local)
    made("https://10.0.0.5", **private)
    made("https://keycloak:8443", **private)
    made("http://keycloak:8080", **local, **private)
    for url, options in (
        ("http://issuer.example", local),
        ("http://10.0.0.5", local),
        ("https://10.0.0.5", local),
        ("http://10.0.0.5", private),
        ("http://localhost", private),
        ("https://169.254.169.254", local | private),
        ("http://localhost", {}),
        ("https://localhost", {}),
    ):
        with pytest.raises(ConfigurationError, match="issuer"):
            made(url, **options)


def test_a_compressed_answer_is_bounded() -> None:
    """142 KB of gzip that expand to 140 MB are refused at the bound; an answer that fits passes."""
    bomb = gzip.compress(bytes(140_000_000), 9)
    assert len(bomb) < 200_000
    tracemalloc.start()
    with pytest.raises(TooLarge):
        Answer.of(200, {"content-encoding": "gzip"}, bomb, 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    for coding, body in (("gzip", gzip.compress(b"{}")), ("deflate", zlib.compress(b"{}")), ("identity", b"{}")):
        assert Answer.of(200, {"content-encoding": coding}, body, 100).body == b"{}"
    for coding, body in (("gzip", b"{}"), ("br", b"{}"), ("gzip, gzip", gzip.compress(gzip.compress(b"{}")))):
        with pytest.raises(ValueError, match="coding"):
            Answer.of(200, {"content-encoding": coding}, body, 100)
