"""Lambda authorizers: every format with every credential, and what a thief, a wrong site and a broken network get."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.data_classes import api_gateway_authorizer_event, appsync_authorizer_event
from aws_lambda_powertools.utilities.parser.models import (
    ApiGatewayAuthorizerRequest,
    ApiGatewayAuthorizerRequestV2,
    ApiGatewayAuthorizerToken,
    APIGatewayWebSocketConnectEventModel,
)
from tests.aws_lambda.authorizer_formats import API, FORMATS, HOST, Asked, Format, SimpleAnswer, allows
from tests.services._sync.support import PASSWORD, Setting
from tests.services._sync.test_jwt import pem

from torii_dynamodb import AsyncTorii, DynamoDbStorage, NewUser, Session, Torii, User
from torii_dynamodb._calls import CallRecord
from torii_dynamodb.aws_lambda import AuthorizedCaller, Authorizer, Unauthorized
from torii_dynamodb.errors import ConfigurationError, Throttled, Unavailable
from torii_dynamodb.jwt import JwtKey, JwtSettings
from torii_dynamodb.local import LocalEngine
from torii_dynamodb.testing import AsyncMemoryStorage

# Their types are not complete.
powertools: Any = api_gateway_authorizer_event
appsync: Any = appsync_authorizer_event

ALL: Any = ("cookie", "bearer", "jwt")
COOKIE = "__Host-torii"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def claims(user: User, session: Session) -> dict[str, Any]:
    """Claims of an application."""
    return {"scope": "notes:read", "roles": ["editor"], "level": 3}


def always(caller: AuthorizedCaller, event: Any) -> bool:
    """Permit everything."""
    return True


def odd(caller: AuthorizedCaller) -> dict[str, Any]:
    """A value that is not JSON."""
    return {"odd": object()}


class Here:
    """Services with access tokens, a user, and one credential of each kind."""

    def __init__(self, **options: Any) -> None:
        keys = [JwtKey(kid="k", algorithm="ES256", private_key=pem("ES256")[0])]
        jwt = JwtSettings(issuer="https://app.example.com", audience="api", keys=keys)
        self.setting = Setting(jwt=jwt, access_token_claims=claims, **options)
        self.torii = self.setting.torii
        self.user, self.session = self.setting.signed_in()
        self.access = self.torii.jwt.issue(self.user, self.session).token

    def asked(self, transport: str, **options: Any) -> Asked:
        """A request with a credential."""
        # Browsers name the origin of the page.
        headers = options.pop("headers", {"Origin": f"https://{HOST}"} if transport == "cookie" else {})
        if transport == "cookie":
            return Asked(cookies=("theme=dark", f"{COOKIE}={self.session.token}"), headers=headers, **options)
        token = self.access if transport == "jwt" else self.session.token
        return Asked(headers={"Authorization": f"Bearer {token}", **headers}, **options)

    def decide(self, form: Format, asked: Asked, **options: Any) -> Any:
        """The answer, which must be one that AWS accepts."""
        authorizer = Authorizer(self.torii, **({"transports": ALL} | dict(form.options) | options))
        return form.answer.model_validate(authorizer(form.event(asked), None))

    def refuses(self, form: Format, asked: Asked, **options: Any) -> bool:
        """Whether it says that nobody is signed in, in the way of the format."""
        if form.nobody == "error":
            with pytest.raises(Unauthorized) as raised:
                self.decide(form, asked, **options)
            return str(raised.value) == "Unauthorized"
        return not allows(self.decide(form, asked, **options), arn_of(form, asked))


def arn_of(form: Format, asked: Asked) -> str:
    """The resource that the request is about."""
    event = form.event(asked)
    return str(event.get("routeArn") or event.get("methodArn") or "")


@pytest.fixture(params=sorted(FORMATS))
def form(request: pytest.FixtureRequest) -> Format:
    """Each format."""
    return FORMATS[request.param]


def test_the_events_are_those_that_aws_sends() -> None:
    """Powertools' models, written by AWS, accept the events of these tests."""
    asked = Asked(headers={"Authorization": "Bearer x"}, cookies=("a=1",))
    ApiGatewayAuthorizerToken.model_validate(FORMATS["REST TOKEN"].event(asked))
    ApiGatewayAuthorizerRequest.model_validate(FORMATS["REST REQUEST"].event(asked))
    ApiGatewayAuthorizerRequestV2.model_validate(FORMATS["HTTP 2.0 simple"].event(asked))
    connect = FORMATS["WebSocket"].event(asked)
    APIGatewayWebSocketConnectEventModel.model_validate(connect | {"isBase64Encoded": False})
    first = powertools.APIGatewayAuthorizerRequestEvent(FORMATS["HTTP 1.0"].event(asked))
    assert (first.version, first.get_type, first.http_method) == ("1.0", "REQUEST", "GET")
    assert first.headers["authorization"] == "Bearer x"
    second = powertools.APIGatewayAuthorizerEventV2(FORMATS["HTTP 2.0 simple"].event(asked))
    assert (second.cookies, second.parsed_arn.stage, second.parsed_arn.resource) == (["a=1"], "$default", "notes")
    graphql = appsync.AppSyncAuthorizerEvent(FORMATS["AppSync"].event(asked))
    assert (graphql.authorization_token, graphql.request_context.operation_name) == ("Bearer x", "Notes")


@pytest.mark.parametrize("transport", ALL)
def test_who_is_signed_in_is_let_through(form: Format, transport: str) -> None:
    """Each credential is accepted in each format that can carry it; the integration learns who it is."""
    here = Here()
    asked = here.asked(transport)
    if transport == "cookie" and not form.cookies:
        assert here.refuses(form, asked)
        return
    answer = here.decide(form, asked)
    assert allows(answer, arn_of(form, asked))
    context = answer.resolverContext if hasattr(answer, "resolverContext") else answer.context
    own = {"scope": "notes:read", "roles": '["editor"]', "level": 3} if transport == "jwt" else {}
    assert context == own | {
        "user_id": here.user.id,
        "session_id": here.session.id,
        "transport": transport,
        "email_verified": False,
    }
    assert here.session.token not in json.dumps(answer.model_dump())
    assert getattr(answer, "principalId", here.user.id) == here.user.id


@pytest.mark.parametrize("offered", ["cookie", "bearer", "jwt"])
@pytest.mark.parametrize("sent", ALL)
def test_only_the_offered_credentials_count(form: Format, offered: str, sent: str) -> None:
    """A credential of another kind than the authorizer accepts is none."""
    here = Here()
    asked = here.asked(sent)
    if offered == sent and (form.cookies or sent != "cookie"):
        assert allows(here.decide(form, asked, transports=[offered]), arn_of(form, asked))
    else:
        assert here.refuses(form, asked, transports=[offered])


@pytest.mark.parametrize(
    "asked",
    [
        Asked(),
        Asked(headers={"Authorization": "Bearer"}),
        Asked(headers={"Authorization": "Bearer x"}),
        Asked(headers={"Authorization": "Bearer a.b.c"}),
        Asked(headers={"Authorization": "Basic YTpi"}),
        Asked(headers={"Authorization": "Bearer " + "x" * 20_000}),
        Asked(cookies=(f"{COOKIE}=x",), headers={"Origin": f"https://{HOST}"}),
        Asked(cookies=("torii=x", "__Secure-torii=x")),
    ],
)
def test_who_is_not_signed_in_is_refused(form: Format, asked: Asked) -> None:
    """Without a credential, and with garbage, nobody is let through, and nothing is raised but the word for 401."""
    assert Here().refuses(form, asked)


@pytest.mark.parametrize("transport", ALL)
@pytest.mark.parametrize("how", ["sign out", "everywhere", "lock", "delete", "password", "expiry"])
def test_revoked_means_revoked(how: str, transport: str) -> None:
    """Whatever ends the session is noticed by the next check, also of an access token."""
    here, form = Here(), FORMATS["REST REQUEST"]
    assert here.decide(form, here.asked(transport))
    endings: dict[str, Callable[[], object]] = {
        "sign out": lambda: here.torii.delete_session(here.session.token),
        "everywhere": lambda: here.torii.delete_sessions_for_user(here.user.id),
        "lock": lambda: here.torii.lock_user(here.user.id),
        "delete": lambda: here.torii.delete_user(here.user.id),
        "password": lambda: here.torii.password.change_password(here.user.id, PASSWORD, PASSWORD + "!"),
        "expiry": lambda: here.setting.clock.set(here.session.expires_at),
    }
    endings[how]()
    assert here.refuses(form, here.asked(transport))


def test_credentials_are_for_their_tenant(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A tenant's authorizer tells the tenant, and refuses what others issued to users with the same id, offline too."""
    form = FORMATS["HTTP 2.0 simple"]
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix, layout="single")) as storage:
        clock = storage.config.clock
        keys = [JwtKey(kid="k", algorithm="HS256", private_key="k" * 32)]
        jwt = JwtSettings(issuer="https://app.example.com", audience="api", keys=keys)
        handles = {None: storage, "acme": storage.tenant("acme"), "other": storage.tenant("other")}
        services = {name: Torii(handle, jwt=jwt, clock=clock) for name, handle in handles.items()}
        sent: dict[str | None, list[str]] = {}
        for name, torii in services.items():
            user = torii.storage.create_user(NewUser(id="usr_1", email="ada@example.com"))
            session = torii.create_session(user)
            sent[name] = [session.token, torii.jwt.issue(user, session).token]
        for name, torii in services.items():
            for offline in (False, True):
                authorizer = Authorizer(torii, transports=ALL, offline=offline)
                for issuer, tokens in sent.items():
                    for token in tokens:
                        answer = authorizer(form.event(Asked(headers={"Authorization": f"Bearer {token}"})), None)
                        assert answer["isAuthorized"] is (issuer == name)
                        assert answer["context"].get("tenant") == (name if issuer == name else None)


def test_offline_is_a_choice() -> None:
    """An access token that is checked offline passes until it expires; session tokens are always looked up."""
    here, form = Here(), FORMATS["HTTP 2.0 simple"]
    here.torii.delete_session(here.session.token)
    answer = here.decide(form, here.asked("jwt"), offline=True)
    assert (answer.isAuthorized, answer.context["user_id"]) == (True, here.user.id)
    assert answer.context["email_verified"] is False
    assert here.refuses(form, here.asked("bearer"), offline=True)
    here.setting.clock.advance(timedelta(minutes=6))
    assert here.refuses(form, here.asked("jwt"), offline=True)


def test_an_authorizer_needs_no_private_key() -> None:
    """A function that only checks access tokens has only the public key."""
    here = Here()
    public = [JwtKey(kid="k", algorithm="ES256", public_key=pem("ES256")[1])]
    jwt = JwtSettings(issuer="https://app.example.com", audience="api", keys=public)
    checking = Setting(jwt=jwt, clock=here.setting.clock, storage=here.setting.storage).torii
    answer = Authorizer(checking, transports=["jwt"])(FORMATS["HTTP 2.0 simple"].event(here.asked("jwt")))
    assert answer["isAuthorized"] is True


# Other sites


@pytest.mark.parametrize(
    ("method", "headers", "passes"),
    [
        ("GET", {}, True),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, True),
        ("HEAD", {}, True),
        ("POST", {}, False),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, True),
        ("POST", {"Sec-Fetch-Site": "none"}, True),
        ("POST", {"Sec-Fetch-Site": "same-site"}, False),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, False),
        ("DELETE", {"Sec-Fetch-Site": "cross-site"}, False),
        ("POST", {"Origin": "https://api.example.com"}, True),
        ("POST", {"Origin": "https://evil.example"}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {"Origin": "https://spa.example", "Sec-Fetch-Site": "cross-site"}, True),
        ("PATCH", {"Origin": "https://spa.example.evil.example"}, False),
    ],
)
@pytest.mark.parametrize("name", ["REST REQUEST", "HTTP 1.0", "HTTP 2.0 simple", "HTTP 2.0 policy"])
def test_a_cookie_that_another_site_made_the_browser_send(
    name: str, method: str, headers: dict[str, str], passes: bool
) -> None:
    """A cookie is enough to read; to change something, the browser must vouch that this site's page asked."""
    here, form = Here(), FORMATS[name]
    asked = here.asked("cookie", method=method, headers=headers)
    answer = here.decide(form, asked, trusted_origins=["https://spa.example"])
    assert allows(answer, arn_of(form, asked)) is passes
    if not passes:
        assert answer.context == {"reason": "cross_site"}
        bearer = here.asked("bearer", method=method, headers=headers)
        assert allows(here.decide(form, bearer), arn_of(form, bearer)), "nobody sends a bearer token unawares"


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Origin": "https://api.example.com"}, True),
        ({"Origin": "https://app.example.com"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
        ({}, False),
    ],
)
def test_a_websocket_of_another_site(headers: dict[str, str], passes: bool) -> None:
    """Browsers open WebSockets from any page, with the cookie: only an own or trusted origin is let through."""
    here, form = Here(), FORMATS["WebSocket"]
    asked = here.asked("cookie", headers=headers)
    answer = here.decide(form, asked, trusted_origins=["https://app.example.com"])
    assert allows(answer, arn_of(form, asked)) is passes


def test_tokens_of_websockets() -> None:
    """A browser cannot set headers, so a token may be a query parameter or a subprotocol, if the options say so."""
    here, form = Here(), FORMATS["WebSocket"]
    query = Asked(query={"token": here.session.token})
    protocol = Asked(headers={"Sec-WebSocket-Protocol": f"torii, {here.session.token}"})
    for asked, options in ((query, {"websocket_query": "token"}), (protocol, {"websocket_protocol": "torii"})):
        assert here.refuses(form, asked)
        assert allows(here.decide(form, asked, **options), arn_of(form, asked))
        # Other APIs have headers.
        assert here.refuses(FORMATS["REST REQUEST"], asked, **options)
    for wrong in ("torii", f"{here.session.token}", f"{here.session.token}, torii", "torii, x", ""):
        asked = Asked(headers={"Sec-WebSocket-Protocol": wrong})
        assert here.refuses(form, asked, websocket_protocol="torii")
    assert here.refuses(form, Asked(query={"other": here.session.token}), websocket_query="token")


# Policies, and what caching makes of them


@pytest.mark.parametrize("name", ["REST TOKEN", "REST REQUEST", "HTTP 1.0", "HTTP 2.0 policy"])
def test_a_cached_policy_of_a_token_covers_the_stage(name: str) -> None:
    """With a bearer token, the policy holds for every method and path of the stage, and for no other stage or API."""
    here, form = Here(), FORMATS[name]
    answer = here.decide(form, here.asked("bearer"))
    stage = arn_of(form, Asked()).split("/")[1]
    for other in ("GET/notes", "POST/notes/7/parts", "DELETE/", "GET/a/b/c/d"):
        assert allows(answer, f"{API}/{stage}/{other}")
    for other in (f"{API}/dev/GET/notes", f"{API}x/{stage}/GET/notes", f"{API}/{stage}"):
        assert not allows(answer, other)
    made = powertools.APIGatewayAuthorizerResponse.from_route_arn(
        arn_of(form, Asked()), principal_id=here.user.id, context=answer.context
    )
    made.allow_all_routes()
    theirs = made.asdict()
    theirs["policyDocument"]["Statement"][0]["Resource"] = theirs["policyDocument"]["Statement"][0]["Resource"][0]
    assert answer.model_dump(exclude_none=True) == theirs


@pytest.mark.parametrize("name", ["REST REQUEST", "HTTP 1.0", "HTTP 2.0 policy"])
def test_a_cached_policy_of_a_cookie_covers_one_resource(name: str) -> None:
    """The answer for a cookie depends on the request, so a cached one must not let another request through."""
    here, form = Here(), FORMATS[name]
    read = here.asked("cookie")
    answer = here.decide(form, read)
    assert not allows(answer, arn_of(form, here.asked("cookie", method="POST")))
    picky = here.decide(form, here.asked("bearer"), permits=always)
    assert not allows(picky, arn_of(form, here.asked("bearer", path="/admin")))


def test_a_long_path() -> None:
    """API Gateway takes 512 characters of a resource; a longer one is cut and still covers its request."""
    here, form = Here(), FORMATS["REST REQUEST"]
    asked = here.asked("cookie", path="/notes/" + "x" * 900)
    assert allows(here.decide(form, asked), arn_of(form, asked))


def test_appsync_caches_what_it_is_allowed_to() -> None:
    """By default nothing; otherwise never longer than the session. A refusal is never cached."""
    here, form = Here(), FORMATS["AppSync"]
    assert here.decide(form, here.asked("bearer")).ttlOverride == 0
    hour = timedelta(hours=1)
    answer = here.decide(form, here.asked("bearer"), appsync_ttl=hour)
    assert answer.ttlOverride == 3600
    theirs = appsync.AppSyncAuthorizerResponse(authorize=True, max_age=3600, resolver_context=answer.resolverContext)
    assert answer.model_dump(exclude_defaults=True) == theirs.asdict()
    here.setting.clock.set(here.session.expires_at - timedelta(minutes=1))
    assert here.decide(form, here.asked("bearer"), appsync_ttl=hour, extend_sessions=False).ttlOverride == 60
    refused = here.decide(form, Asked(headers={"Authorization": "x"}), appsync_ttl=hour)
    assert (refused.isAuthorized, refused.ttlOverride) == (False, 0)


def test_a_token_without_the_word_bearer() -> None:
    """TOKEN authorizers and AppSync pass on a header of any name, which may be the token alone."""
    here = Here()
    for name in ("REST TOKEN", "AppSync"):
        form, asked = FORMATS[name], Asked(headers={"Authorization": here.session.token})
        assert allows(here.decide(form, asked), arn_of(form, asked))
    assert here.refuses(FORMATS["REST REQUEST"], Asked(headers={"Authorization": here.session.token}))


# What the application adds


def test_the_application_decides(form: Format) -> None:
    """What `permits` refuses gets 403, with the user as principal; only True permits."""
    here = Here()
    asked = here.asked("bearer")
    seen: list[tuple[AuthorizedCaller, Any]] = []

    def permits(caller: AuthorizedCaller, event: Any) -> Any:
        seen.append((caller, event))
        return "yes"

    answer = here.decide(form, asked, permits=permits)
    assert not allows(answer, arn_of(form, asked))
    ((caller, event),) = seen
    assert (caller.user, caller.session, event) == (here.user, here.session, form.event(asked))
    assert getattr(answer, "principalId", here.user.id) == here.user.id
    assert allows(here.decide(form, asked, permits=always), arn_of(form, asked))


def test_more_context(form: Format) -> None:
    """More values are passed on: lists as JSON, None not at all; ours cannot be replaced."""
    here = Here()

    def context(caller: AuthorizedCaller) -> dict[str, Any]:
        assert caller.user is not None
        return {"email": caller.user.email, "teams": ["a", "b"], "nothing": None, "ok": True, "user_id": "somebody"}

    answer = here.decide(form, here.asked("bearer"), context=context)
    values = answer.resolverContext if hasattr(answer, "resolverContext") else answer.context
    assert values | {"session_id": "", "transport": "", "email_verified": ""} == {
        "email": here.user.email, "teams": '["a", "b"]', "ok": True, "user_id": here.user.id,
        "session_id": "", "transport": "", "email_verified": "",
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="context: odd: object"):
        here.decide(form, here.asked("bearer"), context=odd)


def test_requests_count_as_use_of_the_session() -> None:
    """A session that is used through an API does not end as idle, unless the function may only read."""
    for extends, method, moved in ((True, "GET", True), (True, "HEAD", False), (False, "GET", False)):
        here = Here()
        here.setting.clock.advance(timedelta(days=2))
        asked = here.asked("bearer", method=method)
        assert here.decide(FORMATS["REST REQUEST"], asked, extend_sessions=extends)
        found = here.torii.get_signed_in(here.session.token)
        assert found is not None
        assert (found.session.expires_at > here.session.expires_at) is moved, (extends, method)


# Faults


@pytest.mark.parametrize("error", [Unavailable("no connection", attempts=3), Throttled("slow down", attempts=3)])
def test_a_fault_is_neither_yes_nor_no(form: Format, error: Exception) -> None:
    """If the storage cannot be asked, its error is raised: API Gateway responds with 500 and caches nothing."""
    here = Here()

    def fail(token: str) -> None:
        raise error

    here.setting.storage.get_signed_in = fail  # type: ignore[method-assign,assignment]
    authorizer = Authorizer(here.torii, **dict(form.options))
    with pytest.raises(type(error)) as raised:
        authorizer(form.event(here.asked("bearer")))
    assert str(raised.value) != "Unauthorized"
    assert here.session.token not in str(raised.value)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"type": "TOKEN"},
        {"type": "REQUEST", "headers": {}},
        {"type": "REQUEST", "version": "2.0", "routeArn": None, "requestContext": {"http": {"method": "GET"}}},
        {"type": "REQUEST", "version": "2.0", "routeArn": "arn", "requestContext": {}},
        {"type": "JWT", "authorizationToken": "x"},
        {"authorizationToken": "x", "requestContext": {"operation": "EVENT_CONNECT", "channel": "/default"}},
        {"requestContext": {"http": {"method": "GET"}}, "rawPath": "/"},
    ],
)
def test_other_events(event: Any) -> None:
    """An event that no authorizer gets is an error that says so, never an answer."""
    with pytest.raises(ConfigurationError, match="is not one for a Lambda authorizer"):
        Authorizer(Here().torii)(event)


def mutated(event: Any, junk: Any) -> Iterator[Any]:
    """The event with one member after the other replaced, at every depth."""
    if not isinstance(event, dict):
        return
    members = cast("dict[str, Any]", event)
    for name, value in members.items():
        yield members | {name: junk}
        yield {other: one for other, one in members.items() if other != name}
        for inner in mutated(value, junk):
            yield members | {name: inner}


@pytest.mark.parametrize("junk", [None, 7, "x", "", [], [None], {}, {"x": None}], ids=repr)
def test_events_with_a_broken_member(form: Format, junk: Any) -> None:
    """A damaged event is an error or a refusal, never another library's traceback, and never lets anybody through."""
    here = Here()
    authorizer = Authorizer(here.torii, websocket_query="token", websocket_protocol="torii", **dict(form.options))
    signed_in = form.event(here.asked("bearer"))
    nobody = form.event(
        Asked(headers={"Authorization": "Bearer x", "Sec-WebSocket-Protocol": "torii"}, cookies=("a=1",))
    )
    for event in (signed_in, nobody):
        for broken in mutated(event, junk):
            try:
                answer = form.answer.model_validate(authorizer(broken))
            except (ConfigurationError, Unauthorized):
                continue
            if event is nobody:
                assert not allows(answer, arn_of(form, Asked()))


def test_several_values_of_a_header() -> None:
    """Two different tokens or two different session cookies are none: nobody knows which the client meant."""
    here, form = Here(), FORMATS["REST REQUEST"]
    event = form.event(here.asked("bearer"))
    event["multiValueHeaders"]["authorization"] = ["Bearer other"]
    with pytest.raises(Unauthorized):
        Authorizer(here.torii)(event)
    twice = Asked(cookies=(f"{COOKIE}={here.session.token}", f"{COOKIE}=planted"), headers=SAME_SITE)
    for name in ("REST REQUEST", "HTTP 1.0", "HTTP 2.0 policy"):
        assert here.refuses(FORMATS[name], twice)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"transports": []}, "transports"),
    ({"transports": "cookie"}, "transports"),
    ({"transports": ["password"]}, "transports"),
    ({"offline": True}, "offline"),
    ({"cookie": "a b"}, "cookie"),
    ({"trusted_origins": ["https://app.example.com/"]}, "trusted_origins"),
    ({"trusted_origins": ["null"]}, "trusted_origins"),
    ({"appsync_ttl": timedelta(hours=2)}, "appsync_ttl"),
    ({"appsync_ttl": timedelta(seconds=60), "permits": always}, "appsync_ttl"),
]


@pytest.mark.parametrize(("options", "says"), WRONG)
def test_wrong_options(options: dict[str, Any], says: str) -> None:
    """A wrong option is reported when the function starts."""
    with pytest.raises(ConfigurationError, match=says):
        Authorizer(Here().torii, **options)


def test_wrong_services() -> None:
    """Asynchronous services, and access tokens without settings, are reported when the function starts."""
    asynchronous: Any = AsyncTorii(AsyncMemoryStorage())
    with pytest.raises(ConfigurationError, match="torii"):
        Authorizer(asynchronous)
    with pytest.raises(ConfigurationError, match="jwt"):
        Authorizer(Setting().torii, transports=["jwt"])


def test_simple_answers_are_those_of_powertools() -> None:
    """The simple answer is what Powertools' builder makes."""
    here = Here()
    answer = here.decide(FORMATS["HTTP 2.0 simple"], here.asked("bearer"))
    assert isinstance(answer, SimpleAnswer)
    theirs = powertools.APIGatewayAuthorizerResponseV2(authorize=True, context=answer.context)
    assert answer.model_dump() == theirs.asdict()


def test_a_check_is_one_request(dynoxide: LocalEngine, table_prefix: str) -> None:
    """A check is one BatchGetItem, whatever the credential; garbage and offline checks cost nothing."""
    calls: list[CallRecord] = []
    config = dynoxide.config(table_prefix=table_prefix, on_call=calls.append)
    keys = [JwtKey(kid="k", algorithm="ES256", private_key=pem("ES256")[0])]
    jwt = JwtSettings(issuer="https://app.example.com", audience="api", keys=keys)
    with DynamoDbStorage.open(config) as storage:
        torii = Torii(storage, jwt=jwt)
        user = storage.create_user(NewUser(email="ada@example.com"))
        session = torii.create_session(user)
        access = torii.jwt.issue(user, session).token
        event = FORMATS["HTTP 2.0 simple"].event
        for sent, offline, cost in (
            (Asked(headers={"Authorization": f"Bearer {session.token}"}), False, ["BatchGetItem"]),
            (Asked(cookies=(f"{COOKIE}={session.token}",)), False, ["BatchGetItem"]),
            (Asked(headers={"Authorization": f"Bearer {access}"}), False, ["BatchGetItem"]),
            (Asked(headers={"Authorization": f"Bearer {access}"}), True, []),
            (Asked(headers={"Authorization": "Bearer garbage"}), False, []),
            (Asked(method="POST", cookies=(f"{COOKIE}={session.token}",)), False, []),
        ):
            authorizer = Authorizer(torii, transports=ALL, offline=offline)
            calls.clear()
            authorizer(event(sent))
            assert [call.operation for call in calls] == cost


_RUN = """
import sys
from datetime import UTC, datetime, timedelta
from torii_dynamodb import Session, SignedIn, Torii, User
from torii_dynamodb._calls import CallRecord
from torii_dynamodb.aws_lambda import Authorizer
from torii_dynamodb.testing.factories import make_session, make_user

class Storage:
    def get_signed_in(self, token):
        user = make_user()
        return SignedIn(user, make_session(user))

answer = Authorizer(Torii(Storage()))({
    "type": "TOKEN", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:a/prod/GET/", "authorizationToken": "x"
})
assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
print(*sorted({name.split(".")[0] for name in sys.modules} | {name for name in sys.modules if "aws_lambda" in name}))
"""


def test_a_check_is_light() -> None:
    """A check of a session loads no SDK, no web framework, no hash function, and nothing that reads HTTP requests."""
    done = subprocess.run([sys.executable, "-c", _RUN], capture_output=True, text=True, check=False, timeout=60)
    assert not done.returncode, done.stderr
    loaded = set(done.stdout.split())
    heavy = {
        "boto3", "botocore", "fastapi", "starlette", "pydantic", "argon2", "cryptography", "jwt", "aiohttp", "httpx",
        "jinja2", "torii_dynamodb.aws_lambda.http",
    }  # fmt: skip
    assert loaded & heavy == set()
    assert "torii_dynamodb.aws_lambda.authorizers" in loaded
