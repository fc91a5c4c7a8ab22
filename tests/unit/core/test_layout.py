"""Keys of the layouts and of tenants: none leads to another's item, and each item comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.keys import email_key, oauth_key
from torii_dynamodb._core.layout import Layout, layout_of, placer
from torii_dynamodb.config import DynamoDbConfig, TableName

SINGLE = DynamoDbConfig(layout="single", table="app", ttl_attribute="ttl")
CONFIGS = {"tables": DynamoDbConfig(), "single": SINGLE}
TENANTS = st.sampled_from([None, "acme", "a", "user", "-", "0" * 63])

# What other parts of keys could be taken for, and anything else.
awkward = st.sampled_from(["", "#", "@", "#user#", "user", "session#", "torii#", "@acme#", "torii@acme#user#usr_1"])
anything = st.builds("{}{}{}".format, awkward, st.text(max_size=3), awkward)
user_ids = st.sampled_from(["usr_1", "user", "session", "torii", "acme", "-", "U" * 64])
digests = st.sampled_from(["0" * 64, "f" * 64])
identities = st.builds(email_key, anything) | st.builds(oauth_key, st.sampled_from(["google", "a-b"]), anything)
tokens = st.builds("{}#{}".format, st.sampled_from(["magic_link", "pkce", "code"]), digests)
subjects = st.builds("{}#{}".format, st.sampled_from(["password", "mfa.magic_link"]), digests)
attempts = st.sampled_from(["#register", "2026-01-01T00:00:00.000000Z#1"])


def item_of(table: TableName, key: Any) -> Item:
    """Return an item of the five tables."""
    rest: Item = {"expires_at": {"N": "1"}, "name": {"S": "@acme#"}}
    match table:
        case "sessions":
            return {"id": {"S": key[1]}, "user_id": {"S": key[0]}, **rest}
        case "login_attempts":
            return {"subject": {"S": key[0]}, "attempt": {"S": key[1]}, **rest}
        case "users":
            return {"id": {"S": key}, "email": {"S": "ada@example.com"}, "expires_at": {"N": "1"}}
        case _:
            return {"id": {"S": key}, "user_id": {"S": "usr_1"}, **rest}


kept = st.one_of(
    st.tuples(st.just("users"), user_ids),
    st.tuples(st.just("sessions"), st.tuples(user_ids, digests)),
    st.tuples(st.just("identities"), identities),
    st.tuples(st.just("tokens"), tokens),
    st.tuples(st.just("login_attempts"), st.tuples(subjects, attempts)),
)
"""A table, and a key in it."""


def write(config: DynamoDbConfig, tenant: str | None, table: TableName, item: Item) -> tuple[str, Item]:
    """Return the name of the table that contains an item, and the item as it is stored."""
    layout = layout_of(config, tenant)
    return (config.table_name(table), item) if layout is None else (layout.table(table), layout.item(table, item))


def place(config: DynamoDbConfig, name: str, item: Item) -> tuple[str, ...]:
    """Return the place of a stored item: the table's name and the values of its key."""
    names = ("pk", "sk") if config.layout == "single" else ("id",) if "id" in item else ("subject", "attempt")
    return name, *(item[each]["S"] for each in names)


@pytest.mark.parametrize("layout", CONFIGS)
@given(one=kept, other=kept, ones=TENANTS, others=TENANTS)
@example(one=("users", "usr_1"), other=("sessions", ("usr_1", "0" * 64)), ones="acme", others="acme")
@example(one=("users", "usr_1"), other=("users", "usr_1"), ones=None, others="acme")
def test_two_items_have_two_places(layout: str, one: Any, other: Any, ones: str | None, others: str | None) -> None:
    """Items of different tables, keys or tenants never have the same key."""
    config = CONFIGS[layout]
    first, second = (
        place(config, *write(config, tenant, table, item_of(table, key)))
        for tenant, (table, key) in ((ones, one), (others, other))
    )
    if config.layout == "tables" and one[0] == other[0] == "sessions":  # whose key is the digest of a random token
        one, other = one[1][1], other[1][1]
    assert (first == second) is ((ones, one) == (others, other))


@pytest.mark.parametrize("layout", CONFIGS)
@given(one=kept, tenant=TENANTS, others=TENANTS)
def test_an_item_is_read_as_it_was_written(layout: str, one: Any, tenant: str | None, others: str | None) -> None:
    """Its own layout reads it back, an administrator sees whose it is, and no other tenant reads it."""
    config, (table, key) = CONFIGS[layout], one
    item = item_of(table, key)
    name, stored = write(config, tenant, table, item)
    assert placer(config)(name, stored) == (table, tenant, item)
    own, other = layout_of(config, tenant), layout_of(config, others)
    if own is not None:
        assert own.stored(table, stored) == item
        assert key_in(own, table, item).items() <= stored.items()
    if other is not None and others is not None and others != tenant:
        assert other.stored(table, stored) is None


def key_in(layout: Layout, table: TableName, item: Item) -> Item:
    """Return the key under which a layout looks for an item."""
    return layout.key(table, {name: item[name] for name in ("id", "user_id", "subject", "attempt") if name in item})


def test_the_longest_keys_fit() -> None:
    """DynamoDB's limits are 2,048 bytes for a partition key and 1,024 for a sort key (Developer Guide, "Quotas")."""
    config = DynamoDbConfig(layout="single", table="app", key_prefix="p" * 64)
    longest: list[tuple[TableName, Any]] = [
        ("identities", email_key("\xfc" * 254)),
        ("identities", oauth_key("p" * 64, "\U0001f600" * 63)),
        ("users", "u" * 64),
        ("sessions", ("u" * 64, "0" * 64)),
        ("tokens", f"{'p' * 32}#{'0' * 64}"),
        ("login_attempts", (f"{'k' * 64}#{'0' * 64}", "2026-01-01T00:00:00.000000Z#" + "0" * 64)),
    ]
    for table, key in longest:
        _, stored = write(config, "t" * 63, table, item_of(table, key))
        assert len(stored["pk"]["S"].encode()) <= 2048
        assert len(stored["sk"]["S"].encode()) <= 1024


def test_what_is_not_text_is_nobodys() -> None:
    """A shared table's keys may be numbers or bytes, and an item of an index or a projection may lack them."""
    whose = placer(SINGLE)
    keys: list[Item] = [
        {"pk": {"N": "1"}, "sk": {"S": "user"}},
        {"pk": {"S": "torii#user#usr_1"}, "sk": {"N": "1"}},
        {"pk": {"B": "dG9yaWk="}, "sk": {"B": "dG9yaWk="}},
        {"pk": {"S": "torii#user#usr_1"}},
        {},
    ]
    for key in keys:
        assert whose("app", key) is None
        assert whose("other", {"pk": {"S": "torii#user#usr_1"}, "sk": {"S": "user"}}) is None


@pytest.mark.parametrize("layout", CONFIGS)
@pytest.mark.parametrize("table", ["users", "sessions", "identities", "tokens"])
@pytest.mark.parametrize("wrong", [{"N": "1"}, {"NULL": True}, {"M": {}}])
def test_a_corrupt_item_is_left_to_its_reader(layout: str, table: TableName, wrong: Item) -> None:
    """Attributes of a wrong kind do not raise here: whoever reads the item says what is wrong with it."""
    own = layout_of(CONFIGS[layout], "acme")
    assert own is not None
    stored = own.item(table, item_of(table, ("usr_1", "0" * 64) if table == "sessions" else "usr_1"))
    keys = {"id", "pk", "sk"}
    found = own.stored(table, {name: value if name in keys else wrong for name, value in stored.items()})
    assert found is not None
    assert "id" in found
