"""What Cognito's answers to a sign-in mean.

Source: Amazon Cognito user pools API reference, "AdminInitiateAuth" and "AdminGetUser".
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from torii_dynamodb.errors import RequestRejected, Throttled
from torii_dynamodb.legacy import LegacyRefused, LegacyUser

__all__ = ["after_password", "refused", "secret_hash", "user"]

# The password was right, and only a second factor is missing.
_SECOND_FACTORS: Final = ("SOFTWARE_TOKEN_MFA", "SMS_MFA", "EMAIL_OTP", "SELECT_MFA_TYPE")
# The password was right, and nothing else was asked for: the pool wants a second factor that was never set up.
_COMPLETE: Final = ("MFA_SETUP",)
_NOT_METADATA: Final = ("sub", "email", "email_verified", "name", "given_name", "family_name", "identities")


def secret_hash(client_id: str, client_secret: str, username: str) -> str:
    """Return ``SECRET_HASH`` ("Computing secret hash values" in the developer guide)."""
    digest = hmac.digest(client_secret.encode(), (username + client_id).encode(), "sha256")
    return base64.b64encode(digest).decode()


def after_password(response: Mapping[str, Any], *, without_second_factors: bool) -> None:
    """Check that an answer means that the password was right, and that nothing else is missing.

    Raises:
        LegacyRefused: Something else is missing: the reason is the name of Cognito's challenge.
    """
    challenge = response.get("ChallengeName")
    if "AuthenticationResult" in response or challenge in _COMPLETE:
        return
    if challenge in _SECOND_FACTORS and without_second_factors:
        return
    raise LegacyRefused(str(challenge or "Cognito's response has neither a result nor a challenge"))


def refused(error: Exception) -> LegacyRefused | None:
    """Return what a refusal by Cognito means: ``None`` for a wrong password or address, or a disabled user.

    Raises:
        Exception: The error itself, if it has nothing to do with the user.
    """
    if isinstance(error, Throttled):
        return LegacyRefused("TooManyRequestsException")
    if not isinstance(error, RequestRejected):
        raise error
    if error.aws_code == "UserNotFoundException":
        return None
    # The same name also means a wrong client secret, and too many wrong passwords.
    if error.aws_code == "NotAuthorizedException" and not any(
        word in error.message.lower() for word in ("secret", "attempts", "client")
    ):
        return None
    # UserNotConfirmedException, PasswordResetRequiredException, and what is wrong with the pool or its triggers.
    return LegacyRefused(error.message if error.aws_code == "NotAuthorizedException" else error.aws_code)


def user(response: Mapping[str, Any], *, without_second_factors: bool) -> LegacyUser:
    """Return the user of ``AdminGetUser``.

    The address is verified if ``email_verified`` says so. All attributes without a field become metadata.

    Raises:
        LegacyRefused: The user has no address.
    """
    listed = cast("list[Mapping[str, str]]", response.get("UserAttributes") or [])
    attributes = {one["Name"]: one.get("Value", "") for one in listed}
    if not attributes.get("email"):
        raise LegacyRefused("the user has no email address")
    names = [attributes.get(part, "") for part in ("given_name", "family_name")]
    created = response.get("UserCreateDate")
    factors = cast("list[str]", response.get("UserMFASettingList") or [])
    return LegacyUser(
        email=attributes["email"],
        id=attributes.get("sub") or response.get("Username"),
        name=attributes.get("name") or " ".join(filter(None, names)) or None,
        email_verified=attributes.get("email_verified") == "true",
        created_at=datetime.fromtimestamp(created, UTC) if isinstance(created, int | float) else None,
        locked=response.get("Enabled") is False,
        metadata={key: value for key, value in attributes.items() if key not in _NOT_METADATA},
        other_factors=() if without_second_factors else tuple(factors),
    )
