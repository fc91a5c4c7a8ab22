"""A transport of your own, for ``DynamoDbConfig(transport=...)``, and one over httpx.

The library brings a pool of HTTP/1.1 connections, which knows the proxies of the environment and AWS' CA bundles. What
it leaves out (HTTP/2, proxies that are themselves reached over TLS, client certificates, SOCKS) is there with another
transport::

    from torii_dynamodb.transport import AsyncHttpxTransport

    config = DynamoDbConfig(transport=AsyncHttpxTransport)
    config = DynamoDbConfig(transport=lambda endpoint: AsyncHttpxTransport(endpoint, httpx.AsyncClient(http2=True)))

A transport sends one signed request as it is, once, and returns the answer: retries, deadlines and DynamoDB's errors
are the library's. Where there is no answer it raises one of the :class:`TransportError` below and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torii_dynamodb._messages import AsyncTransport, Endpoint, Request, Response, Transport
from torii_dynamodb._wire.errors import BadResponse, ConnectFailed, Disconnected, TimedOut, TransportError

if TYPE_CHECKING:
    from torii_dynamodb._async.over_httpx import AsyncHttpxTransport
    from torii_dynamodb._sync.over_httpx import HttpxTransport

__all__ = [
    "AsyncHttpxTransport",
    "AsyncTransport",
    "BadResponse",
    "ConnectFailed",
    "Disconnected",
    "Endpoint",
    "HttpxTransport",
    "Request",
    "Response",
    "TimedOut",
    "Transport",
    "TransportError",
]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: one's own transport does not need httpx.
    if name == "AsyncHttpxTransport":
        from torii_dynamodb._async.over_httpx import AsyncHttpxTransport

        return AsyncHttpxTransport
    if name == "HttpxTransport":
        from torii_dynamodb._sync.over_httpx import HttpxTransport

        return HttpxTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
