"""The application stack: the template beside its functions, expanded as by SAM, deployed into moto and used.

moto's CloudFormation knows no HTTP APIs, SES, Secrets Manager, alarms, metric filters and subscriptions by mail: those
parts are checked by cfn-lint (in test_templates.py) and here by their references, not deployed.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from tests.web.test_api_application import EXAMPLES, load

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb._async.services.mail import AsyncMail
from torii_dynamodb.admin.options import TableOptions, with_table
from torii_dynamodb.admin.streams.control import VIEW_TYPE
from torii_dynamodb.admin.streams.decode import STREAM_TABLES
from torii_dynamodb.admin.templates import render, template
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.secrets_manager import read_secret

FOLDER = EXAMPLES / "aws_lambda"
SHOWN: dict[str, Any] = json.loads((FOLDER / "template.json").read_text(encoding="utf-8"))
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in SHOWN["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}
UNKNOWN_TO_MOTO = (
    "AWS::ApiGatewayV2::",
    "AWS::CloudWatch::Alarm",
    "AWS::Logs::MetricFilter",
    "AWS::SES::",
    "AWS::SNS::Subscription",
    "AWS::SecretsManager::",
)
PASSWORD = "correct horse battery staple"
PERSON = {"email": "ada@example.com", "password": PASSWORD}


def generated(prefix: str = "torii") -> dict[str, Any]:
    """What ``torii-dynamodb template application --streams`` prints."""
    options = TableOptions()
    for table in STREAM_TABLES:
        options = with_table(options, table, stream=VIEW_TYPE)
    return template("application", DynamoDbConfig(table_prefix=prefix), options)


def test_the_shown_template_is_the_generated_one() -> None:
    """examples/aws_lambda/template.json is up to date: ``torii-dynamodb template application --streams``."""
    assert render(SHOWN) == render(generated())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_there_and_gets_what_it_reads(name: str) -> None:
    """The handler exists in the folder, and the template sets every variable that its file requires."""
    module, _, function = FUNCTIONS[name]["Handler"].partition(".")
    source = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
    defined = {
        target.id if isinstance(target, ast.Name) else ""
        for node in ast.parse(source).body
        for target in (node.targets if isinstance(node, ast.Assign) else [])
    } | {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert function in defined
    read = set(re.findall(r'environ(?:\[|\.get\()"(\w+)"', source))
    assert read - {"TORII_SECRET"} == set(FUNCTIONS[name]["Environment"]["Variables"]) & read
    assert read - {"TORII_SECRET"} <= set(FUNCTIONS[name]["Environment"]["Variables"])


def statements(name: str) -> list[dict[str, Any]]:
    """The permissions of a function."""
    policies: list[dict[str, Any]] = FUNCTIONS[name].get("Policies", [])
    return [one for policy in policies for one in policy["Statement"]]


def test_each_function_may_do_what_it_needs_only() -> None:
    """Only the accounts send mail, as one sender; the authorizer checks and extends; the API itself has nothing."""
    (mail,) = [one for one in statements("Accounts") if one["Sid"] == "Mail"]
    assert mail["Action"] == ["ses:SendEmail"]
    assert mail["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "Sender"}}}
    actions = {action for one in statements("Authorizer") for action in one["Action"]}
    assert actions == {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}
    assert statements("Notes") == []
    broad = [one["Sid"] for name in FUNCTIONS for one in statements(name) if "*" in json.dumps(one["Resource"])]
    assert broad == ["List"]  # ListStreams has no resource that is known beforehand


def test_no_answer_of_the_authorizer_is_cached() -> None:
    """A cached answer would let an ended session pass; the TTL is written down, and so is the protected route."""
    authorizer = SHOWN["Resources"]["ApiAuthorizer"]["Properties"]
    assert authorizer["AuthorizerResultTtlInSeconds"] == 0
    route = SHOWN["Resources"]["NotesRoute"]["Properties"]
    assert route["AuthorizerId"] == {"Ref": "ApiAuthorizer"}
    assert route["RouteKey"] == "ANY /api/{proxy+}"


def test_alarms_watch_every_function_and_table() -> None:
    """There are alarms for functions, latency, mail that failed or bounced, every table, and the queue."""
    alarms = {name for name, one in SHOWN["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    assert {
        f"{name}{what}Alarm" for name in ("Accounts", "Authorizer", "Events") for what in ("Errors", "Throttles")
    } <= alarms
    tables = {name for name, one in SHOWN["Resources"].items() if one["Type"] == "AWS::DynamoDB::Table"}
    assert {f"{name}{what}Alarm" for name in tables for what in ("Errors", "Throttles")} <= alarms
    pattern = SHOWN["Resources"]["MailFailures"]["Properties"]["FilterPattern"]
    assert pattern.strip('"') in inspect.getsource(AsyncMail)
    rest = {"AccountsLatency", "Mail", "BounceRate", "ComplaintRate", "Api", "FailedEvents"}
    assert {f"{name}Alarm" for name in rest} <= alarms


def expanded(document: dict[str, Any]) -> dict[str, Any]:
    """What SAM makes of a template: plain CloudFormation."""
    document["Globals"]["Function"].pop("CodeUri")
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["InlineCode"] = "def handler(event, context): ..."
    session = boto3.Session(region_name="eu-central-1")
    made: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(document, {})
    return made


def client(moto: LocalEngine, service: str) -> Any:
    """A client of moto's."""
    return boto3.client(
        service,  # type: ignore[call-overload] # the stubs know each service by name
        region_name="eu-central-1",
        endpoint_url=moto.endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


def for_moto(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what moto's CloudFormation does not know; references to that become text."""
    gone = {name for name, one in document["Resources"].items() if one["Type"].startswith(UNKNOWN_TO_MOTO)}

    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(one) for one in value]
        if not isinstance(value, dict):
            return value
        if value.get("Ref") in gone or (value.get("Fn::GetAtt") or [None])[0] in gone:
            return "left-out"
        if "Fn::Sub" in value:
            return {"Fn::Sub": re.sub(r"\$\{(\w+)\}", lambda m: "left-out" if m[1] in gone else m[0], value["Fn::Sub"])}
        return {name: without(one) for name, one in value.items()}

    document["Outputs"].pop("Url")
    return without({**document, "Resources": {n: one for n, one in document["Resources"].items() if n not in gone}})  # type: ignore[no-any-return] # a mapping stays one


@pytest.fixture
def deployed(moto_engine: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The stack in moto; the environment of its functions, by their names in the template."""
    for name, value in {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL": moto_engine.endpoint_url,
    }.items():
        monkeypatch.setenv(name, value)
    stacks = client(moto_engine, "cloudformation")
    stack = f"stack-{table_prefix}".replace("_", "-")
    parameters = {"Sender": "no-reply@example.com", "SesIdentity": "example.com", "AppName": "Shop, the"}
    stacks.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(for_moto(expanded(generated(table_prefix)))),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    assert stacks.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    found = {
        name: one["Environment"]["Variables"]
        for one in client(moto_engine, "lambda").list_functions()["Functions"]
        for name in FUNCTIONS
        if one["FunctionName"].startswith(f"{stack}-{name}-")
    }
    assert set(found) == set(FUNCTIONS)
    yield found
    stacks.delete_stack(StackName=stack)


def event(path: str, body: dict[str, Any] | None = None, token: str = "") -> dict[str, Any]:
    """A request to the HTTP API."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:eu-central-1:123456789012:abcdef123/$default/GET/api/notes",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "authorization": f"Bearer {token}"},
        "requestContext": {
            "http": {"method": "GET" if body is None else "POST", "path": path, "sourceIp": "192.0.2.1"}
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def test_the_deployed_stack_serves_a_person(
    deployed: dict[str, Any], moto_engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the stack's tables and variables: sign up, the mail by SES, verify, sign in, the API, sign out, no API."""
    arn = client(moto_engine, "secretsmanager").create_secret(Name="torii", SecretString="s" * 64)["ARN"]
    client(moto_engine, "sesv2").create_email_identity(EmailIdentity="example.com")
    variables = deployed["Accounts"] | {"TORII_SECRET_ARN": arn, "BASE_URL": "https://shop.example.com"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    accounts, authorizer, notes = (load(FOLDER / f"{name}.py") for name in ("handler", "authorizer", "notes"))
    sent: list[Any] = []
    send = accounts.SesMailer.send

    def noting(mailer: Any, mail: Any) -> None:
        send(mailer, mail)  # moto takes it: the sender is verified
        sent.append(mail)

    monkeypatch.setattr(accounts.SesMailer, "send", noting)

    assert accounts.handler(event("/register", PERSON), None)["statusCode"] == 202
    token = re.search(r"#token=(\S+)", sent[-1].text)
    assert token is not None
    assert sent[-1].sender == '"Shop, the" <no-reply@example.com>'
    verified = accounts.handler(event("/verify", {"token": token[1], "password": PASSWORD}), None)
    assert verified["statusCode"] == 200
    session = json.loads(accounts.handler(event("/sign-in", PERSON), None)["body"])["token"]

    answer = authorizer.handler(event("/api/notes", token=session), None)
    assert answer["isAuthorized"] is True
    request = event("/api/notes")
    request["requestContext"]["authorizer"] = {"lambda": answer["context"]}
    assert json.loads(notes.handler(request, None)["body"])["user_id"] == answer["context"]["user_id"]

    assert accounts.handler(event("/sign-out", {}, token=session), None)["statusCode"] == 204
    assert authorizer.handler(event("/api/notes", token=session), None)["isAuthorized"] is False
    for module in (accounts, authorizer):
        module.storage.close()
    sys.modules.pop("example_aws_lambda", None)


def test_a_secret_is_read_or_the_error_says_what_to_do(moto_engine: LocalEngine) -> None:
    """By name or ARN; one that is missing or not text is a mistake of configuration. The text is in no error."""
    secrets = client(moto_engine, "secretsmanager")
    arn = secrets.create_secret(Name="known", SecretString="the text")["ARN"]
    secrets.create_secret(Name="bytes", SecretBinary=b"the text")
    where: dict[str, Any] = {
        "endpoint_url": moto_engine.endpoint_url,
        "credentials": moto_engine.config().credentials,
    }
    assert read_secret(arn, **where) == "the text"
    assert read_secret("known", region="eu-central-1", **where) == "the text"
    for name, said in {"unknown": "create the secret", "bytes": "store it as text"}.items():
        with pytest.raises(ConfigurationError, match=said) as caught:
            read_secret(name, region="eu-central-1", **where)
        assert "the text" not in str(caught.value).replace("store it as text", "")
