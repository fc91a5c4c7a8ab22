"""Requests to providers: which addresses they may go to, and how much of a response is read."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from torii_dynamodb.errors import ConfigurationError

__all__ = ["Answer", "Reach", "TooLarge", "checked_url", "decoded", "may_connect"]

# Where requests may go: public addresses; also this machine; also the private network.
Reach: TypeAlias = Literal["public", "loopback", "private"]

# IETF protocol assignments. Older Pythons consider some of them global; one cloud has its metadata service there.
_PROTOCOLS = IPv4Network("192.0.0.0/24")
_NAT64 = IPv6Network("64:ff9b::/96")
# Metadata and platform services of AWS, Google, Alibaba and Azure that are not link-local. They return credentials.
_METADATA = {ip_address(text) for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16")}
_PRIVATE_IPV4 = re.compile(r"10\.|172\.(1[6-9]|2\d|3[01])\.|192\.168\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.")


class TooLarge(ValueError):
    """A response is larger than the limit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Args:
        status: The HTTP status.
        content_type: The media type, without parameters, in lower case.
        body: The body, decoded.
    """

    status: int
    content_type: str
    body: bytes

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes, most: int, *, decode: bool = True) -> Answer:
        """Read a response.

        Raises:
            TooLarge: Its body has more than ``most`` bytes.
            ValueError: Its body has an encoding that was not requested, or is broken.
        """
        plain = decoded(body, headers, most) if decode else body
        if len(plain) > most:
            raise TooLarge("the response is too large")
        return cls(status, headers.get("content-type", "").partition(";")[0].strip().lower(), plain)


def may_connect(address: str, reach: Reach) -> bool:
    """Whether an IP address may be connected to.

    Never allowed, whatever the reach: link-local addresses (including metadata services, which return credentials),
    multicast, unspecified and reserved ones.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        embedded = found.ipv4_mapped or (IPv4Address(found.packed[12:]) if found in _NAT64 else None)
        if embedded is not None:
            found = embedded
    if found in _METADATA or found.is_link_local or found.is_multicast or found.is_unspecified:
        return False
    if found.is_loopback:
        return reach != "public"
    if _is_private(found):
        return reach == "private"
    if isinstance(found, IPv6Address):
        # Global unicast addresses only (RFC 4291, 2.4), without those that tunnel to an IPv4 address.
        return found.packed[0] >> 5 == 1 and found.is_global and found.sixtofour is None and found.teredo is None
    return found.is_global and not found.is_reserved and found not in _PROTOCOLS


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    """RFC 1918, RFC 6598 and RFC 4193."""
    if isinstance(address, IPv6Address):
        return address.packed[0] & 0xFE == 0xFC
    return _PRIVATE_IPV4.match(str(address)) is not None


def checked_url(url: object, reach: Reach, *, insecure: bool = False) -> str:
    """Check a URL to send requests to, or to send a browser to.

    Only the URL itself is checked here; what its name resolves to is checked when connecting.

    Args:
        url: The address.
        reach: Where it may lead.
        insecure: Whether http:// is accepted, on this machine or in the private network.

    Raises:
        ConfigurationError: It cannot be used. The message does not repeat it.
    """
    # urlsplit drops tabs and line breaks, and other URL parsers treat backslashes as slashes.
    if not isinstance(url, str) or len(url) > 2048 or not re.fullmatch(r"[!-\[\]-~]+", url):
        raise ConfigurationError("give an https:// address in ASCII")
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise ConfigurationError("give an https:// address; this one cannot be read") from error
    if not host or parts.username is not None or parts.fragment:
        raise ConfigurationError("give an https:// address with a host, without user name and fragment")
    named_local = host == "localhost" or host.endswith(".localhost")
    literal = _literal(host)
    if literal is not None and not may_connect(literal, reach):
        raise ConfigurationError(f"the address does not lead to a public host; {_SWITCHES}")
    if named_local and reach == "public":
        raise ConfigurationError(f"the address leads to this machine; {_SWITCHES}")
    if parts.scheme == "https":
        return url
    if parts.scheme == "http" and insecure:
        local = named_local or (literal is not None and ip_address(literal).is_loopback)
        if local or reach == "private":
            return url
    raise ConfigurationError("give an https:// address; for development, http:// needs allow_insecure_http=True")


_SWITCHES = "allow_insecure_http=True is for providers on this machine, allow_private_network=True for private networks"


def _literal(host: str) -> str | None:
    """Parse a host that is an IP address; ``None`` for a name.

    Raises:
        ConfigurationError: It is a number that some resolvers read as an address (``2130706433``, ``127.1``).
    """
    try:
        return str(ip_address(host))
    except ValueError:
        if ":" in host or re.fullmatch(r"\d+|0x[0-9a-f]*", host.rpartition(".")[2]):
            raise ConfigurationError("give an https:// address with a host name") from None
        return None


def decoded(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """Decode the content coding of a body, never holding more than ``most`` bytes.

    Raises:
        TooLarge: It is larger.
        ValueError: It has an encoding that was not requested, or is broken.
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError("unknown content coding")
    # 32: zlib detects gzip and zlib streams by their headers.
    inflater = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
    try:
        made = inflater.decompress(body, most)
    except zlib.error as error:
        raise ValueError("broken content coding") from error
    if inflater.unconsumed_tail:
        raise TooLarge("the response is too large")
    return made
