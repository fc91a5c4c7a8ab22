"""Lambda authorizers: the decision whether API Gateway or AppSync lets a request through.

The formats, each read and answered as its page in the AWS documentation says:

- REST APIs, ``TOKEN`` and ``REQUEST``: API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer" and
  "Output from an API Gateway Lambda authorizer".
- HTTP APIs, payload formats 1.0 and 2.0: "Control access to HTTP APIs with AWS Lambda authorizers".
- WebSocket APIs, ``$connect``: "Control access to WebSocket APIs with AWS Lambda REQUEST authorizers".
- AppSync: AppSync Developer Guide, "Configuring authorization and authentication to secure your GraphQL APIs",
  "AWS_LAMBDA authorization". (Event APIs have another format, which is not supported.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from torii_dynamodb.aws_lambda._callers import AuthorizedCaller, Callers, Refusal, Transport
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from torii_dynamodb._rules.jwt import AccessClaims
    from torii_dynamodb._sync.services.torii import Torii

__all__ = ["AuthorizedCaller", "Authorizer", "Unauthorized"]

Event: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = dict[str, Any]

_Kind: TypeAlias = Literal["rest", "websocket", "http 1.0", "http 2.0", "appsync"]

_NOBODY = "anonymous"
_LONGEST_RESOURCE = 512  # "Output from an API Gateway Lambda authorizer"
_LONGEST_TTL = timedelta(hours=1)  # AppSync API Reference, LambdaAuthorizerConfig


class Unauthorized(Exception):
    """Nobody is signed in. API Gateway turns an error with exactly this message into a response with status 401."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What an event asks, whatever its format."""

    kind: _Kind
    resource: str = ""
    method: str | None = None
    headers: Mapping[str, str] = field(repr=False)
    cookies: Sequence[str] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)
    """The token, where API Gateway or AppSync has taken it out of the request."""


class Authorizer:
    """A Lambda authorizer for REST, HTTP and WebSocket APIs of API Gateway and for AppSync.

    Create one outside the handler and call it with the event: it recognises the format. Every call checks the session
    with one request to DynamoDB, so whatever ends a session is noticed at once, as long as results are not cached
    (``AuthorizerResultTtlInSeconds: 0``). "On Lambda" in the documentation says what caching costs.

    A request without a valid credential is refused with 401 (REST and WebSocket APIs, AppSync) or 403 (HTTP APIs, which
    know no 401 from a function). A request that another site made the browser send with its cookie, or that
    ``permits`` refuses, gets 403. If DynamoDB cannot be asked, the error is raised: API Gateway answers 500 and caches
    nothing.

    Args:
        torii: The blocking services; a tenant's refuse what was issued for another.
        transports: Which credentials count: the session cookie (``"cookie"``), the session token in ``Authorization:
            Bearer`` (``"bearer"``), an access token in that header (``"jwt"``). ``TOKEN`` authorizers and AppSync pass
            on no cookies.
        cookie: The session cookie's whole name, with its prefix.
        trusted_origins: Other origins whose pages may use the cookie, as in ``WebConfig``. For a WebSocket API on
            another host than the pages: the origin of the pages.
        offline: Whether access tokens are checked without DynamoDB. Then an ended session, and a locked or deleted
            user, pass until the token expires.
        extend_sessions: Whether requests count as use of the session, so that it does not end as idle: one write per
            session and ``SessionPolicy.refresh_after``. ``False`` for a function that may only read.
        simple_responses: Whether the HTTP API authorizer with payload format 2.0 has ``EnableSimpleResponses``;
            otherwise it gets an IAM policy.
        websocket_query: A query parameter in which WebSocket clients may send the token; ``None``: none. Browsers
            cannot set headers for WebSockets. URLs end up in logs, so prefer ``websocket_protocol``.
        websocket_protocol: A WebSocket subprotocol after which clients may send the token as another one: ``new
            WebSocket(url, ["torii", token])``. The ``$connect`` route has to answer with the header
            ``Sec-WebSocket-Protocol: torii``, or browsers close the connection. ``None``: not accepted.
        context: Returns more values for the integration, besides ``user_id``, ``session_id``, ``transport``,
            ``email_verified``, ``tenant`` (if there is one) and an access token's own claims. They are not secret. What
            is not text, a number or a boolean is passed on as JSON.
        permits: Decides about a caller and an event after the credential was accepted; ``False``: 403. Results must not
            be cached then.
        appsync_ttl: How long AppSync may cache a positive answer, at most an hour and never beyond the session. During
            that time an ended session passes.

    Raises:
        ConfigurationError: An option is wrong, or access tokens are to be accepted but not set up.
    """

    def __init__(
        self,
        torii: Torii,
        *,
        transports: Sequence[Transport] = ("cookie", "bearer"),
        cookie: str = "__Host-torii",
        trusted_origins: Sequence[str] = (),
        offline: bool = False,
        extend_sessions: bool = True,
        simple_responses: bool = True,
        websocket_query: str | None = None,
        websocket_protocol: str | None = None,
        context: Callable[[AuthorizedCaller], Mapping[str, Any]] | None = None,
        permits: Callable[[AuthorizedCaller, Event], bool] | None = None,
        appsync_ttl: timedelta = timedelta(0),
    ) -> None:
        self._callers = Callers(
            torii,
            transports=transports,
            cookie=cookie,
            trusted_origins=trusted_origins,
            extend_sessions=extend_sessions,
            offline=offline,
        )
        if not timedelta(0) <= appsync_ttl <= _LONGEST_TTL:
            raise ConfigurationError("appsync_ttl: give at most one hour")
        if permits is not None and appsync_ttl:
            raise ConfigurationError("appsync_ttl: a cached answer would hold for requests that permits did not see")
        self._clock = torii.clock
        self._simple = simple_responses
        self._query = websocket_query
        self._protocol = websocket_protocol
        self._more = context
        self._permits = permits
        self._ttl = appsync_ttl

    def __call__(self, event: Event, context: object = None) -> Answer:
        """Decide about a request: the handler that Lambda calls.

        Args:
            event: The event.
            context: Lambda's context; not used.

        Returns:
            The answer in the format of the event.

        Raises:
            Unauthorized: Nobody is signed in, for REST and WebSocket APIs.
            ConfigurationError: The event is not one of an authorizer.
            Unavailable: DynamoDB cannot be reached. Other errors of the storage are raised, too.
        """
        request = self._read(event)
        caller = self._callers.find(
            method=request.method, header=request.headers.get, cookies=request.cookies, token=request.token
        )
        if not isinstance(caller, AuthorizedCaller):
            return self._refuse(request, caller)
        if self._permits is not None and self._permits(caller, event) is not True:
            return self._refuse(request, "not_permitted", caller.user_id)
        return self._allow(request, caller)

    # The answer

    def _allow(self, request: _Request, caller: AuthorizedCaller) -> Answer:
        values = self._context(caller)
        if request.kind == "appsync":
            left = max(caller.expires_at - self._clock(), timedelta(0))
            seconds = int(min(self._ttl, left).total_seconds())
            return {"isAuthorized": True, "resolverContext": values, "ttlOverride": seconds}
        if request.kind == "http 2.0" and self._simple:
            return {"isAuthorized": True, "context": values}
        # If results are cached, the policy decides about other requests with the same token, too. A token may call
        # whatever the stage has; a decision that depends on the request holds for no other.
        narrow = caller.transport == "cookie" or self._permits is not None or request.kind == "websocket"
        return _policy("Allow", _own(request) if narrow else _stage(request), caller.user_id, values)

    def _refuse(self, request: _Request, reason: Refusal, user_id: str = _NOBODY) -> Answer:
        if request.kind == "appsync":
            return {"isAuthorized": False, "ttlOverride": 0}
        if request.kind in ("rest", "websocket") and reason == "not_signed_in":
            raise Unauthorized
        if request.kind == "http 2.0" and self._simple:
            return {"isAuthorized": False, "context": {"reason": reason}}
        return _policy("Deny", _own(request), user_id, {"reason": reason})

    def _context(self, caller: AuthorizedCaller) -> dict[str, str | int | float | bool]:
        own: Mapping[str, Any] = {} if caller.claims is None else caller.claims.extra
        more: Mapping[str, Any] = {} if self._more is None else self._more(caller)
        verified = caller.user.is_email_verified if caller.user is not None else _claims(caller).email_verified
        ours: dict[str, Any] = {
            "user_id": caller.user_id,
            "session_id": caller.session_id,
            "transport": caller.transport,
            "email_verified": verified,
        }
        if caller.tenant is not None:
            ours["tenant"] = caller.tenant
        return {name: _flat(name, value) for name, value in {**own, **more, **ours}.items() if value is not None}

    # The event

    def _read(self, event: Event) -> _Request:
        if not isinstance(cast("object", event), Mapping):
            raise _unknown()
        kind = event.get("type")
        if kind == "TOKEN":
            # The header of a TOKEN authorizer is chosen freely, so it may also be the token alone.
            token = _bearer(event.get("authorizationToken")) or _text(event.get("authorizationToken"))
            return _Request(kind="rest", resource=_arn(event.get("methodArn")), headers={}, token=token)
        if kind == "REQUEST":
            return self._read_request(event)
        if kind is None and "authorizationToken" in event and "queryString" in _mapping(event, "requestContext"):
            token = _bearer(event["authorizationToken"]) or _text(event["authorizationToken"])
            return _Request(kind="appsync", headers={}, token=token)
        raise _unknown()

    def _read_request(self, event: Event) -> _Request:
        asked = _mapping(event, "requestContext")
        headers = _headers(event)
        cookies = [*_texts(event.get("cookies")), *_values(event, "cookie")]
        token = _bearer(headers.get("authorization"))
        if event.get("version") == "2.0":
            resource, method = event.get("routeArn"), _mapping(asked, "http").get("method")
            kind: _Kind = "http 2.0"
        elif event.get("version") == "1.0":
            resource, method, kind = event.get("methodArn"), event.get("httpMethod"), "http 1.0"
        elif asked.get("eventType") == "CONNECT":
            resource, method, kind = event.get("methodArn"), None, "websocket"
            token = token or self._websocket_token(event, headers)
        else:
            resource, method, kind = event.get("methodArn"), event.get("httpMethod"), "rest"
        if not (isinstance(method, str) or kind == "websocket"):
            raise _unknown()
        return _Request(
            kind=kind, resource=_arn(resource), method=method, headers=headers, cookies=cookies, token=token
        )

    def _websocket_token(self, event: Event, headers: Mapping[str, str]) -> str | None:
        if self._query is not None and (sent := _mapping(event, "queryStringParameters").get(self._query)):
            return _text(sent)
        offered = [one.strip() for one in headers.get("sec-websocket-protocol", "").split(",")]
        if self._protocol in offered[:-1]:
            return offered[offered.index(self._protocol) + 1]
        return None


def _claims(caller: AuthorizedCaller) -> AccessClaims:
    assert caller.claims is not None, "without a stored user there are the claims of an access token"
    return caller.claims


def _policy(effect: Literal["Allow", "Deny"], resource: str, principal: str, context: Mapping[str, Any]) -> Answer:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": dict(context),
    }


def _own(request: _Request) -> str:
    """The request's own resource; a longer one than API Gateway accepts is cut."""
    arn = request.resource
    return arn if len(arn) <= _LONGEST_RESOURCE else f"{arn[: _LONGEST_RESOURCE - 1]}*"


def _stage(request: _Request) -> str:
    """All methods and resources of the request's stage: ``arn:...:{api}/{stage}/*/*``."""
    api, stage = request.resource.split("/")[:2]
    return f"{api}/{stage}/*/*"


def _flat(name: str, value: object) -> str | int | float | bool:
    """A value that every format takes: REST APIs accept no lists and no objects."""
    if isinstance(value, str | int | float | bool):
        return value
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"context: {name}: {type(value).__name__} cannot be passed on as JSON") from error


def _arn(resource: object) -> str:
    if not isinstance(resource, str) or "/" not in resource:
        raise _unknown()
    return resource


def _mapping(event: Event, name: str) -> Event:
    """A member of an event that is an object, or null if it would be empty."""
    found: object = event.get(name) or {}
    if not isinstance(found, Mapping):
        raise _unknown()
    return cast("Event", found)


def _headers(event: Event) -> dict[str, str]:
    """The headers, by name in lower case; one that was sent more than once has all its values."""
    names = {name.lower() for name in (*_mapping(event, "headers"), *_mapping(event, "multiValueHeaders"))}
    return {name: ", ".join(_values(event, name)) for name in names}


def _values(event: Event, name: str) -> list[str]:
    many = _mapping(event, "multiValueHeaders").items()
    found = [value for key, values in many if key.lower() == name for value in _texts(values)]
    one = _mapping(event, "headers").items()
    return found or [value for key, values in one if key.lower() == name for value in _texts([values])]


def _texts(values: object) -> list[str]:
    given = cast("list[object]", values) if isinstance(values, list) else []
    return [value for value in given if isinstance(value, str)]


def _bearer(authorization: object) -> str | None:
    scheme, _, token = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else None


def _text(token: object) -> str | None:
    return token if isinstance(token, str) and token else None


def _unknown() -> ConfigurationError:
    return ConfigurationError(
        "the event is not one for a Lambda authorizer of a REST API (TOKEN, REQUEST), an HTTP API (payload format "
        "1.0 or 2.0), a WebSocket API ($connect) or AppSync"
    )
