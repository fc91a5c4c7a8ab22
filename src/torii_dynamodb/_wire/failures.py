"""The meaning of failed requests, and the exceptions for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from torii_dynamodb import errors as public
from torii_dynamodb._messages import Response
from torii_dynamodb._wire.errors import (
    BadResponse,
    CancellationReason,
    ConditionFailed,
    Disconnected,
    Failure,
    ProxyRefused,
    ServiceError,
    TimedOut,
    TransactionCanceled,
    TransportError,
)
from torii_dynamodb._wire.facts import DATA_PLANE, DENIED, KINDS, NOT_OFFERED, REASON_KINDS, Kind
from torii_dynamodb._wire.json import DecodeError, list_of, loads, object_of

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "blames_keys",
    "failure_of_response",
    "failure_of_transport",
    "final_error",
    "is_not_offered",
    "request_id",
    "torn_answer",
]

# Validation messages may quote the request ("Value '...' at 'item' failed to satisfy constraint").
_QUOTED = re.compile(r"'(?:[^'\\]|\\.){0,}?'(?= at ')|\{[^{}]*\}", re.DOTALL)


def is_not_offered(code: str, status: int) -> bool:
    """Whether a response means that the endpoint does not know the operation.

    A refusal (401, 403), a throttle, an outage (500, 503) or a missing table never does.

    Args:
        code: The error's code; without one, ``Http404`` as in this library or ``404`` as in botocore.
        status: The HTTP status.
    """
    if status in (401, 403):
        return False
    # LocalStack returns 501 with the code InternalFailure; a server that routes by path returns 404 or 405.
    return code in NOT_OFFERED or status == 501 or (status in (404, 405) and code in (f"Http{status}", str(status)))


def failure_of_transport(error: TransportError) -> Failure:
    """Classify a request that got no response."""
    if isinstance(error, TimedOut):
        return Failure("timeout", error.code, error)
    if isinstance(error, Disconnected) and error.stale:
        return Failure("stale", error.code, error)
    if isinstance(error, ProxyRefused) and error.final:
        return Failure("final", error.code, error)
    return Failure("transient", error.code, error)


def torn_answer(response: Response, reason: str) -> Failure:
    """Classify a response with status 200 that cannot be used: a wrong checksum, or invalid JSON."""
    return Failure("transient", BadResponse.code, BadResponse(reason), request_id(response))


def request_id(response: Response) -> str | None:
    """Return AWS's id of the request, if the response has one."""
    value = response.header(b"x-amzn-requestid")
    return value.decode("latin-1") if value else None


def failure_of_response(response: Response) -> Failure:
    """Classify a response whose status is not 200."""
    status = response.status
    document = _document(response.body)
    code = _code(document, response)
    identity = request_id(response)
    message = _message(document, response)
    kind: Kind = "final"
    if code == "ConditionalCheckFailedException":
        return Failure(kind, code, ConditionFailed(object_of(document.get("Item")) or None, identity), identity)
    if code == "TransactionCanceledException":
        reasons = _reasons(document, message)
        return Failure(_kind_of_reasons(reasons), code, TransactionCanceled(reasons, identity), identity)
    kind = KINDS.get(code, "transient" if status >= 500 else "throttle" if status == 429 else "final")
    if kind not in ("throttle", "conflict") and is_not_offered(code, status):
        kind = "final"  # a retry does not help
    error = ServiceError(code, message, status, identity)
    return Failure(kind, code, error, identity, _date(response.header(b"date")))


# DynamoDB's messages for requests whose keys are not the table's; emulators use the same ones.
_KEYS = (
    r"(?i)does not match the schema|Missing the key |Type mismatch for (?:key|Index Key)|missed key schema element"
    r"|does not have the specified index|number of conditions on the keys is invalid"
)


def blames_keys(failure: Failure) -> bool:
    """Whether DynamoDB refused because a key or an index is not the table's."""
    error = failure.error
    if isinstance(error, ServiceError):
        return error.code == "ValidationException" and re.search(_KEYS, error.message) is not None
    if isinstance(error, TransactionCanceled):
        return any(
            reason.code == "ValidationError" and re.search(_KEYS, reason.message or "") is not None
            for reason in error.reasons
        )
    return False


# Transactions are no actions of IAM: AWS checks those of their parts (Developer Guide, "Using IAM with DynamoDB
# transactions").
_ACTIONS: Final[Mapping[str, str]] = {
    "TransactWriteItems": "actions dynamodb:PutItem, UpdateItem, DeleteItem and ConditionCheckItem",
    "TransactGetItems": "action dynamodb:GetItem",
}


def final_error(
    failure: Failure, *, operation: str, tables: tuple[str, ...], where: str, attempts: int, why: str = ""
) -> Exception:
    """Return the exception for a failure that is not retried.

    Args:
        failure: The last failure.
        operation: The operation.
        tables: Its tables.
        where: Region and endpoint, for the message.
        attempts: How many requests were sent.
        why: Why it was not retried, if that is not obvious.
    """
    error = failure.error
    if isinstance(error, ConditionFailed):
        return error
    if isinstance(error, TransactionCanceled) and failure.kind == "final":
        return error
    made = public_error(failure, operation, tables, where, attempts, why)
    if made is not error:
        made.__cause__ = error.strip()
    return made


def public_error(
    failure: Failure, operation: str, tables: tuple[str, ...], where: str, attempts: int, why: str
) -> Exception:
    error = failure.error
    code = failure.code
    identity = failure.request_id
    on = f"{operation} on {', '.join(tables)}" if tables else operation
    tail = f" ({attempts} request{'s' if attempts != 1 else ''} sent{'; ' + why if why else ''})"
    if failure.kind == "throttle":
        message = f"{on}: DynamoDB throttles, most recently with {code}{tail}; raise the capacity or slow down"
        return public.Throttled(message, attempts=attempts, request_id=identity)
    if failure.kind in ("transient", "timeout", "conflict", "stale"):
        said = str(error)
        message = f"{on} at {where}: no success{tail}; last error: {said}"
        return public.Unavailable(message, attempts=attempts, request_id=identity)
    said = error.message if isinstance(error, ServiceError) else str(error)
    if isinstance(error, ProxyRefused):
        return public.ConfigurationError(f"{on}: {said}; nothing was sent to DynamoDB")
    if failure.kind == "skew":
        hint = "check the secret access key, and the machine's clock"
        return public.AccessDenied(f"{on} at {where}: {code}: {said}; {hint}", request_id=identity)
    if failure.kind == "expired":
        hint = "the credentials are expired or unknown, and fetching them again did not help"
        return public.AccessDenied(f"{on} at {where}: {code}: {said}; {hint}", request_id=identity)
    if code in DENIED or (isinstance(error, ServiceError) and error.status in (401, 403)):
        allowed = _ACTIONS.get(operation, f"action dynamodb:{operation}")
        hint = f"allow the {allowed} on these tables to these credentials"
        return public.AccessDenied(f"{on} at {where}: {code}: {said}; {hint}", request_id=identity)
    if operation not in DATA_PLANE:
        return error
    if code == "ResourceNotFoundException":
        names = ", ".join(tables) or "(unknown)"
        message = (
            f"{operation}: a table is missing at {where}: {names}; create it with `torii-dynamodb tables ensure`, "
            "or correct its name, region or endpoint_url"
        )
        return public.ConfigurationError(message, request_id=identity)
    return public.RequestRejected(f"{on}: {code}: {said}", aws_code=code, request_id=identity)


def _document(body: bytes) -> dict[str, Any]:
    try:
        return object_of(loads(body))
    except DecodeError:
        return {}


def _code(document: Mapping[str, Any], response: Response) -> str:
    name = document.get("__type") or document.get("code") or document.get("Code")
    if not isinstance(name, str):
        header = response.header(b"x-amzn-errortype")
        if header:
            name = header.decode("latin-1").split(":", 1)[0]
        else:
            # Proxies, and emulators that check permissions, return XML or HTML.
            found = re.search(rb"<Code>([A-Za-z.]{1,100})</Code>", response.body[:4096])
            name = found.group(1).decode("ascii") if found else f"Http{response.status}"
    return name.rsplit("#", 1)[-1]


def _message(document: Mapping[str, Any], response: Response) -> str:
    message = document.get("message") or document.get("Message")
    if message is None:
        found = re.search(rb"<Message>([^<]{1,2000})</Message>", response.body[:4096])
        message = found.group(1).decode("utf-8", "replace") if found else ""
    return _safe(message) if isinstance(message, str) else ""


def _safe(message: str) -> str:
    return _QUOTED.sub("(hidden)", message[:2000])[:500]


def _reasons(document: Mapping[str, Any], message: str) -> tuple[CancellationReason, ...]:
    given = list_of(document.get("CancellationReasons"))
    if given:
        return tuple(_reason(object_of(reason)) for reason in given)
    # Only in the message: "... specific reasons [None, ConditionalCheckFailed]"
    found = re.search(r"\[([A-Za-z, ]+)\]", message)
    return tuple(CancellationReason(code.strip()) for code in found.group(1).split(",")) if found else ()


def _reason(given: Mapping[str, Any]) -> CancellationReason:
    message = given.get("Message")
    return CancellationReason(
        str(given.get("Code") or "None"),
        _safe(message) if isinstance(message, str) else None,
        object_of(given.get("Item")) or None,
    )


def _kind_of_reasons(reasons: tuple[CancellationReason, ...]) -> Kind:
    kinds = {REASON_KINDS.get(reason.code, "final") for reason in reasons if reason.code != "None"}
    if not kinds or "final" in kinds:
        return "final"
    return "throttle" if "throttle" in kinds else "conflict"


def _date(value: bytes | None) -> datetime | None:
    if value is None:
        return None
    from email.utils import (
        parsedate_to_datetime,
    )  # here, because few errors need it

    try:
        return parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, TypeError):
        return None
