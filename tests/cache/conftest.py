"""A cluster for the tests of the cache."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.valkey_server import ValkeyServer


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[ValkeyServer]:
    """A cluster of one node, one per test process: it takes two seconds until a cluster accepts writes."""
    with ValkeyServer(cluster=True) as server:
        yield server
