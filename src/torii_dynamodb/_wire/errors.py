"""What went wrong with a request: the wire's own exceptions, and the map from DynamoDB's answers to them. Pure.

Wire errors do not leave the storage and admin layers. Some carry items that DynamoDB returned with a failed condition;
those hold password hashes, so they never show in ``repr`` or ``str``, and :meth:`WireError.strip` drops them before
the error becomes the cause of a public one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from torii_dynamodb import errors as public
from torii_dynamodb._wire.json import DecodeError, list_of, loads, object_of

if TYPE_CHECKING:
    from datetime import datetime

    from torii_dynamodb._wire.http import Response

__all__ = [
    "DATA_PLANE",
    "TRANSIENT_REASONS",
    "BadResponse",
    "CancellationReason",
    "ConditionFailed",
    "ConnectFailed",
    "Disconnected",
    "Failure",
    "ServiceError",
    "TimedOut",
    "TransactionCanceled",
    "TransportError",
    "WireError",
    "blames_keys",
    "copy_error",
    "failure_of_response",
    "failure_of_transport",
    "final_error",
    "is_not_offered",
    "torn_answer",
]

DATA_PLANE = frozenset(
    {
        "BatchExecuteStatement",
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "ExecuteStatement",
        "ExecuteTransaction",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
"""Operations on items. A missing table is a mistake of configuration there; elsewhere it is an answer."""

Item = dict[str, Any]

Kind = Literal["throttle", "transient", "timeout", "conflict", "skew", "expired", "stale", "final"]


class WireError(Exception):
    """The root of what the wire raises for the storage and admin layers. Never reaches a caller of the library."""

    def strip(self) -> WireError:
        """Drop every item this error carries, and return it: ``raise Public(...) from error.strip()``."""
        return self


class ConditionFailed(WireError):
    """A condition of a single write did not hold. Nothing was written.

    Attributes:
        item: The stored item, if ``ReturnValuesOnConditionCheckFailure`` asked for it and there is one. Holds secrets.
        request_id: AWS' id of the request.
    """

    def __init__(self, item: Item | None, request_id: str | None) -> None:
        super().__init__("a condition of the write did not hold")
        self.item = item
        self.request_id = request_id

    def __repr__(self) -> str:
        return f"ConditionFailed(request_id={self.request_id!r})"

    def strip(self) -> ConditionFailed:
        self.item = None
        return self


@dataclass(frozen=True, slots=True)
class CancellationReason:
    """Why one item of a transaction was refused.

    Args:
        code: ``"None"`` where the item was not the cause, else DynamoDB's code, e.g. ``"ConditionalCheckFailed"``.
        message: DynamoDB's words.
        item: The stored item, if it was asked for. Holds secrets.
    """

    code: str
    message: str | None = None
    item: Item | None = field(default=None, repr=False)


class TransactionCanceled(WireError):
    """A transaction was cancelled. Nothing of it was applied.

    Attributes:
        reasons: One for each item, in the order of the request.
        request_id: AWS' id of the request.
    """

    def __init__(self, reasons: tuple[CancellationReason, ...], request_id: str | None) -> None:
        super().__init__(
            f"the transaction was cancelled: {', '.join(reason.code for reason in reasons) or 'no reason'}"
        )
        self.reasons = reasons
        self.request_id = request_id

    def __repr__(self) -> str:
        return f"TransactionCanceled({[reason.code for reason in self.reasons]}, request_id={self.request_id!r})"

    def strip(self) -> TransactionCanceled:
        self.reasons = tuple(CancellationReason(reason.code, reason.message) for reason in self.reasons)
        return self


class ServiceError(WireError):
    """DynamoDB refused, or failed.

    Attributes:
        code: DynamoDB's name of the error, without its namespace.
        message: DynamoDB's words, without the values it may have quoted.
        status: The HTTP status.
        request_id: AWS' id of the request.
    """

    def __init__(self, code: str, message: str, status: int, request_id: str | None) -> None:
        super().__init__(f"{code} ({status}): {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class TransportError(WireError):
    """A request did not get an answer."""

    code = "TransportError"


class ConnectFailed(TransportError):
    """No connection could be made: nothing was sent."""

    code = "ConnectFailed"


class ProxyRefused(ConnectFailed):
    """The proxy did not connect us: nothing was sent to DynamoDB.

    Attributes:
        final: Whether it will say the same next time (it wants a password, it does not allow the address).
    """

    code = "ProxyRefused"

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


class TimedOut(TransportError):
    """No complete answer came in time. It is unknown whether the request was carried out."""

    code = "TimedOut"


class Disconnected(TransportError):
    """The connection ended before the answer was complete. It is unknown whether the request was carried out.

    Attributes:
        stale: Whether this was a kept connection that ended before a single byte of an answer: most likely the other
            side had closed it while it was idle.
    """

    code = "Disconnected"

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class BadResponse(TransportError):
    """What came back is no answer: not HTTP, torn, not JSON, or with a wrong checksum."""

    code = "BadResponse"


class Failure:
    """One failed attempt, understood.

    Attributes:
        kind: What to do about it. ``throttle``, ``transient``, ``timeout`` and ``conflict`` are worth another try
            later; ``stale`` at once, over a new connection; ``skew`` after correcting the clock; ``expired`` after
            fetching credentials; ``final`` is not worth any.
        code: DynamoDB's name of the error, or the transport error's.
        error: The exception that tells it.
        request_id: AWS' id of the request, where there was an answer.
        server_time: The server's ``Date``, where there was an answer.
    """

    __slots__ = ("code", "error", "kind", "request_id", "server_time")

    def __init__(
        self,
        kind: Kind,
        code: str,
        error: WireError,
        request_id: str | None = None,
        server_time: datetime | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.code = code
        self.error = error
        self.request_id = request_id
        self.server_time = server_time


# Sources: DynamoDB Developer Guide, "Error handling"; botocore's _retry.json and standard retry mode.
_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_CONFLICTS = frozenset(
    {"ReplicatedWriteConflictException", "TransactionConflictException", "TransactionInProgressException"}
)
_TRANSIENT = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerErrorException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
# These come for credentials that were rotated away, too: fetching them once more may help.
_UNKNOWN_CREDENTIALS = frozenset({"InvalidClientTokenId", "UnrecognizedClientException"})
_SKEW = frozenset({"RequestInTheFuture", "RequestTimeTooSkewed"})
_SIGNATURE = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccountProblem",
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "UnauthorizedOperation",
    }
)
TRANSIENT_REASONS: Mapping[str, Kind] = {
    "ProvisionedThroughputExceeded": "throttle",
    "ThrottlingError": "throttle",
    "TransactionConflict": "conflict",
}

# What emulators and compatible databases answer to an operation that they leave out.
_NOT_OFFERED = frozenset(
    {
        "InvalidAction",
        "NotImplemented",
        "NotImplementedException",
        "UnknownAction",
        "UnknownOperation",
        "UnknownOperationException",
        "UnsupportedOperation",
        "UnsupportedOperationException",
    }
)

# Validation messages may quote what was sent ("Value '...' at 'item' failed to satisfy constraint").
_QUOTED = re.compile(r"'(?:[^'\\]|\\.){0,}?'(?= at ')|\{[^{}]*\}", re.DOTALL)


def is_not_offered(code: str, status: int) -> bool:
    """Whether an answer means that the endpoint does not know the operation.

    A refusal (401, 403), a throttle, an outage (500, 503) or a missing table never does.

    Args:
        code: The error's name; where the answer has none, ``Http404`` as this library or ``404`` as botocore calls it.
        status: The HTTP status.
    """
    if status in (401, 403):
        return False
    # LocalStack answers 501 with the code InternalFailure; a server that routes by path answers 404 or 405.
    return code in _NOT_OFFERED or status == 501 or (status in (404, 405) and code in (f"Http{status}", str(status)))


def failure_of_transport(error: TransportError) -> Failure:
    """Understand a request that got no answer."""
    if isinstance(error, TimedOut):
        return Failure("timeout", error.code, error)
    if isinstance(error, Disconnected) and error.stale:
        return Failure("stale", error.code, error)
    if isinstance(error, ProxyRefused) and error.final:
        return Failure("final", error.code, error)
    return Failure("transient", error.code, error)


def torn_answer(response: Response, reason: str) -> Failure:
    """Understand an answer with status 200 that cannot be used: a wrong checksum, or no JSON."""
    return Failure("transient", BadResponse.code, BadResponse(reason), request_id(response))


def request_id(response: Response) -> str | None:
    """AWS' id of the request, if the answer has one."""
    value = response.header(b"x-amzn-requestid")
    return value.decode("latin-1") if value else None


def failure_of_response(response: Response) -> Failure:
    """Understand an answer whose status is not 200."""
    status = response.status
    document = _document(response.body)
    code = _code(document, response)
    identity = request_id(response)
    message = _message(document)
    kind: Kind = "final"
    if code == "ConditionalCheckFailedException":
        return Failure(kind, code, ConditionFailed(object_of(document.get("Item")) or None, identity), identity)
    if code == "TransactionCanceledException":
        reasons = _reasons(document, message)
        return Failure(_kind_of_reasons(reasons), code, TransactionCanceled(reasons, identity), identity)
    if code in _THROTTLES:
        kind = "throttle"
    elif code in _CONFLICTS:
        kind = "conflict"
    elif is_not_offered(code, status):
        pass  # asking again does not help
    elif code in _TRANSIENT or status >= 500:
        kind = "transient"
    elif code in _EXPIRED or code in _UNKNOWN_CREDENTIALS:
        kind = "expired"
    elif code in _SKEW or code in _SIGNATURE:
        kind = "skew"
    error = ServiceError(code, message, status, identity)
    return Failure(kind, code, error, identity, _date(response.header(b"date")))


# What DynamoDB says of requests whose keys are not the table's; emulators use the same words.
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


def final_error(
    failure: Failure, *, operation: str, tables: tuple[str, ...], where: str, attempts: int, why: str = ""
) -> Exception:
    """The exception that tells the storage, admin or caller about a failure that is not tried again.

    Args:
        failure: The last one.
        operation: What was asked.
        tables: The tables it was asked of.
        where: Region and endpoint, for the message.
        attempts: How many requests were sent.
        why: Why it was not tried again, if that is not plain.
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
        message = f"{on}: DynamoDB throttles, lastly with {code}{tail}; raise the capacity or slow down"
        return public.Throttled(message, attempts=attempts, request_id=identity)
    if failure.kind in ("transient", "timeout", "conflict", "stale"):
        said = str(error)
        message = f"{on} at {where}: no success{tail}; lastly: {said}"
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
    if code in _DENIED or (isinstance(error, ServiceError) and error.status in (401, 403)):
        hint = f"allow the action dynamodb:{operation} on these tables to these credentials"
        return public.AccessDenied(f"{on} at {where}: {code}: {said}; {hint}", request_id=identity)
    if operation not in DATA_PLANE:
        return error
    if code == "ResourceNotFoundException":
        names = ", ".join(tables) or "(unknown)"
        message = (
            f"{operation}: a table is missing at {where}: {names}; create it with `torii-dynamodb tables ensure`, "
            "or mend table_prefix, table_names, region or endpoint_url"
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
            # Proxies, and emulators that check permissions, answer with XML or HTML.
            found = re.search(rb"<Code>([A-Za-z.]{1,100})</Code>", response.body[:4096])
            name = found.group(1).decode("ascii") if found else f"Http{response.status}"
    return name.rsplit("#", 1)[-1]


def _message(document: Mapping[str, Any]) -> str:
    message = document.get("message") or document.get("Message") or ""
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
    kinds = {TRANSIENT_REASONS.get(reason.code, "final") for reason in reasons if reason.code != "None"}
    if not kinds or "final" in kinds:
        return "final"
    return "throttle" if "throttle" in kinds else "conflict"


def _date(value: bytes | None) -> datetime | None:
    if value is None:
        return None
    from email.utils import parsedate_to_datetime  # here, because it costs every start and serves few errors

    try:
        return parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, TypeError):
        return None


def copy_error(error: Exception) -> Exception:
    """Another exception that says the same, for another caller: one object raised in two places mixes tracebacks."""
    copy = type(error).__new__(type(error))
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
