"""Errors as HTTP responses (RFC 9457, problem details), with the status of each error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from torii_dynamodb._web.problems import Refusal, refusal_of
from torii_dynamodb.errors import ToriiError

__all__ = ["Problem", "ProblemResponse", "problem_of", "render_problem", "validation_problem"]


class Problem(Refusal, HTTPException):  # type: ignore[misc]  # there are always headers
    """An HTTP response that says what is wrong: raised by the routes and the dependencies.

    Without :func:`render_problem`, FastAPI shows only its ``detail``.
    """


class ProblemResponse(JSONResponse):
    """A problem as a response."""

    media_type = Refusal.media_type

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.body(), status_code=problem.status_code, headers=problem.headers)


def problem_of(error: ToriiError) -> Problem:
    """The response to an error. An error that is not the client's fault is logged, and its details are left out."""
    return refusal_of(error, Problem)


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
