# Generated from tests/faults/_async/conftest.py by tools/unasync.py. Do not edit.

"""Small worlds behind the fault proxy, created once per module."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from tests.faults._sync.primitives import WORLDS
from tests.faults._sync.world import World

from torii_dynamodb.local.engines import LocalEngine


@pytest.fixture(scope="module")
def made(dynoxide: LocalEngine) -> Iterator[list[World]]:
    """Equal worlds, created once; each case resets its own."""
    prefix = f"t{uuid.uuid4().hex[:16]}"
    worlds = [World(dynoxide, f"{prefix}{number}") for number in range(WORLDS)]
    yield worlds
    for world in worlds:
        world.proxy.stop()


@pytest.fixture
def worlds(made: list[World]) -> Iterator[list[World]]:
    """The worlds, in their initial state."""
    for world in made:
        world.start()
    yield made
    for world in made:
        world.close()


@pytest.fixture
def world(made: list[World]) -> Iterator[World]:
    """One world, in its initial state."""
    made[0].start()
    yield made[0]
    made[0].close()
