"""Region, endpoint and credentials from the standard places."""

from __future__ import annotations

import builtins
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.credentials import RefreshableCredentials

from torii_dynamodb._aws import ChainSource, credentials_source, is_quick, resolve_endpoint
from torii_dynamodb._wire.endpoints import region_of_endpoint
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError


@pytest.mark.parametrize(
    ("environ", "config", "expected"),
    [
        ({"AWS_REGION": "eu-west-1"}, {}, ("eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com")),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-2"}, {}, ("eu-west-1", None)),
        ({"AWS_DEFAULT_REGION": "us-east-2"}, {}, ("us-east-2", None)),
        ({"AWS_REGION": "eu-west-1"}, {"region": "cn-north-1"}, ("cn-north-1", None)),
        ({"AWS_REGION": "r-1", "AWS_ENDPOINT_URL": "http://e"}, {}, ("r-1", "http://e")),
        (
            {"AWS_REGION": "r-1", "AWS_ENDPOINT_URL": "http://e", "AWS_ENDPOINT_URL_DYNAMODB": "http://d"},
            {},
            ("r-1", "http://d"),
        ),
        ({"AWS_ENDPOINT_URL": "http://e"}, {"region": "r-1", "endpoint_url": "http://c"}, ("r-1", "http://c")),
        (
            {"AWS_ENDPOINT_URL": "http://e", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            {"region": "eu-west-1"},
            ("eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com"),
        ),
        ({}, {"endpoint_url": "http://localhost:8000"}, ("us-east-1", "http://localhost:8000")),
        ({}, {"endpoint_url": "https://dynamodb.eu-north-1.amazonaws.com"}, ("eu-north-1", None)),
    ],
)
def test_region_and_endpoint(
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    config: dict[str, str],
    expected: tuple[str, str | None],
) -> None:
    """Configuration before environment, the service's own variable before the general one."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    region, url = resolve_endpoint(DynamoDbConfig(**config))  # type: ignore[arg-type]
    assert region == expected[0]
    assert expected[1] in (None, url)


def test_the_profile_has_the_last_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without environment, region and credentials come from the active profile."""
    (tmp_path / "config").write_text("[profile p]\nregion = ap-south-1\n")
    (tmp_path / "credentials").write_text("[p]\naws_access_key_id = AKIDP\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "p")
    assert resolve_endpoint(DynamoDbConfig())[0] == "ap-south-1"
    credentials, expires = credentials_source(DynamoDbConfig()).load()
    assert (credentials.access_key_id, expires) == ("AKIDP", None)


def test_no_region_is_told() -> None:
    """Nowhere a region: the error says what to set."""
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        resolve_endpoint(DynamoDbConfig())


def test_no_credentials_are_told() -> None:
    """Nowhere credentials: the error says what to set."""
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        credentials_source(DynamoDbConfig()).load()


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", None])
def test_the_environment_counts_only_whole(monkeypatch: pytest.MonkeyPatch, missing: str | None) -> None:
    """Both halves, or the environment has no credentials; the token goes with them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        if name != missing:
            monkeypatch.setenv(name, f"{name}-value")
    source = credentials_source(DynamoDbConfig())
    assert is_quick(source) is (missing is None)
    if missing is None:
        credentials, _ = source.load()
        assert credentials.session_token == "AWS_SESSION_TOKEN-value"


def test_without_botocore_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core does not need boto3, and says how to get it where it does."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("boto"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"pip install torii-dynamodb\[aws\]"):
        credentials_source(DynamoDbConfig()).load()
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        resolve_endpoint(DynamoDbConfig())


def test_sessions_can_be_handed_in() -> None:
    """A boto3 session, a botocore session and botocore credentials give theirs, a boto3 session its region, too."""
    session = boto3.Session(aws_access_key_id="AKIDB", aws_secret_access_key="s", region_name="sa-east-1")
    inner = botocore.session.Session()
    inner.set_credentials("AKIDC", "s", "token")
    inner.set_config_variable("region", "sa-east-2")
    for given, access, region in ((session, "AKIDB", "sa-east-1"), (inner, "AKIDC", "sa-east-2")):
        config = DynamoDbConfig(credentials=given)
        assert credentials_source(config).load()[0].access_key_id == access
        assert resolve_endpoint(config)[0] == region
    assert credentials_source(DynamoDbConfig(credentials=inner.get_credentials())).load()[0].session_token == "token"


def test_refreshable_credentials_tell_their_end() -> None:
    """Credentials that botocore refreshes come with their expiry, so that we are ahead of it."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    refreshable = RefreshableCredentials("AKID", "s", "t", expires, dict, "test")
    assert ChainSource(refreshable).load()[1] == expires


def test_anything_else_is_refused() -> None:
    """What is no source of credentials is named as such, without its content."""
    with pytest.raises(ConfigurationError, match="a dict is not one of"):
        credentials_source(DynamoDbConfig(credentials={"secret": "hidden"}))


def test_plain_credentials_hide_their_secrets() -> None:
    """The repr shows the public half alone."""
    credentials = Credentials(access_key_id="AKID", secret_access_key="hidden", session_token="hidden")
    assert "hidden" not in repr(credentials)
    assert "hidden" not in repr(DynamoDbConfig(credentials=credentials))


def test_regions_are_read_from_aws_own_names() -> None:
    """VPC endpoints, too; never from names that only look alike."""
    vpc = "https://vpce-1a2b-3c4d.dynamodb.eu-west-3.vpce.amazonaws.com"
    assert region_of_endpoint(vpc) == "eu-west-3"
    assert region_of_endpoint("https://dynamodb-fips.us-gov-east-1.amazonaws.com") == "us-gov-east-1"
    assert region_of_endpoint("http://localhost:8000") is None


@pytest.mark.parametrize("twin", ["_async", "_sync"])
def test_the_client_loads_nothing_heavy(twin: str) -> None:
    """A cold start pays for no SDK and no HTTP library; the blocking twin not even for asyncio or TLS."""
    heavy = {"boto3", "botocore", "aiohttp", "urllib3", "httptools", "email", "http", "concurrent.futures.thread"}
    if twin == "_sync":
        heavy |= {"asyncio", "ssl"}
    code = f"import sys, torii_dynamodb.{twin}.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())


def test_an_unknown_profile_is_a_wrong_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's complaint about AWS_PROFILE reaches the caller as a ConfigurationError that names the profile."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    with pytest.raises(ConfigurationError, match="nobody-has-this"):
        ChainSource().load()
    with pytest.raises(ConfigurationError, match="nobody-has-this"):
        resolve_endpoint(DynamoDbConfig())
