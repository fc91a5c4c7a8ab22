"""What each operation costs in a single table, and for a tenant.

Only the asynchronous storage is measured: the other twin is generated from it, and sends the same requests.
"""

from __future__ import annotations

import pytest
from tests.integration.storage._async import test_budgets as steps
from tests.integration.storage._async.test_budgets import BUDGETS, Cost, a_world

from torii_dynamodb.local.engines import LocalEngine

SINGLE: dict[steps.Step, Cost] = {
    steps.register: Cost(1, 1, 0, 4),
    steps.import_user: Cost(1, 1, 0, 12),
    steps.sign_in: Cost(5, 3, 2, 3),
    steps.create_session: Cost(1, 1, 0, 1),
    steps.create_session_reading: Cost(2, 2, 1, 1),
    steps.refresh_session: Cost(1, 1, 0, 1),
    steps.sign_out: Cost(1, 1, 0, 1),
    steps.end_device: Cost(1, 1, 0, 2),
    steps.sign_out_everywhere: Cost(1, 1, 0, 1),
    steps.list_sessions: Cost(2, 1, 2, 0),
    steps.set_password: Cost(1, 1, 0, 4),
    steps.set_password_reading: Cost(2, 2, 1, 4),
    steps.change_password: Cost(2, 2, 1, 4),
    steps.remove_password: Cost(2, 2, 1, 4),
    steps.by_email_eventually: Cost(2, 2, 1, 0),
    steps.rename: Cost(1, 1, 0, 2),
    steps.change_email: Cost(2, 2, 1, 6),
    steps.verify_email: Cost(2, 2, 1, 2),
    steps.delete_user: Cost(2, 2, 1, 8),
    steps.oauth_sign_in: Cost(3, 3, 2, 1),
    steps.oauth_sign_up: Cost(1, 1, 0, 6),
    steps.link: Cost(1, 1, 0, 4),
    steps.unlink: Cost(1, 1, 0, 4),
    steps.add_passkey: Cost(1, 1, 0, 4),
    steps.delete_passkey: Cost(1, 1, 0, 4),
    steps.delete_passkeys: Cost(2, 2, 1, 4),
    steps.issue_only_token: Cost(1, 1, 0, 4),
    steps.add_factor: Cost(2, 2, 1, 4),
    steps.remove_factor: Cost(2, 2, 1, 4),
    steps.remove_factors: Cost(2, 2, 1, 6),
    steps.use_passkeys: Cost(2, 2, 1, 2),
    steps.set_codes: Cost(2, 2, 1, 4),
    steps.lock: Cost(3, 3, 2, 2),
    steps.health: Cost(1, 1, 1, 0),
}
"""Budgets in a single table where they differ: it has no indexes to write, and reads by address without one."""

OPERATIONS = pytest.mark.parametrize(("prepare", "act", "budget"), BUDGETS, ids=[act.__name__ for _, act, _ in BUDGETS])


@pytest.mark.parametrize("tenant", [None, "acme"])
@OPERATIONS
async def test_an_operation_costs_its_budget_in_a_single_table(
    dynoxide: LocalEngine, table_prefix: str, prepare: steps.Step, act: steps.Step, budget: Cost, tenant: str | None
) -> None:
    """Each operation keeps its budget in a single table, with and without a tenant."""
    async with a_world(dynoxide, table_prefix, tenant=tenant, layout="single") as world:
        await prepare(world)
        assert await world.meter.cost(lambda: act(world)) == SINGLE.get(act, budget)


@OPERATIONS
async def test_an_operation_costs_its_budget_for_a_tenant(
    dynoxide: LocalEngine, table_prefix: str, prepare: steps.Step, act: steps.Step, budget: Cost
) -> None:
    """In five tables, an operation of a tenant costs what it costs without one."""
    async with a_world(dynoxide, table_prefix, tenant="acme") as world:
        await prepare(world)
        assert await world.meter.cost(lambda: act(world)) == budget
