"""AWS services other than DynamoDB: boto3 clients and their errors. boto3 is imported on first use."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from torii_dynamodb._aws import botocore_session, credentials_source, resolve_endpoint
from torii_dynamodb._wire.endpoints import is_aws
from torii_dynamodb._wire.facts import REFUSED_CREDENTIALS, THROTTLES
from torii_dynamodb._wire.failures import is_not_offered
from torii_dynamodb.admin.control import NotOffered
from torii_dynamodb.config import Credentials, CredentialsSource, DynamoDbConfig
from torii_dynamodb.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    RequestRejected,
    Throttled,
    ToriiError,
    Unavailable,
)

__all__ = ["aws_client", "aws_error", "aws_errors"]

# Other services than DynamoDB refuse with these, too, when they are busy.
_BUSY: Final = THROTTLES | {"ConcurrentUpdateException", "LimitExceededException"}
# For credentials without an expiry: botocore asks again some minutes before this.
_ASK_AGAIN: Final = timedelta(hours=1)


def aws_client(config: DynamoDbConfig, service: str) -> Any:
    """A boto3 client with the configuration's Region and credentials, which are refreshed as they expire.

    Its endpoint is ``AWS_ENDPOINT_URL_<SERVICE>`` if that is set; otherwise DynamoDB's endpoint if that is an
    emulator; otherwise AWS.

    Args:
        config: Where DynamoDB is.
        service: boto3's name for the service, for example ``"application-autoscaling"``.

    Raises:
        ConfigurationError: boto3 is not installed, or there is no Region or no credentials.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ConfigurationError(f"{service} needs boto3: pip install 'torii-dynamodb[aws]'") from error
    region, dynamodb = resolve_endpoint(config)
    emulated = not _is_aws(dynamodb)
    options = Config(
        # Emulators use shorter shard IDs than AWS' grammar allows.
        parameter_validation=not emulated,
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        retries={"mode": "standard", "total_max_attempts": config.retry_attempts + 1},
    )
    source = credentials_source(config)
    # Report missing credentials now and in our words, not at the first request.
    source.load()
    sdk: Any = boto3
    make: Any = sdk.Session(botocore_session=_session(config, source)).client
    with aws_errors(service):
        client = make(service, region_name=region, config=options)
        if emulated and _is_aws(str(client.meta.endpoint_url)):
            client = make(service, region_name=region, config=options, endpoint_url=dynamodb)
    return client


def _is_aws(url: str) -> bool:
    return is_aws(urlsplit(url).hostname or "")


def _session(config: DynamoDbConfig, source: CredentialsSource) -> Any:
    """A botocore session with the same source of credentials as the configuration."""
    given: Any = config.credentials
    # A boto3 session wraps a botocore session; either brings its profile with all its settings.
    inner = getattr(given, "_session", given)
    if hasattr(inner, "create_client"):
        return inner
    session = botocore_session()
    if given is None:
        return session
    if isinstance(given, Credentials):
        session.set_credentials(given.access_key_id, given.secret_access_key, given.session_token)
    elif hasattr(given, "get_frozen_credentials"):
        session._credentials = given
    elif hasattr(given, "get_credentials"):
        session._credentials = given.get_credentials()
    else:
        session._credentials = _refreshing(config, source)
    return session


def _refreshing(config: DynamoDbConfig, source: CredentialsSource) -> Any:
    from botocore.credentials import RefreshableCredentials

    def load() -> dict[str, Any]:
        found, expires = source.load()
        return {
            "access_key": found.access_key_id,
            "secret_key": found.secret_access_key,
            "token": found.session_token,
            "expiry_time": (expires or config.clock() + _ASK_AGAIN).isoformat(),
        }

    return RefreshableCredentials.create_from_metadata(metadata=load(), refresh_using=load, method="torii-dynamodb")


@contextmanager
def aws_errors(what: str) -> Generator[None]:
    """Turn boto3's errors into ours.

    Args:
        what: What was attempted, for the message.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise aws_error(what, error) from error


def aws_error(what: str, error: Exception) -> ToriiError:
    """Our error for a boto3 error. Raise it ``from`` that error.

    Args:
        what: What was attempted, for the message.
        error: What boto3 raised.
    """
    from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError, PartialCredentialsError

    if isinstance(error, ClientError):
        return _translated(what, error.response)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ConfigurationError(f"{what}: {error}")
    if isinstance(error, ParamValidationError):
        return RequestRejected(f"{what}: {error}", aws_code="ParamValidation")
    return Unavailable(f"{what}: {error}", attempts=1)


def _translated(what: str, response: Any) -> ToriiError:
    code = str(response.get("Error", {}).get("Code", "?"))
    message = str(response.get("Error", {}).get("Message", ""))
    metadata: dict[str, Any] = response.get("ResponseMetadata", {})
    request_id = str(metadata["RequestId"]) if metadata.get("RequestId") else None
    status = int(metadata.get("HTTPStatusCode", 0))
    told = f"{what}: {code}: {message}"
    if code in REFUSED_CREDENTIALS or status in (401, 403):
        return AccessDenied(f"{told}; allow this action to these credentials", request_id=request_id)
    if code in _BUSY:
        return Throttled(f"{told}; try again later", attempts=1, request_id=request_id)
    if code in ("ObjectNotFoundException", "NotFoundException"):
        return NotFound("scalable target", told, request_id=request_id)
    # Dynoxide responds with XML, which boto3 treats as the message.
    if is_not_offered(code, status) or "UnknownOperationException" in message:
        return NotOffered(
            f"{what}: this endpoint does not offer it; emulators leave out some AWS services",
            aws_code=code,
            request_id=request_id,
        )
    if status >= 500:
        return Unavailable(told, attempts=1, request_id=request_id)
    return RequestRejected(told, aws_code=code, request_id=request_id)
