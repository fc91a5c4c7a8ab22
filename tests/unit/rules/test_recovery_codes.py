"""Recovery codes and codes from mails: how they are made, marked and read."""

from __future__ import annotations

import re
import secrets

import pytest

from torii_dynamodb._rules import typed_codes
from torii_dynamodb._rules.recovery_codes import RecoveryCodes

OLD, NEW = b"o" * 32, b"n" * 32


def codes(*keys: bytes) -> RecoveryCodes:
    return RecoveryCodes(keys, random=secrets.token_bytes)


def test_ten_codes_of_80_bits_are_made() -> None:
    """Ten different codes are made, each of sixteen base32 characters (80 bits) in groups of four."""
    made = codes(NEW).make()
    assert len(set(made)) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in made)


@pytest.mark.parametrize("write", [str, str.upper, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_a_code_is_found_however_it_is_typed(write: object) -> None:
    """Case, spaces and missing hyphens do not matter."""
    made = codes(NEW)
    code = made.make()[0]
    assert callable(write)
    assert made.mark("usr_1", code) in made.candidates("usr_1", write(code))


def test_a_mark_belongs_to_one_user_and_survives_rotation() -> None:
    """A mark matches for its user only, and still matches when its secret is no longer the first."""
    code = codes(OLD).make()[0]
    mark = codes(OLD).mark("usr_1", code)
    assert mark in codes(NEW, OLD).candidates("usr_1", code)
    assert mark not in codes(NEW, OLD).candidates("usr_2", code)
    assert mark not in codes(NEW).candidates("usr_1", code)
    assert not mark.startswith(codes(NEW, OLD).current_key_id)
    assert code.replace("-", "") not in mark


@pytest.mark.parametrize("typed", ["", "abcd", "abcd-efgh-ijkl-mno8", "x" * 10_000, None, 5, "abcd-efgh-ijkl-mnop-q"])
def test_what_cannot_be_a_code_has_no_mark(typed: object) -> None:
    """Anything that is not sixteen base32 characters is refused before it is compared."""
    assert codes(NEW).candidates("usr_1", typed) == ()


def test_a_typed_code_is_marked_under_its_flow() -> None:
    """The mark of a mailed code depends on the flow token: without it, the digits cannot be guessed from the table."""
    code = typed_codes.new_code(secrets.token_bytes)
    assert re.fullmatch(r"[0-9]{8}", code)
    assert typed_codes.typed(f"{code[:4]} {code[4:]}") == code
    assert typed_codes.mark("flow-1", code) == typed_codes.mark("flow-1", code)
    assert typed_codes.mark("flow-1", code) != typed_codes.mark("flow-2", code)
