"""The formats of Lambda authorizers, after the AWS documentation: events, and models of what may be answered.

The pages are those that ``torii_dynamodb.aws_lambda.authorizers`` names, all below https://docs.aws.amazon.com:

- apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html (and -output.html)
- apigateway/latest/developerguide/http-api-lambda-authorizer.html
- apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
- appsync/latest/devguide/security-authz.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

API = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5"
HOST = "api.example.com"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, whatever the format.

    Args:
        method: The method; WebSockets have none.
        path: The path below the stage.
        headers: Further headers, with ``Authorization`` among them.
        cookies: The pairs of the ``Cookie`` header.
        query: The query parameters.
    """

    method: str = "GET"
    path: str = "/notes"
    headers: Mapping[str, str] | None = None
    cookies: tuple[str, ...] = ()
    query: Mapping[str, str] | None = None

    def sent(self) -> dict[str, str]:
        """All headers, as the client spelled them."""
        cookies = {"Cookie": "; ".join(self.cookies)} if self.cookies else {}
        return (
            {"Host": HOST, "User-Agent": "Mozilla/5.0", "X-Forwarded-For": "198.51.100.7"}
            | cookies
            | {**(self.headers or {})}
        )

    def bearer(self) -> str:
        """What is in ``Authorization``, or nothing."""
        return (self.headers or {}).get("Authorization", "")


def token_event(asked: Asked) -> dict[str, Any]:
    """REST API, TOKEN."""
    arn = f"{API}/prod/{asked.method}{asked.path}"
    return {"type": "TOKEN", "authorizationToken": asked.bearer(), "methodArn": arn}


def request_event(asked: Asked) -> dict[str, Any]:
    """REST API, REQUEST."""
    sent = asked.sent()
    return {
        "type": "REQUEST",
        "methodArn": f"{API}/prod/{asked.method}{asked.path}",
        "resource": "/notes",
        "path": asked.path,
        "httpMethod": asked.method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(asked.query or {}),
        "multiValueQueryStringParameters": {name: [value] for name, value in (asked.query or {}).items()},
        "pathParameters": {},
        "stageVariables": {},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": HOST,
            "httpMethod": asked.method,
            "identity": {"sourceIp": "198.51.100.7", "userAgent": "Mozilla/5.0"},
            "path": f"/prod{asked.path}",
            "protocol": "HTTP/1.1",
            "requestId": "6a1c",
            "requestTime": "12/Mar/2026:19:03:58 +0000",
            "requestTimeEpoch": 1773342238000,
            "resourceId": "05c7jb",
            "resourcePath": "/notes",
            "stage": "prod",
        },
    }


def http_1_event(asked: Asked) -> dict[str, Any]:
    """HTTP API, payload format 1.0: as for REST, with a version, what the identity sources found, and no null."""
    found = ",".join(filter(None, (asked.bearer(), *asked.cookies)))
    event = request_event(asked) | {"version": "1.0", "identitySource": found, "authorizationToken": found}
    # The page shows no headers with several values.
    del event["multiValueHeaders"], event["multiValueQueryStringParameters"]
    return event


def http_2_event(asked: Asked) -> dict[str, Any]:
    """HTTP API, payload format 2.0: names of headers in lower case, and cookies apart."""
    headers = {name.lower(): value for name, value in asked.sent().items() if name != "Cookie"}
    event: dict[str, Any] = {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": f"{API}/$default/{asked.method}{asked.path}",
        "identitySource": [asked.bearer()] if asked.bearer() else None,
        "routeKey": "$default",
        "rawPath": asked.path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": HOST,
            "domainPrefix": "api",
            "http": {
                "method": asked.method,
                "path": asked.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "198.51.100.7",
                "userAgent": "Mozilla/5.0",
            },
            "requestId": "6a1c",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1773342238000,
        },
    }
    return event | ({"cookies": list(asked.cookies)} if asked.cookies else {})


def websocket_event(asked: Asked) -> dict[str, Any]:
    """WebSocket API, ``$connect``."""
    sent = asked.sent() | {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    query = dict(asked.query) if asked.query else None
    return {
        "type": "REQUEST",
        "methodArn": f"{API}/prod/$connect",
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": None if query is None else {name: [v] for name, v in query.items()},
        "stageVariables": {},
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "extendedRequestId": "TWegAcC4EowCHnA=",
            "requestTime": "12/Mar/2026:19:03:58 +0000",
            "messageDirection": "IN",
            "stage": "prod",
            "connectedAt": 1773342238000,
            "requestTimeEpoch": 1773342238001,
            "identity": {"sourceIp": "198.51.100.7"},
            "requestId": "TWegAcC4EowCHnA=",
            "domainName": HOST,
            "connectionId": "TWegAfcZIAMCJhA=",
            "apiId": "a1b2c3d4e5",
        },
    }


def appsync_event(asked: Asked) -> dict[str, Any]:
    """AppSync, GraphQL."""
    return {
        "authorizationToken": asked.bearer(),
        "requestContext": {
            "apiId": "aaaaaa123123123example123",
            "accountId": "123456789012",
            "requestId": "f4081827-1111-4444-5555-5cf4695f339f",
            "queryString": "query Notes { notes { text } }",
            "operationName": "Notes",
            "variables": {},
        },
        "requestHeaders": {name.lower(): value for name, value in asked.sent().items() if name != "Authorization"},
    }


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Scalar = StrictStr | StrictBool | StrictInt | StrictFloat


class Statement(_Exact):
    """A statement of an IAM policy, as API Gateway takes it: the resource has at most 512 characters."""

    Action: Literal["execute-api:Invoke"]
    Effect: Literal["Allow", "Deny"]
    Resource: Annotated[str, Field(max_length=512, pattern=r"^arn:aws:execute-api:[a-z0-9-]+:[0-9]{12}:[a-z0-9]+/")]


class Policy(_Exact):
    """An IAM policy."""

    Version: Literal["2012-10-17"]
    Statement: Annotated[list[Statement], Field(min_length=1)]


class PolicyAnswer(_Exact):
    """REST and WebSocket APIs, and HTTP APIs without simple responses. In ``context`` no lists and no objects."""

    principalId: Annotated[str, Field(min_length=1)]  # noqa: N815
    policyDocument: Policy  # noqa: N815
    context: dict[str, Scalar] = {}
    usageIdentifierKey: str | None = None  # noqa: N815


class SimpleAnswer(_Exact):
    """HTTP APIs with simple responses."""

    isAuthorized: bool  # noqa: N815
    context: dict[str, Any] = {}


class AppSyncAnswer(_Exact):
    """AppSync: no objects in the context, and a TTL of at most an hour."""

    isAuthorized: bool  # noqa: N815
    resolverContext: dict[str, Scalar] = {}  # noqa: N815
    deniedFields: list[str] = []  # noqa: N815
    ttlOverride: Annotated[int, Field(ge=0, le=3600)] | None = None  # noqa: N815


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format.

    Args:
        event: Makes an event.
        answer: What may be answered.
        cookies: Whether the event can contain cookies.
        options: Options of the authorizer for this format.
        nobody: What happens if nobody is signed in: an error, or an answer that says no.
    """

    event: Callable[[Asked], dict[str, Any]]
    answer: type[PolicyAnswer | SimpleAnswer | AppSyncAnswer]
    cookies: bool = True
    options: Mapping[str, Any]
    nobody: Literal["error", "answer"]


FORMATS: dict[str, Format] = {
    "REST TOKEN": Format(event=token_event, answer=PolicyAnswer, cookies=False, options={}, nobody="error"),
    "REST REQUEST": Format(event=request_event, answer=PolicyAnswer, options={}, nobody="error"),
    "HTTP 1.0": Format(event=http_1_event, answer=PolicyAnswer, options={}, nobody="answer"),
    "HTTP 2.0 simple": Format(event=http_2_event, answer=SimpleAnswer, options={}, nobody="answer"),
    "HTTP 2.0 policy": Format(
        event=http_2_event, answer=PolicyAnswer, options={"simple_responses": False}, nobody="answer"
    ),
    "WebSocket": Format(event=websocket_event, answer=PolicyAnswer, options={}, nobody="error"),
    "AppSync": Format(event=appsync_event, answer=AppSyncAnswer, cookies=False, options={}, nobody="answer"),
}


def allows(answer: PolicyAnswer | SimpleAnswer | AppSyncAnswer, arn: str) -> bool:
    """Whether an answer, or a cached one, lets a request through, by IAM's rules: a Deny wins, nothing means no."""
    if not isinstance(answer, PolicyAnswer):
        return answer.isAuthorized
    effects = {one.Effect for one in answer.policyDocument.Statement if _matches(one.Resource, arn)}
    return effects == {"Allow"}


def _matches(pattern: str, arn: str) -> bool:
    """Whether IAM's wildcard matches: ``*`` any characters, slashes too."""
    first, *rest = pattern.split("*")
    if not arn.startswith(first):
        return False
    arn = arn[len(first) :]
    for part in rest[:-1]:
        if part not in arn:
            return False
        arn = arn[arn.index(part) + len(part) :]
    return arn.endswith(rest[-1]) if rest else not arn
