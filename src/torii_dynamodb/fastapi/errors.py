"""Errors as HTTP responses (RFC 9457, problem details), with the status of each error."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from torii_dynamodb.errors import AccountLocked, Overloaded, RateLimited, ToriiError, ValidationError

__all__ = ["REASONS", "STATUS", "Problem", "ProblemResponse", "problem_of", "render_problem", "validation_problem"]

_log = logging.getLogger("torii_dynamodb")

STATUS: Mapping[str, int] = {
    "account_locked": 429,
    "account_locked_by_administrator": 423,
    "already_exists": 409,
    "body_too_large": 413,
    "cache_unavailable": 503,
    "cloned_authenticator": 401,
    "cross_site": 403,
    "email_not_verified": 403,
    "internal_error": 500,
    "invalid_code": 400,
    "invalid_credentials": 401,
    "invalid_token": 400,
    "item_too_large": 413,
    "last_sign_in_method": 409,
    "not_found": 404,
    "not_signed_in": 401,
    "oauth_error": 400,
    "other_user_signed_in": 409,
    "overloaded": 503,
    "passkey_error": 400,
    "provider_disconnected": 403,
    "rate_limited": 429,
    "recent_sign_in_required": 403,
    "revoked": 409,
    "second_factor_required": 403,
    "session_required": 403,
    "throttled": 503,
    "too_many_factors": 409,
    "too_many_identities": 409,
    "unavailable": 503,
    "validation_error": 422,
    "version_conflict": 409,
}
"""The status of each error, by its code."""
REASONS: Mapping[tuple[str, str], int] = {
    ("oauth_error", "provider"): 502,
    ("oauth_error", "confirm"): 403,
    ("oauth_error", "disconnected"): 403,
    ("oauth_error", "email_unverified"): 403,
    ("oauth_error", "no_account"): 403,
    ("oauth_error", "refused"): 403,
    ("passkey_error", "unknown"): 401,
    ("passkey_error", "refused"): 401,
}
"""The status of errors for which it depends on the reason."""
# Internal details go to the log, not to the client.
_INTERNAL = "something went wrong; the error was logged"
_BUSY = "the service is busy; try again"


class Problem(HTTPException):
    """An HTTP response that says what is wrong: raised by the routes and the dependencies.

    Without :func:`render_problem`, FastAPI shows only its ``detail``.

    Attributes:
        code: A stable name: that of the ``ToriiError`` behind it, or ``not_signed_in``, ``session_required``,
            ``recent_sign_in_required``, ``email_not_verified``, ``other_user_signed_in``, ``cross_site``,
            ``body_too_large``, ``prefetch``, ``internal_error``.
        extra: More members of the JSON.

    Args:
        status: The HTTP status.
        code: As above.
        detail: What happened and what to do, for people.
        headers: More headers.
        extra: As above.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, headers={"Cache-Control": "no-store", **(headers or {})})
        self.code = code
        self.extra = dict(extra or {})

    def body(self) -> dict[str, Any]:
        """The JSON of the response."""
        title = HTTPStatus(self.status_code).phrase
        return {"title": title, "status": self.status_code, "code": self.code, "detail": self.detail, **self.extra}


class ProblemResponse(JSONResponse):
    """A problem as a response."""

    media_type = "application/problem+json"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.body(), status_code=problem.status_code, headers=problem.headers)


def problem_of(error: ToriiError) -> Problem:
    """The response to an error. An error that is not the client's fault is logged, and its details are left out."""
    reason = getattr(error, "reason", None) if not isinstance(error, ValidationError) else None
    status = REASONS.get((error.code, str(reason))) or STATUS.get(error.code, 500)
    extra: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, AccountLocked) and error.retry_after is None:
        status = STATUS["account_locked_by_administrator"]  # waiting does not help
    if isinstance(error, AccountLocked | RateLimited) and error.retry_after is not None:
        seconds = max(math.ceil(error.retry_after / timedelta(seconds=1)), 1)
        headers["Retry-After"] = str(seconds)
        extra["retry_after"] = seconds
    if isinstance(error, ValidationError):
        extra["errors"] = [{"field": error.field, "message": error.reason}]
    if isinstance(reason, str):
        extra["reason"] = reason
    if status < 500 or status == 502:
        return Problem(status, error.code, error.message, headers=headers, extra=extra)
    if isinstance(error, Overloaded):
        seconds = max(math.ceil(error.retry_after / timedelta(seconds=1)), 1)
        _log.warning("%s: %s", error.code, error.message)
        return Problem(503, error.code, _BUSY, headers={"Retry-After": str(seconds)}, extra={"retry_after": seconds})
    _log.error("%s: %s (AWS request id %s)", error.code, error.message, error.request_id)
    if status == 503:
        return Problem(503, error.code, _BUSY, headers={"Retry-After": "1"}, extra={"retry_after": 1})
    return Problem(500, "internal_error", _INTERNAL)


def validation_problem(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """The response to an invalid request. What was sent is not repeated, because it may be a password."""
    shown = [
        {"field": ".".join(str(part) for part in error["loc"] if part != "body"), "message": error["msg"]}
        for error in errors
    ]
    return Problem(422, "validation_error", "the request is not valid", extra={"errors": shown})


async def render_problem(_: Request, error: Exception) -> ProblemResponse:
    """An exception handler: ``app.add_exception_handler(Problem, render_problem)``, and the same for ``ToriiError``."""
    if isinstance(error, ToriiError):
        return ProblemResponse(problem_of(error))
    if isinstance(error, Problem):
        return ProblemResponse(error)
    raise error
