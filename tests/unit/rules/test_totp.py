"""Time-based one-time passwords: RFC 6238's vectors, drift, replay, and how people type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pyotp
import pytest

from torii_dynamodb._rules.totp import enrolment_uri, matching_step, new_seed, seed_text, typed_digits

SEED = b"12345678901234567890"  # RFC 6238, appendix B


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238_hold(seconds: int, eight_digits: str) -> None:
    """Each SHA-1 vector of RFC 6238, appendix B, is accepted in its last six digits, at its own step."""
    assert matching_step(SEED, eight_digits[-6:], at(seconds), after=None) == seconds // 30


@pytest.mark.parametrize(("drift", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_of_drift_is_accepted(drift: int, accepted: bool) -> None:
    """A clock that is one step early or late still signs in; two steps are too many."""
    now = at(1_700_000_000)
    code = pyotp.TOTP(seed_text(SEED)).at(now + timedelta(seconds=30 * drift))
    assert (matching_step(SEED, code, now, after=None) is not None) is accepted


def test_a_step_is_accepted_once_and_never_goes_back() -> None:
    """After a step was accepted, its code and earlier ones are refused, and the next one is accepted."""
    now = at(1_700_000_000)
    totp = pyotp.TOTP(seed_text(SEED))
    step = matching_step(SEED, totp.at(now), now, after=None)
    assert step is not None
    assert matching_step(SEED, totp.at(now), now, after=step) is None
    assert matching_step(SEED, totp.at(now - timedelta(seconds=30)), now, after=step) is None
    assert matching_step(SEED, totp.at(now + timedelta(seconds=30)), now, after=step) == step + 1


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("123456", "123456"),
        (" 123 456 ", "123456"),
        ("123-456", "123456"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16", "123456"),
        ("\u0661\u0662\u0663\u0664\u0665\u0666", "123456"),
        ("123\u00a0456", "123456"),
        ("12345", None),
        ("1234567", None),
        ("12345a", None),
        ("12345\u00b2", None),
        ("", None),
        ("1" * 10_000, None),
        (123456, None),
        (None, None),
    ],
)
def test_codes_are_read_as_people_type_them(typed: object, digits: str | None) -> None:
    """Spaces, hyphens and digits of other scripts are accepted; superscripts, letters and other lengths are not."""
    assert typed_digits(typed, 6) == digits


def test_an_authenticator_reads_the_enrolment_uri() -> None:
    """The URI, read back by pyotp, has the seed, the issuer and the account, and makes the same codes."""
    seed = new_seed(lambda size: bytes(range(size)))
    uri = enrolment_uri(seed, issuer="Ada & Co: Test", account="ada+test@example.com")
    read = pyotp.parse_uri(uri)
    assert isinstance(read, pyotp.TOTP)
    assert len(seed) == 20
    assert read.byte_secret() == seed
    assert read.issuer == "Ada & Co  Test"
    assert read.name == "ada+test@example.com"
    assert unquote(uri).startswith("otpauth://totp/Ada & Co  Test:ada+test@example.com?secret=")
    assert matching_step(seed, read.at(1_700_000_000), at(1_700_000_000), after=None) is not None
