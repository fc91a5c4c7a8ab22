"""What is different on AWS Lambda, where a process is frozen between invocations."""

from __future__ import annotations

import pytest

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb._rules.on_lambda import on_lambda
from torii_dynamodb.mail import MailSettings

NAMES = ("AWS_LAMBDA_FUNCTION_NAME", "AWS_EXECUTION_ENV")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that is not Lambda's."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("AWS_LAMBDA_FUNCTION_NAME", "app", True),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13", True),
        ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE", False),
        ("AWS_REGION", "eu-central-1", False),
    ],
)
def test_lambda_is_recognised(environment: pytest.MonkeyPatch, name: str, value: str, found: bool) -> None:
    """Either of the runtime's variables tells; containers of other services are not Lambda."""
    environment.setenv(name, value)
    assert on_lambda() is found


def mail(**options: object) -> str:
    """How mails are delivered."""
    settings = MailSettings(sender="a@example.com", app_name="Example", base_url="https://example.com", **options)  # type: ignore[arg-type]
    return settings.delivery


def test_nothing_is_left_for_the_background_on_lambda(environment: pytest.MonkeyPatch) -> None:
    """Rows of ended sessions are left to TTL and mails are sent before the call returns, unless the caller decides."""
    assert (DynamoDbConfig().session_cleanup, mail()) == ("background", "background")
    environment.setenv("AWS_LAMBDA_FUNCTION_NAME", "app")
    assert (DynamoDbConfig().session_cleanup, mail()) == ("off", "inline")
    assert DynamoDbConfig(session_cleanup="background").session_cleanup == "background"
    assert mail(delivery="background") == "background"
