"""The IP address that a request comes from, and the counter that it is counted under."""

from __future__ import annotations

import logging
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from zlib import crc32

from torii_dynamodb._web.connection import Connection
from torii_dynamodb._web.settings import UNIX_SOCKET, WebConfig

__all__ = ["ClientAddress", "network_of"]

_log = logging.getLogger("torii_dynamodb")

Address = IPv4Address | IPv6Address

_HOPS = 32  # longer than any chain of proxies; bounds the work that a header can cause
_BUCKETS = 64  # for the clients behind an unnamed proxy, who together get 64 times what one address gets

# Connections from these come from a data centre, a container network or this machine, never from the internet:
# RFC 1918, 6598, 3927, 4193, 4291. (`is_private` covers more: documentation addresses, for example.)
_INSIDE = [
    ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16",
        "fc00::/7", "fe80::/10", "::1/128",
    )
]  # fmt: skip


class ClientAddress:
    """Finds the IP address of the client.

    ``X-Forwarded-For`` (or ``Forwarded``, if configured) is read only if the connection comes from a trusted proxy, and
    from right to left: the first address that is not a trusted proxy is the client's. The client may have made up
    everything to the left of it. An unreadable entry (``unknown``, an obfuscated name, garbage) ends the search at the
    proxy that wrote it.

    Args:
        config: Names the trusted proxies.
    """

    def __init__(self, config: WebConfig) -> None:
        self._proxies = [ip_network(proxy) for proxy in config.trusted_proxies if proxy != UNIX_SOCKET]
        self._unix_socket = UNIX_SOCKET in config.trusted_proxies
        self._header = config.forwarded_header
        self._warned: set[str] = set()

    def of(self, connection: Connection) -> str | None:
        """The address; ``None`` if the connection has none (a Unix socket that is not trusted)."""
        peer = _peer(connection)
        if not self._trusts(peer, connection):
            return None if peer is None else str(peer)
        address = peer
        for hop in reversed(_hops(connection, self._header)):
            if hop is None:
                self._warn(
                    "unreadable",
                    "the proxy at %s sends no address in %s, so all of its clients count as one",
                    address or "the Unix socket",
                    self._header,
                )
                break
            address = hop
            if not self._trusted(hop):
                break
        else:
            other = _other(self._header)
            if address == peer and other in connection.headers:
                self._warn(
                    "other header",
                    "the proxy at %s sends %s, but %s is read: set WebConfig(forwarded_header=%r)",
                    peer or "the Unix socket",
                    other,
                    self._header,
                    other,
                )
        return None if address is None else str(address)

    def from_proxy(self, connection: Connection) -> bool:
        """Whether a request comes from a trusted proxy."""
        return self._trusts(_peer(connection), connection)

    def counted_as(self, connection: Connection) -> str | None:
        """The address that the limit counts a request under; ``None``: the request is not counted.

        It is the client's address. Behind a proxy that the configuration does not name, that would be the proxy's
        address for everyone, and one busy minute would lock all users of a site out. So a connection from an internal
        network (which no client on the internet comes from) with a proxy's header is treated as a proxy: a warning says
        once what to set, and its clients are spread over 64 counters by the last address in the header. A client that
        can choose that header gets at most 64 times what one address gets. Nothing else trusts the header.
        """
        found = self.of(connection)
        peer = _peer(connection)
        if self._trusts(peer, connection) or (peer is not None and not any(peer in network for network in _INSIDE)):
            return found
        claimed = next((hop for hop in reversed(self._claimed(connection)) if hop != peer), None)
        if claimed is None:
            return found
        self._warn(
            "not named",
            "requests come from %s with a proxy's header: if that is your proxy, set "
            "WebConfig(trusted_proxies=[%r]); until then sessions record its address instead of the client's, and the "
            "limit by IP address distinguishes its clients only roughly",
            peer or "a Unix socket",
            UNIX_SOCKET if peer is None else str(peer),
        )
        # No client has an address in 0.0.0.0/8 (RFC 1122, 3.2.1.3), so these counters collide with none.
        return f"0.0.0.{crc32(network_of(str(claimed)).encode()) % _BUCKETS}"

    def refused(self, connection: Connection) -> None:
        """Warn once if the limit refused a request and may be refusing all users behind a proxy."""
        peer = _peer(connection)
        strangers = [hop for hop in self._claimed(connection) if hop is None or not self._trusted(hop)]
        if len(strangers) > (1 if self._trusts(peer, connection) else 0):
            self._warn(
                "refused",
                "requests from %s are refused by WebConfig(ip_limit), and their headers name other clients: if it is "
                "your proxy, add it to trusted_proxies",
                self.of(connection),
            )

    def _claimed(self, connection: Connection) -> list[Address | None]:
        return _hops(connection, self._header) or _hops(connection, _other(self._header))

    def _trusts(self, peer: Address | None, connection: Connection) -> bool:
        if peer is None:
            # Only a Unix socket has no address at all. A peer with a name instead of an IP address is not trusted.
            return self._unix_socket and not (connection.client and connection.client.host)
        return self._trusted(peer)

    def _trusted(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    def _warn(self, kind: str, message: str, *values: object) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            _log.warning(message, *values)


def _other(header: str) -> str:
    return "forwarded" if header == "x-forwarded-for" else "x-forwarded-for"


def _peer(connection: Connection) -> Address | None:
    # Behind a load balancer, Mangum puts the whole X-Forwarded-For there; the load balancer appended the last entry.
    return None if connection.client is None else _node((connection.client.host or "").rpartition(",")[2].strip())


def _hops(connection: Connection, header: str) -> list[Address | None]:
    """The last hops in a header, the nearest last; ``None`` for one that is not an address."""
    lines = connection.headers.getlist(header)
    if header == "forwarded":
        return [_node(name) for line in lines for name in _forwarded(line)][-_HOPS:]
    hops = [hop.strip(" \t") for line in lines for hop in line.split(",")]
    return [_node(hop.removeprefix('"').removesuffix('"')) for hop in hops if hop][-_HOPS:]


_PAIR = re.compile(r"""[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+)))?[ \t]*(,|;|$)""", re.ASCII)


def _forwarded(line: str) -> list[str | None]:
    """The ``for`` of each element of ``Forwarded`` (RFC 7239, 4); ``None`` for an element without it.

    An invalid line is one ``None``: a client could open a quotation mark before the part that the proxy adds.
    """
    found: list[str | None] = []
    position, node, pairs = 0, None, 0
    while True:
        pair = _PAIR.match(line, position)
        if pair is None:
            return [None]
        name, quoted, plain, end = pair.groups()
        if name is not None:
            pairs += 1
            if name.lower() == "for":
                node = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if end != ";":
            if pairs:
                found.append(node)
            node, pairs = None, 0
        if not end:
            return found
        position = pair.end()


_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\]|([0-9.]+))(?::[\w.-]+)?", re.ASCII)


def _node(text: str | None) -> Address | None:
    """Parse an address as proxies write it: ``1.2.3.4``, ``1.2.3.4:51008``, ``2001:db8::1``, ``[2001:db8::1]:443``."""
    with_port = _WITH_PORT.fullmatch(text or "")
    return _address(with_port[1] or with_port[2] if with_port else text)


def _address(text: str | None) -> Address | None:
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def network_of(address: str) -> str:
    """What requests are counted under: the address, or for IPv6 its /64 network, which one customer has (RFC 6177)."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False).network_address)
