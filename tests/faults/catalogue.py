"""The faults of the matrix: what each is, and how a call must end when it lasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tests import fault_proxy as faults
from tests.fault_proxy import Fault

from torii_dynamodb.clock import Clock
from torii_dynamodb.errors import AccessDenied, Throttled, ToriiError, Unavailable

# How long a client waits for a response that never comes.
PATIENCE = 0.2

TEN_MINUTES = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One fault of the matrix.

    Args:
        title: What happens, for the page.
        once: Makes the fault that passes.
        always: Makes the one that lasts; if left out, the same.
        lasting: The error of a call during which it lasts; ``None``: it does no harm.
        applied: Whether the engine applies the write while the fault lasts.
        answered: Whether there is a response, so that the error has a request id.
        patience: The read time-out to use.
        rotating: Whether it needs credentials that can be fetched again.
        all_requests: Whether it also lasts for reads of an operation that writes.
        by_itself: Whether the fault ends by itself.
    """

    title: str
    once: Callable[[Clock], Fault]
    always: Callable[[Clock], Fault] | None = None
    lasting: type[ToriiError] | None = Unavailable
    applied: bool = False
    answered: bool = False
    patience: float = 10.0
    rotating: bool = False
    all_requests: bool = False
    by_itself: bool = False

    def make(self, clock: Clock, *, lasts: bool) -> Fault:
        """Return the fault: one that passes or one that lasts."""
        return (self.always or self.once)(clock) if lasts else self.once(clock)


def _plain(fault: Fault) -> Callable[[Clock], Fault]:
    return lambda _clock: fault


def _skewed(
    code: Literal["InvalidSignatureException", "RequestTimeTooSkewed"], *, always: bool = False
) -> Callable[[Clock], Fault]:
    def make(clock: Clock) -> Fault:
        return faults.clock_off(lambda: clock() + TEN_MINUTES, code, always=always)

    return make


def _told(fault: Fault, lasting: type[ToriiError] = Unavailable, *, applied: bool = False) -> Trouble:
    return Trouble(title=fault.name, once=_plain(fault), lasting=lasting, applied=applied, answered=True)


TROUBLES: dict[str, Trouble] = {
    "F1": Trouble(title="the connection is refused", once=_plain(faults.refused()), all_requests=True),
    "F2": Trouble(title="reset before the request is forwarded", once=_plain(faults.reset_before())),
    "F3": Trouble(title="reset while the request is forwarded", once=_plain(faults.reset_during())),
    "F4": Trouble(
        title="applied, the response lost (reset before its first byte)",
        once=_plain(faults.answer_lost()),
        applied=True,
    ),
    "F5": Trouble(title="applied, reset within the response", once=_plain(faults.reset_within_answer()), applied=True),
    "F6": Trouble(title="delayed", once=_plain(faults.delayed(0.01)), lasting=None),
    "F7": Trouble(title="the response comes byte by byte", once=_plain(faults.trickling()), lasting=None),
    "F8": Trouble(title="no response, not applied", once=_plain(faults.held(applied=False)), patience=PATIENCE),
    "F9": Trouble(
        title="applied, no response", once=_plain(faults.held(applied=True)), applied=True, patience=PATIENCE
    ),
    "F10": Trouble(title="applied, the response body cut", once=_plain(faults.body_cut()), applied=True),
    "F11": Trouble(
        title="applied, the response body corrupted (wrong checksum)",
        once=_plain(faults.body_corrupted()),
        applied=True,
        answered=True,
    ),
    "F12": _told(faults.server_error(500)),
    "F13": _told(faults.server_error(500, applied=True), applied=True),
    "F14": _told(faults.server_error(503)),
    "F15": _told(faults.throttled("ProvisionedThroughputExceededException"), Throttled),
    "F16": _told(faults.throttled("ThrottlingException"), Throttled),
    "F17": _told(faults.throttled("RequestLimitExceeded"), Throttled),
    "F18": _told(faults.conflict()),
    "F19": _told(faults.capacity_reason("ThrottlingError"), Throttled),
    "F20": _told(faults.capacity_reason("ProvisionedThroughputExceeded"), Throttled),
    "F21": Trouble(
        title="TransactionConflict beside a failed condition",
        once=_plain(faults.conflict_beside()),
        lasting=None,
    ),
    "F22": _told(faults.transaction_in_progress()),
    "F23": Trouble(
        title="ExpiredToken",
        once=_plain(faults.credentials_expired()),
        lasting=AccessDenied,
        answered=True,
        rotating=True,
    ),
    "F24": Trouble(
        title="clock ten minutes off, reported as InvalidSignatureException",
        once=_skewed("InvalidSignatureException"),
        always=_skewed("InvalidSignatureException", always=True),
        lasting=AccessDenied,
        answered=True,
        by_itself=True,
    ),
    "F25": Trouble(
        title="clock ten minutes off, reported as RequestTimeTooSkewed",
        once=_skewed("RequestTimeTooSkewed"),
        always=_skewed("RequestTimeTooSkewed", always=True),
        lasting=AccessDenied,
        answered=True,
        by_itself=True,
    ),
    "F26": Trouble(
        title="keys or items left unprocessed", once=_plain(faults.unprocessed()), lasting=Throttled, all_requests=True
    ),
}
"""The faults by the short names that head the matrix's columns."""
