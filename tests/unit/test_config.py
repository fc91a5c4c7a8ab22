"""The configuration: every mistake is told when it is made, by the field's name, and without what may be a secret."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.session
import pytest

from torii_dynamodb import Credentials, DynamoDbConfig, RateLimit
from torii_dynamodb.errors import ConfigurationError

FIELDS: list[tuple[str, Any, str]] = [
    ("region", 7, "not a valid region name"),
    ("region", "Frankfurt", "not a valid region name"),
    ("region", "eu-west-1\r\nx: y", "not a valid region name"),
    ("home_region", b"eu-west-1", "not a valid region name"),
    ("endpoint_url", 8000, "give text, not an int"),
    ("endpoint_url", "localhost:8000", "not a valid http"),
    ("endpoint_url", "http://", "not a valid http"),
    ("endpoint_url", "http://host:port", "not a valid http"),
    ("endpoint_url", "http://[::1", "not a valid http"),
    ("endpoint_url", "http://host/\r\nx: y", "not a valid http"),
    ("endpoint_url", "http://user:hushhush@host", "without a name, password"),
    ("endpoint_url", "http://host/?key=hushhush", "without a name, password"),
    ("home_endpoint_url", "http://host", "has no effect without home_region"),
    ("table_prefix", None, "give text, not None"),
    ("table_prefix", "my tables", "give 3 to 255"),
    ("table_names", None, "give a mapping of tables, not None"),
    ("table_names", ["users"], "give a mapping of tables, not a list"),
    ("table_names", {"user": "mine"}, "no such table: 'user'"),
    ("table_names", {1: "mine", "x": "y"}, "no such table: 'x', 1"),
    ("table_names", {"users": 5}, "users: give text, not an int"),
    ("table_names", {"users": "same", "tokens": "same"}, "two tables have the same name"),
    ("rate_limits", {"users": 5}, "users: give a RateLimit, not an int"),
    ("rate_limits", 5, "give a mapping of tables, not an int"),
    ("consistent_reads", "yes", "give True or False"),
    ("create_tables", None, "give True or False"),
    ("merge_reads", 1, "give True or False"),
    ("retry_attempts", "3", "give a whole number"),
    ("retry_attempts", True, "give a whole number"),
    ("max_connections", 0, "give a whole number"),
    ("retry_quota", 1.5, "give a whole number"),
    ("connect_timeout", "3", "give seconds"),
    ("read_timeout", True, "give seconds"),
    ("deadline", float("nan"), "give seconds"),
    ("session_cleanup", True, "give 'background', 'inline' or 'off'"),
    ("session_cleanup", ["off"], "give 'background', 'inline' or 'off'"),
    ("on_call", "print", "give a function, or None, not a str"),
    ("transport", 7, "give a function, or None, not an int"),
    ("clock", None, "give a function, not None"),
    ("random", 4, "give a function, not an int"),
    ("credentials", ("AKID", "hushhush"), "a tuple is not one of Credentials"),
    ("credentials", {"secret": "hushhush"}, "a dict is not one of"),
    ("credentials", "AKID:hushhush", "a str is not one of"),
    ("credentials", Credentials, "the class Credentials is not one of"),
    ("credentials", boto3.Session, "the class Session is not one of"),
    ("credentials", 7, "an int is not one of"),
]


@pytest.mark.parametrize(
    ("name", "value", "words"), FIELDS, ids=[f"{name}-{value!r}"[:40] for name, value, _ in FIELDS]
)
def test_a_wrong_value_is_told_at_construction(name: str, value: Any, words: str) -> None:
    """ConfigurationError, which begins with the field; what may be a secret is not in it, nor in what caused it."""
    with pytest.raises(ConfigurationError, match=words) as told:
        DynamoDbConfig(**{name: value})
    assert str(told.value).startswith(name if name != "table_prefix" or value is None else "table name")
    assert "hushhush" not in repr(told.value)
    assert "hushhush" not in repr(told.value.__context__)


def test_every_field_is_checked() -> None:
    """No field takes just anything: an object of no use is refused for each."""
    for name in DynamoDbConfig.__dataclass_fields__:
        with pytest.raises(ConfigurationError):
            DynamoDbConfig(**{name: object()})  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [
    None, Credentials(access_key_id="a", secret_access_key="b"), boto3.Session(), botocore.session.Session(),
])  # fmt: skip
def test_every_kind_of_credentials_is_taken(given: Any) -> None:
    """Keys and sessions are accepted; another test covers your own source."""
    assert DynamoDbConfig(credentials=given).credentials is given


@pytest.mark.parametrize(("field", "value"), [
    ("access_key_id", ""), ("access_key_id", None), ("secret_access_key", "hushhush\n"), ("secret_access_key", 5),
    ("session_token", "hush hush"), ("session_token", "hushhush\r\nx-evil: 1"), ("access_key_id", "AKIÄ"),
    ("account_id", 111122223333),
])  # fmt: skip
def test_credentials_are_plain_text(field: str, value: Any) -> None:
    """Keys copied with a line break, numbers and nothing at all are told by the field's name, and are not shown."""
    settings: dict[str, Any] = {"access_key_id": "AKID", "secret_access_key": "hushhush"}
    with pytest.raises(ConfigurationError, match=f"credentials, {field}: ") as told:
        Credentials(**(settings | {field: value}))
    assert "hush" not in str(told.value)


def test_keys_in_the_environment_are_looked_at_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break behind a key in the environment is told before anything is sent."""
    from torii_dynamodb._sync.client import Client

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hushhush\n")
    with pytest.raises(ConfigurationError, match="credentials, secret_access_key"):
        Client(DynamoDbConfig(region="eu-central-1")).call("GetItem", {})


@pytest.mark.parametrize("units", [True, "5", 0, -1, float("nan")])
def test_rate_limits_are_numbers(units: Any) -> None:
    """Above zero, or None."""
    with pytest.raises(ConfigurationError, match="rate limit, read"):
        RateLimit(read=units)
