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


def copy_error(error: Exception) -> Exception:
    """Another exception that says the same, for another caller: one object raised in two places mixes tracebacks."""
    copy = type(error).__new__(type(error))
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
