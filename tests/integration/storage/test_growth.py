"""What operations cost does not grow with a user's sessions, nor a page of users with the users.

The benchmarks count the same for 10,000 sessions and 100,000 users.
"""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.harness import growth

from torii_dynamodb.local.engines import LocalEngine


@pytest.mark.parametrize("layout", growth.LAYOUTS)
def test_operations_cost_the_same_with_one_session_and_with_many(
    dynoxide: LocalEngine, table_prefix: str, layout: Any
) -> None:
    """Only what lists or deletes a user's sessions costs more with more of them, and only as much as their size."""
    config = dynoxide.config(table_prefix=table_prefix, layout=layout, merge_reads=False)
    one, many = growth.of_sessions(config, 1), growth.of_sessions(config, 40)
    assert {name: one[name] for name in growth.CONSTANT} == {name: many[name] for name in growth.CONSTANT}
    # A row is deleted by one write, and another one in the index of five tables.
    each = 2 if layout == "tables" else 1
    for name in ("everywhere_deleted", "delete_user"):
        assert many[name]["write"] - one[name]["write"] == 39 * each
    assert many["list"]["requests"] == one["list"]["requests"] == 2


@pytest.mark.parametrize(("layout", "read"), [("tables", 7), ("single", 14)])
def test_a_page_of_users_costs_one_request_and_what_it_reads(
    dynoxide: LocalEngine, table_prefix: str, layout: Any, read: float
) -> None:
    """The first of two pages: 100 users take 7 units; in a single table, the next 100 are read ahead."""
    config = dynoxide.config(table_prefix=table_prefix, layout=layout)
    first, *others = growth.of_pages(config, 200)
    assert first == {"requests": 1, "read": read, "write": 0, "users": growth.PAGE}
    assert [page["users"] for page in others][:1] == [growth.PAGE]
    assert all(page["requests"] == 1 for page in others)
