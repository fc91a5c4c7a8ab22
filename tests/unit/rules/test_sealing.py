"""Sealing under a state and under the application's secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._core import tokens
from torii_dynamodb._rules.sealing import Keyring, seal_under_state, unseal_under_state
from torii_dynamodb.clock import system_random
from torii_dynamodb.errors import ConfigurationError, CorruptItem
from torii_dynamodb.models import Metadata
from torii_dynamodb.testing import FakeRandom

STATE = "a-state-that-nobody-can-guess"
PLACE = b"pkce#row"
OLD, NEW = b"o" * 32, b"n" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Opener = Callable[[bytes], bytes]


def under_state(plain: bytes) -> tuple[bytes, Opener]:
    """Seal under the state; returns the sealed bytes and what opens them."""
    sealed = seal_under_state(plain, state=STATE, place=PLACE, random=system_random)
    return sealed, lambda given: unseal_under_state(given, state=STATE, place=PLACE)


def under_secret(plain: bytes) -> tuple[bytes, Opener]:
    """Seal under a secret; returns the sealed bytes and what opens them."""
    ring = Keyring([NEW, OLD], random=system_random)
    return ring.seal(plain, associated=PLACE), lambda given: ring.open(given, associated=PLACE)


both = pytest.mark.parametrize("seal", [under_state, under_secret])


@both
@given(plain=st.binary(max_size=200))
def test_sealing_round_trips(seal: Callable[[bytes], tuple[bytes, Opener]], plain: bytes) -> None:
    """Any bytes come back unchanged, and the sealed value does not contain them."""
    sealed, opener = seal(plain)
    assert opener(sealed) == plain
    assert len(plain) < 8 or plain not in sealed


@both
@given(place=st.integers(0, 91), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed(seal: Callable[[bytes], tuple[bytes, Opener]], place: int, change: int) -> None:
    """A value with any byte changed (key id, nonce, ciphertext or tag) does not open."""
    sealed, opener = seal(b"v" * 64)
    changed = bytearray(sealed)
    changed[place] ^= change
    with pytest.raises(ValueError, match="not sealed"):
        opener(bytes(changed))


@both
@pytest.mark.parametrize("length", [0, 1, 11, 12, 31, 91])
def test_a_truncated_value_is_noticed(seal: Callable[[bytes], tuple[bytes, Opener]], length: int) -> None:
    """Part of a sealed value does not open."""
    sealed, opener = seal(b"v" * 64)
    with pytest.raises(ValueError, match="not sealed"):
        opener(sealed[:length])


def test_a_value_opens_only_under_its_state_and_in_its_place() -> None:
    """A state that differs in one character is refused, and so is a value moved to another row."""
    sealed, _ = under_state(b"v" * 64)
    for state, place in ((STATE + "x", PLACE), (STATE, b"pkce#other")):
        with pytest.raises(ValueError, match="not sealed"):
            unseal_under_state(sealed, state=state, place=place)


def test_secrets_rotate() -> None:
    """The first secret seals and all of them open; without its secret, or in another place, a value does not open."""
    before = Keyring([OLD], random=FakeRandom())
    sealed = before.seal(b"seed", associated=PLACE)
    rotated = Keyring([NEW, OLD], random=FakeRandom())
    assert rotated.open(sealed, associated=PLACE) == b"seed"
    fresh = rotated.seal(b"seed", associated=PLACE)
    assert fresh[:9] != sealed[:9]
    with pytest.raises(ValueError, match="not sealed"):
        before.open(fresh, associated=PLACE)
    with pytest.raises(ValueError, match="not sealed"):
        rotated.open(fresh, associated=b"elsewhere")
    assert OLD not in fresh + sealed
    assert str(OLD) not in repr(rotated)
    with pytest.raises(ConfigurationError):
        Keyring([], random=FakeRandom())


def test_a_row_shows_neither_verifier_nor_metadata() -> None:
    """Everything stored with a verifier is sealed, and the row's expiry cannot be changed."""
    metadata: Metadata = {"next_url": "/?token=torii_t1_x", "link_user": "usr_1", "n": 1.5, "b": b"x", "$": [None]}
    item = tokens.pkce_item(STATE, "v" * 43, datetime(2026, 1, 2, tzinfo=UTC), metadata, NOW, system_random)
    for secret in ("torii_t1", "usr_1", "vvvv", "link_user", STATE):
        assert secret not in str(item)
    found = tokens.read_pkce(item, STATE)
    assert found is not None
    assert (found.verifier, found.metadata) == ("v" * 43, metadata)
    item["expires_at"] = {"N": "4102444800"}
    with pytest.raises(CorruptItem):
        tokens.read_pkce(item, STATE)


def test_a_row_in_an_earlier_format_is_ignored() -> None:
    """A row written before the whole flow was sealed counts as missing and is not an error."""
    item = tokens.pkce_item(STATE, "v" * 43, datetime(2026, 1, 2, tzinfo=UTC), None, NOW, system_random)
    del item["sealed_flow"]
    item["sealed"] = {"B": "AAAA"}
    assert tokens.read_pkce(item, STATE) is None
