"""Refusals, with the status of each error (RFC 9457, problem details)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar

from torii_dynamodb.errors import AccountLocked, Overloaded, RateLimited, ToriiError, ValidationError

__all__ = ["REASONS", "STATUS", "Refusal", "refusal_of"]

R = TypeVar("R", bound="Refusal")

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


class Refusal(Exception):
    """A response that says what is wrong.

    Attributes:
        status_code: The HTTP status.
        code: A stable name: that of the ``ToriiError`` behind it, or ``not_signed_in``, ``session_required``,
            ``recent_sign_in_required``, ``email_not_verified``, ``other_user_signed_in``, ``cross_site``,
            ``body_too_large``, ``prefetch``, ``internal_error``.
        detail: What happened and what to do, for people.
        headers: More headers.
        extra: More members of the JSON.

    Args:
        status: The HTTP status.
        code: As above.
        detail: As above.
        headers: As above.
        extra: As above.
    """

    media_type = "application/problem+json"

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail)
        self.status_code = status
        self.code = code
        self.detail = detail
        self.headers: Mapping[str, str] = {"Cache-Control": "no-store", **(headers or {})}
        self.extra = dict(extra or {})

    def body(self) -> dict[str, Any]:
        """The JSON of the response."""
        title = HTTPStatus(self.status_code).phrase
        return {"title": title, "status": self.status_code, "code": self.code, "detail": self.detail, **self.extra}


def refusal_of(error: ToriiError, problem: type[R]) -> R:
    """The response to an error. An error that is not the client's fault is logged, and its details are left out.

    Args:
        error: The error.
        problem: The class of what is returned.
    """
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
        return problem(status, error.code, error.message, headers=headers, extra=extra)
    if isinstance(error, Overloaded):
        seconds = max(math.ceil(error.retry_after / timedelta(seconds=1)), 1)
        _log.warning("%s: %s", error.code, error.message)
        return problem(503, error.code, _BUSY, headers={"Retry-After": str(seconds)}, extra={"retry_after": seconds})
    known = f" (AWS request id {error.request_id})" if error.request_id else ""
    _log.error("%s: %s%s", error.code, error.message, known)
    if status == 503:
        return problem(503, error.code, _BUSY, headers={"Retry-After": "1"}, extra={"retry_after": 1})
    return problem(500, "internal_error", _INTERNAL)
