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

__all__ = ["AsyncHttpxTransport"]


class AsyncHttpxTransport:
    """Sends requests with an ``httpx.AsyncClient``.

    Args:
        endpoint: The endpoint.
        client: The client; it is closed with the transport. ``None`` for one with httpx's default settings, including
            the environment's proxies.

    Raises:
        ConfigurationError: httpx is not installed.
    """

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient | None = None) -> None:
        try:
            import httpx
        except ImportError as error:
            raise ConfigurationError("AsyncHttpxTransport needs httpx: pip install httpx") from error
        self._httpx = httpx
        self._base = f"{'https' if endpoint.tls else 'http'}://{endpoint.authority}"
        self._client = client if client is not None else httpx.AsyncClient()

    async def __call__(self, request: Request, timeout: float, fresh: bool = False) -> Response:
        """Send a request. ``fresh`` is ignored: httpx manages its connections itself."""
        httpx = self._httpx
        ends = monotonic() + timeout
        try:
            # A stream: nothing is decoded, and an endless response is not kept.
            async with self._client.stream(
                "POST", self._base + request.target, headers=request.headers, content=request.body, timeout=timeout
            ) as answer:
                parts: list[bytes] = []
                size = 0
                async for part in answer.aiter_raw():
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

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()
