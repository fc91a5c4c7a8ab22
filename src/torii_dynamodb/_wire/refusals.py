"""Failed calls of the AWS APIs other than DynamoDB's, as public errors that say what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from torii_dynamodb._wire.apis import COGNITO, EVENTBRIDGE, SECRETS_MANAGER, SES, SNS, Api
from torii_dynamodb._wire.errors import ConnectFailed, Failure, ProxyRefused, ServiceError
from torii_dynamodb._wire.facts import REFUSED_CREDENTIALS
from torii_dynamodb.errors import (
    AccessDenied,
    ConfigurationError,
    RequestRejected,
    Throttled,
    ToriiError,
    Unavailable,
)

__all__ = ["certainly_not_done", "refusal"]

# What to do about the errors that the operator has to deal with, by API and code. Sources: Amazon SES API v2,
# "SendEmail"; SNS, "Publish"; EventBridge, "PutEvents"; Secrets Manager, "GetSecretValue".
_SET_UP: Final[Mapping[tuple[Api, str], str]] = {
    (COGNITO, "ResourceNotFoundException"): "correct the user pool or its app client, or the Region",
    (SES, "AccountSuspendedException"): "AWS has ended this account's permission to send mail; write to AWS Support",
    (SES, "MailFromDomainNotVerifiedException"): "verify the identity's MAIL FROM domain in this Region",
    (SES, "NotFoundException"): "create the configuration set in this Region, or correct configuration_set",
    (SES, "SendingPausedException"): (
        "sending is paused for this account or configuration set; resume it in the SES console"
    ),
    (SNS, "EndpointDisabled"): "the topic's endpoint is disabled; enable it",
    (SNS, "KMSAccessDenied"): "allow kms:GenerateDataKey and kms:Decrypt on the topic's key to these credentials",
    (SNS, "KMSDisabled"): "enable the topic's key",
    (SNS, "KMSInvalidState"): "check the state of the topic's key",
    (SNS, "KMSNotFound"): "give the topic a key that exists",
    (SNS, "NotFound"): "create the topic, or correct topic_arn",
    (EVENTBRIDGE, "ResourceNotFoundException"): "create the event bus in this Region, or correct event_bus",
    (SECRETS_MANAGER, "ResourceNotFoundException"): "create the secret in this Region, or correct its name",
}
# SES reports a missing identity as a rejected message ("Email address is not verified...").
_UNVERIFIED: Final = (
    "verify the sender's address or domain in this Region; while the account is in the SES sandbox, recipients must be "
    "verified, too: ask AWS for production access"
)
_ADDRESS: Final = re.compile(r"[^\s<>,;:\"']+@[^\s<>,;:\"']+")


def certainly_not_done(failure: Failure) -> bool:
    """Whether AWS certainly did not act on a request: it was not sent, or was refused before it was looked at."""
    return failure.kind in ("throttle", "skew", "expired") or isinstance(failure.error, ConnectFailed)


def refusal(api: Api, failure: Failure, *, where: str, attempts: int, why: str = "") -> ToriiError:
    """Return the public error for a failure that is not retried. Addresses in AWS's message are left out.

    Args:
        api: The API.
        failure: The last failure.
        where: Region and endpoint, for the message.
        attempts: How many requests were sent.
        why: Why it was not retried, if that is not obvious.
    """
    error, code, request_id = failure.error, failure.code, failure.request_id
    said = _ADDRESS.sub("(address)", error.message if isinstance(error, ServiceError) else str(error))
    on = f"{api.name} at {where}"
    tail = f" ({attempts} request{'s' if attempts != 1 else ''} sent{'; ' + why if why else ''})"
    made: ToriiError
    if failure.kind == "throttle":
        made = Throttled(
            f"{on}: throttled with {code}: {said}{tail}; slow down, or ask AWS for a higher rate",
            attempts=attempts,
            request_id=request_id,
        )
    elif code == "LimitExceededException":
        made = Throttled(
            f"{on}: {code}: {said}; the sending quota of 24 hours is used up: wait, or ask AWS for a higher one",
            attempts=attempts,
            request_id=request_id,
        )
    elif isinstance(error, ProxyRefused) and error.final:
        made = ConfigurationError(f"{on}: {said}; nothing was sent")
    elif failure.kind in ("transient", "timeout", "conflict", "stale"):
        unsure = "" if certainly_not_done(failure) else "; AWS may have acted on it, so it is not sent again"
        state = unsure if api.once else ""
        made = Unavailable(f"{on}: no success{tail}: {said}{state}", attempts=attempts, request_id=request_id)
    elif code in REFUSED_CREDENTIALS or (isinstance(error, ServiceError) and error.status in (401, 403)):
        hint = f"allow the action {api.action} to these credentials, and check them and the machine's clock"
        made = AccessDenied(f"{on}: {code}: {said}; {hint}", request_id=request_id)
    elif code == "MessageRejected" and "not verified" in said:
        made = ConfigurationError(f"{on}: {code}: {said}; {_UNVERIFIED}", request_id=request_id)
    elif (api, code) in _SET_UP:
        made = ConfigurationError(f"{on}: {code}: {said}; {_SET_UP[api, code]}", request_id=request_id)
    else:
        made = RequestRejected(f"{on}: {code}: {said}", aws_code=code, request_id=request_id)
    made.__cause__ = error.strip()
    return made
