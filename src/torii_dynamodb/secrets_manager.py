"""The application's ``secret`` from AWS Secrets Manager, without the AWS SDK: importing that slows a cold start."""

from __future__ import annotations

import re

from torii_dynamodb._wire.apis import SECRETS_MANAGER
from torii_dynamodb._wire.json import DecodeError, dumps, loads, object_of
from torii_dynamodb.clock import system_clock, system_random
from torii_dynamodb.config import Credentials, CredentialsSource
from torii_dynamodb.errors import ConfigurationError

__all__ = ["read_secret"]


def read_secret(
    secret_id: str,
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
    credentials: Credentials | CredentialsSource | object | None = None,
    timeout: float = 10.0,
) -> str:
    """Read the current version of a secret. It blocks: call it once, when the application starts.

    Args:
        secret_id: The secret's ARN or name.
        region: The Region; ``None`` for the one in the ARN, or in AWS's settings.
        endpoint_url: Another endpoint; ``None`` for ``AWS_ENDPOINT_URL_SECRETS_MANAGER``, or the Region's.
        credentials: As in :class:`~torii_dynamodb.DynamoDbConfig`. They need ``secretsmanager:GetSecretValue``.
        timeout: Seconds for the call, with all its attempts.

    Raises:
        ConfigurationError: There is no such secret, or it is not text.
        AccessDenied: The credentials are wrong or lack the permission.
        Unavailable: No success within the time.
    """
    from torii_dynamodb._sync.aws_api import AwsApi

    found = re.match(r"arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):", secret_id)
    api = AwsApi(
        SECRETS_MANAGER,
        region=region or (found[1] if found else None),
        endpoint_url=endpoint_url,
        credentials=credentials,
        timeout=timeout,
        clock=system_clock,
        random=system_random,
    )
    try:
        body = api.call("GetSecretValue", dumps({"SecretId": secret_id})).body
    finally:
        api.close()
    try:
        secret = object_of(loads(body)).get("SecretString")
    except DecodeError:
        secret = None
    if not isinstance(secret, str) or not secret:
        raise ConfigurationError(f"the secret {secret_id!r} has no text (SecretString): store it as text")
    return secret
