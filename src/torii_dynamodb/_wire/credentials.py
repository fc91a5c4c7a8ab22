"""Credentials in the environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from torii_dynamodb.config import Credentials

__all__ = ["from_environment"]


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """Return the credentials in environment variables; ``None`` if there are none (or only half of them)."""
    access = environ.get("AWS_ACCESS_KEY_ID")
    secret = environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        return None
    token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN") or None
    account = environ.get("AWS_ACCOUNT_ID") or None
    return Credentials(access_key_id=access, secret_access_key=secret, session_token=token, account_id=account)
