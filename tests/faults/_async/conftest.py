"""Small worlds behind the fault proxy, created once per module."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.faults._async.primitives import WORLDS
from tests.faults._async.world import AsyncWorld

from torii_dynamodb.local.engines import LocalEngine


@pytest.fixture(scope="module")
def made(dynoxide: LocalEngine) -> Iterator[list[AsyncWorld]]:
    """Equal worlds, created once; each case resets its own."""
    prefix = f"t{uuid.uuid4().hex[:16]}"
    worlds = [AsyncWorld(dynoxide, f"{prefix}{number}") for number in range(WORLDS)]
    yield worlds
    for world in worlds:
        world.proxy.stop()


@pytest.fixture
async def worlds(made: list[AsyncWorld]) -> AsyncIterator[list[AsyncWorld]]:
    """The worlds, in their initial state."""
    for world in made:
        await world.start()
    yield made
    for world in made:
        await world.close()


@pytest.fixture
async def world(made: list[AsyncWorld]) -> AsyncIterator[AsyncWorld]:
    """One world, in its initial state."""
    await made[0].start()
    yield made[0]
    await made[0].close()
