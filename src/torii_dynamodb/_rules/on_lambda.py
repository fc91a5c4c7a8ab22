"""Whether this process runs on AWS Lambda, which freezes it between invocations."""

from __future__ import annotations

import os

__all__ = ["on_lambda"]


def on_lambda() -> bool:
    """Return whether this is AWS Lambda, also in a container image or a custom runtime.

    Lambda Developer Guide, "Defined runtime environment variables": every runtime gets the function's name; nobody can
    set the variable in a function's configuration.
    """
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ or os.environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_Lambda_")
