"""The figures of docs/rfc-0008.md are those that are asserted and measured elsewhere."""

from __future__ import annotations

from pathlib import Path

from tests.integration.storage._async.test_budgets import BUDGETS, SINGLE, Cost

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
