"""Events as API Gateway, Application Load Balancers and function URLs send them to Lambda.

Written after AWS's documentation, with the differences that it does not mention: what arrives decoded (HTTP APIs decode
the path, a REST API, a function URL and a load balancer do not; only a load balancer leaves the query encoded), where
the stage is (in the path of an HTTP API only), and where the base path of a custom domain is (in payload format 1.0
only).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

FORMATS = ("rest", "http1", "http2", "url", "alb", "alb-multi")

PEER = "198.51.100.7"
_AT = "12/Mar/2020:19:03:58 +0000"
_REQUEST = {"accountId": "123456789012", "apiId": "abcdef", "requestId": "JKJaXmPLvHcESHA="}


def event(
    form: str,
    method: str = "GET",
    path: str = "/",
    *,
    query: str = "",
    headers: Mapping[str, str | Sequence[str]] | None = None,
    cookies: Sequence[str] = (),
    body: bytes | None = None,
    stage: str = "$default",
    base_path: str = "",
    template: str | None = None,
) -> dict[str, Any]:
    """Return the event of a request.

    Args:
        form: One of ``FORMATS``.
        method: The method.
        path: The path as the application should see it, but encoded as a browser sends it.
        query: The query string, encoded.
        headers: The headers; a list for one that is sent more than once.
        cookies: The ``Cookie`` headers.
        body: The body; it is sent in base64.
        stage: The stage of an API.
        base_path: The base path that a custom domain maps to the API.
        template: The route's path in the API; ``None``: one that matches everything, a REST API's ``/{proxy+}`` or an
            HTTP API's ``$default``.
    """
    lists = {name: [values] if isinstance(values, str) else list(values) for name, values in (headers or {}).items()}
    lists.setdefault("host", ["app.example.com"])
    lists.setdefault("user-agent", ["curl/8"])
    lists["x-forwarded-for"] = [", ".join([*lists.get("x-forwarded-for", []), PEER])]
    made: dict[str, Any] = {"body": None, "isBase64Encoded": False}
    if body is not None:
        made = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    if form in ("http2", "url"):
        return made | _format_2(form, method, path, query, lists, cookies, stage, template)
    if cookies:
        lists["cookie"] = list(cookies)
    if form in ("rest", "http1"):
        return made | _format_1(form, method, path, query, lists, stage, base_path, template)
    pairs = [part.partition("=") for part in query.split("&") if part]
    return made | {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/a/b"}},
        "httpMethod": method,
        "path": base_path + path,
        **(
            {"multiValueHeaders": lists, "multiValueQueryStringParameters": _lists((a, c) for a, _, c in pairs)}
            if form == "alb-multi"
            else {
                "headers": {name: values[-1] for name, values in lists.items()},
                "queryStringParameters": {name: value for name, _, value in pairs},
            }
        ),
    }


def headers_of(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headers that AWS makes of a response; those with several values win, as in AWS."""
    lists = {name: [value] for name, value in (answer.get("headers") or {}).items()}
    lists |= answer.get("multiValueHeaders") or {}
    found = [(name.lower(), value) for name, values in lists.items() for value in values]
    return found + [("set-cookie", value) for value in answer.get("cookies") or []]


def _format_1(
    form: str,
    method: str,
    path: str,
    query: str,
    headers: dict[str, list[str]],
    stage: str,
    base_path: str,
    template: str | None,
) -> dict[str, Any]:
    given = _lists(parse_qsl(query, keep_blank_values=True))
    staged = "" if stage == "$default" else f"/{stage}"
    if form == "rest":
        resource = template or ("/" if path == "/" else "/{proxy+}")
        sent = base_path + path  # the stage is only in requestContext.path
    else:
        resource = template or "$default"
        sent = unquote(base_path + path if base_path else staged + path)
    context = {
        **_REQUEST,
        "requestTime": _AT,
        "requestTimeEpoch": 1583348638390,
        "protocol": "HTTP/1.1",
        "httpMethod": method,
        "identity": {"sourceIp": PEER, "userAgent": headers["user-agent"][0]},
        "path": base_path + path if base_path else staged + path,
        "resourcePath": resource,
        "stage": stage,
    }
    return {
        **({} if form == "rest" else {"version": "1.0"}),
        "resource": resource,
        "path": sent,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in given.items()} or None,
        "multiValueQueryStringParameters": given or None,
        "pathParameters": _parameters(resource, unquote(path)),
        "stageVariables": None,
        "requestContext": context,
    }


def _format_2(
    form: str,
    method: str,
    path: str,
    query: str,
    headers: dict[str, list[str]],
    cookies: Sequence[str],
    stage: str,
    template: str | None,
) -> dict[str, Any]:
    if form == "url":
        stage, sent, domain = "$default", path, "abcdef.lambda-url.eu-central-1.on.aws"
    else:
        sent = unquote(path if stage == "$default" else f"/{stage}{path}")
        domain = "abcdef.execute-api.eu-central-1.amazonaws.com"
    pairs = [pair for header in cookies for pair in header.split("; ")]
    return {
        "version": "2.0",
        "routeKey": "$default" if template is None else f"ANY {template}",
        "rawPath": sent,
        "rawQueryString": query,
        **({"cookies": pairs} if pairs else {}),
        "headers": {name: ",".join(values) for name, values in headers.items()},
        **({} if template is None else {"pathParameters": _parameters(template, unquote(path))}),
        "requestContext": {
            **_REQUEST,
            "time": _AT,
            "timeEpoch": 1583348638390,
            "domainName": domain,
            "domainPrefix": "abcdef",
            "http": {
                "method": method,
                "path": sent,
                "protocol": "HTTP/1.1",
                "sourceIp": PEER,
                "userAgent": headers["user-agent"][0],
            },
            "routeKey": "$default",
            "stage": stage,
        },
    }


def _lists(pairs: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _parameters(template: str, path: str) -> dict[str, str] | None:
    """What the variables of a route's path stand for."""
    segments = template.strip("/").split("/")
    given = path.strip("/").split("/", len(segments) - 1)
    found = {name.strip("{}+"): value for name, value in zip(segments, given, strict=False) if name.startswith("{")}
    return found or None
