"""Credentials and region from AWS' standard places. botocore is imported only where the environment says too little."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from torii_dynamodb._wire.credentials import CredentialsSource, from_environment
from torii_dynamodb._wire.endpoints import (
    endpoint_from_environment,
    region_from_environment,
    region_of_endpoint,
    regional_endpoint,
)
from torii_dynamodb.clock import system_clock
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError

__all__ = ["ChainSource", "EnvironmentSource", "StaticSource", "credentials_source", "is_quick", "resolve_endpoint"]

_NO_CREDENTIALS = (
    "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
    "DynamoDbConfig(credentials=...); an emulator takes any values"
)
# For credentials that refresh themselves but do not say until when they last: how often to ask for them.
_ASK_AGAIN = timedelta(minutes=10)


class StaticSource:
    """Credentials that were handed in."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def load(self) -> tuple[Credentials, datetime | None]:
        """See :class:`CredentialsSource`."""
        return self._credentials, None


class EnvironmentSource:
    """Credentials in the environment variables, read anew whenever AWS says they have expired."""

    def load(self) -> tuple[Credentials, datetime | None]:
        """See :class:`CredentialsSource`."""
        credentials = from_environment(os.environ)
        if credentials is None:
            raise ConfigurationError(_NO_CREDENTIALS)
        return credentials, None


class ChainSource:
    """Credentials of a botocore or boto3 session, or botocore credentials themselves.

    Args:
        holder: What was handed in; ``None`` for botocore's default chain (profiles, SSO, web identity, containers,
            instance metadata).
    """

    def __init__(self, holder: Any = None) -> None:
        self._holder = holder
        self._credentials: Any = None

    def load(self) -> tuple[Credentials, datetime | None]:
        """See :class:`CredentialsSource`."""
        if self._credentials is None:
            holder = self._holder if self._holder is not None else botocore_session()
            with _told_as_ours():
                self._credentials = holder if hasattr(holder, "get_frozen_credentials") else holder.get_credentials()
            if self._credentials is None:
                raise ConfigurationError(_NO_CREDENTIALS)
        with _told_as_ours():
            frozen = self._credentials.get_frozen_credentials()
        # botocore tells the expiry nowhere else; without it we ask in fair intervals, which it answers from memory.
        expires = getattr(self._credentials, "_expiry_time", None)
        if expires is None and hasattr(self._credentials, "refresh_needed"):
            expires = system_clock() + _ASK_AGAIN
        credentials = Credentials(
            access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token or None
        )
        return credentials, expires


@contextmanager
def _told_as_ours() -> Generator[None]:
    """What botocore raises about profiles, SSO and roles (an unknown profile, an expired login) is a wrong set-up."""
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        # Then what was handed in is no botocore's.
        yield
        return
    try:
        yield
    except BotoCoreError as error:
        raise ConfigurationError(f"AWS credentials: {error}") from error


def botocore_session() -> Any:
    """A botocore session of the standard places.

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
    """Where the credentials come from: what was handed in, else the environment, else botocore's chain."""
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
        f"credentials: {type(given).__name__} is none of Credentials, boto3.Session, a botocore session, "
        "or an object with a method load()"
    )


def is_quick(source: CredentialsSource) -> bool:
    """Whether a source answers from memory, so that no thread is needed."""
    return isinstance(source, StaticSource | EnvironmentSource)


def resolve_endpoint(config: DynamoDbConfig) -> tuple[str, str]:
    """The region and the endpoint's URL. May read AWS' configuration files.

    Raises:
        ConfigurationError: If no region is known.
    """
    url = config.endpoint_url or endpoint_from_environment(os.environ)
    region = config.region or _region_of_session(config.credentials) or region_from_environment(os.environ)
    if region is None and url is not None:
        region = region_of_endpoint(url)
        if region is None and url.startswith("http://"):
            region = "us-east-1"  # an emulator: it takes any
    if region is None:
        region = _region_of_profile()
    if region is None:
        raise ConfigurationError(
            "no AWS region known: give DynamoDbConfig(region=...), or set AWS_REGION (for example eu-central-1)"
        )
    return region, url or regional_endpoint(region, os.environ)


def _region_of_session(given: Any) -> str | None:
    name = getattr(given, "region_name", None)  # boto3.Session
    if name is None and hasattr(given, "get_config_variable"):  # botocore.session.Session
        name = given.get_config_variable("region")
    return name if isinstance(name, str) else None


def _region_of_profile() -> str | None:
    try:
        session = botocore_session()
    except ConfigurationError:
        return None
    with _told_as_ours():
        name = session.get_config_variable("region")
    return name if isinstance(name, str) else None
