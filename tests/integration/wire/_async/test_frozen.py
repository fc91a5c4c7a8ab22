"""A process that was frozen between two calls, while its connections ended: closed, reset, or silently forgotten."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Barrier, Event
from time import monotonic
from typing import Any, Literal

import pytest
from cryptography import x509
from tests.integration.wire.certificate import certificate
from tests.integration.wire.server import Act, Answer, Server

from torii_dynamodb import _idle
from torii_dynamodb._async import transport
from torii_dynamodb._async.client import AsyncClient
from torii_dynamodb._async.primitives import gather
from torii_dynamodb._calls import CallRecord
from torii_dynamodb.clock import system_seconds
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.transport import AsyncHttpxTransport

PUT = {"TableName": "torii_users", "Item": {"id": {"S": "usr_1"}}, "ConditionExpression": "attribute_not_exists(id)"}

How = Literal["close", "reset", "silence"]
WAYS: tuple[How, ...] = ("close", "reset", "silence")

silences = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can silence a connection")


class World:
    """A client with its server, whose process can be frozen.

    Attributes:
        calls: What the client reported of its calls.
        server: The server.
    """

    def __init__(self, server: Server, patch: pytest.MonkeyPatch, **options: Any) -> None:
        self.calls: list[CallRecord] = []
        self.server = server
        self._patch = patch
        settings: dict[str, Any] = {
            "region": "eu-central-1",
            "endpoint_url": server.url,
            "credentials": Credentials(access_key_id="a", secret_access_key="b"),
            "random": bytes,
            "retry_attempts": 0,
            "on_call": self.calls.append,
            **options,
        }
        self.client = AsyncClient(DynamoDbConfig(**settings))
        # Instead of connect_timeout, which a busy machine may need to make a connection.
        patch.setattr(transport, "limit_silence", lambda sock, _: _idle.limit_silence(sock, 0.1))

    async def put(self) -> None:
        """Write an item."""
        await self.client.call("PutItem", PUT)

    async def connect(self, count: int) -> None:
        """Leave this many connections in the pool."""
        together = Barrier(count)
        self.server.answer_with(lambda _: Answer() if together.wait(30) >= 0 else Act.CLOSE)
        await gather(*(self.put for _ in range(count)))
        self.server.answer_with(Answer())
        assert self.server.connections == count
        self.calls.clear()
        self.server.seen.clear()

    def thaw(self, seconds: float, clock: str = "monotonic") -> None:
        """Let time pass on one of the machine's clocks."""
        if clock == "monotonic":
            self._patch.setattr(_idle, "monotonic", lambda: monotonic() + seconds)
        else:
            self._patch.setattr(_idle, "system_seconds", lambda: system_seconds() + seconds)

    async def attempts(self) -> int:
        """Write, and return how many requests the client sent. The server must have got only one."""
        before = len(self.server.seen)
        await self.put()
        assert len(self.server.seen) == before + 1
        return self.calls[-1].attempts


Opener = Callable[..., World]


@pytest.fixture(params=["plain", "TLS"])
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Opener]:
    """Opens a client of a server, with and without TLS. Three requests at a time use three connections."""
    context = None
    if request.param == "TLS":
        context = certificate(tmp_path, x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    worlds: list[World] = []

    def open_world(server: Server | None = None, **options: Any) -> World:
        worlds.append(World(server or Server(tls=context), monkeypatch, **options))
        return worlds[-1]

    yield open_world
    for world in worlds:
        await world.client.aclose()
        world.server.stop()


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
@pytest.mark.parametrize("how", WAYS[:2])
async def test_connections_that_ended_meanwhile_are_not_used(opened: Opener, how: How, clock: str) -> None:
    """After ten seconds, nothing is sent on a connection that the other side has ended: each call is one request."""
    world = opened()
    await world.connect(3)
    world.server.end_all(how)
    world.thaw(10, clock)
    assert [await world.attempts() for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
@pytest.mark.parametrize("how", [*WAYS[:2], pytest.param("silence", marks=silences)])
async def test_old_connections_are_not_used(opened: Opener, how: How, clock: str) -> None:
    """After minutes, whatever happened to the connections: nothing is sent on them, whichever clock noticed."""
    world = opened()
    await world.connect(3)
    world.server.end_all(how)
    world.thaw(600, clock)
    assert [await world.attempts() for _ in range(3)] == [1, 1, 1]
    assert world.server.connections == 4


@pytest.mark.parametrize("how", [*WAYS[:2], pytest.param("silence", marks=silences)])
async def test_connections_that_end_just_now_are_replaced(opened: Opener, how: How) -> None:
    """A request that a dead connection swallowed is sent again at once, without retries; the others are dropped, too.

    The connection that was silenced takes the time for an acknowledgement (here 0.1 seconds), not read_timeout (10).
    """
    world = opened()
    await world.connect(3)
    world.server.end_all(how)
    started = monotonic()
    assert await world.attempts() <= 2
    assert monotonic() - started < 5
    assert [await world.attempts() for _ in range(2)] == [1, 1]
    assert world.server.connections == 4


async def test_the_time_for_an_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection gets connect_timeout as its limit."""
    limits: list[float] = []
    with Server() as server:
        world = World(server, monkeypatch, connect_timeout=2.5)
        monkeypatch.setattr(transport, "limit_silence", lambda _, seconds: limits.append(seconds))
        await world.put()
        assert limits == [2.5]
        await world.client.aclose()


async def test_a_slow_response_is_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes longer to respond has acknowledged the request in time: it is sent once."""
    with Server() as server:
        world = World(server, monkeypatch)
        await world.connect(1)
        server.answer_with(lambda _: Answer() if Event().wait(0.4) is False else Act.CLOSE)
        assert await world.attempts() == 1
        await world.client.aclose()


@pytest.mark.parametrize("how", [*WAYS[:2], pytest.param("silence", marks=silences)])
async def test_over_httpx(monkeypatch: pytest.MonkeyPatch, how: How) -> None:
    """httpx notices what was closed; for a silenced connection it takes read_timeout and a retry."""
    with Server() as server:
        world = World(server, monkeypatch, transport=AsyncHttpxTransport, read_timeout=0.3, retry_attempts=1)
        await world.connect(1)
        server.end_all(how)
        assert await world.attempts() == (2 if how == "silence" else 1)
        await world.client.aclose()
