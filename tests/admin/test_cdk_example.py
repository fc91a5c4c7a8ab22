"""The CDK example, on stubs that record what it makes. It is too big for the tests: ``make cdk`` runs the real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
from tests.web.test_api_application import EXAMPLES, load

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb.admin.iam import policy
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.templates import template

CONFIG = DynamoDbConfig(table_prefix="shop")
HERE = "arn:aws-cn:dynamodb:cn-north-1:123456789012:"


class Stack:
    """What the example needs of ``aws_cdk.Stack``."""

    partition, region, account, stack_name = "aws-cn", "cn-north-1", "123456789012", "Accounts"

    def __init__(self, scope: object, name: str, **more: Any) -> None: ...

    def format_arn(self, *, service: str, resource: str, resource_name: str) -> str:
        """An ARN in the stack's place."""
        return f"arn:{service}:{resource}/{resource_name}"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, MagicMock]:
    """Make the stack with stubs in place of the CDK; the stubbed modules, by name."""
    cdk, constructs = MagicMock(), ModuleType("constructs")
    cdk.Stack = Stack
    cdk.aws_dynamodb.CfnTable = MagicMock
    constructs.Construct = object  # type: ignore[attr-defined] # a stub
    monkeypatch.setitem(sys.modules, "aws_cdk", cdk)
    monkeypatch.setitem(sys.modules, "constructs", constructs)
    included: list[dict[str, Any]] = []

    def include(scope: object, name: str, *, template_file: str) -> MagicMock:
        included.append(json.loads(Path(template_file).read_text(encoding="utf-8")))
        return MagicMock()

    cdk.cloudformation_include.CfnInclude.side_effect = include
    module = load(EXAMPLES / "cdk_app" / "app.py")
    sender = "no-reply@example.com"
    options = TableOptions()
    module.Accounts(object(), "Shop", config=CONFIG, options=options, code=".", sender=sender, identity="example.com")
    cdk.included = included
    return {"cdk": cdk}


def test_the_tables_are_those_of_the_generated_template(made: dict[str, MagicMock]) -> None:
    """The stack includes the library's CloudFormation, as it is now, once."""
    assert made["cdk"].included == [template("cloudformation", CONFIG, TableOptions())]


def test_the_functions_have_the_permissions_of_their_roles(made: dict[str, MagicMock]) -> None:
    """The statements are those of ``iam policy``, for the stack's own Region and account, and one for mail."""
    statements = [call.kwargs for call in made["cdk"].aws_iam.PolicyStatement.call_args_list]
    wanted = [
        {
            "actions": one["Action"],
            "resources": [arn.replace("arn:aws:dynamodb:*:*:", HERE) for arn in one["Resource"]],
        }
        for role in ("runtime", "authorizer")
        for one in policy(role, CONFIG)["Statement"]
    ]
    (mail,) = [one for one in statements if one not in wanted]
    assert [one for one in statements if one in wanted] == [one for one in statements if one != mail]
    assert all(one in statements for one in wanted)
    assert mail["actions"] == ["ses:SendEmail"]
    assert mail["conditions"] == {"StringEquals": {"ses:FromAddress": "no-reply@example.com"}}


def test_the_functions_get_what_they_read(made: dict[str, MagicMock]) -> None:
    """Handlers and variables are those of the SAM template for the same files."""
    shown = json.loads((EXAMPLES / "aws_lambda" / "template.json").read_text(encoding="utf-8"))["Resources"]
    calls = {call.args[1]: call.kwargs for call in made["cdk"].aws_lambda.Function.call_args_list}
    assert set(calls) == {"Accounts", "Authorizer", "Notes"}
    for name, properties in calls.items():
        assert properties["handler"] == shown[name]["Properties"]["Handler"]
        assert set(properties["environment"]) == set(shown[name]["Properties"]["Environment"]["Variables"])


def test_no_answer_of_the_authorizer_is_cached(made: dict[str, MagicMock]) -> None:
    """The TTL is given, as 0."""
    made["cdk"].Duration.seconds.assert_any_call(0)
    (call,) = made["cdk"].aws_apigatewayv2_authorizers.HttpLambdaAuthorizer.call_args_list
    assert "results_cache_ttl" in call.kwargs
