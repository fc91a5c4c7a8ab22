"""Metadata, keys, times and secrets survive conversion to DynamoDB's format and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._core import attributes, keys, reading, sizes
from torii_dynamodb._rules import secrets, times, validation
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb.errors import ItemTooLarge, ValidationError

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | texts
    | st.binary(max_size=12)
)
names = texts.filter(bool) | st.sampled_from(["$float", "$decimal", "$int", "$map", "$"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
metadata = st.dictionaries(names, values, max_size=5)


def exact(value: Any) -> Any:
    """Make a value's types visible: otherwise 1, 1.0 and True compare equal, and so do -0.0 and 0.0."""
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return (type(value).__name__, repr(value))


@given(metadata)
def test_metadata_comes_back_exactly(given: dict[str, Any]) -> None:
    """Every accepted value comes back equal, of the same type, with the same sign and digits."""
    validation.metadata(given)
    stored = {"metadata": attributes.encode(given)}
    assert exact(reading.metadata(stored)) == exact(given)
    assert exact(attributes.decode_map(stored)["metadata"]) == exact(given)


@pytest.mark.parametrize(
    "bad",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("sNaN"),
        "\ud800",
        (1, 2),
        {1, 2},
        object(),
        {1: "not text"},
        {"": "empty"},
        {"\ud800": 1},
        1 << 5000,
    ],
    ids=lambda bad: type(bad).__name__,
)
def test_metadata_that_could_not_come_back_is_refused(bad: Any) -> None:
    """A value that DynamoDB cannot store, or would return as something else, raises ValidationError."""
    with pytest.raises(ValidationError):
        validation.metadata({"key": bad})


def test_metadata_has_a_depth() -> None:
    """Nesting deeper than DynamoDB allows is refused, without a stack overflow."""
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(ValidationError, match="levels deep"):
        validation.metadata({"key": deep})


@given(st.timedeltas(timedelta(0), timedelta(days=365 * 8000)), st.integers(-840, 840))
def test_times_have_one_width_and_sort(since: timedelta, minutes: int) -> None:
    """A time as text has 27 characters, comes back equal, and sorts as times do."""
    moment = datetime(1970, 1, 2, tzinfo=UTC) + since
    text = times.to_text(moment)
    assert len(text) == 27
    assert times.from_text(text) == moment
    other = moment + timedelta(minutes=minutes)
    assert (times.to_text(other) < text) == (other < moment)


@given(st.binary(min_size=32, max_size=32), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_tokens_tell_their_user_and_nothing_else(random: bytes, user_id: str) -> None:
    """A session token names its user and is not accepted as a one-time token, or the other way round."""
    token = secrets.make_session_token(user_id, lambda _: random)
    parsed = secrets.parse_session_token(token)
    assert parsed is not None
    assert parsed.user_id == user_id
    assert parsed.digest == secrets.digest(token)
    assert secrets.parse_one_time_token(token) is None
    assert secrets.parse_session_token(secrets.make_one_time_token(user_id, lambda _: random)) is None


@given(st.binary(min_size=32, max_size=32), st.integers(0, 200), st.characters(codec="ascii"))
def test_a_mistyped_token_is_refused_without_a_request(random: bytes, place: int, letter: str) -> None:
    """A token with any one character changed fails the grammar or the checksum."""
    token = secrets.make_session_token("usr_1", lambda _: random)
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    assert (secrets.parse_session_token(changed) is None) == (changed != token)


@given(st.from_regex(r"[a-z0-9_-]{1,32}", fullmatch=True), texts.filter(bool), texts.filter(bool))
def test_identity_keys_do_not_run_together(provider: str, subject: str, other: str) -> None:
    """Two subjects share a key only if they are the same; a # in a subject does not make it another provider's."""
    assert (keys.oauth_key(provider, subject) == keys.oauth_key(provider, other)) == (subject == other)
    assert keys.oauth_key(provider, f"x#{subject}") != keys.oauth_key(f"{provider[:10]}x", subject)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("Ada.Lovelace@Example.com", "ada.lovelace@example.com"),
        ("  ada@example.com\n", "ada@example.com"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example"),
        ("ada+news@example.com", "ada+news@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("a@example.test", "a@example.test"),
    ],
)
def test_addresses_have_one_form(given: str, stored: str) -> None:
    """Spellings normalise as in the table of docs/emails.md, and normalising again changes nothing."""
    email = normalise_email(given)
    assert email.normalised == stored
    assert email.as_given == given.strip()
    assert normalise_email(stored).normalised == stored


@pytest.mark.parametrize(
    "bad",
    [
        "",
        " ",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@[127.0.0.1]",
        "a b@example.com",
        '"a b"@example.com',
        "ada@example..com",
        ".ada@example.com",
        "ada@-example.com",
        "\u212aelvin@example.com",
        "zo\u00eb@example.com",
        "\uff41da@example.com",
        "ada\u200b@example.com",
        "ada@exam\u0000ple.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "a" * 65 + "@example.com",
        "ada@" + "a" * 250 + ".com",
        "ada@\ud800.com",
        None,
        b"ada@example.com",
        7,
    ],
    ids=repr,
)
def test_what_is_no_address_is_refused(bad: Any) -> None:
    """Everything else raises a ValidationError for the field."""
    with pytest.raises(ValidationError) as refused:
        normalise_email(bad)
    assert refused.value.field == "email"


@given(texts.map(lambda local: f"{local}@example.com") | texts)
def test_an_address_is_normalised_once(text: str) -> None:
    """Every accepted address normalises to lower-case ASCII, and normalising again changes nothing."""
    try:
        email = normalise_email(text)
    except ValidationError:
        return
    assert email.normalised.isascii()
    assert email.normalised == email.normalised.lower()
    assert normalise_email(email.normalised).normalised == email.normalised


def test_an_oversized_item_names_its_largest_attributes() -> None:
    """The refusal states the size, the limit and the largest attributes, but no content."""
    item: dict[str, Any] = {"id": {"S": "x"}, "metadata": {"M": {"blob": {"S": "secret " * 60_000}}}}
    with pytest.raises(ItemTooLarge, match=r"the user would take 420,\d\d\d bytes.*Largest: metadata") as refused:
        sizes.check_item_size(item, "the user")
    assert refused.value.largest[0][0] == "metadata"
    assert refused.value.limit == 400 * 1024
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("attribute", "size"),
    [
        ({"S": "äb"}, 3),
        ({"B": "AAAA"}, 3),
        ({"B": "AA=="}, 1),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"N": "1"}, 2),
        ({"N": "-123"}, 4),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}]}, 6),
        ({"M": {"k": {"S": "ab"}}}, 7),
    ],
    ids=repr,
)
def test_sizes_are_counted_as_dynamodb_does(attribute: dict[str, Any], size: int) -> None:
    """Each type has the size that the Developer Guide gives."""
    assert sizes.attribute_size(attribute) == size
