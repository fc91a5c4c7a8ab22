"""Sealing a PKCE verifier under its state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._core.sealing import seal, unseal
from torii_dynamodb.clock import system_random
from torii_dynamodb.testing import FakeRandom

STATE = "a-state-that-nobody-can-guess"


@given(text=st.text(max_size=200), state=st.text(min_size=1, max_size=64), seed=st.integers())
def test_what_is_sealed_comes_back(text: str, state: str, seed: int) -> None:
    """The text comes back under its state, whatever the two are."""
    assert unseal(seal(text, state=state, random=FakeRandom(seed)), state=state) == text


def test_one_state_gives_no_keystream_twice() -> None:
    """Two texts sealed under one state do not tell their difference, as two of one keystream would."""
    first = seal("a" * 64, state=STATE, random=system_random)
    second = seal("a" * 64, state=STATE, random=system_random)
    assert first[32:] != second[32:]
    assert b"a" * 8 not in first


@given(place=st.integers(0, 95), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    """Nonce, tag or text: whatever was changed, nothing is opened."""
    sealed = bytearray(seal("v" * 64, state=STATE, random=FakeRandom()))
    sealed[place] ^= change
    with pytest.raises(ValueError, match="not sealed"):
        unseal(bytes(sealed), state=STATE)


@pytest.mark.parametrize("length", [0, 1, 16, 31, 95])
def test_a_cut_one_is_noticed(length: int) -> None:
    """Part of a sealed text opens to nothing."""
    with pytest.raises(ValueError, match="not sealed"):
        unseal(seal("v" * 64, state=STATE, random=FakeRandom())[:length], state=STATE)


def test_another_state_opens_nothing() -> None:
    """A state that differs in one character is refused."""
    with pytest.raises(ValueError, match="not sealed"):
        unseal(seal("v" * 64, state=STATE, random=FakeRandom()), state=STATE + "x")
