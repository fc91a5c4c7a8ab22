"""Where credentials come from: the protocol that a source of your own fulfils, and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

from torii_dynamodb.config import Credentials

__all__ = ["CredentialsSource", "from_environment"]


@runtime_checkable
class CredentialsSource(Protocol):
    """A source of credentials of your own, for ``DynamoDbConfig(credentials=...)``."""

    def load(self) -> tuple[Credentials, datetime | None]:
        """Return credentials that work now, and until when (aware), or ``None`` if they do not expire.

        It may block: it is called in a thread in the asynchronous library; ahead of expiry, off the path of any
        request; and again when AWS says that the credentials have expired.
        """
        ...


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """The credentials that stand in the environment variables, ``None`` if there are none (or half of them)."""
    access = environ.get("AWS_ACCESS_KEY_ID")
    secret = environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        return None
    token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN") or None
    account = environ.get("AWS_ACCOUNT_ID") or None
    return Credentials(access_key_id=access, secret_access_key=secret, session_token=token, account_id=account)
