"""Other AWS services than DynamoDB, through boto3, imported when used: clients and their errors."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from torii_dynamodb._aws import credentials_source, resolve_endpoint
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    RequestRejected,
    Throttled,
    ToriiError,
    Unavailable,
)

__all__ = ["aws_client", "aws_errors"]

_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_THROTTLES = frozenset({"ConcurrentUpdateException", "LimitExceededException", "Throttling", "ThrottlingException"})
_UNKNOWN = frozenset({"UnknownOperationException", "UnknownOperation"})


def aws_client(config: DynamoDbConfig, service: str, *, endpoint_url: str | None = None) -> Any:
    """A boto3 client in the region and with the credentials of the configuration.

    Args:
        config: Where DynamoDB is.
        service: boto3's name of the service, for example ``"application-autoscaling"``.
        endpoint_url: Where the service is. ``None``: ``AWS_ENDPOINT_URL_<SERVICE>``; where DynamoDB's endpoint is plain
            ``http`` (an emulator), the same; else AWS.

    Raises:
        ConfigurationError: boto3 is not installed, or there are no region or credentials.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ConfigurationError(f"{service} needs boto3: pip install 'torii-dynamodb[aws]'") from error
    region, dynamodb = resolve_endpoint(config)
    credentials, _ = credentials_source(config).load()
    session: Any = boto3.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        region_name=region,
    )
    options = Config(
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        retries={"mode": "standard", "total_max_attempts": config.retry_attempts + 1},
    )
    client = session.client(service, endpoint_url=endpoint_url, config=options)
    if endpoint_url is None and dynamodb.startswith("http://") and ".amazonaws.com" in str(client.meta.endpoint_url):
        return session.client(service, endpoint_url=dynamodb, config=options)
    return client


@contextmanager
def aws_errors(what: str) -> Generator[None]:
    """Make boto3's errors our own.

    Args:
        what: What was attempted, for the message.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as error:
        raise _translated(what, error.response) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ConfigurationError(f"{what}: {error}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{what}: {error}", attempts=1) from error


def _translated(what: str, response: Any) -> ToriiError:
    code = str(response.get("Error", {}).get("Code", "?"))
    message = str(response.get("Error", {}).get("Message", ""))
    metadata: dict[str, Any] = response.get("ResponseMetadata", {})
    request_id = str(metadata["RequestId"]) if metadata.get("RequestId") else None
    told = f"{what}: {code}: {message}"
    if code in _DENIED:
        return AccessDenied(f"{told}; allow this action to these credentials", request_id=request_id)
    if code in _THROTTLES:
        return Throttled(f"{told}; try again later", attempts=1, request_id=request_id)
    if code in ("ObjectNotFoundException", "NotFoundException"):
        return NotFound("scalable target", told, request_id=request_id)
    if code in _UNKNOWN:
        return RequestRejected(
            f"{what}: this endpoint does not offer it; emulators leave out some of AWS' services",
            aws_code=code,
            request_id=request_id,
        )
    if int(metadata.get("HTTPStatusCode", 0)) >= 500:
        return Unavailable(told, attempts=1, request_id=request_id)
    return RequestRejected(told, aws_code=code, request_id=request_id)
