"""The fault proxy: scripted faults happen to those requests and to no others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests import fault_proxy as faults
from tests.fault_proxy import FaultProxy

from torii_dynamodb._sync.client import Client
from torii_dynamodb.errors import Throttled, Unavailable
from torii_dynamodb.local.engines import LocalEngine


@pytest.fixture
def proxied(dynoxide: LocalEngine, table_prefix: str) -> tuple[FaultProxy, Client]:
    """A proxy and a client through it, without retries."""
    proxy = FaultProxy(dynoxide.endpoint_url)
    proxy.start()
    client = Client(dynoxide.config(table_prefix=table_prefix, endpoint_url=proxy.url, retry_attempts=0, random=bytes))
    return proxy, client


@pytest.fixture
def proxy(proxied: tuple[FaultProxy, Client]) -> Iterator[FaultProxy]:
    """The proxy, stopped after the test."""
    yield proxied[0]
    proxied[1].close()
    proxied[0].stop()


LIST = {"Limit": 5}


def test_without_a_rule_all_goes_through(proxied: tuple[FaultProxy, Client], proxy: FaultProxy) -> None:
    """Requests and responses pass unchanged, over one connection, and are recorded."""
    for _ in range(3):
        assert "TableNames" in proxied[1].call("ListTables", LIST)
    assert [seen.operation for seen in proxy.seen] == ["ListTables"] * 3
    assert proxy.seen[0].payload == LIST
    assert proxy.seen[0].fault == ""
    assert (proxy.connections, proxy.open_connections) == (1, 1)


def test_a_rule_takes_the_requests_it_names(proxied: tuple[FaultProxy, Client], proxy: FaultProxy) -> None:
    """The second and third request of an operation are affected, and none of another operation."""
    rule = proxy.inject(faults.throttled(), operation="ListTables", skip=1, times=2)
    client = proxied[1]
    client.call("ListTables", LIST)
    for _ in range(2):
        with pytest.raises(Throttled):
            client.call("ListTables", LIST)
    client.call("ListTables", LIST)
    assert rule.hits == 2
    assert [seen.fault != "" for seen in proxy.seen] == [False, True, True, False]


def test_each_counts_the_tries_of_each_request(proxied: tuple[FaultProxy, Client], proxy: FaultProxy) -> None:
    """With each=True the first try of every different request is affected."""
    proxy.inject(faults.server_error(500), each=True)
    client = proxied[1]
    for body in (LIST, {"Limit": 6}):
        with pytest.raises(Unavailable):
            client.call("ListTables", body)
        client.call("ListTables", body)


def test_refusing_and_listening_again(proxied: tuple[FaultProxy, Client], proxy: FaultProxy) -> None:
    """Connections are refused until it listens again, also for several callers; refusing works again later."""
    client = proxied[1]
    for _ in range(3):
        proxy.refuse()
        with pytest.raises(Unavailable, match="no connection"):
            client.call("ListTables", LIST)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: proxy.listen(), range(8)))
        assert "TableNames" in client.call("ListTables", LIST)


def test_it_ends_with_everything_it_started(dynoxide: LocalEngine) -> None:
    """After stopping, nothing listens on its port and its thread is gone; a second stop is not an error."""
    with FaultProxy(dynoxide.endpoint_url) as proxy:
        url = proxy.url
    proxy.stop()
    client = Client(dynoxide.config(endpoint_url=url, retry_attempts=0))
    with pytest.raises(Unavailable):
        client.call("ListTables", LIST)
    client.close()
