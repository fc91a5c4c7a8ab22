# Generated from src/torii_dynamodb/_async/over_httpx.py by tools/unasync.py. Do not edit.

"""A transport over httpx, for features that the pool lacks."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from torii_dynamodb._messages import Endpoint, Request, Response
from torii_dynamodb._wire.errors import BadResponse, ConnectFailed, Disconnected, TimedOut
from torii_dynamodb._wire.http import MAX_BODY
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpxTransport"]


class HttpxTransport:
    """Sends requests with an ``httpx.Client``.

    Args:
        endpoint: The endpoint.
        client: The client; it is closed with the transport. ``None`` for one with httpx's default settings, including
            the environment's proxies.

    Raises:
        ConfigurationError: httpx is not installed.
    """

    def __init__(self, endpoint: Endpoint, client: httpx.Client | None = None) -> None:
        try:
            import httpx
        except ImportError as error:
            raise ConfigurationError("HttpxTransport needs httpx: pip install httpx") from error
        self._httpx = httpx
        self._base = f"{'https' if endpoint.tls else 'http'}://{endpoint.authority}"
        self._client = client if client is not None else httpx.Client()

    def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response:
        """Send a request. ``fresh`` is ignored: httpx manages its connections itself."""
        httpx = self._httpx
        ends = monotonic() + timeout
        try:
            # A stream: nothing is decoded, and an endless response is not kept.
            with self._client.stream(
                "POST", self._base + request.target, headers=request.headers, content=request.body, timeout=timeout
            ) as answer:
                parts: list[bytes] = []
                size = 0
                for part in answer.iter_raw():
                    size += len(part)
                    if size > MAX_BODY:
                        raise BadResponse("the answer is too long")
                    if monotonic() > ends:  # httpx's own time-out is for each part
                        raise TimedOut("no complete answer came in time")
                    parts.append(part)
                return Response.of(answer.status_code, answer.headers.items(), b"".join(parts))
        except (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ConnectError, httpx.ProxyError) as error:
            raise ConnectFailed(f"no connection to {self._base} ({type(error).__name__})") from error
        except httpx.TimeoutException as error:
            raise TimedOut("no complete answer came in time") from error
        except httpx.HTTPError as error:
            raise Disconnected(f"the connection ended before an answer ({type(error).__name__})") from error

    def close(self) -> None:
        """Close the client."""
        self._client.close()
