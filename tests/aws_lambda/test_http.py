"""Requests and responses in the formats of API Gateway, load balancers and function URLs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    AlbModel,
    APIGatewayProxyEventModel,
    APIGatewayProxyEventV2Model,
    LambdaFunctionUrlModel,
)
from tests.lambda_events import FORMATS, PEER, event, headers_of

from torii_dynamodb import Browser
from torii_dynamodb.aws_lambda import LambdaRequest
from torii_dynamodb.errors import ConfigurationError, ValidationError

MODELS: dict[str, Any] = {
    "rest": APIGatewayProxyEventModel,
    "http1": APIGatewayProxyEventModel,
    "http2": APIGatewayProxyEventV2Model,
    "url": LambdaFunctionUrlModel,
    "alb": AlbModel,  # it knows no multi-value headers
}
ALL = pytest.mark.parametrize("form", FORMATS)
# A single-value load balancer passes on the last value of each header only.
MANY = pytest.mark.parametrize("form", [form for form in FORMATS if form != "alb"])


@pytest.mark.parametrize("form", MODELS)
def test_the_events_are_those_that_aws_sends(form: str) -> None:
    """Powertools' models, written by AWS, accept the events of these tests."""
    MODELS[form].model_validate(event(form, "POST", "/a", query="a=1", cookies=["a=1"], body=b"x"))


@ALL
def test_a_request_is_read(form: str) -> None:
    """Method, path, query, headers, cookies, body and address are the same in every format."""
    request = LambdaRequest.from_event(
        event(
            form,
            "POST",
            "/a%20b",
            query="q=1%202&empty=&plus=a+b",
            headers={"Content-Type": "application/json"},
            cookies=["__Host-torii=abc; theme=dark"],
            body=b'{"a": 1}',
        )
    )
    assert (request.method, request.path, request.ip_address) == ("POST", "/a b", PEER)
    assert request.query == {"q": ["1 2"], "empty": [""], "plus": ["a b"]}
    assert request.headers["CONTENT-TYPE"] == request.headers["content-type"] == "application/json"
    assert request.cookie("__Host-torii") == "abc"
    assert request.cookie("theme") == "dark"
    assert request.cookie("other") is None
    assert request.json() == {"a": 1}
    assert request.browser(device_token="d") == Browser(user_agent="curl/8", ip_address=PEER, device_token="d")


@MANY
def test_several_values(form: str) -> None:
    """All values of a parameter, of a header and of a split Cookie header arrive."""
    sent = event(form, query="a=1&a=2", headers={"Accept": ["x", "y"]}, cookies=["one=1", "two=2"])
    request = LambdaRequest.from_event(sent)
    assert request.query == {"a": ["1", "2"]}
    assert request.headers["accept"].replace(" ", "") == "x,y"
    assert (request.cookie("one"), request.cookie("two")) == ("1", "2")


@ALL
def test_a_cookie_that_was_planted_beside_ours_counts_as_none(form: str) -> None:
    """Two values of the session's cookie, or one whose name only looks like it, sign nobody in."""
    for cookies in (["__Host-torii=a; __Host-torii=b"], ["\xa0__Host-torii=a"], ["__host-torii=a"]):
        assert LambdaRequest.from_event(event(form, cookies=cookies)).cookie("__Host-torii") is None


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("rest", {"stage": "prod"}),
        ("rest", {"stage": "prod", "base_path": "/v1"}),
        ("rest", {"stage": "prod", "base_path": "/v1/nested"}),
        ("http1", {"stage": "dev"}),
        ("http1", {"stage": "dev", "template": "/{proxy+}"}),
        ("http1", {"stage": "dev", "template": "/{proxy+}", "base_path": "/v1"}),
        ("http2", {"stage": "dev"}),
        ("http2", {"stage": "dev", "template": "/{proxy+}"}),
    ],
)
@pytest.mark.parametrize("path", ["/hello", "/hello/", "/dev/hello", "/v1/hello", "/a%2Fb%20c", "/100%2525"])
def test_stage_and_base_path_are_removed(form: str, options: dict[str, Any], path: str) -> None:
    """The path is the application's, however the API is reached, even if it begins like the stage or the base path."""
    request = LambdaRequest.from_event(event(form, path=path, **options))
    assert request.path == {"/a%2Fb%20c": "/a/b c", "/100%2525": "/100%25"}.get(path, path)


@ALL
@pytest.mark.parametrize("template", ["/", "/users/{id}", "/files/{path+}"])
def test_the_paths_of_routes(form: str, template: str) -> None:
    """Routes with variables, and the root of an API behind a base path or a stage."""
    path = template.replace("{id}", "usr_1").replace("{path+}", "a/b")
    base = "/v1" if form in ("rest", "http1") else ""
    request = LambdaRequest.from_event(event(form, path=path, template=template, stage="dev", base_path=base))
    assert request.path == path


@pytest.mark.parametrize("form", ["alb", "alb-multi", "http1"])
def test_a_base_path_that_the_event_does_not_tell(form: str) -> None:
    """The path of a load balancer's rule, or a base path in front of a $default route, is removed if it is named."""
    for base in ("/auth", "auth", "/auth/"):
        for path in ("/hello", "/auth/hello", "/"):
            sent = event(form, path=path, base_path="/auth", stage="dev")
            assert LambdaRequest.from_event(sent, base_path=base).path == path
    assert LambdaRequest.from_event(event(form, path="/authors"), base_path="/auth").path == "/authors"


@ALL
def test_an_address_is_not_taken_from_the_client(form: str) -> None:
    """Whatever X-Forwarded-For a client sends, its address is the one that connected to AWS."""
    sent = event(form, headers={"X-Forwarded-For": "192.0.2.1", "x-forwarded-for": "192.0.2.1"})
    assert LambdaRequest.from_event(sent).ip_address == PEER


@pytest.mark.parametrize(
    ("forwarded", "found"),
    [
        ("192.0.2.1, 198.51.100.7:51008", "198.51.100.7"),
        ("[2001:db8::7]:51008", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("192.0.2.1, unknown", None),
        ("", None),
    ],
)
def test_addresses_behind_a_load_balancer(forwarded: str, found: str | None) -> None:
    """The last entry counts, with or without a port; an unreadable one is no address."""
    sent = event("alb")
    sent["headers"]["x-forwarded-for"] = forwarded
    assert LambdaRequest.from_event(sent).ip_address == found


@ALL
@pytest.mark.parametrize(
    ("viewer", "found"),
    [("192.0.2.9:443", "192.0.2.9"), ("2001:db8::7:8080", "2001:db8::7"), (None, None), ("x", None)],
)
def test_addresses_behind_cloudfront(form: str, viewer: str | None, found: str | None) -> None:
    """CloudFront's own header counts if the application says that CloudFront is in front, and otherwise never."""
    sent = event(form, headers={} if viewer is None else {"CloudFront-Viewer-Address": viewer})
    assert LambdaRequest.from_event(sent, cloudfront=True).ip_address == found
    assert LambdaRequest.from_event(sent).ip_address == PEER


@ALL
def test_bodies_are_bounded(form: str) -> None:
    """A body of the maximum size is read, and one byte more is refused, as text and as base64."""
    for length in (9, 10, 11):
        sent = event(form, "POST", body=b"x" * length)
        for one in (sent, {**sent, "body": "x" * length, "isBase64Encoded": False}):
            if length <= 10:
                assert LambdaRequest.from_event(one, max_body=10).body == b"x" * length
            else:
                with pytest.raises(ValidationError, match="longer than 10 bytes"):
                    _ = LambdaRequest.from_event(one, max_body=10).body


@pytest.mark.parametrize("body", ["%%%", "a", "\ud800", "YQ==YQ=="])
def test_a_body_that_cannot_be_decoded(body: str) -> None:
    """It is refused, and neither crashes nor is read in part."""
    sent = {**event("url", "POST"), "body": body, "isBase64Encoded": body != "\ud800"}
    with pytest.raises(ValidationError, match="decoded"):
        LambdaRequest.from_event(sent).json()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "text/plain"), (b"{}", None), (b"[]", "application/json"), (b"", "application/json"),
        (b"[" * 50_000, "application/json"), (b"\xff", "application/json"), (b'{"a"', "application/json"),
    ],
)  # fmt: skip
def test_json_is_an_object_and_says_so(body: bytes, kind: str | None) -> None:
    """Anything but a JSON object with its content type is refused."""
    headers = {} if kind is None else {"content-type": kind}
    with pytest.raises(ValidationError):
        LambdaRequest.from_event(event("url", "POST", headers=headers, body=body)).json()


@ALL
def test_the_bearer(form: str) -> None:
    """The token is what follows the scheme, in any case; other schemes have none."""
    for sent, found in (("Bearer t", "t"), ("bearer  t ", "t"), ("Basic t", None), ("Bearer", None), ("", None)):
        assert LambdaRequest.from_event(event(form, headers={"Authorization": sent})).bearer == found
    assert LambdaRequest.from_event(event(form)).bearer is None


@ALL
def test_a_request_hides_its_secrets(form: str) -> None:
    """No token, cookie or password of a request is in its repr."""
    sent = event(
        form, "POST", query="token=s3cret", headers={"authorization": "Bearer s3cret"}, cookies=["a=s3cret"],
        body=b"s3cret",
    )  # fmt: skip
    assert "s3cret" not in repr(LambdaRequest.from_event(sent))


@pytest.mark.parametrize("other", [{}, {"Records": []}, {"source": "aws.events"}, {"requestContext": None}])
def test_another_event_is_refused(other: dict[str, Any]) -> None:
    """An event of a queue or a timer is a mistake of the set-up, and the error names the formats."""
    with pytest.raises(ConfigurationError, match="payload format"):
        LambdaRequest.from_event(other)


@ALL
def test_events_without_anything_optional(form: str) -> None:
    """Fields that are null are as good as missing."""
    sent = event(form)
    for name in ("headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "body"):
        if name in sent:
            sent[name] = None
    request = LambdaRequest.from_event(sent)
    assert (request.body, dict(request.query), request.bearer) == (b"", {}, None)


def respond(form: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    """A response to a request in a format."""
    return LambdaRequest.from_event(event(form)).respond(*arguments, **options)


@ALL
def test_a_response(form: str) -> None:
    """Status, body, headers and all cookies arrive in every format."""
    cookies = [f"c{number}=1; Secure" for number in range(5)]
    answer = respond(form, 200, {"a": "ü"}, headers={"X-One": "1", "X-Two": ["a", "b"]}, cookies=cookies)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"a": "ü"}
    assert answer["isBase64Encoded"] is False
    headers = headers_of(answer)
    assert ("content-type", "application/json") in headers
    assert ("x-one", "1") in headers
    assert ", ".join(value for name, value in headers if name == "x-two") == "a, b"
    assert [value for name, value in headers if name == "set-cookie"] == cookies
    assert respond("alb", 299)["statusDescription"] == "299 Unknown"
    assert answer.get("statusDescription") == ("200 OK" if form.startswith("alb") else None)
    assert ("cookies" in answer) == (form in ("http2", "url"))
    assert ("multiValueHeaders" in answer) == (form in ("rest", "http1", "alb-multi"))


@ALL
def test_bodies_of_responses(form: str) -> None:
    """Text is sent as it is, bytes as base64, and no body as an empty one without a type."""
    assert respond(form, 200, "ü")["body"] == "ü"
    raw = respond(form, 200, b"\x00\xff", headers={"Content-Type": "image/png"})
    assert (base64.b64decode(raw["body"]), raw["isBase64Encoded"]) == (b"\x00\xff", True)
    assert [value for name, value in headers_of(raw) if name == "content-type"] == ["image/png"]
    empty = respond(form, 204)
    assert empty["body"] == ""
    assert headers_of(empty) == []


@ALL
def test_a_cookie_among_the_headers(form: str) -> None:
    """A Set-Cookie header that was given as a header is sent like the others."""
    answer = respond(form, 200, headers={"Set-Cookie": "a=1"}, cookies=["b=2"])
    assert [value for name, value in headers_of(answer) if name == "set-cookie"] == ["a=1", "b=2"]


@ALL
def test_no_header_is_injected(form: str) -> None:
    """A value with a line break is refused, in headers and in cookies."""
    for bad in ("x\r\nSet-Cookie: a=1", "x\ny", "x\0"):
        for options in ({"headers": {"location": bad}}, {"cookies": [bad]}, {"headers": {"a": ["b", bad]}}):
            with pytest.raises(ValidationError):
                respond(form, 302, **options)
