"""The wire's own exceptions. Pure.

Wire errors do not leave the storage and admin layers. Some carry items that DynamoDB returned with a failed condition;
those hold password hashes, so they never show in ``repr`` or ``str``, and :meth:`WireError.strip` drops them before
the error becomes the cause of a public one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torii_dynamodb._wire.facts import Kind

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "BadResponse",
    "CancellationReason",
    "ConditionFailed",
    "ConnectFailed",
    "Disconnected",
    "Failure",
    "ProxyRefused",
    "ServiceError",
    "TimedOut",
    "TransactionCanceled",
    "TransportError",
    "WireError",
    "copy_error",
]

Item = dict[str, Any]


class WireError(Exception):
    """The base class of what the wire raises for the storage and admin layers. It never leaves the library."""

    def strip(self) -> WireError:
        """Drop every item that this error carries, and return the error: ``raise Public(...) from error.strip()``."""
        return self


class ConditionFailed(WireError):
    """A condition of a single write did not hold. Nothing was written.

    Attributes:
        item: The stored item, if ``ReturnValuesOnConditionCheckFailure`` asked for it and it exists. Contains secrets.
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
        code: ``"None"`` if the item was not the cause; otherwise DynamoDB's code, for example
            ``"ConditionalCheckFailed"``.
        message: DynamoDB's message.
        item: The stored item, if it was asked for. Contains secrets.
    """

    code: str
    message: str | None = None
    item: Item | None = field(default=None, repr=False)


class TransactionCanceled(WireError):
    """A transaction was cancelled. None of it was applied.

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
    """DynamoDB refused the request, or failed.

    Attributes:
        code: DynamoDB's name of the error, without its namespace.
        message: DynamoDB's message, without the values that it may have quoted.
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
    """A request got no response."""

    code = "TransportError"


class ConnectFailed(TransportError):
    """The connection failed: nothing was sent."""

    code = "ConnectFailed"


class ProxyRefused(ConnectFailed):
    """The proxy refused the connection: nothing was sent to DynamoDB.

    Attributes:
        final: Whether it will refuse the next attempt, too: it wants a password, or does not allow the address.
    """

    code = "ProxyRefused"

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


class TimedOut(TransportError):
    """No complete response arrived in time. The request may have been applied."""

    code = "TimedOut"


class Disconnected(TransportError):
    """The connection ended before the response was complete. The request may have been applied.

    Attributes:
        stale: Whether this was a reused connection that ended before the first byte of a response: most likely the
            server had closed it while it was idle.
    """

    code = "Disconnected"

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class BadResponse(TransportError):
    """The response is not usable: not HTTP, incomplete, not JSON, or with a wrong checksum."""

    code = "BadResponse"


class Failure:
    """One failed attempt, classified.

    Attributes:
        kind: What to do about it. ``throttle``, ``transient``, ``timeout`` and ``conflict`` are retried after a pause;
            ``stale`` at once, over a new connection; ``skew`` after correcting the clock; ``expired`` after
            fetching credentials; ``final`` is not retried.
        code: DynamoDB's name of the error, or that of the transport error.
        error: The exception that describes it.
        request_id: AWS' id of the request, if there was a response.
        server_time: The ``Date`` header, if there was a response.
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


def copy_error(error: Exception) -> Exception:
    """Copy an exception for another caller: raising one object in two places would mix their tracebacks."""
    copy = type(error).__new__(type(error))
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
