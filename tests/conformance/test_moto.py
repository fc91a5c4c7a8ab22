"""The storage keeps the contract on moto, one call at a time.

moto is slow, so all tests share one set of tables and only one twin runs; the other sends the same requests. It is not
safe under concurrency, so no races run on it. The short form is what the demo on moto does: sign-up, sign-in, sessions.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

import pytest
from tests.conformance.on_dynamodb import LONG, BlockingOnDynamoDb

from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.testing import conformance
from torii_dynamodb.testing.clock import FakeClock

PREFIX = f"shared{uuid.uuid4().hex[:12]}"


_tables_of: set[str] = set()


class OnMoto(BlockingOnDynamoDb):
    """Opens the storage on the shared tables."""

    # Not "raw": it reads all tables after each test, which is slow on moto. The run on Dynoxide does that.
    capabilities: ClassVar[frozenset[str]] = frozenset({"ttl"})

    @pytest.fixture(autouse=True)
    def _engine(self, moto_engine: LocalEngine) -> None:
        self.engine = moto_engine

    def config(self, clock: FakeClock) -> DynamoDbConfig:
        endpoint = self.engine.endpoint_url
        first = endpoint not in _tables_of
        _tables_of.add(endpoint)
        return self.engine.config(
            table_prefix=PREFIX,
            create_tables=first,
            clock=clock,
            on_call=self.count,
            max_connections=1,
            merge_reads=False,
            session_cleanup="inline",
        )


if LONG:

    class TestMoto(OnMoto, conformance.SequentialConformance):
        """The whole kit except the races."""

else:

    class TestSessions(OnMoto, conformance.SessionConformance):
        """Sessions of users."""

    class TestPasswords(OnMoto, conformance.PasswordConformance):
        """Users with passwords."""
