"""The figures of docs/rfc-0008.md are those that are asserted and measured elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.harness import cache
from benchmarks.harness.pages import with_figures
from tests.integration.storage._async.test_budgets import BUDGETS, Cost
from tests.integration.storage.test_layout_budgets import SINGLE

from torii_dynamodb.admin.cost import Estimate, Workload, estimate, load_prices, load_units

PAGE = Path("docs/rfc-0008.md")

OPERATIONS = {
    "register": "register",
    "sign_in": "sign in with a password, attempts counted",
    "oauth_sign_up": "register with OAuth",
    "oauth_sign_in": "sign in with OAuth",
    "check_session": "check a session",
    "create_session": "create a session",
    "refresh_session": "refresh a session",
    "list_sessions": "list a user's sessions",
    "sign_out": "sign out",
    "end_device": "sign out another device",
    "sign_out_everywhere": "sign out everywhere",
    "by_email": "find a user by address",
    "by_email_eventually": "the same, eventually consistent",
    "rename": "change a name",
    "verify_email": "mark an address as verified",
    "change_email": "change an address",
    "change_password": "change a password",
    "link": "link an OAuth account",
    "add_passkey": "add a passkey",
    "add_factor": "add a second factor",
    "lock": "lock an account",
    "delete_user": "delete a user",
}
"""Operations of the page's table, by their name in the budgets."""


def told(cost: Cost) -> str:
    """Return a cost as the table shows it."""
    units = [f"{units:g} {kind}" for units, kind in ((cost.read, "read"), (cost.write, "write")) if units]
    return f"{cost.requests}: {', '.join(units)}"


def test_the_units_are_the_budgets() -> None:
    """The table has each operation with the requests and units that the budgets of both layouts assert."""
    budgets = {act.__name__: (budget, SINGLE.get(act, budget)) for _, act, budget in BUDGETS}
    rows = [f"| {shown} | {told(budgets[name][0])} | {told(budgets[name][1])} |" for name, shown in OPERATIONS.items()]
    assert "\n".join(rows) in PAGE.read_text(encoding="utf-8")


def test_what_is_not_listed_differs_by_one_write_unit() -> None:
    """As the page says, except for the health check."""
    for _, act, tables in BUDGETS:
        single = SINGLE.get(act, tables)
        if act.__name__ not in OPERATIONS and act.__name__ != "health":
            assert (single.requests, single.read) == (tables.requests, tables.read)
            assert tables.write - single.write in (0, 1)


def workload(users: int) -> Workload:
    """Return what the page says that users do in a month."""
    return Workload(
        users=users,
        sign_ups=0.03 * users,
        sign_ins=2 * users,
        second_factor_sign_ins=0.2 * users,
        oauth_sign_ins=users,
        checks=300 * users,
        refreshes=10 * users,
        sign_outs=0.5 * users,
        password_changes=0.02 * users,
        tokens=0.1 * users,
        session_days=30,
    )


def dollars(amount: float) -> str:
    """Return an amount as the table shows it."""
    return f"${amount:,.2f}" if amount < 1000 else f"${amount:,.0f}"


def saved(before: float, after: float) -> str:
    """Return what a single table saves."""
    return f"{(before - after) / before:.0%}"


def test_the_costs_are_those_of_the_estimate() -> None:
    """The page has the monthly costs of three sizes as ``cost estimate`` computes them from the library's figures."""
    rows: list[str] = []
    for users in (10_000, 1_000_000, 10_000_000):
        found: list[Estimate] = [
            estimate(workload(users), units=load_units(layout=layout)) for layout in ("tables", "single")
        ]
        cells = []
        for kind in ("on_demand", "provisioned"):
            tables, single = (getattr(one, kind) + one.storage for one in found)
            cells += [dollars(tables), dollars(single), saved(tables, single)]
        rows.append(f"| {users:,} | {' | '.join(cells)} |")
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(rows) in page
    assert f"prices of {load_prices()['as_of']} (us-east-1)" in page


def test_the_figures_of_the_cache_are_the_benchmarks() -> None:
    """The page answers the question of the hybrid with what was measured."""
    found = json.loads(Path("benchmarks/results/latest.json").read_text(encoding="utf-8"))["parts"]["cache"]["found"]
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_figures(page, cache.report(found).summary), "run: python benchmarks/run.py --report"


def test_what_the_cache_saves_is_computed_from_the_prices() -> None:
    """The page on the cache says from how many checks it pays, at the library's prices."""
    price = load_prices()["regions"]["us-east-1"]["on_demand"]["STANDARD"]["read_million"]
    saved = 0.9 * 2 * price
    checks = 25 / saved
    page = Path("docs/cache.md").read_text(encoding="utf-8")
    assert f"which cost ${2 * price:.2f} on demand" in page
    assert f"90% of them saves ${saved:.3f}" in page
    assert f"from {checks:.0f} million checks a month, or {checks * 1e6 / (730 * 3600):.0f} a\n  second" in page
