"""Passwords that are common, or made of words of their context."""

from __future__ import annotations

import pytest

from torii_dynamodb._rules.own_words import is_built_from, words_of
from torii_dynamodb.compromised import common_passwords


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("acme-2024!", True),
        ("AcmeAcme123", True),
        ("ada.lovelace1815", True),
        ("lovelace@acme", True),
        ("love-lace.ac_me", True),
        ("ＡｄａＬovelace1", True),
        ("acme rides again", False),
        ("12345678", False),
        ("correct horse battery staple", False),
    ],
)
def test_a_password_made_only_of_own_words_is_found(password: str, refused: bool) -> None:
    """Digits and signs around the words do not help; one letter that is not theirs does."""
    assert is_built_from(password, words_of("ACME", "Ada Lovelace", "ada.lovelace")) is refused


def test_short_words_do_not_count() -> None:
    """A word of two letters is part of too many passwords to refuse them."""
    assert words_of("Al", "Bo-Ann") == {"ann"}


def test_the_shipped_list_is_large_enough() -> None:
    """At least 3,000 passwords of the default policy's length are known (OWASP ASVS 5, 6.2.4)."""
    found = common_passwords()
    assert len(found) >= 3_000
    assert found.is_compromised("password1")
    assert found.is_compromised("PassWord1")
    assert not found.is_compromised("correct horse battery staple")


def test_one_word_in_two_encodings_is_one() -> None:
    """An accent may be a character of its own in a name and not in the password, and the other way round."""
    assert is_built_from("jos\u00e91815", words_of("Jose\u0301"))
    assert is_built_from("jose\u03011815", words_of("Jos\u00e9"))


def test_a_common_password_in_disguise_is_common() -> None:
    """Full-width letters and invisible characters do not make it rare."""
    for password in ("\uff50assword1", "pass\u200bword1", "PASSWORD\uff11"):
        assert common_passwords().is_compromised(password)
