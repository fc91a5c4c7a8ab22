"""Our signatures against botocore's own signer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._messages import Endpoint, Request
from torii_dynamodb._wire.apis import COGNITO, DYNAMODB, EVENTBRIDGE, SECRETS_MANAGER, SES, SNS, Api
from torii_dynamodb._wire.signing import Signer
from torii_dynamodb.config import Credentials

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
urls = st.tuples(st.sampled_from(["http://", "https://"]), hosts, ports, st.sampled_from(["", "/"])).map("".join)
printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
credentials = st.builds(
    Credentials, access_key_id=printable, secret_access_key=printable, session_token=st.none() | printable
)
regions = st.sampled_from(["eu-central-1", "us-west-2", "cn-north-1", "us-gov-west-1", "local"])
times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
operations = st.sampled_from([b"GetItem", b"BatchGetItem", b"TransactWriteItems"])


def by_botocore(
    request: Request, url: str, given: Credentials, region: str, when: datetime, service: str = "dynamodb"
) -> str:
    """Return the Authorization header that botocore makes for the same request."""
    names = ("content-type", "x-amz-target")
    theirs = AWSRequest(
        "POST",
        url,
        headers={name: request.headers[name] for name in names if name in request.headers},
        data=request.body,
    )
    signer: Any = SigV4Auth(
        BotocoreCredentials(given.access_key_id, given.secret_access_key, given.session_token), service, region
    )
    theirs.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(theirs)
    canonical = signer.canonical_request(theirs)
    signature = signer.signature(signer.string_to_sign(theirs, canonical), theirs)
    signer._inject_signature_to_request(theirs, signature)
    return str(theirs.headers["Authorization"])


@given(url=urls, given_credentials=credentials, region=regions, when=times, operation=operations, body=st.binary())
def test_signatures_are_those_of_botocore(
    url: str, given_credentials: Credentials, region: str, when: datetime, operation: bytes, body: bytes
) -> None:
    """For any host, port, credentials, time and body, the Authorization header is botocore's, byte for byte."""
    signer = Signer(given_credentials, region=region, endpoint=Endpoint(url))
    request = Request(signer.head(operation, body, when), body)
    assert request.headers["authorization"] == by_botocore(request, url, given_credentials, region, when)
    assert request.headers.get("x-amz-security-token") == given_credentials.session_token
    assert request.headers["content-length"] == str(len(body))


@given(moments=st.lists(times, min_size=2, max_size=6))
def test_one_signer_signs_at_any_time(moments: list[datetime]) -> None:
    """What is cached between calls (the key of the day, the text of the second) is never used at another time."""
    given_credentials = Credentials(access_key_id="AKID", secret_access_key="secret")
    endpoint = Endpoint("https://dynamodb.eu-central-1.amazonaws.com")
    kept = Signer(given_credentials, region="eu-central-1", endpoint=endpoint)
    for when in moments:
        new = Signer(given_credentials, region="eu-central-1", endpoint=endpoint)
        assert kept.head(b"GetItem", b"{}", when) == new.head(b"GetItem", b"{}", when)


def test_a_time_of_any_zone_is_signed_in_utc() -> None:
    """The same moment gives the same signature in any time zone."""
    signer = Signer(
        Credentials(access_key_id="AKID", secret_access_key="s"), region="eu-central-1", endpoint=Endpoint("http://h")
    )
    here = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert b"x-amz-date: 20251231T230000Z" in signer.head(b"GetItem", b"", here)


def test_a_signer_hides_its_secrets() -> None:
    """repr shows neither the secret nor the session token."""
    signer = Signer(
        Credentials(access_key_id="AKID", secret_access_key="hidden-1", session_token="hidden-2"),
        region="eu-central-1",
        endpoint=Endpoint("http://h"),
    )
    assert "hidden" not in repr(signer)


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "tls"),
    [
        ("https://dynamodb.eu-central-1.amazonaws.com", "dynamodb.eu-central-1.amazonaws.com", 443, None, True),
        ("https://localhost:443", "localhost", 443, "localhost", True),
        ("http://localhost:8000/", "localhost", 8000, "localhost:8000", False),
        ("http://[::1]:8000", "::1", 8000, "[::1]:8000", False),
        ("http://[::1]", "::1", 80, "[::1]", False),
    ],
)
def test_an_endpoint_is_taken_apart(url: str, host: str, port: int, authority: str | None, tls: bool) -> None:
    """The host has no brackets, and the Host header has the port only if it is not the scheme's default."""
    endpoint = Endpoint(url)
    assert (endpoint.host, endpoint.port, endpoint.tls) == (host, port, tls)
    assert endpoint.authority == (authority or host)


@pytest.mark.parametrize("api", [SES, SNS, EVENTBRIDGE, COGNITO], ids=lambda api: api.name)
@pytest.mark.parametrize("token", [None, "a session token".replace(" ", "-")])
def test_other_apis_are_signed_as_by_botocore(api: Api, token: str | None) -> None:
    """Service, path, media type and target of the other APIs are signed as botocore does it."""
    given = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="secret", session_token=token)
    url = f"https://{api.host}.eu-central-1.amazonaws.com{api.path}"
    when = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    signer = Signer(given, region="eu-central-1", endpoint=Endpoint(url), api=api)
    operation = b"" if api.target is None else b"PutEvents"
    request = Request(signer.head(operation, b"{}", when), b"{}")
    assert request.headers["authorization"] == by_botocore(request, url, given, "eu-central-1", when, api.signed_as)
    assert request.target == api.path


@pytest.mark.parametrize("api", [DYNAMODB, SES, SNS, EVENTBRIDGE, COGNITO, SECRETS_MANAGER], ids=lambda api: api.name)
def test_the_table_of_apis_is_botocores(api: Api) -> None:
    """Signing name, host, media type, target and the name in AWS's settings are those of botocore's models."""
    service = {"SES": "sesv2", "EventBridge": "events"}.get(api.name, api.signed_as)
    model = Session().get_service_model(service)
    assert (api.signed_as, api.host) == (model.signing_name, model.endpoint_prefix)
    assert api.setting == model.service_id.lower().replace(" ", "_")
    prefix = model.metadata.get("targetPrefix")
    assert api.target == (prefix and f"{prefix}.".encode())
    if "jsonVersion" in model.metadata and api.target is not None:
        assert api.content_type.decode() == f"application/x-amz-json-{model.metadata['jsonVersion']}"
    if api is SES:
        assert model.operation_model("SendEmail").http["requestUri"] == api.path
