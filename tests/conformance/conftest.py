"""Which cases of the kit run where.

All cases run on both in-memory storages, and on Dynoxide. Storages that send the same requests again (the blocking one
on Dynoxide, moto, and with other keys a single table and tenants) run only the first and last case of each test; with
TORII_LONG=1 (``make stress``) all of them.
"""

from __future__ import annotations

import os
from collections.abc import Hashable

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases between the first and the last of each test in classes with ``every_case = False``."""
    if os.environ.get("TORII_LONG"):
        return
    places: dict[Hashable, list[pytest.Item]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and not getattr(item.cls, "every_case", True):
            places.setdefault((item.cls, item.originalname), []).append(item)
    out = {item for cases in places.values() for item in cases[1:-1]}
    if out:
        config.hook.pytest_deselected(items=[item for item in items if item in out])
        items[:] = [item for item in items if item not in out]
