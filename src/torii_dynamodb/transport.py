"""Your own transport, for ``DynamoDbConfig(transport=...)``, and one based on httpx.

The library has a pool of HTTP/1.1 connections, which supports the environment's proxies and AWS's CA bundles. For other
features (HTTP/2, proxies that are reached over TLS, client certificates, SOCKS), use another transport::

    from torii_dynamodb.transport import AsyncHttpxTransport

    config = DynamoDbConfig(transport=AsyncHttpxTransport)
    config = DynamoDbConfig(transport=lambda endpoint: AsyncHttpxTransport(endpoint, httpx.AsyncClient(http2=True)))

A transport sends one signed request unchanged, once, and returns the response; the library handles retries, deadlines
and DynamoDB's errors. If there is no response, it raises one of the :class:`TransportError` classes below and nothing
else.
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
    # Loaded on demand: your own transport does not need httpx.
    if name == "AsyncHttpxTransport":
        from torii_dynamodb._async.over_httpx import AsyncHttpxTransport

        return AsyncHttpxTransport
    if name == "HttpxTransport":
        from torii_dynamodb._sync.over_httpx import HttpxTransport

        return HttpxTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
