"""HTTP requests as Lambda receives them, and responses as the sender expects them. Pure.

The formats, by what is in front of the function:

- API Gateway, REST API, and HTTP API with payload format 1.0 ("v1"): API Gateway Developer Guide, "Lambda proxy
  integrations" and "Create AWS Lambda proxy integrations for HTTP APIs".
- API Gateway, HTTP API with payload format 2.0, and function URLs ("v2"): the same page, and Lambda Developer Guide,
  "Invoking Lambda function URLs".
- Application Load Balancer ("alb"): its User Guide, "Use Lambda functions as targets".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import parse_qs, unquote, unquote_plus

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.signing_in import Browser
from torii_dynamodb.cookies import read_cookie
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = ["LambdaHeaders", "LambdaRequest"]

Event = Mapping[str, Any]

_MAX_BODY = 64 * 1024


class LambdaHeaders(Mapping[str, str]):
    """Headers by name, in any case. A header that was sent more than once has all its values, joined by ``", "``."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaRequest:
    """An HTTP request that API Gateway, a load balancer or a function URL passed to the function.

    Args:
        source: The format: ``"v1"`` (REST API, HTTP API with payload format 1.0), ``"v2"`` (HTTP API, function URL) or
            ``"alb"``.
        method: The method, in upper case.
        path: The path, decoded once, without the stage and without the base path of a custom domain.
        query: The query parameters, decoded: all values by name.
        headers: The headers.
        cookies: The ``Cookie`` headers as sent; read them with :meth:`cookie`.
        event: The event, with everything else that AWS says about the request.
        max_body: The maximum size of the body in bytes.
        ip_address: The client's address, as far as it can be trusted; ``None`` if it is not known.
        multi_value: Whether the response lists all values of a header.
    """

    source: Literal["v1", "v2", "alb"]
    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(repr=False)
    headers: LambdaHeaders = field(repr=False)
    cookies: Sequence[str] = field(repr=False)
    event: Event = field(repr=False)
    max_body: int
    ip_address: str | None
    multi_value: bool

    @classmethod
    def from_event(
        cls, event: Event, *, base_path: str = "", cloudfront: bool = False, max_body: int = _MAX_BODY
    ) -> LambdaRequest:
        """Read the event of an invocation.

        The stage and the base path of a custom domain are removed from the path wherever the event reveals them, which
        is everywhere except behind a load balancer and in the ``$default`` route of an HTTP API with payload format
        1.0.

        Args:
            event: The event.
            base_path: A prefix to remove from the path where AWS does not tell it, for example the path of a load
                balancer's rule: ``"/auth"``.
            cloudfront: Whether every request comes through CloudFront. Then the client's address is that in
                ``CloudFront-Viewer-Address``, a header which CloudFront sets itself if its origin request policy
                includes it. Anybody who can reach the function without CloudFront can forge it.
            max_body: The maximum size of the body in bytes; :attr:`body` refuses a longer one.

        Raises:
            ConfigurationError: The event is not an HTTP request in one of the formats.
        """
        context = _mapping(event.get("requestContext"))
        if "elb" in context:
            source: Literal["v1", "v2", "alb"] = "alb"
        elif "http" in context:
            source = "v2"
        elif "httpMethod" in event:
            source = "v1"
        else:
            raise ConfigurationError(
                "the event is not an HTTP request of API Gateway (payload format 1.0 or 2.0), an Application Load "
                "Balancer or a function URL"
            )
        headers = _headers(event)
        http = _mapping(context.get("http"))
        address = _viewer(headers) if cloudfront else _peer(source, context, headers)
        return cls(
            source=source,
            method=str(http["method"] if source == "v2" else event["httpMethod"]).upper(),
            path=_path(event, context, source, base_path),
            query=_query(event, source),
            headers=headers,
            # Payload format 2.0 moves them out of the headers.
            cookies=tuple(event.get("cookies") or ([headers["cookie"]] if "cookie" in headers else [])),
            event=event,
            max_body=max_body,
            ip_address=address,
            multi_value=source == "v1" or (source == "alb" and event.get("multiValueHeaders") is not None),
        )

    def cookie(self, name: str) -> str | None:
        """Return the value of one of our cookies, read as :func:`torii_dynamodb.cookies.read_cookie` does."""
        return read_cookie(self.cookies, name)

    @property
    def body(self) -> bytes:
        """The body, decoded; empty if there is none.

        Raises:
            ValidationError: It is longer than ``max_body``, or cannot be decoded; respond with 4xx.
        """
        raw: str = self.event.get("body") or ""
        encoded = bool(self.event.get("isBase64Encoded"))
        if len(raw) <= ((self.max_body + 2) // 3 * 4 if encoded else self.max_body):
            try:
                body = base64.b64decode(raw, validate=True) if encoded else raw.encode()
            except ValueError:  # also a lone surrogate
                raise ValidationError("body", "it cannot be decoded") from None
            if len(body) <= self.max_body:
                return body
        raise ValidationError("body", f"it is longer than {self.max_body} bytes")

    @property
    def bearer(self) -> str | None:
        """The token in ``Authorization: Bearer``; ``None`` if there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def browser(self, *, device_token: str | None = None) -> Browser:
        """Return the browser that sent the request, for the services.

        Args:
            device_token: What ``torii.devices.issue`` made for it, where the application keeps that.
        """
        return Browser(user_agent=self.headers.get("user-agent"), ip_address=self.ip_address, device_token=device_token)

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body.

        ``Content-Type: application/json`` is required, because the form of another site cannot send it.

        Raises:
            ValidationError: The body is something else, or too long; respond with 4xx.
        """
        found: object = None
        body = self.body
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            try:
                found = json.loads(body)
            except (ValueError, RecursionError):
                found = None
        if not isinstance(found, dict):
            raise ValidationError("body", "send a JSON object, with Content-Type: application/json")
        return cast("dict[str, Any]", found)

    def respond(
        self,
        status: int,
        body: object = None,
        *,
        headers: Mapping[str, str | Sequence[str]] | None = None,
        cookies: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Return a response in the format that the sender of the request expects.

        Args:
            status: The HTTP status.
            body: ``str``: text, by default ``text/plain``. ``bytes``: sent in base64, by default
                ``application/octet-stream`` (a REST API passes them on decoded only for its ``binaryMediaTypes``).
                ``None``: no body. Anything else is sent as JSON.
            headers: Further headers; a sequence for several values.
            cookies: ``Set-Cookie`` values.

        Raises:
            ValidationError: A header contains a line break.
        """
        content, encoded, kind = _content(body)
        lists = {} if kind is None else {"content-type": [kind]}
        for name, value in (headers or {}).items():
            lists[name.lower()] = [value] if isinstance(value, str) else list(value)
        cookies = [*lists.pop("set-cookie", ()), *cookies]
        if any(mark in text for values in (*lists.values(), cookies) for text in values for mark in "\r\n\0"):
            raise ValidationError("headers", "a value contains a line break or a null character")
        answer: dict[str, Any] = {"statusCode": status, "body": content, "isBase64Encoded": encoded}
        if self.multi_value:
            answer["multiValueHeaders"] = lists | ({"set-cookie": cookies} if cookies else {})
        else:
            answer["headers"] = {name: ", ".join(values) for name, values in lists.items()}
            if self.source == "v2":
                answer["cookies"] = cookies
            else:
                # There is one value per name, but to a load balancer names that differ in case are different names.
                answer["headers"] |= {_in_case("set-cookie", number): text for number, text in enumerate(cookies)}
        if self.source == "alb":
            from http import HTTPStatus  # imported here, because only load balancers ask for it

            phrases = {known.value: known.phrase for known in HTTPStatus}
            answer["statusDescription"] = f"{status} {phrases.get(status, 'Unknown')}"
        return answer


def _mapping(value: Event | None) -> Event:
    return value or {}


def _headers(event: Event) -> LambdaHeaders:
    several = event.get("multiValueHeaders")
    if several:
        # Cookie headers that HTTP/2 split belong together (RFC 9113, 8.2.3).
        return LambdaHeaders(
            {name: ("; " if name.lower() == "cookie" else ", ").join(values) for name, values in several.items()}
        )
    return LambdaHeaders(event.get("headers") or {})


def _path(event: Event, context: Event, source: str, base_path: str) -> str:
    path = str(event.get("rawPath" if source == "v2" else "path") or "/")
    # HTTP APIs have decoded the path already, whatever the payload format ("version" is missing from a REST API's
    # event); all others pass it on as it was sent.
    decoded_already = "version" in event and ".lambda-url." not in str(context.get("domainName"))
    if not decoded_already:
        path = unquote(path)
    template = event.get("resource") if source == "v1" else str(event.get("routeKey")).partition(" ")[2]
    path = _below_prefix(path, str(template), _mapping(event.get("pathParameters")), context.get("stage"))
    if base_path.strip("/"):
        path = _without(path, "/" + base_path.strip("/"))
    return path if path.startswith("/") else f"/{path}"


def _below_prefix(path: str, template: str, given: Event, stage: str | None) -> str:
    """Return the end of a path that the route matched: what is before it is the stage, or a domain's base path."""
    if template.startswith("/"):
        filled = re.sub(r"\{([^}+]*)\+?\}", lambda name: str(given.get(name[1]) or ""), template).rstrip("/")
        for end in (filled, unquote(filled)):
            if path.rstrip("/").endswith(end.rstrip("/")):
                return end.rstrip("/") + ("/" if path.endswith("/") else "")
    # The route "$default" has no path. Its paths begin with the stage, unless that is "$default" too.
    return path if stage in (None, "$default") else _without(path, f"/{stage}")


def _without(path: str, prefix: str) -> str:
    return path[len(prefix) :] if path == prefix or path.startswith(f"{prefix}/") else path


def _query(event: Event, source: str) -> dict[str, list[str]]:
    if source == "v2":
        return parse_qs(event.get("rawQueryString") or "", keep_blank_values=True)
    single: Mapping[str, str] = event.get("queryStringParameters") or {}
    several: Mapping[str, list[str]] = event.get("multiValueQueryStringParameters") or {
        name: [value] for name, value in single.items()
    }
    if source == "v1":
        return dict(several)
    # "If the query parameters are URL-encoded, the load balancer does not decode them."
    return {unquote_plus(name): [unquote_plus(value) for value in values] for name, values in several.items()}


def _peer(source: str, context: Event, headers: LambdaHeaders) -> str | None:
    """Return the address that connected to AWS.

    ``X-Forwarded-For`` is not used except behind a load balancer, which appends the address: everything before the last
    entry may come from the client, and function URLs keep only the first.
    """
    if source == "alb":
        return _address(headers.get("x-forwarded-for", "").rpartition(",")[2].strip())
    return _address(str(_mapping(context.get("http" if source == "v2" else "identity")).get("sourceIp")))


def _viewer(headers: LambdaHeaders) -> str | None:
    """Return the address in ``198.51.100.7:51008`` or ``2001:db8::7:51008``: the port is always there."""
    return _address(headers.get("cloudfront-viewer-address", "").rpartition(":")[0])


def _address(text: str) -> str | None:
    from ipaddress import ip_address  # imported here: a session check does not load it

    # A load balancer adds the port where it is told to (routing.http.xff_client_port.enabled).
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\d+)?", text)
    if bracketed is not None:
        text = bracketed[1]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _content(body: object) -> tuple[str, bool, str | None]:
    """Return the text of a body, whether it is base64, and its default content type."""
    if body is None:
        return "", False, None
    if isinstance(body, str):
        return body, False, "text/plain; charset=utf-8"
    if isinstance(body, bytes):
        return base64.b64encode(body).decode(), True, "application/octet-stream"
    return json.dumps(body), False, "application/json"


def _in_case(name: str, number: int) -> str:
    """Return the ``number``-th spelling of a name in upper and lower case."""
    letters = iter(range(len(name)))
    return "".join(letter.upper() if letter.isalpha() and number >> next(letters) & 1 else letter for letter in name)
