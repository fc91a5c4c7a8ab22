"""Where a request comes from, and how many are taken from there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

from torii_dynamodb.fastapi.settings import WebConfig

__all__ = ["ClientAddress", "bucket"]

_HOPS = 32  # more than any chain of proxies; a bound on the work that a header can ask for


class ClientAddress:
    """Finds the IP address of the client.

    ``X-Forwarded-For`` is read only where the connection comes from a trusted proxy, and then from its right end: the
    first address that is no trusted proxy is the client's. What stands left of it the client may have made up.

    Args:
        config: Which proxies are trusted.
    """

    def __init__(self, config: WebConfig) -> None:
        self._proxies = [ip_network(proxy) for proxy in config.trusted_proxies]

    def of(self, connection: HTTPConnection) -> str | None:
        """The address; ``None`` where the connection has none (a Unix socket)."""
        peer = _parse(None if connection.client is None else connection.client.host)
        if peer is None or not self._trusted(peer):
            return None if peer is None else str(peer)
        address = peer
        hops = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed(hops[-_HOPS:]):
            found = _parse(hop.strip())
            if found is None:
                break
            address = found
            if not self._trusted(found):
                break
        return str(address)

    def _trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._proxies)


def _parse(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def bucket(address: str) -> str:
    """What requests are counted under: the address; of IPv6 its /64 network, which is one customer's (RFC 6177)."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False).network_address)
