"""Errors of the local engines."""

from __future__ import annotations

from torii_dynamodb.errors import ToriiError

__all__ = ["EngineError", "EngineOptionError"]


class EngineError(ToriiError):
    """A local engine is missing or could not be started. The message says what to do."""

    code = "engine_error"


class EngineOptionError(EngineError):
    """The requested port or database file cannot be used."""
