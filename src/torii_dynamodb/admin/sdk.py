"""boto3 clients for what the wire client does not speak: Streams, CloudWatch. Made from the one configuration."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from torii_dynamodb._aws import credentials_source, resolve_endpoint
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import AccessDenied, ConfigurationError, RequestRejected, Throttled, ToriiError, Unavailable

__all__ = ["sdk_client", "sdk_error"]

# Hosts of AWS' own endpoints; they serve one service each, where an emulator serves all at one address.
_AWS_DOMAINS = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".amazonaws.eu",
    ".sc2s.sgov.gov",
    ".csp.hci.ic.gov",
    ".c2s.ic.gov",
    ".cloud.adc-e.uk",
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_THROTTLED = frozenset({"LimitExceededException", "ProvisionedThroughputExceededException", "ThrottlingException"})


def sdk_client(config: DynamoDbConfig, service: str) -> Any:
    """A boto3 client for an AWS service, with the region, credentials and endpoint of the configuration.

    An ``endpoint_url`` that is an emulator's is used for every service; AWS' own serve DynamoDB alone.

    Raises:
        ConfigurationError: boto3 is not installed, or there is no region or no credentials.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ConfigurationError(f"{service} needs boto3: pip install 'torii-dynamodb[aws]'") from error
    sdk: Any = boto3
    region, url = resolve_endpoint(config)
    host = urlsplit(url).hostname or ""
    options: dict[str, Any] = {
        "region_name": region,
        "endpoint_url": None if host.endswith(_AWS_DOMAINS) else url,
        "config": Config(
            # Emulators number shards their own way, shorter than AWS' grammar has it.
            parameter_validation=False,
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
            retries={"mode": "standard", "total_max_attempts": config.retry_attempts + 1},
        ),
    }
    make: Any
    given: Any = config.credentials
    if given is not None and hasattr(given, "client") and hasattr(given, "get_credentials"):
        make = given.client
    elif given is not None and hasattr(given, "create_client"):
        make = sdk.Session(botocore_session=given).client
    else:
        make = sdk.Session().client
        if given is not None:
            found, _ = credentials_source(config).load()
            options |= {
                "aws_access_key_id": found.access_key_id,
                "aws_secret_access_key": found.secret_access_key,
                "aws_session_token": found.session_token,
            }
    return make(service, **options)


def sdk_error(error: Exception, doing: str) -> ToriiError:
    """What a boto3 error is called here. Chain it ``from`` the error.

    Args:
        error: What boto3 raised.
        doing: What was being done, for the message.
    """
    from botocore.exceptions import ClientError, NoCredentialsError

    if isinstance(error, ClientError):
        answer: Any = error.response
        told: dict[str, Any] = answer.get("Error", {})
        code = str(told.get("Code", "Unknown"))
        request_id = answer.get("ResponseMetadata", {}).get("RequestId")
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        message = f"{doing}: {code}: {told.get('Message', '')}"
        if code in _DENIED or status in (401, 403):
            return AccessDenied(message, request_id=request_id)
        if code in _THROTTLED:
            return Throttled(message, attempts=1, request_id=request_id)
        if status >= 500:
            return Unavailable(message, attempts=1, request_id=request_id)
        return RequestRejected(message, aws_code=code, request_id=request_id)
    if isinstance(error, NoCredentialsError):
        return ConfigurationError(f"{doing}: no AWS credentials found; set AWS_ACCESS_KEY_ID or give credentials")
    return Unavailable(f"{doing}: {type(error).__name__}: {error}", attempts=1)
