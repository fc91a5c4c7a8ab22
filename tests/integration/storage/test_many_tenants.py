"""A table with a thousand tenants: what an operation of one of them costs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.storage._async.test_budgets import BUDGETS, PlainHasher, World, a_world, page_of_users
from tests.integration.storage.test_layout_budgets import SINGLE

from torii_dynamodb._async.services.torii import AsyncTorii
from torii_dynamodb.admin.control import open_client
from torii_dynamodb.local.engines import LocalEngine

TENANTS = 1000


def fill(world: World) -> None:
    """Give each of a thousand tenants the user that the first one has."""
    with open_client(world.config) as client:
        copies: list[tuple[str, dict[str, Any]]] = []
        for table in world.config.tables:
            name = world.config.table_name(table)
            # Users and their addresses.
            found = client.call("Scan", {"TableName": name})["Items"]
            items = json.dumps([item for item in found if "@example.com" in json.dumps(item)])
            for number in range(1, TENANTS):
                own = json.loads(items.replace("@t0#", f"@t{number}#"))
                copies += [(name, {"PutRequest": {"Item": item}}) for item in own]
        client.batch_write(copies)


@pytest.mark.parametrize("layout", ["tables", "single"])
async def test_with_a_thousand_tenants_an_operation_costs_what_it_costs_with_one(
    dynoxide: LocalEngine, table_prefix: str, layout: str
) -> None:
    """Every budget is kept, except that of listing a tenant's users, which reads all tenants' items."""
    async with a_world(dynoxide, table_prefix, tenant="t0", layout=layout) as first:
        fill(first)
        assert len((await first.storage.tenant("t500").list_users()).items) == 1
        for number, (prepare, act, budget) in enumerate(BUDGETS):
            world = World(first.config)
            world.meter = first.meter
            world.storage = first.storage.tenant(f"new{number}")
            world.torii = AsyncTorii(world.storage, hasher=PlainHasher())
            await world.settle()
            await prepare(world)
            cost = await world.meter.cost(lambda act=act, world=world: act(world))  # type: ignore[misc]
            if act is page_of_users:
                assert cost.read > 20
            else:
                assert cost == (SINGLE.get(act, budget) if layout == "single" else budget), act.__name__
