"""The public contract, and what an editor and `help()` show of a storage."""

from __future__ import annotations

import inspect

import pytest

from torii_dynamodb import AsyncDynamoDbHandle, DynamoDbHandle, contract

TWINS = [(contract.AsyncStorage, AsyncDynamoDbHandle), (contract.Storage, DynamoDbHandle)]


def public_methods(owner: type) -> list[str]:
    """The names of the public methods, inherited ones included."""
    return [name for name, _ in inspect.getmembers(owner, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize(("protocol", "handle"), TWINS, ids=["async", "sync"])
def test_a_handle_shows_what_the_contract_says(protocol: type, handle: type) -> None:
    """Every method of the contract shows the contract's docstring on the handle, with its clauses and its cost."""
    names = public_methods(protocol)
    assert len(names) > 50
    for name in names:
        shown = inspect.getdoc(getattr(handle, name))
        assert shown == inspect.getdoc(getattr(protocol, name)), name
        assert shown is not None, name
        assert "Cost:" in shown, name
        assert "Clauses:" in shown, name


@pytest.mark.parametrize(("protocol", "handle"), TWINS, ids=["async", "sync"])
def test_a_handle_implements_the_contract_itself(protocol: type, handle: type) -> None:
    """No method of the contract's is left to the Protocol, whose own does nothing."""
    for name in public_methods(protocol):
        assert "contract" not in getattr(handle, name).__module__, name


@pytest.mark.parametrize(("protocol", "handle"), TWINS, ids=["async", "sync"])
def test_every_public_method_of_a_handle_is_documented(protocol: type, handle: type) -> None:
    """What a handle has beyond the contract has a docstring, too."""
    for name in set(public_methods(handle)) - set(public_methods(protocol)):
        assert inspect.getdoc(getattr(handle, name)), name
