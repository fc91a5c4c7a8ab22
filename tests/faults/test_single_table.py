"""The fault matrix in a single table, and for a tenant in it: the outcomes are those of docs/fault-matrix.md.

The requests are the same with other keys, so each plain write meets the faults that decide whether it was applied; with
TORII_LONG=1 every operation meets all.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator

import pytest
from tests.faults import record
from tests.faults._async.operations import OPERATIONS, Operation
from tests.faults._async.primitives import in_worlds
from tests.faults._async.test_matrix import AsyncCase, AsyncTrial
from tests.faults._async.world import AsyncWorld
from tests.faults.catalogue import TROUBLES

from torii_dynamodb.local.engines import LocalEngine

LONG = bool(os.environ.get("TORII_LONG"))
MET = tuple(TROUBLES) if LONG else ("F4", "F18", "F26")


def _is_met(operation: Operation) -> bool:
    # Transactions of the caller's own name tables and keys themselves.
    if operation.method == "transact_write":
        return False
    return LONG or (not operation.case and not operation.method.startswith(("get_", "list_", "check_", "batch_")))


MEETING = [operation for operation in OPERATIONS if _is_met(operation)]
PARTS = 12 if LONG else 1  # each within the time limit of a test


@pytest.fixture(params=[None, "acme"])
async def world(request: pytest.FixtureRequest, dynoxide: LocalEngine) -> AsyncIterator[AsyncWorld]:
    """One world in a single table, of a tenant or of none."""
    world = AsyncWorld(dynoxide, f"t{uuid.uuid4().hex[:16]}", layout="single", tenant=request.param)
    await world.start()
    yield world
    await world.close()
    world.proxy.stop()


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_fault_makes_it_lie(world: AsyncWorld, part: int) -> None:
    """Each outcome is the recorded one: once, nothing, or a named error, and never a half."""
    for operation in MEETING[part::PARTS]:
        expected = await AsyncTrial(world, operation).run()
        await world.put_back(expected.after)
        cases = [AsyncCase(operation, name, expected, lasts=lasts) for name in MET for lasts in (False, True)]
        found = dict(zip(((case.name, case.lasts) for case in cases), await in_worlds([world], cases), strict=True))
        record.compare(operation.name, {name: [found[name, False], found[name, True]] for name in MET})
