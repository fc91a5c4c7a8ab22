"""Credentials, Region and endpoint from AWS's standard places, in botocore's order.

Settings are read without botocore, which is imported only for credentials that are not in the environment.
docs/aws-settings.md lists every botocore setting and what it does here.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from torii_dynamodb._messages import Endpoint
from torii_dynamodb._wire.apis import DYNAMODB, Api
from torii_dynamodb._wire.credentials import from_environment
from torii_dynamodb._wire.endpoints import AccountIdMode, AwsEndpoint, aws_endpoint, is_aws, region_of_endpoint
from torii_dynamodb._wire.facts import THROTTLES
from torii_dynamodb.clock import system_clock
from torii_dynamodb.config import Credentials, CredentialsSource, DynamoDbConfig, check_region, check_url
from torii_dynamodb.errors import AccessDenied, ConfigurationError, ToriiError, Unavailable

if TYPE_CHECKING:
    from torii_dynamodb._wire.profiles import Profile
    from torii_dynamodb._wire.proxies import Proxy

__all__ = [
    "ChainSource",
    "EnvironmentSource",
    "Place",
    "StaticSource",
    "botocore_session",
    "credentials_source",
    "home_url",
    "is_quick",
    "proxy_to",
    "resolve",
    "resolve_endpoint",
]

_NO_CREDENTIALS = (
    "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
    "credentials=... (in DynamoDbConfig, or to a mailer or publisher); an emulator takes any values"
)
# How often to fetch credentials that refresh themselves but do not report their expiry.
_ASK_AGAIN = timedelta(minutes=10)
# Codes of STS and SSO that have a 4xx status but mean "try later".
_BUSY = THROTTLES | {"IDPCommunicationError"}


class StaticSource:
    """Credentials that were passed in."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def load(self) -> tuple[Credentials, datetime | None]:
        """See :class:`CredentialsSource`."""
        return self._credentials, None


class EnvironmentSource:
    """Credentials in environment variables, read again whenever AWS says that they have expired."""

    def load(self) -> tuple[Credentials, datetime | None]:
        """See :class:`CredentialsSource`."""
        credentials = from_environment(os.environ)
        if credentials is None:
            raise ConfigurationError(_NO_CREDENTIALS)
        return credentials, None


class ChainSource:
    """Credentials of a botocore or boto3 session, or botocore credentials themselves.

    Args:
        holder: What was passed in; ``None`` for botocore's default chain (profiles, SSO, web identity, containers,
            instance metadata).
    """

    def __init__(self, holder: Any = None) -> None:
        self._holder = holder
        self._credentials: Any = None

    def load(self) -> tuple[Credentials, datetime | None]:
        """See :class:`CredentialsSource`."""
        if self._credentials is None:
            holder = self._holder if self._holder is not None else botocore_session()
            with _told_as_ours(holder):
                self._credentials = holder if hasattr(holder, "get_frozen_credentials") else holder.get_credentials()
            if self._credentials is None:
                raise ConfigurationError(_NO_CREDENTIALS)
        with _told_as_ours(self._holder):
            frozen = self._credentials.get_frozen_credentials()
        # botocore exposes the expiry nowhere else; without it, we ask at intervals, and botocore returns them from
        # memory.
        expires = getattr(self._credentials, "_expiry_time", None)
        if expires is None and hasattr(self._credentials, "refresh_needed"):
            expires = system_clock() + _ASK_AGAIN
        credentials = Credentials(
            access_key_id=frozen.access_key,
            secret_access_key=frozen.secret_key,
            session_token=frozen.token or None,
            account_id=getattr(frozen, "account_id", None),
        )
        return credentials, expires


@contextmanager
def _told_as_ours(session: Any = None) -> Generator[None]:
    """Turn botocore's errors about profiles, SSO, roles and metadata services into ours.

    Args:
        session: The session whose settings are used, for messages; ``None`` for the environment's.
    """
    try:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            CredentialRetrievalError,
            HTTPClientError,
            MetadataRetrievalError,
        )
        from botocore.exceptions import ConnectionError as Unreachable
    except ImportError:
        # Then what was passed in does not come from botocore.
        yield
        return
    try:
        yield
    except (Unreachable, HTTPClientError, MetadataRetrievalError) as error:
        raise Unavailable(f"the AWS credentials could not be fetched: {error}", attempts=1) from error
    except CredentialRetrievalError as error:
        # Its message comes from a program or service that knows secrets.
        provider = str(getattr(error, "kwargs", {}).get("provider", "?"))
        raise Unavailable(f"the AWS credentials could not be fetched from {provider}", attempts=1) from error
    except BotoCoreError as error:
        raise ConfigurationError(f"AWS credentials: {error}") from error
    except ClientError as error:
        raise _refused(error, session) from error


def _refused(error: Any, session: Any) -> ToriiError:
    """Return the error for a response of STS or SSO to a request for credentials."""
    said: dict[str, Any] = error.response.get("Error", {})
    metadata: dict[str, Any] = error.response.get("ResponseMetadata", {})
    code, message = str(said.get("Code", "?")), str(said.get("Message", ""))
    status = int(metadata.get("HTTPStatusCode", 0))
    request_id = metadata.get("RequestId") or None
    told = f"AWS credentials: {error.operation_name}: {code}: {message}"
    if code in _BUSY or status >= 500 or status == 429:
        return Unavailable(told, attempts=1, request_id=request_id)
    if ":role/" not in message:
        told += f"; the role is {_role(session) or 'not named by the environment or the profile'}"
    return AccessDenied(f"{told}; allow it in the role's trust policy, or sign in again", request_id=request_id)


def _role(session: Any) -> str | None:
    """Return the configured role, for messages."""
    settings = _Settings(session, os.environ)
    with suppress(ConfigurationError):
        return settings.environment("role_arn") or settings.profile("role_arn")
    return None


def botocore_session() -> Any:
    """Return a botocore session for the standard places.

    Raises:
        ConfigurationError: If botocore is not installed.
    """
    try:
        from botocore.session import Session
    except ImportError as error:
        raise ConfigurationError(
            f"{_NO_CREDENTIALS}. Profiles, SSO, containers and instance roles need botocore: "
            "pip install torii-dynamodb[aws]"
        ) from error
    return Session()


def credentials_source(config: DynamoDbConfig) -> CredentialsSource:
    """Return the source of credentials: what was passed in, the environment, or botocore's chain."""
    given = config.credentials
    if given is None:
        return EnvironmentSource() if from_environment(os.environ) is not None else ChainSource()
    if isinstance(given, Credentials):
        return StaticSource(given)
    if isinstance(given, CredentialsSource):
        return given
    if hasattr(given, "get_credentials") or hasattr(given, "get_frozen_credentials"):
        return ChainSource(given)
    raise ConfigurationError(
        f"credentials: {type(given).__name__} is not one of Credentials, boto3.Session, a botocore session, "
        "or an object with a method load()"
    )


def is_quick(source: CredentialsSource) -> bool:
    """Whether a source returns from memory, so that no thread is needed."""
    return isinstance(source, StaticSource | EnvironmentSource)


def resolve_endpoint(config: DynamoDbConfig) -> tuple[str, str]:
    """Return the Region and the endpoint's URL without credentials. See :func:`resolve`."""
    place = resolve(config)
    return place.region, place.endpoint.url


def resolve(config: DynamoDbConfig, environ: Mapping[str, str] = os.environ, *, api: Api = DYNAMODB) -> Place:
    """Find an API's endpoint and Region. Reads AWS's configuration files, if there are any.

    The order is botocore's: the configuration (or the session in it), the environment, the profile.

    Raises:
        ConfigurationError: If no Region is known, a setting is not valid, or the profile does not exist.
    """
    settings = _Settings(config.credentials, environ)
    fips = settings.on("use_fips_endpoint")
    dual_stack = settings.on("use_dualstack_endpoint")
    url = config.endpoint_url or settings.endpoint_url(api)
    region = config.region or settings.of_session("region") or settings.environment("region")
    if region is None and url is not None:
        region = region_of_endpoint(url, api)
    if region is None:
        region = settings.profile("region")
    if region is None and url is not None and url.startswith("http://"):
        region = "us-east-1"  # an emulator: it accepts any
    if region is None:
        raise ConfigurationError(
            "no AWS region known: give DynamoDbConfig(region=...), or set AWS_REGION (for example eu-central-1); "
            "for a local engine, start the program with `torii-dynamodb local -- COMMAND`"
        )
    check_region("the AWS region", region)
    plain = region.removeprefix("fips-").removesuffix("-fips")
    if plain != region:  # old pseudo Regions, read as in botocore
        region, fips = plain, True
    if url is None:
        account_mode = settings.account_mode() if api is DYNAMODB else "disabled"
        endpoint = aws_endpoint(region, api=api, fips=fips, dual_stack=dual_stack, account_mode=account_mode)
    else:
        check_url("the endpoint in the AWS settings", url)
        _check_kind(url, api, fips=fips, dual_stack=dual_stack)
        endpoint = AwsEndpoint(url)
    return Place(
        # DynamoDB Local signs as one of AWS's Regions.
        region="us-east-1" if region == "local" and api is DYNAMODB else region,
        endpoint=endpoint,
        ca_bundle=settings.get("ca_bundle") or environ.get("REQUESTS_CA_BUNDLE") or None,
    )


def home_url(config: DynamoDbConfig, region: str) -> str:
    """Return AWS's endpoint for another Region than the configuration's, with FIPS and dual-stack as configured."""
    settings = _Settings(config.credentials, os.environ)
    if settings.account_mode() == "required":
        raise ConfigurationError(
            "account_id_endpoint_mode is 'required', which home_region does not know: give home_endpoint_url"
        )
    fips, dual_stack = settings.on("use_fips_endpoint"), settings.on("use_dualstack_endpoint")
    return aws_endpoint(region, fips=fips, dual_stack=dual_stack).url


def proxy_to(endpoint: Endpoint) -> Proxy | None:
    """Return the environment's proxy for an endpoint; ``None`` if it has none."""
    # Imported only if there may be a proxy.
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from torii_dynamodb._wire.proxies import proxy_for

    return proxy_for(endpoint, os.environ)


class Place:
    """An API's endpoint and Region.

    Attributes:
        region: The Region that requests are signed for.
        endpoint: Its endpoint.
        ca_bundle: A file of certificates to trust instead of the system's.
    """

    __slots__ = ("ca_bundle", "endpoint", "region")

    def __init__(self, *, region: str, endpoint: AwsEndpoint, ca_bundle: str | None) -> None:
        self.region = region
        self.endpoint = endpoint
        self.ca_bundle = ca_bundle

    def url(self, credentials: Credentials) -> str:
        """The URL to use with credentials."""
        return self.endpoint.of_account(credentials.account_id)


class _Settings:
    """botocore's settings, by its names: from a session that was passed in, the environment, the profile."""

    def __init__(self, credentials: Any, environ: Mapping[str, str]) -> None:
        self._environ = environ
        # boto3's session contains botocore's.
        inner = getattr(credentials, "_session", credentials)
        self._session: Any = inner if hasattr(inner, "get_config_variable") else None
        self._profile: Profile | None = None

    def get(self, name: str) -> str | None:
        """Return a setting; ``None`` if it is not set."""
        return self.of_session(name) or self.environment(name) or self.profile(name)

    def of_session(self, name: str) -> str | None:
        """Return a setting of the session that was passed in, which also knows the environment and its profile."""
        if self._session is None:
            return None
        with _told_as_ours():
            value = self._session.get_config_variable(name)
        return str(value) if value is not None else None

    def environment(self, name: str) -> str | None:
        """Return a setting of the environment."""
        if name == "region":
            return self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION") or None
        return self._environ.get(f"AWS_{name.upper()}") or None

    def profile(self, name: str) -> str | None:
        """Return a setting of the profile."""
        return self._active().get(name) or None

    def on(self, name: str) -> bool:
        """Whether a setting is switched on."""
        return (self.get(name) or "").strip().lower() == "true"

    def endpoint_url(self, api: Api) -> str | None:
        """Return the endpoint of an API in the environment, or in the profile."""
        if self.on("ignore_configured_endpoint_urls"):
            return None
        return (
            self.environment(f"endpoint_url_{api.setting}")
            or self.environment("endpoint_url")
            or self._active().endpoint_url(api.setting)
            or None
        )

    def account_mode(self) -> AccountIdMode:
        """Return whether an account's own endpoint is preferred, disabled or required."""
        said = (self.get("account_id_endpoint_mode") or "preferred").lower()
        modes: tuple[AccountIdMode, ...] = ("preferred", "disabled", "required")
        for mode in modes:
            if mode == said:
                return mode
        raise ConfigurationError(
            f"account_id_endpoint_mode: {said!r}: give 'preferred', 'disabled' or 'required' "
            "(AWS_ACCOUNT_ID_ENDPOINT_MODE, or the AWS profile)"
        )

    def _active(self) -> Profile:
        if self._profile is None:
            if self._session is None:
                self._profile = self._of_files()
            else:
                with _told_as_ours():
                    scoped, full = self._session.get_scoped_config(), self._session.full_config
                from torii_dynamodb._wire.profiles import Profile

                self._profile = Profile(scoped, full.get("services", {}))
        return self._profile

    def _of_files(self) -> Profile:
        from torii_dynamodb._wire.profiles import find_profile

        environ = self._environ
        return find_profile(
            environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or None,
            _text(environ.get("AWS_CONFIG_FILE") or "~/.aws/config"),
            _text(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"),
        )


def _text(name: str) -> tuple[str, str] | None:
    # Not pathlib: importing it would slow down the start, and machines that start often (Lambda) have no such file.
    path = os.path.expanduser(os.path.expandvars(name))  # noqa: PTH111
    if not os.path.isfile(path):  # noqa: PTH113
        return None
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return path, file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({type(error).__name__})") from None


def _check_kind(url: str, api: Api, *, fips: bool, dual_stack: bool) -> None:
    """Refuse an endpoint that is not of the configured kind, as botocore does."""
    host = urlsplit(url).hostname or ""
    if fips and not (is_aws(host) and (f"{api.host}-fips." in host or ".us-gov-" in host)):
        raise ConfigurationError(
            f"use_fips_endpoint is on (AWS_USE_FIPS_ENDPOINT or the AWS profile), and the endpoint {url} is not a FIPS "
            "endpoint; remove the endpoint, or disable use_fips_endpoint"
        )
    if dual_stack and not is_aws(host):
        raise ConfigurationError(
            f"use_dualstack_endpoint is on (AWS_USE_DUALSTACK_ENDPOINT or the AWS profile), and the endpoint {url} is "
            "not a dual-stack endpoint; remove the endpoint, or disable use_dualstack_endpoint"
        )
