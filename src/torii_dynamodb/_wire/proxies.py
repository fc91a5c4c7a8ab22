"""HTTP proxies from the environment: which requests go through one, and the messages to it. Pure.

The variables are those of curl, urllib and botocore: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``, each in lower
case first.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from torii_dynamodb._messages import Request, Response
from torii_dynamodb._wire.errors import BadResponse, ProxyRefused
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from torii_dynamodb._messages import Endpoint

__all__ = ["Proxy", "proxy_for"]

# Statuses of a permanent refusal. Others (502, 503, 504) are worth a retry.
_REFUSALS = (400, 401, 403, 405, 407, 501)


class Proxy:
    """A proxy. It never shows the name and password in its URL.

    Attributes:
        host: The host to connect to.
        port: The port to connect to.
        url: Its URL without name and password, for messages.
    """

    __slots__ = ("_authorization", "host", "port", "url")

    def __init__(self, url: str, variable: str) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url.removeprefix('//')}")
            host, port = parts.hostname, parts.port
        except ValueError:  # its message would quote the URL
            host = port = parts = None
        if parts is None or not host or parts.scheme not in ("http", "https"):
            raise ConfigurationError(f"{variable}: not a valid proxy address; give http://host:port")
        if parts.scheme == "https":
            raise ConfigurationError(
                f"{variable}: proxies that are reached by https:// need another transport; give "
                "DynamoDbConfig(transport=...), see docs/aws-settings.md"
            )
        self.host = host
        self.port = port or 80
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self.port}"
        self._authorization = b""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._authorization = b"proxy-authorization: Basic " + b64encode(pair) + b"\r\n"

    def __repr__(self) -> str:
        return f"Proxy({self.url!r})"

    def connect(self, endpoint: Endpoint) -> bytes:
        """Return the request for a tunnel to an endpoint (RFC 9110, section 9.3.6)."""
        name = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        target = f"{name}:{endpoint.port}".encode("ascii")
        return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, self._authorization)

    def connected(self, endpoint: Endpoint, head: bytes) -> None:
        """Read the response to :meth:`connect`. It returns if the tunnel is open.

        Raises:
            TransportError: It is not.
        """
        line = head.split(b"\r\n", 1)[0].decode("latin-1")
        words = line.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isascii() or not words[1].isdigit():
            raise BadResponse(f"the response of the proxy {self.url} is not HTTP")
        status = int(words[1])
        if not 200 <= status < 300:
            raise self._refused(endpoint, status)

    def forwarded(self, endpoint: Endpoint, request: Request) -> Request:
        """Return a request for an endpoint without TLS, in the form for a proxy (RFC 9112, section 3.2.2)."""
        line, rest = request.head.split(b"\r\n", 1)
        method, target, version = line.split(b" ")
        whole = b"%b http://%b%b %b\r\n" % (method, endpoint.authority.encode("ascii"), target, version)
        return Request(whole + self._authorization + rest, request.body)

    def checked(self, endpoint: Endpoint, response: Response) -> Response:
        """Check the response to a forwarded request.

        Raises:
            ProxyRefused: The proxy requires a name and password.
        """
        if response.status == 407:
            raise self._refused(endpoint, 407)
        return response

    def _refused(self, endpoint: Endpoint, status: int) -> ProxyRefused:
        hint = {
            407: "; it requires another name and password: http://name:password@host:port",
            403: "; it does not allow this address: allow it there, or name it in NO_PROXY",
        }.get(status, "")
        # Only the status: the reason is the proxy's, and may be anything.
        return ProxyRefused(
            f"the proxy {self.url} refused to connect to {endpoint.url}: HTTP {status}{hint}",
            final=status in _REFUSALS,
        )


def proxy_for(endpoint: Endpoint, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an endpoint; ``None`` for none.

    Raises:
        ConfigurationError: The variable is not a valid address.
    """
    scheme = "https" if endpoint.tls else "http"
    found = _variable(environ, f"{scheme}_proxy")
    # A web server that runs programs by CGI passes on a request's "Proxy" header as HTTP_PROXY.
    if found is None or (found[0] == "HTTP_PROXY" and "REQUEST_METHOD" in environ):
        return None
    excepted = _variable(environ, "no_proxy")
    if excepted is not None and _excepted(endpoint.host, endpoint.port, excepted[1]):
        return None
    name, url = found
    return Proxy(url, name)


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str] | None:
    for spelling in (name, name.upper()):
        value = environ.get(spelling)
        if value is not None:
            return (spelling, value.strip()) if value.strip() else None
    return None


def _excepted(host: str, port: int, no_proxy: str) -> bool:
    """Whether a host matches: by ``*``, a parent domain, its address or network, with or without a port."""
    host = host.lower().rstrip(".")
    for entry in no_proxy.lower().replace(" ", ",").split(","):
        if entry == "*":
            return True
        if entry and _matches(host, port, entry):
            return True
    return False


def _matches(host: str, port: int, entry: str) -> bool:
    name, colon, number = entry.rpartition(":")
    if colon and number.isascii() and number.isdigit() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
    else:
        name = entry
    if "/" in name or ":" in name:
        return _in_network(host, name.strip("[]"))
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _in_network(host: str, network: str) -> bool:
    if not (host[-1:].isdigit() or ":" in host):
        return False  # a name: it is not looked up, because that would reveal it to the network's DNS
    from ipaddress import ip_address, ip_network  # imported here: only networks need it

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
