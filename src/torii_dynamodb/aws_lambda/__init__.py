"""For functions on AWS Lambda: authorizers, and HTTP requests in all of AWS's formats. See ``docs/lambda.md``.

Everything here is loaded when it is first used, so that a cold start pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torii_dynamodb.aws_lambda.authorizers import AuthorizedCaller, Authorizer, Unauthorized
    from torii_dynamodb.aws_lambda.http import LambdaRequest

__all__ = ["AuthorizedCaller", "Authorizer", "LambdaRequest", "Unauthorized"]

# The module of each name.
_HOMES = {
    "AuthorizedCaller": "authorizers",
    "Authorizer": "authorizers",
    "LambdaRequest": "http",
    "Unauthorized": "authorizers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
