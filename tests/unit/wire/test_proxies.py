"""Which proxy is used: compared with urllib, which botocore uses, and what we support beyond it."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._messages import Endpoint
from torii_dynamodb._wire.proxies import Proxy, proxy_for
from torii_dynamodb.errors import ConfigurationError

AWS = Endpoint("https://dynamodb.eu-central-1.amazonaws.com")
PROXY = "http://proxy:3128"


def shown(proxy: Proxy | None) -> str | None:
    """Return the address of the proxy."""
    return None if proxy is None else proxy.url


@pytest.mark.parametrize(("environ", "url", "expected"), [
    ({}, AWS.url, None),
    ({"HTTPS_PROXY": PROXY}, AWS.url, PROXY),
    ({"https_proxy": "http://small:1", "HTTPS_PROXY": PROXY}, AWS.url, "http://small:1"),
    ({"https_proxy": "", "HTTPS_PROXY": PROXY}, AWS.url, None),
    ({"HTTP_PROXY": PROXY}, AWS.url, None),
    ({"HTTP_PROXY": PROXY}, "http://emulator:8000", PROXY),
    ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "http://emulator:8000", None),
    ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, "http://emulator:8000", PROXY),
    ({"ALL_PROXY": PROXY}, AWS.url, None),
    ({"HTTPS_PROXY": "proxy:3128"}, AWS.url, PROXY),
    ({"HTTPS_PROXY": "//proxy:3128"}, AWS.url, PROXY),
    ({"HTTPS_PROXY": "http://[::1]:3128"}, AWS.url, "http://[::1]:3128"),
    ({"HTTPS_PROXY": "http://proxy"}, AWS.url, "http://proxy:80"),
    ({"HTTPS_PROXY": "http://u:p@proxy:3128/"}, AWS.url, PROXY),
])  # fmt: skip
def test_the_proxy_is_that_of_the_environment(environ: dict[str, str], url: str, expected: str | None) -> None:
    """The endpoint's scheme decides; lower case comes first, empty cancels the other, CGI headers are ignored."""
    assert shown(proxy_for(Endpoint(url), environ)) == expected


@pytest.mark.parametrize(("no_proxy", "url", "straight"), [
    ("*", AWS.url, True),
    ("other, *", AWS.url, True),
    ("amazonaws.com", AWS.url, True),
    (".amazonaws.com", AWS.url, True),
    ("*.amazonaws.com", AWS.url, True),
    ("AmazonAWS.com", AWS.url, True),
    ("dynamodb.eu-central-1.amazonaws.com", AWS.url, True),
    ("aws.com", AWS.url, False),
    ("amazonaws.com:443", AWS.url, True),
    ("amazonaws.com:8443", AWS.url, False),
    ("localhost 127.0.0.1", "https://127.0.0.1:8443", True),
    ("127.0.0.1:8443", "https://127.0.0.1:8443", True),
    ("127.0.0.1:443", "https://127.0.0.1:8443", False),
    ("10.0.0.0/8", "https://10.1.2.3", True),
    ("10.0.0.0/8", "https://11.1.2.3", False),
    ("10.0.0.0/8:8000", "https://10.1.2.3", False),
    ("10.0.0.0/8", "https://ten.example", False),
    ("10.0.0.0/99", "https://10.1.2.3", False),
    ("::1", "https://[::1]:8000", True),
    ("[::1]:8000", "https://[::1]:8000", True),
    ("[::1]:8001", "https://[::1]:8000", False),
    ("fd00::/8", "https://[fd12::1]", True),
    ("fd00::/8", "https://10.1.2.3", False),
    ("", AWS.url, False),
    (",, ,", AWS.url, False),
    (".", AWS.url, False),
])  # fmt: skip
def test_exceptions_in_every_form(no_proxy: str, url: str, straight: bool) -> None:
    """NO_PROXY takes names with their subdomains, leading dots and stars, ports, addresses and networks."""
    found = proxy_for(Endpoint(url), {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})
    assert (found is None) is straight


_labels = st.sampled_from(["a", "b", "com", "aws"])
_hosts = st.lists(_labels, min_size=1, max_size=3).map(".".join)
_entries = st.builds("{}{}{}".format, st.sampled_from(["", ".", " "]), _hosts, st.sampled_from(["", " ", ":443", ":1"]))


@given(host=_hosts, entries=st.lists(_entries, max_size=4))
def test_names_are_excepted_as_urllib_does(host: str, entries: list[str]) -> None:
    """We use no proxy exactly where urllib, and so botocore, uses none."""
    no_proxy = ",".join(entries)
    bypass: Any = urllib.request
    theirs = bypass.proxy_bypass_environment(f"{host}:443", {"no": no_proxy})
    assert (proxy_for(Endpoint(f"https://{host}"), {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) is None) is bool(
        theirs
    )


@pytest.mark.parametrize("url", [
    "http://", "ftp://u:hushhush@proxy", "http://u:hushhush@proxy:port", "http://u:hushhush@[::1", "https://u:hushhush@proxy",
])  # fmt: skip
def test_a_wrong_address_is_told_without_its_password(url: str) -> None:
    """The message names the variable and does not show the password."""
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY: ") as told:
        proxy_for(AWS, {"HTTPS_PROXY": url})
    assert "hushhush" not in repr(told.value)
    assert told.value.__cause__ is None
    assert told.value.__context__ is None or "hushhush" not in str(told.value.__context__)


def test_a_proxy_shows_no_password() -> None:
    """Neither repr nor the URL shows the password."""
    proxy = proxy_for(AWS, {"HTTPS_PROXY": "http://user:hushhush@proxy:3128"})
    assert proxy is not None
    assert repr(proxy) == f"Proxy({PROXY!r})"
    assert b"hushhush" not in proxy.connect(AWS)  # base64


def test_a_line_break_in_a_password_stays_in_it() -> None:
    """No part of the URL can begin another header."""
    proxy = proxy_for(AWS, {"HTTPS_PROXY": "http://u%0d%0ax-evil:%0d%0a@proxy"})
    assert proxy is not None
    assert b"x-evil" not in proxy.connect(AWS)
