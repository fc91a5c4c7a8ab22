"""The public contract, and what an editor and `help()` show of a storage."""

from __future__ import annotations

import inspect

import pytest

from torii_dynamodb import AsyncDynamoDbHandle, DynamoDbHandle, contract
from torii_dynamodb.testing import AsyncMemoryStorage, MemoryStorage

STORAGES = [
    (contract.AsyncStorage, AsyncDynamoDbHandle),
    (contract.AsyncStorage, AsyncMemoryStorage),
    (contract.Storage, DynamoDbHandle),
    (contract.Storage, MemoryStorage),
]


def public_methods(owner: type) -> list[str]:
    """The names of the public methods, inherited ones included."""
    return [name for name, _ in inspect.getmembers(owner, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize(("protocol", "storage"), STORAGES)
def test_a_storage_shows_what_the_contract_says(protocol: type, storage: type) -> None:
    """Every method of the contract shows the contract's docstring on the storage, with its clauses and its cost."""
    names = public_methods(protocol)
    assert len(names) > 50
    for name in names:
        shown = inspect.getdoc(getattr(storage, name))
        assert shown == inspect.getdoc(getattr(protocol, name)), name
        assert shown is not None, name
        assert "Cost:" in shown, name
        assert "Clauses:" in shown, name


@pytest.mark.parametrize(("protocol", "storage"), STORAGES)
def test_a_storage_implements_the_contract_itself(protocol: type, storage: type) -> None:
    """No method of the contract's is left to the Protocol, whose own does nothing."""
    for name in public_methods(protocol):
        assert "contract" not in getattr(storage, name).__module__, name


@pytest.mark.parametrize(("protocol", "storage"), STORAGES)
def test_every_public_method_of_a_storage_is_documented(protocol: type, storage: type) -> None:
    """What a storage has beyond the contract has a docstring, too."""
    for name in set(public_methods(storage)) - set(public_methods(protocol)):
        assert inspect.getdoc(getattr(storage, name)), name
