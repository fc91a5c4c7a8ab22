"""Base64url."""

from __future__ import annotations

from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._rules import base64url


@given(st.binary(max_size=100))
def test_bytes_survive(raw: bytes) -> None:
    """What was encoded decodes to the same bytes, with and without padding; the text is safe in URLs and cookies."""
    text = base64url.encode(raw)
    assert base64url.decode(text) == raw
    assert base64url.decode(text + "=" * (-len(text) % 4)) == raw
    assert set(text) <= set(ascii_letters + digits + "-_")


@pytest.mark.parametrize("text", ["A", "AAAAA", "\u00e9AAA"])
def test_what_is_not_base64url_is_refused(text: str) -> None:
    """A length that no bytes encode to and characters beyond ASCII raise ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        base64url.decode(text)
