"""The application on the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.fastapi_users.support import Site, opened

from torii_dynamodb.local.engines import LocalEngine


@pytest.fixture
async def site(dynoxide: LocalEngine, table_prefix: str) -> AsyncIterator[Site]:
    """An application of fastapi-users, on new tables."""
    async for found in opened(dynoxide, table_prefix):
        yield found
